from pathlib import Path

import numpy as np
import pytest

from catalog.features import normalise_xp, xp_names


def test_each_half_is_relative_to_its_own_first_coefficient() -> None:
    bp = np.array([[2.0, 4.0, -1.0], [10.0, 0.0, 5.0]])
    rp = np.array([[4.0, 1.0], [0.5, 1.0]])
    xp, valid = normalise_xp(bp, rp)
    assert valid.all()
    np.testing.assert_allclose(xp, [[1, 2, -0.5, 1, 0.25], [1, 0, 0.5, 1, 2]])


@pytest.mark.parametrize(
    ("half", "column", "value"),
    [("bp", 0, 0.0), ("bp", 0, -3.0), ("rp", 0, 0.0), ("bp", 2, np.nan), ("rp", 0, np.inf), ("rp", 1, np.inf)],
)
def test_a_star_that_cannot_be_normalised_is_marked(half: str, column: int, value: float) -> None:
    halves = {"bp": np.ones((3, 3)), "rp": np.ones((3, 2))}
    halves[half][1, column] = value
    xp, valid = normalise_xp(halves["bp"], halves["rp"])
    assert valid.tolist() == [True, False, True]
    assert np.isnan(xp[1]).all()
    assert np.isfinite(xp[[0, 2]]).all()


def test_names_count_from_one_in_each_half() -> None:
    names = xp_names(55, 55)
    assert len(names) == 110
    assert (names[0], names[54], names[55], names[109]) == ("bp_1", "bp_55", "rp_1", "rp_55")


def test_real_coefficients(real_data: Path) -> None:
    from astropy.io import fits

    with fits.open(real_data / "xp" / "xp_continuous_flat_2000stars.fits") as hdus:
        table = hdus[1].data
        columns = [name for name in table.names if "error" not in name.lower() and name.lower() != "source_id"]
        bp = np.column_stack([table[name] for name in columns if name.lower().startswith("bp_c")])
        rp = np.column_stack([table[name] for name in columns if name.lower().startswith("rp_c")])
    assert bp.shape == rp.shape == (2000, 55)
    xp, valid = normalise_xp(bp, rp)
    assert valid.all()
    assert (xp[:, [0, 55]] == 1.0).all()
    np.testing.assert_allclose(xp[:, 1] * bp[:, 0], bp[:, 1], rtol=1e-6)
