"""What networks are trained on, in files that all training processes share."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from catalog.errors import SampleError

__all__ = ["TrainingArrays"]

_NAMES = ("flux", "scalars", "xp", "labels", "validation")
_EXAMPLES = 3


@dataclass(frozen=True, eq=False)
class TrainingArrays:
    """What networks are trained on: inputs and labels on the network's scale."""

    flux: np.ndarray
    """Shape (n, n_pixels), float32; may be mapped from a file."""
    scalars: np.ndarray
    """Shape (n, n_scalars); n_scalars is 0 where the network has no such input."""
    xp: np.ndarray
    """Shape (n, n_xp); n_xp is 0 where the network has no such input."""
    labels: np.ndarray
    validation: np.ndarray
    """Shape (splits, n), bool."""

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Numbers of pixels, scalars, XP coefficients and labels."""
        return self.flux.shape[1], self.scalars.shape[1], self.xp.shape[1], self.labels.shape[1]

    def save(self, folder: Path) -> None:
        """Write one ``.npy`` an array; spectra that are mapped from that very file stay where they are."""
        for name in _NAMES[1:]:
            np.save(folder / f"{name}.npy", getattr(self, name))
        file = folder / "flux.npy"
        mapped = getattr(self.flux, "filename", None)
        # Writing over a file that is mapped would pull the memory away.
        if mapped is None or Path(mapped).resolve() != file.resolve():
            np.save(file, self.flux)

    @classmethod
    def open(cls, folder: Path) -> "TrainingArrays":
        """Map the arrays that `save` wrote: all processes share the same memory."""
        arrays = [np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _NAMES]
        # The file of spectra was made before it was known how many stars would be left out.
        return cls(arrays[0][: len(arrays[3])], *arrays[1:])

    def inputs(self, rows: np.ndarray | slice) -> list[np.ndarray]:
        """Return the network's inputs of some stars: three, or those of them that it has."""
        used = (values for values in (self.flux, self.scalars, self.xp) if values.shape[1])
        return [np.ascontiguousarray(values[rows]) for values in used]

    def require_finite(self, source_id: np.ndarray) -> None:
        """Refuse a sample that holds a value which no network can learn from.

        Parameters
        ----------
        source_id : numpy.ndarray
            Of the stars, to name them; shape (n,).

        Raises
        ------
        SampleError
            An input or a label is NaN or infinite. It names what, how many stars and some of them.
        """
        named = {
            "spectrum": self.flux,
            "magnitude or parallax": self.scalars,
            "XP input": self.xp,
            "label": self.labels,
        }
        for what, values in named.items():
            bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
            if bad.size:
                some = ", ".join(str(star) for star in source_id[bad[:_EXAMPLES]])
                raise SampleError(
                    f"{bad.size} training {'star has' if bad.size == 1 else 'stars have'} a {what} that is not finite: "
                    f"{some}{' and others' if bad.size > _EXAMPLES else ''}.",
                    "Leave them out of the training sample: see the cuts in sql/selection/training.sql.",
                )
