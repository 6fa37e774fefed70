"""Figures of sensitivity: what they show is what the study wrote, and why they are missing without one."""

from typing import Any

import numpy as np
import psycopg
import pytest
from matplotlib.figure import Figure
from psycopg.types.json import Jsonb

from catalog.errors import SampleError
from catalog.metadata import LABELS
from catalog.releases import load_release
from catalog.validation.checks import load_checks
from catalog.validation.figures import FIGURES, style
from catalog.validation.figures.data import FigureData, fetch_figure_data
from catalog.validation.figures.sensitivity import sensitivity, sensitivity_xp

CHECKS = load_checks()
WAVELENGTH = load_release("dr3").rvs.wavelength
NAMES = [*(f"bp_{i}" for i in range(1, 56)), *(f"rp_{i}" for i in range(1, 56))]
SCALARS = ["phot_g_mean_mag", "phot_bp_mean_mag", "phot_rp_mean_mag", "parallax"]


def bump(centre: float) -> np.ndarray:
    return np.maximum(np.exp(-0.5 * ((WAVELENGTH - centre) / 0.04) ** 2), 1e-12)


def seed(
    connection: psycopg.Connection, run_id: int, *, inputs: tuple[str, ...] = ("spectrum", "scalars", "xp")
) -> None:
    """A study of three regions, the last of which has no stars."""
    row = connection.execute("SELECT ensemble_id FROM production.label WHERE run_id = %s LIMIT 1", (run_id,)).fetchone()
    assert row is not None
    (ensemble_id,) = row
    connection.execute(
        "INSERT INTO production.study (ensemble_id, name, settings, settings_key) "
        "VALUES (%s, 'sensitivity', %s, repeat('a', 64))",
        (ensemble_id, Jsonb({})),
    )
    regions = (("training sample", "every training star", 90), ("clump", "4500 <= teff <= 5000", 50), ("hot", "hot", 0))
    for position, (region, rule, n) in enumerate(regions, start=1):
        flux = (1.0 - 0.5 * bump(854.444)).tolist() if n else None
        connection.execute(
            "INSERT INTO production.sensitivity_region VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (ensemble_id, region, position, rule, n, n, [4800.0, 2.4, 0.0, 0.0, 0.0] if n else None, flux),
        )
        for label in LABELS if n else ():
            shapes = {
                "spectrum": (None, 30.0 * bump(861.865)),
                "scalars": (SCALARS, np.arange(4.0)),
                "xp": (NAMES, np.linspace(-1, 1, 110)),
            }
            for name in inputs:
                names, values = shapes[name]
                connection.execute(
                    "INSERT INTO production.sensitivity VALUES (%s, %s, %s, %s, %s, 2, %s, %s, %s, 12.3)",
                    (ensemble_id, region, label.name, name, n, names, values.tolist(), np.abs(0.1 * values).tolist()),
                )
            connection.execute(
                "INSERT INTO production.sensitivity_peak VALUES (%s, %s, %s, 1, 861.86, 20, 'Fe I', 861.865), "
                "(%s, %s, %s, 2, 848.0, 2, NULL, NULL)",
                (ensemble_id, region, label.name, ensemble_id, region, label.name),
            )
    for label in LABELS:
        found = [None, *np.linspace(-1, 1, 109).tolist()]
        connection.execute(
            "INSERT INTO production.xp_correlation VALUES (%s, %s, 90, %s, %s, %s)",
            (ensemble_id, label.name, NAMES, found, found),
        )


def data_of(catalogue: Any) -> FigureData:
    return fetch_figure_data(catalogue.connection, catalogue.run, CHECKS, [])


def draw(draw_it: Any, data: FigureData) -> Figure:
    with style.look():
        made: Figure = draw_it(data)
        made.canvas.draw()
    return made


def texts(made: Figure) -> list[str]:
    return [text.get_text() for axes in made.axes for text in axes.texts]


def test_regions_of_similar_stars_are_shown(catalogue: Any) -> None:
    seed(catalogue.connection, catalogue.run.run_id)
    made = draw(sensitivity, data_of(catalogue))
    spectra, *panels = made.axes
    legend = spectra.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["clump (50 stars)"]
    assert len(panels) == len(LABELS)
    for axes in panels:
        curve = next(line for line in axes.lines if len(np.asarray(line.get_xdata())) == len(WAVELENGTH))
        highest = np.argmax(np.asarray(curve.get_ydata()))
        assert WAVELENGTH[highest] == pytest.approx(861.865, abs=0.011)
    assert texts(made).count("1 of the 2 strongest peaks on known lines") == len(LABELS)
    assert "with the mean spectrum for all stars: 12.3 K rms" in texts(made)


def test_names_of_lines_do_not_overlap(catalogue: Any) -> None:
    seed(catalogue.connection, catalogue.run.run_id)
    made = draw(sensitivity, data_of(catalogue))
    boxes = [text.get_window_extent() for text in made.axes[0].texts]
    assert len(boxes) > 15
    assert sum(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :]) == 0
    frame = made.bbox
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 and box.y1 <= frame.y1 for box in boxes)


def test_every_coefficient_has_a_cell_and_a_bar(catalogue: Any) -> None:
    seed(catalogue.connection, catalogue.run.run_id)
    made = draw(sensitivity_xp, data_of(catalogue))
    images: list[np.ma.MaskedArray] = [np.ma.asarray(axes.images[0].get_array()) for axes in made.axes if axes.images]
    assert [image.shape for image in images] == [(5, 55), (5, 55)]
    assert np.ma.getmaskarray(images[0])[:, 0].all()
    assert sum(len(axes.patches) for axes in made.axes) == 5 * (110 + 4)
    titles = " ".join(axes.get_title(loc="left") + axes.get_title() for axes in made.axes)
    assert "training sample, 90 stars" in titles


def test_a_variant_on_spectra_alone_has_no_other_gradients(catalogue: Any) -> None:
    seed(catalogue.connection, catalogue.run.run_id, inputs=("spectrum",))
    data = data_of(catalogue)
    draw(sensitivity, data)
    made = draw(sensitivity_xp, data)
    assert sum(len(axes.patches) for axes in made.axes) == 0


def test_without_a_study_the_figures_say_why(catalogue: Any) -> None:
    data = data_of(catalogue)
    assert {"sensitivity", "sensitivity_xp"} <= {spec.name for spec in FIGURES}
    for draw_it in (sensitivity, sensitivity_xp):
        with pytest.raises(SampleError, match="rvscat study"):
            draw_it(data)
