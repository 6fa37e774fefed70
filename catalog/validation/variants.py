"""The report on variants of the ensemble: one HTML page, its figure, and the same facts as JSON (Appendix B)."""

import base64
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from catalog.ensemble.variants import VariantFigures, VariantStudy
from catalog.ensemble.variants.subsets import CONFUSED, COOL
from catalog.metadata import LABELS
from catalog.settings import Settings
from catalog.validation.figures.variants import save_variants
from catalog.validation.pages import page_environment, style_sheet
from catalog.validation.results import format_value

__all__ = ["write_variant_report"]

_KINDS = {"out_of_fold": "out of fold", "all_members": "by all members"}


def write_variant_report(study: VariantStudy, settings: Settings) -> Path:
    """Write ``variants.html``, ``variants.png`` and ``variants.json`` into ``reports/variants-run-<run_id>/``.

    Parameters
    ----------
    study : VariantStudy
    settings : Settings

    Returns
    -------
    pathlib.Path
        The page.
    """
    folder = settings.reports / f"variants-run-{study.run_id}"
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    picture = partial / "variants.png"
    save_variants(study, picture)
    text = json.dumps(study.as_dict(), indent=1, ensure_ascii=False, allow_nan=False)
    (partial / "variants.json").write_text(text + "\n", encoding="utf-8")
    (partial / "variants.html").write_text(_page(study, picture), encoding="utf-8")
    # Readers see the old report or the new one, never half of one.
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return folder / "variants.html"


def _page(study: VariantStudy, picture: Path) -> str:
    environment = page_environment()
    environment.filters |= {"count": lambda n: f"{n:,}", "percent": lambda x: f"{100 * x:.1f} %"}
    return environment.get_template("variants.html.j2").render(
        css=style_sheet(),
        study=study,
        labels=LABELS,
        n_stars=len(study.source_id),
        sentences=_sentences(study),
        tables=[(words, _rows(study, kind, "all")) for kind, words in _KINDS.items()],
        parts=[(subset, n, _rows(study, "out_of_fold", subset.name)) for subset, n in study.subsets[1:]],
        cool=COOL,
        confused=CONFUSED,
        image="data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode(),
    )


def _rows(study: VariantStudy, kind: str, subset: str) -> list[dict[str, Any]]:
    """Return a row a variant: for each label, its figures as they are written."""
    return [
        {"variant": each, "cells": [_cell(study, each, kind, subset, label.name) for label in LABELS]}
        for each in study.variants
    ]


def _cell(study: VariantStudy, variant: VariantFigures, kind: str, subset: str, label: str) -> dict[str, Any]:
    figures = variant.metrics[subset][kind][label]
    ratio = study.ratio(variant, label, subset, kind)
    return {
        "n": figures["n"],
        "dispersion": format_value(label, figures["dispersion"]),
        "ratio": None if ratio is None or variant is study.variants[0] else f"× {ratio:.2f}",
        "bias": format_value(label, figures["bias"], signed=True),
        "coverage_1": figures["coverage_1"],
        "coverage_2": figures["coverage_2"],
    }


def _sentences(study: VariantStudy) -> Sequence[str]:
    """Return for each variant what it costs, in words."""
    found = []
    for each in study.variants[1:]:
        ratios = {label.text: study.ratio(each, label.name) for label in LABELS}
        known = {name: ratio for name, ratio in ratios.items() if ratio is not None}
        if known:
            worst = max(known, key=lambda name: known[name])
            dispersions = ", ".join(f"{name} {ratio:.2f}" for name, ratio in known.items())
            found.append(
                f"{each.title}: out-of-fold dispersions relative to those with all inputs are {dispersions}; "
                f"{worst} loses most."
            )
    return found
