"""The figure of response curves shows the rows of the study, and only those of the run's own ensemble."""

from typing import Any

import numpy as np
import psycopg
import pytest
from matplotlib.axes import Axes

from catalog.database.queries import fetch_frame, load
from catalog.errors import SampleError
from catalog.validation.checks import load_checks
from catalog.validation.figures import style
from catalog.validation.figures.data import FigureData, fetch_figure_data
from catalog.validation.figures.robustness import robustness

LEVELS = {
    "observed": ("", (0.0,)),
    "velocity": ("km/s", (-10.0, -1.0, 1.0, 10.0)),
    "noise": ("S/N", (100.0, 75.0, 50.0, 35.0, 20.0, 15.0, 10.0)),
    "missing": ("pixels", (1.0, 2401.0)),
}
INSERT = """
INSERT INTO production.response (ensemble_id, experiment, level, unit, region, label, n, bias, dispersion,
    robust_dispersion, e, sigma, unusable)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 10, 50, %s)
"""


def seed(connection: psycopg.Connection, ensemble_id: int) -> None:
    """Two classes; Teff falls by 600 K / (S/N), and by a tenth of that for dwarfs."""
    for experiment, (unit, levels) in LEVELS.items():
        for level in levels:
            for region, part in (("giants", 1.0), ("dwarfs", 0.1)):
                for label, size in (("teff", 600.0), ("logg", 0.1), ("mh", 0.1), ("alpham", 0.1), ("feh", 0.1)):
                    bias = {"noise": -part * size / max(level, 1.0), "velocity": part * size * level / 1000.0}
                    gone = level == 2401.0
                    moments = (None,) * 3 if gone else (bias.get(experiment, 0.0), 0.01 * size, 0.01 * size)
                    row = (
                        ensemble_id,
                        experiment,
                        level,
                        unit,
                        region,
                        label,
                        0 if gone else 20,
                        *moments,
                        float(gone),
                    )
                    connection.execute(INSERT, row)
    connection.execute(
        "INSERT INTO production.study (ensemble_id, name, settings, settings_key) VALUES (%s, 'robustness', '{}', %s)",
        (ensemble_id, "0" * 64),
    )


def ensembles(connection: psycopg.Connection, run_id: int) -> tuple[int, int]:
    """Return the run's ensemble and another one."""
    mine = connection.execute(
        "SELECT ensemble_id FROM production.label WHERE run_id = %s LIMIT 1", (run_id,)
    ).fetchone()
    other = connection.execute(
        "INSERT INTO production.ensemble (key, run_id, release, path, status, n_members, n_training, settings) "
        "VALUES (%s, %s, 'dr3', '/ensembles/1', 'complete', 4, 9, '{}') RETURNING ensemble_id",
        ("f" * 64, run_id),
    ).fetchone()
    assert mine is not None
    assert other is not None
    return int(mine[0]), int(other[0])


def figure_data(catalogue: Any) -> FigureData:
    return fetch_figure_data(catalogue.connection, catalogue.run, load_checks(), [])


def curves(axes: Axes) -> list[np.ndarray]:
    """Positions of each class's line."""
    return [np.asarray(line.get_xydata()) for line in axes.lines if line.get_markersize() < 5 and line.get_ls() == "-"]


def test_without_a_study_of_this_ensemble_there_is_a_reason(catalogue: Any) -> None:
    _, other = ensembles(catalogue.connection, catalogue.run.run_id)
    seed(catalogue.connection, other)
    with pytest.raises(SampleError, match="has not been studied"):
        robustness(figure_data(catalogue))


def test_response_curves(catalogue: Any) -> None:
    mine, other = ensembles(catalogue.connection, catalogue.run.run_id)
    seed(catalogue.connection, mine)
    seed(catalogue.connection, other)
    connection = catalogue.connection
    connection.execute("UPDATE production.response SET bias = 9 WHERE ensemble_id = %s", (other,))
    frame = fetch_frame(connection, load("validation/robustness"), {"run_id": catalogue.run.run_id})
    assert len(frame) == 14 * 2 * 5
    assert (frame["sigma_observed"] == 50).all()
    with style.look():
        drawn = robustness(figure_data(catalogue))
    panels = np.array(drawn.axes).reshape(5, 3)
    assert [axes.get_title(loc="left") for axes in panels[0]] == ["Velocity shift", "Noise", "Missing pixels"]
    assert [axes.get_xlabel() for axes in panels[-1]] == [
        "velocity left in (km/s)", "S/N after adding noise", "run of pixels",
    ]  # fmt: skip
    assert "(K)" in panels[0, 0].get_ylabel()
    giants, dwarfs = sorted(curves(panels[0, 1]), key=lambda line: line[0, 1])
    np.testing.assert_allclose(giants[:, 0], sorted(LEVELS["noise"][1]))
    np.testing.assert_allclose(giants[:, 1], -600.0 / giants[:, 0], rtol=1e-6)
    np.testing.assert_allclose(dwarfs[:, 1], -60.0 / dwarfs[:, 0], rtol=1e-6)
    # The first level, -60 K, exceeds the 50 K of sigma, and is marked; noise grows to the right.
    rings = [line.get_xydata() for line in panels[0, 1].lines if line.get_markersize() == 8.0]
    np.testing.assert_allclose(np.concatenate(rings), [[10.0, -60.0]], rtol=1e-6)
    assert panels[0, 1].xaxis_inverted()
    # A shift of nothing changes nothing.
    assert all([0.0, 0.0] in line.tolist() for line in curves(panels[0, 0]))
    # No label after all pixels are gone: the curve ends before.
    assert all(line[:, 0].tolist() == [1.0] for line in curves(panels[0, 2]))
    low, high = panels[0, 0].get_ylim()
    assert (low, high) == (-high, high)
    assert high > 60
