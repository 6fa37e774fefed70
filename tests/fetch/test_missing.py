"""Stars that the database still lacks a product of."""

from pathlib import Path

import psycopg
import pytest

from catalog.errors import ConfigurationError, SampleError
from catalog.fetch.missing import missing_ids
from catalog.releases import load_release
from catalog.surveys.ingest import ingest_path
from tests.surveys.files import FIRST_ID, gaia_sources, spectra, write_bulk, xp_coefficients


@pytest.fixture
def ingested(connection: psycopg.Connection, tmp_path: Path) -> psycopg.Connection:
    """Six stars; the last has no spectrum, the last but one no XP; spectra of two and XP of one are here."""
    stars = gaia_sources(6)
    stars["has_rvs"] = [True] * 5 + [False]
    stars["has_xp_continuous"] = [True] * 4 + [False, True]
    release = load_release("dr3")
    for product, columns in {
        "gaia_source": stars,
        "rvs_mean_spectrum": spectra(2),
        "xp_continuous_mean_spectrum": xp_coefficients(1),
    }.items():
        path = write_bulk(tmp_path / f"{product}.csv", product, columns)
        ingest_path(connection, path, product, "dr3", release)
    return connection


def test_stars_whose_product_is_in_the_archive_only(ingested: psycopg.Connection) -> None:
    assert missing_ids(ingested, "dr3", "rvs_mean_spectrum").tolist() == [FIRST_ID + i for i in (2, 3, 4)]
    assert missing_ids(ingested, "dr3", "xp_continuous_mean_spectrum").tolist() == [FIRST_ID + i for i in (1, 2, 3)]


def test_another_release_has_stars_of_its_own(ingested: psycopg.Connection) -> None:
    with pytest.raises(SampleError, match="No gaia_source of dr3-again has been ingested"):
        missing_ids(ingested, "dr3-again", "rvs_mean_spectrum")


def test_nothing_missing_is_said(ingested: psycopg.Connection) -> None:
    ingested.execute("UPDATE survey.gaia_source SET has_rvs = false")
    with pytest.raises(SampleError, match="No star of dr3 lacks its rvs_mean_spectrum"):
        missing_ids(ingested, "dr3", "rvs_mean_spectrum")


def test_other_products_are_not_known_to_gaia_source(connection: psycopg.Connection) -> None:
    with pytest.raises(ConfigurationError, match="does not say which stars have a galah"):
        missing_ids(connection, "dr3", "galah")
