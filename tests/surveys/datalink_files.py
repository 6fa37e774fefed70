"""DataLink products in the forms in which the archive serves them: text, FITS and VOTable, INDIVIDUAL and RAW."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.io.votable.tree import Field, Param, Resource, TableElement, VOTableFile
from astropy.table import Table

from tests.surveys.files import pixel_rows

COUNTERS = {"combined_transits": "NTRANSIT", "combined_ccds": "NCCDS", "deblended_ccds": "NDEBLEND"}


def pixel_csv(columns: Mapping[str, Any], star: int) -> bytes:
    """One row a pixel, the star's values on each."""
    lines = ["source_id,solution_id,ra,dec,wavelength,flux,flux_error,combined_transits,combined_ccds,deblended_ccds"]
    fixed = ",".join(str(columns[name][star]) for name in ("source_id", "solution_id", "ra", "dec"))
    counters = ",".join(str(columns[name][star]) for name in COUNTERS)
    for wavelength, flux, error in zip(*pixel_rows(columns, star), strict=True):
        values = "," if np.isnan(flux) else f"{flux},{error}"
        lines.append(f"{fixed},{wavelength:.2f},{values},{counters}")
    return ("\n".join(lines) + "\n").encode()


def pixel_ecsv(columns: Mapping[str, Any], star: int) -> bytes:
    """One row a pixel, the star's values in a metadata block."""
    lines = ["# %ECSV 1.0", "# ---", "# delimiter: ','", "# datatype:"]
    for name, kind in (("wavelength", "float64"), ("flux", "float32"), ("flux_error", "float32")):
        lines += ["# -", f"#   name: {name}", f"#   datatype: {kind}"]
    lines += ["# meta:", *(f"#   {name}: {columns[name][star]}" for name in ("source_id", *COUNTERS))]
    lines.append("wavelength,flux,flux_error")
    lines += [
        f"{wavelength:.2f},{flux},{error}" for wavelength, flux, error in zip(*pixel_rows(columns, star), strict=True)
    ]
    return ("\n".join(lines) + "\n").encode()


def pixel_fits(columns: Mapping[str, Any], star: int) -> bytes:
    """One row a pixel, the star's values as keywords that are text."""
    hdu = fits.BinTableHDU(_pixel_table(columns, star))
    hdu.header["SOURCEID"] = str(columns["source_id"][star])
    for name, keyword in COUNTERS.items():
        hdu.header[keyword] = str(columns[name][star])
    return _fits_bytes([hdu])


def pixel_votable(columns: Mapping[str, Any], star: int, form: str = "binary2") -> bytes:
    """One row a pixel, the star's values as PARAMs."""
    document = VOTableFile.from_table(_pixel_table(columns, star))
    element = document.get_first_table()
    for name in ("source_id", *COUNTERS):
        element.params.append(Param(document, name=name, datatype="long", value=str(columns[name][star])))
    return _votable_bytes(document, form)


def raw_csv(columns: Mapping[str, Any]) -> bytes:
    """One row a star; arrays in round brackets, separated by comma and blank, as DataLink writes XP."""
    lines = [",".join(columns)]
    for row in zip(*columns.values(), strict=True):
        lines.append(",".join(_bracketed(value, '"({})"', ", ") for value in row))
    return ("\n".join(lines) + "\n").encode()


def raw_ecsv(columns: Mapping[str, Any]) -> bytes:
    """One row a star; arrays in square brackets without blanks."""
    lines = ["# %ECSV 1.0", "# ---", "# delimiter: ','", "# datatype:"]
    for name, values in columns.items():
        is_array = isinstance(values[0], np.ndarray)
        lines += ["# -", f"#   name: {name}", f"#   datatype: {'string' if is_array else 'int64'}"]
        lines += [f"#   subtype: '{values[0].dtype}[null]'"] if is_array else []
    lines.append(",".join(columns))
    for row in zip(*columns.values(), strict=True):
        lines.append(",".join(_bracketed(value, '"[{}]"', ",") for value in row))
    return ("\n".join(lines) + "\n").encode()


def raw_fits(columns: Mapping[str, Any]) -> bytes:
    """One row a star; arrays of varying length."""
    kinds = {np.dtype("f4"): "PE()", np.dtype("f8"): "PD()"}
    made = []
    for name, values in columns.items():
        if isinstance(values[0], np.ndarray):
            array = np.empty(len(values), dtype=object)
            array[:] = values
            made.append(fits.Column(name, kinds[values[0].dtype], array=array))
        else:
            kind = "D" if isinstance(values[0], float) else "K"
            made.append(fits.Column(name, kind, array=np.array(values)))
    return _fits_bytes([fits.BinTableHDU.from_columns(made)])


def raw_votable(columns: Mapping[str, Any], form: str = "binary2") -> bytes:
    """One row a star; arrays of varying length."""
    document = VOTableFile()
    resource = Resource(type="results")
    document.resources.append(resource)
    element = TableElement(document)
    resource.tables.append(element)
    kinds = {np.dtype("f4"): "float", np.dtype("f8"): "double"}
    for name, values in columns.items():
        if isinstance(values[0], np.ndarray):
            element.fields.append(Field(document, name=name, datatype=kinds[values[0].dtype], arraysize="*"))
        else:
            element.fields.append(
                Field(document, name=name, datatype="double" if isinstance(values[0], float) else "long")
            )
    element.create_arrays(len(columns["source_id"]))
    for i, row in enumerate(zip(*columns.values(), strict=True)):
        element.array[i] = tuple(
            np.ma.MaskedArray(value, mask=np.zeros(len(value), bool)) if isinstance(value, np.ndarray) else value
            for value in row
        )
    return _votable_bytes(document, form)


def write_zip(path: Path, members: Mapping[str, bytes] | Sequence[tuple[str, bytes]]) -> Path:
    """Write an archive."""
    pairs = members.items() if isinstance(members, Mapping) else members
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in pairs:
            archive.writestr(name, data)
    return path


def _pixel_table(columns: Mapping[str, Any], star: int) -> Table:
    return Table(dict(zip(("wavelength", "flux", "flux_error"), pixel_rows(columns, star), strict=True)))


def _bracketed(value: Any, frame: str, separator: str) -> str:
    if not isinstance(value, np.ndarray):
        return str(value)
    return frame.format(separator.join("NaN" if number != number else str(number) for number in value))


def _fits_bytes(hdus: list[fits.BinTableHDU]) -> bytes:
    target = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(target)
    return target.getvalue()


def _votable_bytes(document: VOTableFile, form: str) -> bytes:
    target = io.BytesIO()
    document.to_xml(target, tabledata_format=form)
    return target.getvalue()
