"""The five labels and the eight digits of the boundary flag, in their one order.

Section 5.2 of Guiglion et al. (2024) fixes the order of the flag: Teff, log g, [M/H], [alpha/M],
[Fe/H], G, parallax, t-SNE. The network's outputs follow the same order. Table 2 of the paper lists
the columns in another order ([Fe/H] before [alpha/M]): `TABLE_LABELS`.
"""

from dataclasses import dataclass

__all__ = ["FLAG_DIGITS", "LABELS", "TABLE_LABELS", "FlagDigit", "Label", "decode_flag"]


@dataclass(frozen=True)
class Label:
    """One stellar label."""

    name: str
    """Column name in the catalogue, Table 2 of the paper."""
    apogee: str
    """Column of APOGEE DR17 that holds the training value, lower case."""
    unit: str
    """VOUnit."""
    tex: str
    """How figures write it."""
    text: str
    """How terminals and messages write it."""
    words: str
    """Plain description."""
    decimals: int
    """Digits after the point that are worth printing."""

    @property
    def apogee_error(self) -> str:
        """APOGEE column of the label's uncertainty."""
        return f"{self.apogee}_err"


LABELS: tuple[Label, ...] = (
    Label("teff", "teff", "K", r"$T_{\rm eff}$", "Teff", "Effective temperature", 0),
    Label("logg", "logg", "log(cm.s**-2)", r"$\log g$", "log g", "Surface gravity", 2),
    Label("mh", "m_h", "'dex'", "[M/H]", "[M/H]", "Overall metallicity", 2),
    Label("alpham", "alpha_m", "'dex'", r"[$\alpha$/M]", "[α/M]", "Ratio of alpha elements to metals", 3),
    Label("feh", "fe_h", "'dex'", "[Fe/H]", "[Fe/H]", "Iron abundance", 2),
)
"""Network outputs and the first five flag digits, in order."""

TABLE_LABELS: tuple[Label, ...] = (LABELS[0], LABELS[1], LABELS[2], LABELS[4], LABELS[3])
"""The same labels in the column order of Table 2."""


@dataclass(frozen=True)
class FlagDigit:
    """One digit of ``flag_boundary``; digit 1 is the leftmost."""

    position: int
    name: str
    text: str
    words: str

    @property
    def bit(self) -> int:
        """Value of this digit in the ``smallint`` bitmask (digit 1 is bit 0)."""
        return 1 << (self.position - 1)


FLAG_DIGITS: tuple[FlagDigit, ...] = (
    *(
        FlagDigit(i, label.name, label.text, f"{label.text} lies outside the training sample's limits")
        for i, label in enumerate(LABELS, start=1)
    ),
    FlagDigit(6, "g", "G", "the G magnitude lies outside the training sample's limits"),
    FlagDigit(7, "parallax", "parallax", "the parallax lies outside the training sample's limits"),
    FlagDigit(8, "tsne", "t-SNE", "the RVS spectrum is unlike those of the training sample (t-SNE)"),
)


def decode_flag(flag: str) -> tuple[FlagDigit, ...]:
    """Return the digits that are set in an 8-digit `flag`.

    Parameters
    ----------
    flag : str
        Eight characters, each ``0`` or ``1``.

    Returns
    -------
    tuple of FlagDigit

    Raises
    ------
    ValueError
        `flag` is not eight zeros and ones.
    """
    if len(flag) != len(FLAG_DIGITS) or set(flag) - {"0", "1"}:
        raise ValueError(f"{flag!r} is not a boundary flag: eight digits, each 0 or 1, are expected.")
    return tuple(digit for digit, value in zip(FLAG_DIGITS, flag, strict=True) if value == "1")
