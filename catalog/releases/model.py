"""A data release as its TOML file describes it."""

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from catalog.errors import ConfigurationError, NotFoundError
from catalog.releases.grid import PixelGrid

__all__ = [
    "DRAFT",
    "BulkRoute",
    "Cuts",
    "DatalinkRoute",
    "Expected",
    "FileRoute",
    "Limits",
    "Release",
    "Source",
    "TapRoute",
    "XpBasis",
]

DRAFT = "-draft"
"""End of the name of a release that is only announced: whoever uses it has to write so."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class XpBasis(_Model):
    """Lengths of the XP coefficient arrays."""

    bp_coefficients: int
    rp_coefficients: int


class Cuts(_Model):
    """Thresholds of Sect. 2 of the paper; the queries of sql/selection take them as parameters."""

    phot_mean_flux_over_error_min: float
    training_snr_min: float
    training_parallax_over_error_min: float
    """Inverse of the largest relative parallax error: 5 is 20 %."""
    training_ruwe_max: float
    aspcapflag_bits: tuple[int, ...]
    aspcap_chi2_max: float
    teff_err_max: float
    logg_err_max: float
    metallicity_split: float
    metal_poor_err_max: float
    metal_rich_err_max: float
    alpha_m_err_max: float


class Limits(_Model):
    """Lowest and highest values of the training sample: labels, G and parallax (Table 1)."""

    teff: tuple[float, float]
    logg: tuple[float, float]
    mh: tuple[float, float]
    alpham: tuple[float, float]
    feh: tuple[float, float]
    g: tuple[float, float]
    parallax: tuple[float, float]


class Expected(_Model):
    """Counts that the paper states for this release, with the tolerance to compare them."""

    spectra: int | None = None
    apogee: int | None = None
    """Rows of the APOGEE file."""
    crossmatched: int | None = None
    """Stars with a spectrum and an APOGEE row, before any cut."""
    catalogue: int | None = None
    """Stars that pass all cuts of the observed sample, training stars included."""
    training: int | None = None
    observed: int | None = None
    """Stars of the catalogue without the training sample."""
    training_metal_poor: int | None = None
    """Training stars with [M/H] below -1 in APOGEE."""
    tolerance: float = Field(default=0.001)
    sections: dict[str, str] = Field(default_factory=dict)
    """Where in the paper each count stands."""
    explanations: dict[str, str] = Field(default_factory=dict)
    """Why a count may differ, as far as that is known."""

    @property
    def counts(self) -> dict[str, int]:
        """The counts that are stated, by name."""
        values = self.model_dump(exclude={"tolerance", "sections", "explanations"})
        return {name: value for name, value in values.items() if value is not None}


class BulkRoute(_Model):
    """A folder of the archive's file server: one file a range of HEALPix pixels, checksums beside them."""

    url: str
    """The folder, relative to the endpoint ``bulk``, or absolute."""
    prefix: str
    """File names are ``<prefix>_<first pixel>-<last pixel>.csv.gz``."""
    checksums: str = "_MD5SUM.txt"
    level: int = 8
    """HEALPix level of the pixels in file names."""


class FileRoute(_Model):
    """One file, whole."""

    url: str
    """Name of an endpoint, or absolute."""
    bytes: int | None = None
    """Its size as others measured it, for the estimate only."""
    md5: str | None = None


class TapRoute(_Model):
    """A table that TAP serves, fetched in ranges of its identifier."""

    url: str
    """The service: name of an endpoint, or absolute."""
    table: str
    key: str = "source_id"
    columns: tuple[str, ...]
    join: str = ""
    """SQL between FROM and WHERE after the table's name and its alias ``t``."""
    where: str = ""
    level: int = 2
    """HEALPix level whose pixels are fetched one by one; 0 fetches the table at once when `key` is no source_id."""
    ordered_by_position: bool = True
    """Whether `key` is a Gaia identifier, whose order is that of HEALPix."""
    mirrors: tuple[str, ...] = ()
    """Other services, or endpoints, with the same table: asked when `url` cannot be reached."""


class DatalinkRoute(_Model):
    """Products that DataLink serves by identifier."""

    url: str
    """The service: name of an endpoint, or absolute."""
    release: str
    """The release as this service spells it."""
    retrieval_type: str
    data_structure: str = "RAW"
    format: str = "ecsv"
    chunk: int = 5000
    """Most identifiers that one call may name."""


class Source(_Model):
    """Something that can be downloaded: one survey product, and the routes to it."""

    title: str
    product: str
    """Survey product, which is also the folder of its files."""
    rows: int | None = None
    """Rows of the whole, for the estimate and as a check."""
    bytes: int | None = None
    """Size of the whole download, for the estimate only."""
    bulk: BulkRoute | None = None
    file: FileRoute | None = None
    tap: TapRoute | None = None
    datalink: DatalinkRoute | None = None
    default: str
    """Route to take when none is asked for."""

    @property
    def routes(self) -> list[str]:
        """Names of the routes that there are."""
        return [name for name in ("bulk", "file", "tap", "datalink") if getattr(self, name) is not None]


class Release(_Model):
    """One data release."""

    name: str
    title: str
    status: Literal["released", "draft"]
    release_date: date
    reference_epoch: float
    source_ids: str
    """Release whose identifiers these are: catalogues made for the same one can be joined by source_id."""
    rvs_mean_spectrum: PixelGrid | None = Field(default=None, alias="rvs")
    """Grid of the mean spectra; absent as long as it is not known. Use `rvs`."""
    rvs_epoch_spectrum: PixelGrid | None = None
    """Grid of the spectra of single transits, in releases that have them."""
    xp: XpBasis
    cuts: Cuts
    paper_limits: Limits
    """Table 1 as printed: a preset and a comparison, never the default."""
    expected: Expected
    bulk_files: dict[str, str]
    """File-name prefix of each product in the archive's bulk folders."""
    endpoints: dict[str, str]
    sources: dict[str, Source] = Field(default_factory=dict)
    """What `rvscat fetch` can download."""
    unverified: dict[str, str] = Field(default_factory=dict)
    """Parts of this description that nobody has checked against the archive, and what is not known of them."""

    @property
    def rvs(self) -> PixelGrid:
        """Grid of the RVS mean spectra.

        Raises
        ------
        ConfigurationError
            It is not known yet.
        """
        return self.grid("rvs_mean_spectrum")

    def grid(self, product: str) -> PixelGrid:
        """Return the wavelength grid of `product`, ``rvs_mean_spectrum`` or ``rvs_epoch_spectrum``.

        Raises
        ------
        NotFoundError
            It is not a product of spectra.
        ConfigurationError
            The release has no such spectra, or their grid is not known yet.
        """
        grids = {"rvs_mean_spectrum": self.rvs_mean_spectrum, "rvs_epoch_spectrum": self.rvs_epoch_spectrum}
        if product not in grids:
            raise NotFoundError(f"{product!r} is no product of spectra.", f"There are {' and '.join(grids)}.")
        grid = grids[product]
        if grid is None:
            known = self.unverified.get(product, "it has no such spectra")
            raise ConfigurationError(
                f"The wavelength grid of {product} is not known for release {self.name}: {known}.",
                f"Once it is, write it into catalog/releases/{self.name.removesuffix(DRAFT)}.toml. Spectra of other "
                "grids can be resampled onto that of another release: `rvscat resample`.",
            )
        return grid

    @property
    def warning(self) -> str:
        """What a person should know before relying on this description; empty for a published release."""
        if self.status != "draft":
            return ""
        file = f"catalog/releases/{self.name.removesuffix(DRAFT)}.toml"
        return f"{self.title} is not published yet; {file} is a draft. Not verified: {', '.join(self.unverified)}."
