"""All survey products, and how a file of one is opened."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from catalog.errors import NotFoundError
from catalog.releases import Release
from catalog.surveys import (
    apogee,
    astrophysical_parameters,
    clusters,
    dr2_neighbourhood,
    gaia_source,
    galah,
    k2gap,
    mock_truth,
    rvs_cnn,
    rvs_mean_spectrum,
    starhorse,
    xp_continuous_mean_spectrum,
)
from catalog.surveys.archives import archive_batches
from catalog.surveys.batch import SurveyBatch
from catalog.surveys.columns import Notices
from catalog.surveys.formats import ZipArchive, open_file
from catalog.surveys.product import Product
from catalog.surveys.tables import RawTable

__all__ = ["PRODUCTS", "SurveyFile", "open_survey", "product_named"]

PRODUCTS: dict[str, Product] = {
    module.PRODUCT.name: module.PRODUCT
    for module in (
        gaia_source,
        astrophysical_parameters,
        rvs_mean_spectrum,
        xp_continuous_mean_spectrum,
        apogee,
        galah,
        k2gap,
        clusters,
        dr2_neighbourhood,
        starhorse,
        rvs_cnn,
        mock_truth,
    )
}
"""By name, in the order in which they are ingested."""


@dataclass
class SurveyFile:
    """An opened survey file."""

    path: Path
    product: Product
    release: Release
    content: list[RawTable] | ZipArchive
    notices: Notices = field(default_factory=Notices)
    """Complete once all batches have been read."""

    def batches(self) -> Iterator[SurveyBatch]:
        """Yield the file's rows in batches of bounded size.

        Raises
        ------
        FormatError
            The file is truncated, lacks a column, holds no row, or is on another pixel grid. Batches
            yielded before must then be thrown away: a bad file is refused whole.
        """
        if isinstance(self.content, ZipArchive):
            return archive_batches(self.product, self.content, self.release, self.notices)
        return self.product.batches(self.content, self.release, self.notices)


def product_named(name: str) -> Product:
    """Return the product `name`.

    Raises
    ------
    NotFoundError
        There is no such product.
    """
    if name not in PRODUCTS:
        raise NotFoundError(f"Unknown survey product {name!r}.", f"Products: {', '.join(PRODUCTS)}.")
    return PRODUCTS[name]


def open_survey(path: Path, product: str, release: Release) -> SurveyFile:
    """Open a survey file; its format is told from its content. A zip archive is one file.

    Parameters
    ----------
    path : Path
    product : str
        Name of the product, as in `PRODUCTS`.
    release : Release
        Data release whose pixel grid and array lengths the file must have.

    Returns
    -------
    SurveyFile

    Raises
    ------
    FormatError
        The file is missing, empty, damaged or of no known format.
    NotFoundError
        There is no such product.
    """
    return SurveyFile(path, product_named(product), release, open_file(path))
