"""Small survey files in the archives' dialects, written independently of catalog.mock."""

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from catalog.surveys.gaia_source import PRODUCT as GAIA_SOURCE

N_PIXELS = 2401
FIRST_ID = 4_295_806_720


def spectra(n_stars: int, *, first_id: int = FIRST_ID, n_pixels: int = N_PIXELS, seed: int = 7) -> dict[str, Any]:
    """Columns of an rvs_mean_spectrum file; the last four pixels are missing."""
    generator = np.random.default_rng(seed)
    flux = generator.normal(0.9, 0.1, (n_stars, n_pixels)).astype(np.float32)
    error = generator.uniform(0.01, 0.05, (n_stars, n_pixels)).astype(np.float32)
    flux[:, -4:] = error[:, -4:] = np.nan
    return {
        # As in the only bulk table that was seen: source_id is not the first column.
        "solution_id": [375316653866487565] * n_stars,
        "source_id": [first_id + i for i in range(n_stars)],
        "ra": [10.5 + i for i in range(n_stars)],
        "dec": [-3.25] * n_stars,
        "flux": list(flux),
        "flux_error": list(error),
        "combined_transits": [9] * n_stars,
        "combined_ccds": [27] * n_stars,
        "deblended_ccds": [0] * n_stars,
    }


def xp_coefficients(n_stars: int, *, first_id: int = FIRST_ID) -> dict[str, Any]:
    """Columns of an xp_continuous_mean_spectrum file."""
    generator = np.random.default_rng(11)
    return {
        "source_id": [first_id + i for i in range(n_stars)],
        "solution_id": [4545469030156206080] * n_stars,
        "bp_coefficients": list(generator.normal(0, 100, (n_stars, 55))),
        "bp_n_relevant_bases": [7] * n_stars,
        "rp_coefficients": list(generator.normal(0, 100, (n_stars, 55))),
        "rp_n_relevant_bases": [9] * n_stars,
    }


def gaia_sources(n_stars: int, *, first_id: int = FIRST_ID) -> dict[str, Any]:
    """Columns of a gaia_source file: those that are taken over, and two more."""
    columns: dict[str, Any] = {"designation": [f"Gaia DR3 {first_id + i}" for i in range(n_stars)]}
    for column in GAIA_SOURCE.columns:
        default: Any = {"text": "NOT_AVAILABLE", "bool": False, "real": 1.5, "double": 2.5}.get(column.kind, 3)
        columns[column.name] = [default] * n_stars
    columns["source_id"] = [first_id + i for i in range(n_stars)]
    columns["ra"] = [44.99615537864534 + i for i in range(n_stars)]
    columns["random_index"] = list(range(n_stars))
    return columns


def bulk_text(product: str, columns: Mapping[str, Sequence[Any]]) -> str:
    """Return the columns as the archive's bulk files hold them."""
    lines = [
        "# %ECSV 1.0",
        "# ---",
        "# delimiter: ','",
        "# meta: !!omap",
        "# - RELEASE: Gaia DR3",
        f"# - TABLE: {product}",
        "# - DESCRIPTION: >",
        "#     A table: with a colon, and a line that looks like an entry.",
        "#     source_id: 12",
        "# - CITATION: >",
        "#     How to cite and acknowledge Gaia: ",
        "# datatype:",
    ]
    for name, values in columns.items():
        lines += ["# - ", f"#   name: {name}", *_datatype(values), "#   meta:", "#     ucd: meta.id"]
    lines.append(",".join(columns))
    lines += [",".join(map(cell, row)) for row in zip(*columns.values(), strict=True)]
    return "\n".join(lines) + "\n"


def _datatype(values: Sequence[Any]) -> list[str]:
    example = next((value for value in values if value is not None), "")
    if isinstance(example, np.ndarray):
        # Trailing blanks as in the archive's files.
        return ["#   datatype: string ", f"#   subtype: '{example.dtype}[null]' "]
    names = {bool: "bool", int: "int64", float: "float64"}
    return [f"#   datatype: {names.get(type(example), 'string ')}"]


def cell(value: Any) -> str:
    """Return one value in the bulk dialect."""
    if value is None:
        return "null"
    if isinstance(value, np.ndarray):
        return '"[' + ",".join("NaN" if number != number else str(number) for number in value) + ']"'
    if isinstance(value, bool):
        return f'"{value}"'
    if isinstance(value, str):
        return f'"{value}"'
    return str(value)


def write_bulk(path: Path, product: str, columns: Mapping[str, Sequence[Any]]) -> Path:
    """Write a bulk file, compressed when its name ends in .gz."""
    data = bulk_text(product, columns).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def pixel_rows(columns: Mapping[str, Any], star: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return wavelength, flux and error of one star, as INDIVIDUAL files hold them."""
    flux = columns["flux"][star]
    return 846.0 + 0.01 * np.arange(len(flux)), flux, columns["flux_error"][star]
