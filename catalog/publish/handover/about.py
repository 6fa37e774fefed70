"""What archives ask of a catalogue beside its tables: what it is about, and what it is made from."""

from dataclasses import dataclass

__all__ = [
    "FACILITY",
    "INSTRUMENT",
    "PAPER_BIBCODE",
    "PAPER_DOI",
    "RELATED",
    "SPECTRAL_JOULES",
    "SPECTRAL_NANOMETRES",
    "SUBJECTS",
    "Related",
]

PAPER_DOI = "10.1051/0004-6361/202347122"
PAPER_BIBCODE = "2024A&A...682A...9G"

FACILITY = "Gaia"
INSTRUMENT = "Gaia RVS"

SUBJECTS: tuple[tuple[str, int, str], ...] = (
    ("fundamental-parameters-of-stars", 555, "Fundamental parameters of stars"),
    ("stellar-abundances", 1577, "Stellar abundances"),
    ("metallicity", 1031, "Metallicity"),
    ("effective-temperature", 449, "Effective temperature"),
    ("surface-gravity", 1669, "Surface gravity"),
    ("convolutional-neural-networks", 1938, "Convolutional neural networks"),
    ("catalogs", 205, "Catalogs"),
)
"""Unified Astronomy Thesaurus: term as the VO writes it, number, label."""

SPECTRAL_NANOMETRES = (846.0, 870.0)
"""Range of RVS, in vacuum."""

_HC = 6.62607015e-34 * 299792458.0
SPECTRAL_JOULES = (_HC / (SPECTRAL_NANOMETRES[1] * 1e-9), _HC / (SPECTRAL_NANOMETRES[0] * 1e-9))
"""The same as energies of photons, as registries take it (VODataService 1.2)."""


@dataclass(frozen=True)
class Related:
    """Another work that the catalogue relates to."""

    relation: str
    """relationType of DataCite."""
    doi: str
    words: str


RELATED: tuple[Related, ...] = (
    Related("IsDescribedBy", PAPER_DOI, "The method: Guiglion et al. 2024, A&A 682, A9"),
    Related("IsDerivedFrom", "10.1051/0004-6361/202243940", "Gaia DR3: Gaia Collaboration, Vallenari et al. 2023"),
    Related("IsDerivedFrom", "10.3847/1538-4365/ac4414", "APOGEE DR17: Abdurro'uf et al. 2022"),
)
