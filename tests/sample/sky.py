"""Survey rows of stars that pass every cut, to be spoilt one value at a time."""

import struct
from itertools import count
from typing import Any

import psycopg
from psycopg import sql

N_PIXELS = 2401

GAIA: dict[str, Any] = {
    "ra": 10.0,
    "dec": -20.0,
    "parallax": 2.0,
    "parallax_error": 0.02,
    "parallax_over_error": 100.0,
    "ruwe": 1.0,
    "phot_g_mean_flux_over_error": 5000.0,
    "phot_g_mean_mag": 11.0,
    "phot_bp_mean_flux_over_error": 2000.0,
    "phot_bp_mean_mag": 11.4,
    "phot_rp_mean_flux_over_error": 2500.0,
    "phot_rp_mean_mag": 10.5,
    "rvs_spec_sig_to_noise": 60.0,
    "phot_variable_flag": "NOT_AVAILABLE",
    "in_qso_candidates": False,
    "in_galaxy_candidates": False,
    "non_single_star": 0,
    "has_xp_continuous": True,
    "has_rvs": True,
}

APOGEE: dict[str, Any] = {
    "snr": 150.0,
    "teff": 4800.0,
    "teff_err": 12.0,
    "logg": 2.6,
    "logg_err": 0.03,
    "m_h": -0.2,
    "m_h_err": 0.01,
    "alpha_m": 0.1,
    "alpha_m_err": 0.01,
    "fe_h": -0.2,
    "fe_h_err": 0.01,
    "fe_h_flag": 0,
    "aspcap_chi2": 3.0,
    "aspcapflag": 0,
    "starflag": 0,
    "extratarg": 0,
}


def coefficients(first: float = 100.0, n: int = 55) -> bytes:
    """Return `n` little-endian float64 with the given first one."""
    return struct.pack(f"<{n}d", first, *[0.5] * (n - 1))


class Sky:
    """Writes survey rows of one release."""

    def __init__(self, connection: psycopg.Connection, release: str) -> None:
        self.connection = connection
        self.release = release
        self._ids = count(1_000_000_001)
        self._rows = count(1)
        self.gaia_file = self._file("gaia_source", "GaiaSource_000000-000001.csv.gz", "complete")
        self.apogee_file = self._file("apogee", "allStarLite.fits", "complete")

    def _file(self, product: str, name: str, status: str, release: str | None = None) -> int:
        row = self.connection.execute(
            "INSERT INTO production.ingest_file (release, product, name, path, sha256, bytes, status) "
            "VALUES (%s, %s, %s, %s, repeat('a', 64), 1, %s) RETURNING file_id",
            (release or self.release, product, name, name, status),
        ).fetchone()
        assert row is not None
        return row[0]

    def insert(self, table: str, **values: Any) -> None:
        self.connection.execute(
            sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                sql.Identifier(*table.split(".")),
                sql.SQL(", ").join(map(sql.Identifier, values)),
                sql.SQL(", ").join(sql.Placeholder() * len(values)),
            ),
            list(values.values()),
        )

    def star(
        self,
        gaia: dict[str, Any] | None = None,
        apogee: dict[str, Any] | None = None,
        xp: dict[str, Any] | None = None,
        parameters: dict[str, Any] | None = None,
        without: tuple[str, ...] = (),
    ) -> int:
        """Write a star that passes every cut but for the given values; return its source_id."""
        key = {"release": self.release, "source_id": next(self._ids), "file_id": self.gaia_file}
        if "rvs_spectrum" not in without:
            self.insert("survey.rvs_spectrum", **key, flux=bytes(4 * N_PIXELS))
        if "gaia_source" not in without:
            self.insert("survey.gaia_source", **key, **{**GAIA, **(gaia or {})})
        if "xp_coefficients" not in without:
            arrays = {"bp_coefficients": coefficients(), "rp_coefficients": coefficients()}
            self.insert("survey.xp_coefficients", **key, **{**arrays, **(xp or {})})
        if "astrophysical_parameters" not in without:
            self.insert("survey.astrophysical_parameters", **key, **{"classlabel_espels": None, **(parameters or {})})
        if "apogee_star" not in without:
            self.apogee(key["source_id"], **(apogee or {}))
        return key["source_id"]

    def apogee(self, source_id: int | None, **values: Any) -> int:
        """Write an APOGEE row; return its number."""
        row = next(self._rows)
        values = {**APOGEE, "file_id": self.apogee_file, "apogee_id": f"2M{row:08d}", **values}
        self.insert("survey.apogee_star", row_number=row, gaiaedr3_source_id=source_id, **values)
        return row
