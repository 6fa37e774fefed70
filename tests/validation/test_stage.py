"""The whole stage: rows, report, figures, and what happens when there is little to compare."""

import json
import re
import struct
from pathlib import Path

import psycopg
import pytest

from catalog.database.ledger import Run
from catalog.errors import ConfigurationError, SampleError
from catalog.metadata import LABELS
from catalog.settings import Settings
from catalog.validation.figures import FIGURES, Drawing
from catalog.validation.stage import report_folder, thresholds_changed, validate_catalogue

STUDIED = {"sensitivity", "sensitivity_xp", "robustness"}
"""Figures of studies, which nobody has made here."""
ABSENT = {"disc_giants", "disc_stars", "radial_velocity"}
"""Figures of columns that were not seeded."""
BY_LABEL = {"coverage", "companion", "alpha_cells", "outside", "outside_apogee"}
"""Comparisons in regions of the Kiel diagram: hotter stars lie in others."""


def png_size(path: Path) -> tuple[int, int]:
    header = path.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", header[16:24])
    return width, height


def stored(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    return connection.execute(
        "SELECT comparison, subset, label, n, bias, dispersion, status, message, query "
        "FROM production.validation_result ORDER BY comparison, subset, label"
    ).fetchall()


def test_the_stage_judges_reports_and_can_be_repeated(
    connection: psycopg.Connection, run: Run, settings: Settings, sky: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.execute("UPDATE survey.cluster_member SET cluster = '<b>M & 67</b>' WHERE cluster = 'NGC_2682'")
    connection.commit()
    told: list[tuple[float, str]] = []
    result = validate_catalogue(
        connection, run, settings, lambda done, total, what="": told.append((done / total, what))
    )

    rows = stored(connection)
    assert result.counts["fail"] == 0
    assert result.counts["pass"] == sum(row[6] == "pass" for row in rows) > 80
    assert result.counts["not_run"] == sum(row[6] == "not run" for row in rows)
    assert result.counts["stars"] == result.counts["training"] + result.counts["observed"]
    assert 40 < result.counts["closure_observed_teff"] < 90
    assert 0.02 < result.counts["apogee_training_alpham"] < 0.04
    assert json.loads(json.dumps(result.counts)) == result.counts
    assert [fraction for fraction, _ in told] == sorted(fraction for fraction, _ in told)
    assert told[-1][0] == 1.0
    assert len(told) > len(FIGURES)

    folder = report_folder(settings, run)
    assert result.counts["report"] == str(folder / "report.html")
    assert any(str(folder) in note for note in result.notes)
    drawn = {path.stem for path in folder.glob("*.png")}
    assert drawn == {spec.name for spec in FIGURES} - STUDIED - ABSENT
    assert png_size(folder / "summary.png") == (1600, 900)

    page = (folder / "report.html").read_text(encoding="utf-8")
    assert len(page) < 10_000_000
    assert len(re.findall(r'<img src="data:image/webp;base64,', page)) == len(drawn) - 1, "all but the summary picture"
    assert page.count("of this ensemble has not been studied") == len(STUDIED)
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page), "nothing may be loaded from elsewhere"
    assert "url(" not in page
    assert "<script" not in page
    assert "&lt;b&gt;M &amp; 67&lt;/b&gt;" in page
    assert "<b>M & 67</b>" not in page
    assert "All " in page
    assert "checks passed" in page

    # How the uncertainties came about: one row a label and kind.
    (table,) = re.findall(r"How the uncertainties were made.*?</table>", page, re.DOTALL)
    assert table.count("calibrated: factor") == len(LABELS) == table.count("σ = √(e² + d²)")
    row = connection.execute("SELECT uncertainty -> 'fits' -> 'teff' FROM production.ensemble").fetchone()
    assert row is not None
    assert row[0]["bin_width"] == pytest.approx((row[0]["edges"][-1] - row[0]["edges"][0]) / 12)
    assert f'<td class="n">{row[0]["bin_width"]:,.0f} K</td><td class="n">12</td>' in table
    assert f'<td class="n">15</td><td class="n">{row[0]["degree"]}</td>' in table

    facts = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert facts["verdict"]["status"] == "pass"
    assert facts["run"]["synthetic"] is True
    assert len(facts["results"]) == len(rows)
    assert {row["query"] for row in facts["results"]} == {row[8] for row in rows}
    assert {file["product"] for file in facts["files"]} >= {"apogee", "galah", "k2gap"}
    assert [path for path in settings.reports.iterdir() if path != folder] == []

    # A catalogue that has become worse replaces rows and report.
    drawings = [Drawing(spec, None, "left out of this test") for spec in FIGURES]
    monkeypatch.setattr("catalog.validation.stage.draw_figures", lambda *_: drawings)
    connection.execute("UPDATE production.label SET teff = teff + 150")
    connection.commit()
    again = validate_catalogue(connection, run, settings)
    changed = stored(connection)
    same, before = ([row[:4] for row in found if row[0] not in BY_LABEL] for found in (changed, rows))
    assert same == before
    assert again.counts["fail"] > 0
    assert any(note.startswith("Failed: apogee, training, teff") for note in again.notes)
    assert json.loads((folder / "report.json").read_text(encoding="utf-8"))["verdict"]["status"] == "fail"
    assert list(folder.glob("*.png")) == [], "nothing of the old report is left"


def test_labels_alone_are_reported_as_not_validated(
    connection: psycopg.Connection, run: Run, settings: Settings, sky: object
) -> None:
    connection.execute("UPDATE production.ingest_file SET status = 'replaced' WHERE product <> 'gaia_source'")
    connection.execute("DELETE FROM production.boundary")
    connection.execute("DELETE FROM production.likeness")
    connection.execute("DELETE FROM production.ensemble_member")
    connection.execute("UPDATE production.label SET sigma_teff = 'NaN', eteff = 'NaN'")
    connection.commit()
    result = validate_catalogue(connection, run, settings)
    judged = result.counts["pass"] + result.counts["warn"] + result.counts["fail"]
    assert judged == 20, "only the labels themselves are left to judge"
    failed = {row[:3] for row in stored(connection) if row[6] == "fail"}
    assert {("finite", "training", "teff"), ("dispersions", "overall, training", "teff")} <= failed
    by_comparison = {row[0]: row for row in stored(connection) if row[1] == "all"}
    assert set(by_comparison) >= {"apogee", "galah", "seismic", "clusters", "limits", "closure"}
    assert all(row[6] == "not run" and row[7] for row in by_comparison.values())
    text = (report_folder(settings, run) / "report.json").read_text(encoding="utf-8")
    facts = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert sum(bool(figure["reason"]) for figure in facts["figures"] if not figure["file"]) >= 8
    page = (report_folder(settings, run) / "report.html").read_text(encoding="utf-8")
    assert "Not drawn: " in page
    assert "Not run: no galah rows were ingested" in page


def test_a_run_without_labels_is_refused(connection: psycopg.Connection, run: Run, settings: Settings) -> None:
    with pytest.raises(SampleError, match="has no labels") as error:
        validate_catalogue(connection, run, settings)
    assert "rvscat predict" in error.value.remedy
    assert not settings.reports.exists()


def test_a_users_thresholds_are_used(
    connection: psycopg.Connection, run: Run, settings: Settings, sky: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    (settings.home / "checks.toml").write_text("dispersion_pass = oops")
    with pytest.raises(ConfigurationError, match=r"checks\.toml"):
        validate_catalogue(connection, run, settings)
    (settings.home / "checks.toml").write_text(
        "minimum_stars = 100000\n[comparisons.clusters]\nminimum_stars = 100000\n"
    )
    monkeypatch.setattr("catalog.validation.stage.draw_figures", lambda *_: [])
    monkeypatch.setattr("catalog.validation.stage.write_report", lambda *_: None)
    result = validate_catalogue(connection, run, settings)
    assert result.counts["not_run"] == len(stored(connection)) > 100
    assert result.notes[0] == "Not validated: no check could be run."


def test_other_thresholds_are_noticed(
    connection: psycopg.Connection, run: Run, settings: Settings, sky: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.validation.stage.draw_figures", lambda *_: [])
    monkeypatch.setattr("catalog.validation.stage.write_report", lambda *_: None)
    result = validate_catalogue(connection, run, settings)
    assert not thresholds_changed(connection, run, settings), "what was never done cannot be out of date"
    connection.execute(
        "INSERT INTO production.stage (run_id, name, key, status, counts) "
        "VALUES (%s, 'validate', repeat('a', 64), 'complete', %s)",
        (run.run_id, json.dumps(result.counts)),
    )
    assert not thresholds_changed(connection, run, settings)
    (settings.home / "checks.toml").write_text("dispersion_warn = 9.0\n")
    assert thresholds_changed(connection, run, settings)
