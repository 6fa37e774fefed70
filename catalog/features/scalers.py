"""Min-max scaling of labels, magnitudes, parallax and XP coefficients (Sect. 3.1).

The paper does not say whether the limits come from the train split of each member or from the whole training
sample. Here it is the whole sample: members then share one scale, and so do their outputs. Only the limits
are shared: each member's weights see the stars of its own train split alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from catalog.errors import ArtefactError, SampleError

__all__ = ["MinMaxScaler", "Scalers"]


@dataclass(frozen=True, eq=False)
class MinMaxScaler:
    """Maps each feature's range in a sample to [0, 1]; values outside that range map outside."""

    names: tuple[str, ...]
    minimum: np.ndarray
    """Shape (n_features,), float64, units of the feature."""
    maximum: np.ndarray

    @classmethod
    def fit(cls, values: np.ndarray, names: tuple[str, ...]) -> "MinMaxScaler":
        """Take the limits of a sample.

        Parameters
        ----------
        values : numpy.ndarray
            Shape (n, n_features).
        names : tuple of str
            One a feature.

        Returns
        -------
        MinMaxScaler

        Raises
        ------
        SampleError
            There is no star, or a value is not finite.
        """
        values = np.asarray(values, dtype=np.float64)
        if values.ndim != 2 or values.shape[1] != len(names):
            raise ValueError(f"{len(names)} features are expected, not an array of shape {values.shape}.")
        if not len(values):
            raise SampleError("The limits of a sample without stars do not exist.", "See `rvscat status` for the cuts.")
        bad = np.argwhere(~np.isfinite(values))
        if bad.size:
            row, column = bad[0]
            raise SampleError(
                f"{names[column]} is {values[row, column]} in row {row} of the training sample; "
                f"{len(bad)} values are not finite.",
                "Leave these stars out of the sample.",
            )
        return cls(tuple(names), values.min(axis=0), values.max(axis=0))

    @property
    def constant(self) -> tuple[str, ...]:
        """Names of features that are the same for every star: they map to 0 and tell the network nothing."""
        return tuple(name for name, same in zip(self.names, self.maximum == self.minimum, strict=True) if same)

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Scale `values`; a constant feature becomes 0 whatever its value.

        Parameters
        ----------
        values : numpy.ndarray
            Shape (…, n_features).

        Returns
        -------
        numpy.ndarray
            Same shape, float64.
        """
        extent = self.maximum - self.minimum
        varying = extent > 0.0
        scaled: np.ndarray = (np.asarray(values, dtype=np.float64) - self.minimum) / np.where(varying, extent, 1.0)
        return np.where(varying, scaled, 0.0)

    def inverse_transform(self, scaled: np.ndarray) -> np.ndarray:
        """Undo `transform`; a constant feature takes its one value.

        Parameters
        ----------
        scaled : numpy.ndarray
            Shape (…, n_features).

        Returns
        -------
        numpy.ndarray
            Same shape, float64, units of the features.
        """
        values: np.ndarray = np.asarray(scaled, dtype=np.float64) * (self.maximum - self.minimum) + self.minimum
        return values

    def to_dict(self) -> dict[str, list[Any]]:
        """Return what JSON can hold; numbers survive the way there and back to the last bit."""
        return {"names": list(self.names), "minimum": self.minimum.tolist(), "maximum": self.maximum.tolist()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "MinMaxScaler":
        """Undo `to_dict`.

        Raises
        ------
        ArtefactError
            Parts are missing, differ in length, or are no limits.
        """
        try:
            names = tuple(str(name) for name in values["names"])
            minimum, maximum = (np.asarray(values[part], dtype=np.float64) for part in ("minimum", "maximum"))
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"A saved scaler cannot be read: {error!r}.", "Train the ensemble again.") from error
        if minimum.shape != (len(names),) or maximum.shape != minimum.shape or not (maximum >= minimum).all():
            raise ArtefactError("A saved scaler's limits do not fit its names.", "Train the ensemble again.")
        return cls(names, minimum, maximum)


@dataclass(frozen=True, eq=False)
class Scalers:
    """The three scalers of an ensemble."""

    scalars: MinMaxScaler
    xp: MinMaxScaler
    labels: MinMaxScaler

    def to_dict(self) -> dict[str, dict[str, list[Any]]]:
        """Return what JSON can hold."""
        return {part: getattr(self, part).to_dict() for part in ("scalars", "xp", "labels")}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Scalers":
        """Undo `to_dict`.

        Raises
        ------
        ArtefactError
            A scaler is missing or cannot be read.
        """
        missing = {"scalars", "xp", "labels"} - set(values)
        if missing:
            raise ArtefactError(f"Saved scalers lack {', '.join(sorted(missing))}.", "Train the ensemble again.")
        return cls(*(MinMaxScaler.from_dict(values[part]) for part in ("scalars", "xp", "labels")))
