"""The report on variants: page, figure and numbers say the same."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from catalog.ensemble.metrics import residual_metrics
from catalog.ensemble.registry.listing import ListedEnsemble, settings_of
from catalog.ensemble.variants import SUBSETS, Confusion, VariantFigures, VariantStudy
from catalog.metadata import LABELS
from catalog.settings import Settings
from catalog.validation.figures.variants import draw_variants
from catalog.validation.variants import write_variant_report

TITLES = {"All inputs": 1.0, "RVS spectra alone (Appendix B)": 2.0}


@pytest.fixture
def study() -> VariantStudy:
    """600 stars; the second ensemble has twice the residuals of the first, and a star in five is always seen."""
    rng = np.random.default_rng(4)
    n = 600
    giant = rng.random(n) < 0.7
    labels = np.column_stack(
        [
            np.where(giant, rng.normal(4700, 200, n), rng.normal(5700, 300, n)),
            np.where(giant, rng.normal(2.4, 0.5, n), rng.normal(4.3, 0.15, n)),
            rng.normal(-0.2, 0.3, n),
            rng.normal(0.08, 0.08, n),
            rng.normal(-0.2, 0.3, n),
        ]
    )
    residual = rng.normal(0, 1, (n, 5)) * [60, 0.1, 0.07, 0.04, 0.07]
    held = [(subset, inside) for subset in SUBSETS if (inside := subset.holds(labels)).any()]
    variants = []
    for i, (title, factor) in enumerate(TITLES.items(), 1):
        predicted = labels + factor * residual
        unseen = np.where(np.arange(n)[:, None] % 5 == 0, np.nan, predicted)
        sigma = np.broadcast_to(factor * np.array([60, 0.1, 0.07, 0.04, 0.07]), (n, 5))
        metrics = {s.name: residual_metrics(labels[k], predicted[k], unseen[k], sigma[k]) for s, k in held}
        variants.append(VariantFigures(title, listed(i), 80.0, 480.0, metrics, Confusion(400, 30 * i), unseen))
    counts = tuple((subset, int(inside.sum())) for subset, inside in held)
    return VariantStudy(5, "dr3", np.arange(n), labels, counts, tuple(variants))


def listed(i: int) -> ListedEnsemble:
    return ListedEnsemble(
        i, str(i) * 64, "rvs" if i > 1 else "full", 5, "paper", None, "dr3", 600, 28, Path("/e"), "whole", 1,
        "complete", settings_of({}), {}, {}, (), (), None, datetime.now(UTC),
    )  # fmt: skip


def test_the_report_holds_every_number(study: VariantStudy, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    (settings.reports / ".variants-run-5.partial").mkdir(parents=True)  # left by one that was killed
    page = write_variant_report(study, settings)
    assert page == settings.reports / "variants-run-5" / "variants.html"
    assert {file.name for file in page.parent.iterdir()} == {"variants.html", "variants.png", "variants.json"}
    assert not list(settings.reports.glob(".*"))
    text = page.read_text(encoding="utf-8")
    facts = json.loads((page.parent / "variants.json").read_text(encoding="utf-8"))
    first, second = facts["variants"]
    assert second["ratio"]["out_of_fold"] == {label.name: pytest.approx(2.0) for label in LABELS}
    assert first["metrics"]["all"]["out_of_fold"]["teff"]["n"] == 480
    assert second["confused_cool_stars"] == {"n": 400, "n_confused": 60}
    teff = second["metrics"]["all"]["out_of_fold"]["teff"]
    assert f"<b>{teff['dispersion']:.0f} K</b> <small>× 2.00</small>" in text
    assert f"{100 * teff['coverage_1']:.1f} %" in text
    for title in TITLES:
        assert text.count(f"<th>{title}</th>") == 2 + len(study.subsets) - 1
    for subset, n in study.subsets[1:]:
        assert f"<summary>{subset.name.replace('<', '&lt;')}: {n} stars</summary>" in text
    assert "60 of 400" in text
    # It works anywhere: nothing is fetched.
    assert 'src="data:image/png;base64,' in text
    assert "http" not in text.replace("http-equiv", "")
    # Written again over the old one.
    assert write_variant_report(study, settings) == page


def test_the_figure_shows_every_variant(study: VariantStudy) -> None:
    with mpl.rc_context():
        made = draw_variants(study)
        made.canvas.draw()
    axes = [axes for part in made.subfigs for axes in part.axes]
    assert [a.get_title(loc="left") or a.get_title() for a in axes[:2]] == ["All inputs", "RVS spectra alone"]
    words = [text.get_text() for a in axes for text in a.texts]
    assert "log g off by > 1 dex:\n60 of 400 cool stars" in words
    # One marker a variant in each of the panels of dispersions, of every part that holds stars enough.
    panels = axes[-len(LABELS) :]
    for panel, label in zip(panels, LABELS, strict=True):
        assert len(panel.containers) == len(TITLES)
        for container, variant in zip(panel.containers, study.variants, strict=True):
            shown = container.lines[0].get_xdata()
            found = [variant.metrics[s.name]["out_of_fold"][label.name] for s, _ in study.subsets]
            expected = [f["dispersion"] if f["n"] >= 10 else np.nan for f in found]
            np.testing.assert_allclose(np.asarray(shown, dtype=float), np.array(expected, dtype=float))
    assert panels[0].get_yticklabels()[0].get_text() == "all  (600)"


def test_a_study_of_one_is_drawn(study: VariantStudy) -> None:
    alone = replace(study, variants=study.variants[:1])
    with mpl.rc_context():
        draw_variants(alone).canvas.draw()
    assert alone.as_dict()["variants"][0]["ratio"]["all_members"]["teff"] == 1.0
