"""The report: one HTML page that works anywhere, and the same facts as JSON."""

import json
import platform
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from catalog import __version__
from catalog.database.ledger import Run, stages
from catalog.database.queries import load
from catalog.metadata import LABELS
from catalog.releases import load_release
from catalog.validation.checks import Checks
from catalog.validation.figures import Drawing
from catalog.validation.images import Embedded, embed, picture_size
from catalog.validation.pages import nice, page_environment, style_sheet
from catalog.validation.parity import Parity, write_csv
from catalog.validation.results import STATUSES, Result, find, format_value, verdict
from catalog.validation.uncertainties import uncertainty_table

__all__ = ["Report", "write_report"]

SCHEMA = 1
"""Version of the layout of ``report.json``: it rises when a key goes or changes its meaning, not when one is added."""


_PACKAGES = ("numpy", "keras", "tensorflow-cpu", "tensorflow", "openTSNE", "scikit-learn", "psycopg", "matplotlib")


@dataclass(frozen=True)
class Report:
    """What the page tells."""

    run: Run
    checks: Checks
    results: Sequence[Result]
    drawings: Sequence[Drawing]
    counts: Mapping[str, int | float | str]
    parity: Parity | None = None
    """The paper's numbers beside the run's."""


def write_report(connection: Connection, report: Report, folder: Path) -> None:
    """Write ``report.html``, ``report.json`` and ``parity.csv`` into `folder`, beside the figures.

    Parameters
    ----------
    connection : psycopg.Connection
        For provenance: run, ensemble, stages, files.
    report : Report
    folder : Path
        Existing folder that holds the figures.
    """
    provenance = _provenance(connection, report.run)
    told = verdict(report.results)
    facts = {
        "schema": SCHEMA,
        "written": provenance["written"],
        "run": {**provenance["run"], "release": report.run.release, "synthetic": report.run.profile.mock is not None},
        "verdict": {"status": told.status, "headline": told.headline, "counts": told.counts},
        "counts": dict(report.counts),
        "ensemble": provenance["ensemble"],
        "software": provenance["software"],
        "files": provenance["files"],
        "figures": [_figure(drawing) for drawing in report.drawings],
        "thresholds": report.checks.model_dump(mode="json", by_alias=True),
        "results": [result.as_dict() for result in report.results],
        "parity": report.parity.as_dict() if report.parity else None,
    }
    if report.parity:
        write_csv(report.parity, folder / "parity.csv")
    text = json.dumps(_plain(facts), indent=1, ensure_ascii=False, allow_nan=False, default=str)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    (folder / "report.html").write_text(_page(report, provenance), encoding="utf-8")


def _plain(value: Any) -> Any:
    """Return `value` with null for what JSON has no number for: not a number, or no bound."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, Decimal):
        # Sums of whole numbers.
        return int(value)
    return None if isinstance(value, float) and not isfinite(value) else value


def _figure(drawing: Drawing) -> dict[str, Any]:
    width, height = picture_size(drawing.path) if drawing.path else (None, None)
    return {
        "name": drawing.spec.name,
        "title": drawing.spec.title,
        "section": drawing.spec.section,
        "caption": drawing.spec.caption,
        "file": drawing.path.name if drawing.path else None,
        "width": width,
        "height": height,
        "bytes": drawing.path.stat().st_size if drawing.path else None,
        "reason": drawing.reason,
    }


def _page(report: Report, provenance: Mapping[str, Any]) -> str:
    environment = page_environment()
    environment.filters |= {
        "difference": format_value,
        "nice": nice,
        "signs": _signs,
        "count": lambda n: f"{n:,}",
        "percent": lambda x: f"{100 * x:.1f} %",
    }
    template = environment.get_template("report.html.j2")
    told = verdict(report.results)
    return template.render(
        css=style_sheet(),
        run=report.run,
        release=load_release(report.run.profile.release),
        counts=report.counts,
        verdict=told,
        verdict_words=_WORDS[told.status],
        gate=_gate(report, told.status),
        labels=_label_table(report),
        overview=_overview(report),
        attention=[r for status in ("fail", "warn") for r in report.results if r.status == status],
        statuses=STATUSES,
        comparisons=report.checks.comparisons,
        checks=report.checks,
        results=report.results,
        figures={d.spec.name: d for d in report.drawings},
        drawings=report.drawings,
        image=_image,
        provenance=provenance,
        parity=report.parity,
    )


def _signs(text: str) -> str:
    for plain, sign in ((" - ", " − "), ("<=", "≤"), (">=", "≥")):
        text = text.replace(plain, sign)
    return re.sub(r"(?<= )-(?=\d)", "−", text)


def _image(drawing: Drawing) -> Embedded:
    assert drawing.path is not None
    return embed(drawing.path)


_WORDS = {
    "pass": "Good: every check passed",
    "warn": "Good, with warnings",
    "fail": "Not good enough",
    "not run": "Not validated",
}
"""The verdict in the words of the first screen."""


def _gate(report: Report, status: str) -> str:
    """Return what publication makes of this verdict."""
    if status in ("pass", "warn"):
        return "Publication accepts this catalogue."
    reason = report.run.profile.publish.accept_failed
    if reason:
        return f"Publication would refuse it, but the profile accepts failed checks: {reason}."
    return "Publication refuses this catalogue until that is corrected, or accepted with a reason."


def _label_table(report: Report) -> list[dict[str, Any]]:
    """Return the rows of the table on the first screen: dispersions of each label beside the paper's."""
    columns = (
        ("apogee", "training"),
        ("apogee", "observed"),
        ("apogee", "observed, 15 <= S/N <= 25"),
        ("closure", "observed"),
    )
    rows = []
    for label in LABELS:
        cells = [find(report.results, comparison, subset, label.name) for comparison, subset in columns]
        paper = next((cell.paper for cell in cells if cell is not None and cell.paper is not None), None)
        rows.append({"label": label, "cells": cells, "paper": paper})
    return rows


def _overview(report: Report) -> list[dict[str, Any]]:
    """Return one row a comparison: how many of its checks passed, or why it was not run."""
    rows = []
    for name, comparison in report.checks.comparisons.items():
        own = [result for result in report.results if result.comparison == name]
        found = Counter(result.status for result in own)
        worst = next((status for status in ("fail", "warn", "pass") if found[status]), None)
        reason = own[0].message if len(own) == 1 and own[0].status == "not run" else ""
        judged = sum(found[status] for status in ("fail", "warn", "pass"))
        rows.append(
            {
                "name": name,
                "title": comparison.title,
                "status": worst or ("info" if found["info"] else "not run"),
                "counts": found,
                "judged": judged,
                "reason": reason,
            }
        )
    return rows


def _provenance(connection: Connection, run: Run) -> dict[str, Any]:
    def rows(statement: str, **parameters: Any) -> list[dict[str, Any]]:
        with connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement, parameters).fetchall()

    head = rows(
        "SELECT run_id, key, version, status, started_at FROM production.run WHERE run_id = %(run_id)s",
        run_id=run.run_id,
    )
    ensemble = rows(
        "SELECT ensemble_id, key, path, sha256, n_members, n_training, created_at, uncertainty "
        "FROM production.ensemble "
        "WHERE ensemble_id = (SELECT ensemble_id FROM production.label WHERE run_id = %(run_id)s LIMIT 1)",
        run_id=run.run_id,
    )
    fits = [each.pop("uncertainty") for each in ensemble]
    funnel = rows(
        "SELECT sample, step, cut, rule, n_removed, n_left FROM production.sample_funnel WHERE run_id = %(run_id)s "
        "ORDER BY sample, step",
        run_id=run.run_id,
    )
    server = connection.execute("SHOW server_version").fetchone()
    software = {
        "rvscat": __version__,
        "Python": platform.python_version(),
        "PostgreSQL": str(server[0]).split()[0] if server else "",
    }
    for package in _PACKAGES:
        try:
            software[package] = version(package)
        except ModuleNotFoundError:
            continue  # one of the two TensorFlow builds is always missing
    return {
        "run": head[0],
        "ensemble": ensemble[0] if ensemble else None,
        "uncertainties": uncertainty_table(fits[0] if fits else None),
        "funnel": funnel,
        "stages": [record for record in stages(connection, run) if record.status == "complete"],
        "files": rows(load("validation/files").statement, release=run.release),
        "software": software,
        "profile": json.dumps(run.profile.model_dump(mode="json", exclude={"expected_seconds"}), indent=1),
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }
