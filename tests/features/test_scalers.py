import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from catalog.errors import ArtefactError, SampleError
from catalog.features import MinMaxScaler, Scalers

FINITE = st.floats(-1e6, 1e6, allow_nan=False, width=64)


def test_limits_map_to_zero_and_one() -> None:
    scaler = MinMaxScaler.fit(np.array([[3000.0, 1.0], [5000.0, 2.0], [4000.0, 4.0]]), ("teff", "logg"))
    np.testing.assert_allclose(scaler.transform(np.array([[3000.0, 4.0], [4000.0, 2.5]])), [[0, 1], [0.5, 0.5]])
    # Beyond the sample: beyond the unit interval, not cut off.
    assert scaler.transform(np.array([6000.0, 1.0]))[0] == pytest.approx(1.5)


@given(arrays(np.float64, (7, 3), elements=FINITE))
def test_inverse_undoes_the_scaling(values: np.ndarray) -> None:
    scaler = MinMaxScaler.fit(values, ("a", "b", "c"))
    extent = np.ptp(values, axis=0)
    np.testing.assert_allclose(
        scaler.inverse_transform(scaler.transform(values)), values, rtol=1e-9, atol=1e-9 * extent.max() + 1e-300
    )


@given(arrays(np.float64, (4, 2), elements=FINITE))
def test_json_keeps_every_bit(values: np.ndarray) -> None:
    scaler = MinMaxScaler.fit(values, ("a", "b"))
    again = MinMaxScaler.from_dict(json.loads(json.dumps(scaler.to_dict())))
    assert again.names == scaler.names
    np.testing.assert_array_equal(again.minimum, scaler.minimum)
    np.testing.assert_array_equal(again.maximum, scaler.maximum)


def test_a_constant_feature_becomes_zero_and_is_named() -> None:
    values = np.array([[1.0, 5.0], [1.0, 7.0]])
    scaler = MinMaxScaler.fit(values, ("bp_1", "bp_2"))
    assert scaler.constant == ("bp_1",)
    scaled = scaler.transform(np.array([[1.0, 6.0], [2.0, 6.0]]))
    np.testing.assert_array_equal(scaled, [[0.0, 0.5], [0.0, 0.5]])
    np.testing.assert_array_equal(scaler.inverse_transform(scaled)[:, 0], [1.0, 1.0])


def test_values_that_are_not_finite_are_refused_by_name() -> None:
    with pytest.raises(SampleError, match=r"logg is nan in row 1 .* 1 values"):
        MinMaxScaler.fit(np.array([[1.0, 2.0], [1.0, np.nan]]), ("teff", "logg"))
    with pytest.raises(SampleError, match="without stars"):
        MinMaxScaler.fit(np.empty((0, 1)), ("teff",))


@pytest.mark.parametrize(
    "values",
    [
        {"names": ["a"], "minimum": [0.0]},
        {"names": ["a"], "minimum": [0.0, 1.0], "maximum": [1.0, 2.0]},
        {"names": ["a"], "minimum": [2.0], "maximum": [1.0]},
        {"names": ["a"], "minimum": ["x"], "maximum": [1.0]},
    ],
)
def test_a_spoilt_scaler_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ArtefactError, match="scaler"):
        MinMaxScaler.from_dict(values)


def test_a_missing_scaler_is_named() -> None:
    scaler = MinMaxScaler.fit(np.array([[0.0], [1.0]]), ("a",)).to_dict()
    with pytest.raises(ArtefactError, match="labels"):
        Scalers.from_dict({"scalars": scaler, "xp": scaler})
