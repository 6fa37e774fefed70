"""Layouts of surveys beyond Gaia's spectra that no real file was found of, made after their descriptions."""

import gzip
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from catalog.errors import FormatError
from catalog.releases import Release
from catalog.surveys import open_survey
from catalog.surveys.apogee import PRODUCT as APOGEE
from catalog.surveys.batch import SurveyBatch
from catalog.surveys.galah import _COLUMNS as GALAH_COLUMNS
from catalog.surveys.galah import PRODUCT as GALAH
from tests.surveys.files import write_bulk

Read = Callable[[Path, str], SurveyBatch]
FORMS = ["fits", "votable", "ascii.csv"]
IDS = [5318412686452956800, 604906737317927296, 12]


# Clusters


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("names", "release_of_ids"),
    [
        (("GaiaDR2", "proba", "Cluster"), "dr2"),
        (("GaiaDR3", "Prob", "Name"), "dr3"),
        (("source_id", "Proba", "Cluster"), "dr3"),
    ],
    ids=["Cantat-Gaudin 2020", "Hunt & Reffert 2023", "plain"],
)
def test_members_from_vizier(
    tmp_path: Path, read: Read, form: str, names: tuple[str, str, str], release_of_ids: str
) -> None:
    identifier, probability, cluster = names
    table = Table({
        "recno": [1, 2, 3], identifier: IDS, probability: np.array([1.0, 0.5, 0.7], "f4"),
        cluster: ["NGC_2682", "Melotte_25", "NGC_2682"],
    })  # fmt: skip
    table.write(tmp_path / "members", format=form)
    columns = read(tmp_path / "members", "clusters").columns
    assert columns["source_id"].tolist() == IDS
    assert columns["cluster"].tolist() == ["NGC_2682", "Melotte_25", "NGC_2682"]
    assert columns["gaia_release"].tolist() == [release_of_ids] * 3
    assert columns["proba"].tolist() == pytest.approx([1.0, 0.5, 0.7])


def test_dr3_ids_are_preferred_to_dr2_ids(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.csv").write_text("Name,GaiaDR2,GaiaDR3,Prob\nNGC_2682,11,22,0.9\n")
    columns = read(tmp_path / "a.csv", "clusters").columns
    assert (columns["source_id"].tolist(), columns["gaia_release"].tolist()) == ([22], ["dr3"])


NODUP = """\
J/A+A/640/A1   Portrait Galactic disc   (Cantat-Gaudin+, 2020)
================================================================================
File Summary:
--------------------------------------------------------------------------------
 FileName      Lrecl  Records   Explanations
--------------------------------------------------------------------------------
ReadMe            80        .   This file
nodup.dat        101        3   Members
--------------------------------------------------------------------------------

Byte-by-byte Description of file: nodup.dat
--------------------------------------------------------------------------------
   Bytes Format Units   Label     Explanations
--------------------------------------------------------------------------------
   1- 21 E21.19 deg     RAdeg     Right ascension (ICRS) at Ep=2015.5
  23- 43 E21.18 deg     DEdeg     Declination (ICRS) at Ep=2015.5
  45- 63  I19   ---     GaiaDR2   Gaia DR2 source ID
  65- 71  F7.5  ---     proba     Membership probability
  73- 89  A17   ---     Cluster   Cluster name
  91-101  F11.5 K       Teff50    ?=- Effective temperature
--------------------------------------------------------------------------------
"""


def nodup_line(gaia: int, proba: str, cluster: str, teff: str) -> str:
    return f"{1.32e2:21.15E} {-1.2e1:21.14E} {gaia:19d} {proba:>7} {cluster:<17} {teff:>11}".rstrip()


@pytest.fixture
def nodup(tmp_path: Path) -> Path:
    lines = [
        nodup_line(IDS[0], "1.00000", "IC_2391", "5000.5"),
        nodup_line(IDS[1], "", "NGC_2682", "-"),
        nodup_line(IDS[2], "0.70000", "Melotte_25", ""),
    ]
    (tmp_path / "ReadMe").write_text(NODUP)
    (tmp_path / "nodup.dat").write_text("\n".join(lines) + "\n")
    return tmp_path / "nodup.dat"


@pytest.mark.parametrize("is_packed", [False, True])
def test_fixed_width_members_beside_their_readme(nodup: Path, read: Read, is_packed: bool) -> None:
    path = nodup
    if is_packed:
        path = nodup.with_name("nodup.dat.gz")
        path.write_bytes(gzip.compress(nodup.read_bytes()))
    columns = read(path, "clusters").columns
    assert columns["source_id"].tolist() == IDS
    assert columns["cluster"].tolist() == ["IC_2391", "NGC_2682", "Melotte_25"]
    assert columns["gaia_release"].tolist() == ["dr2"] * 3
    np.testing.assert_allclose(columns["proba"], [1.0, np.nan, 0.7])


def test_fixed_width_members_without_a_readme(nodup: Path, read: Read) -> None:
    (nodup.parent / "ReadMe").unlink()
    with pytest.raises(FormatError, match=r"nodup\.dat is a fixed-width CDS table, and no ReadMe beside it") as caught:
        read(nodup, "clusters")
    assert "ReadMe" in caught.value.remedy


def test_fixed_width_members_beside_the_readme_of_others(nodup: Path, read: Read) -> None:
    (nodup.parent / "ReadMe").write_text(NODUP.replace("nodup.dat", "table1.dat"))
    with pytest.raises(FormatError, match=r"ReadMe does not describe .*nodup\.dat"):
        read(nodup, "clusters")


# Gaia DR2 neighbourhood

NEIGHBOURS = {
    "dr2_source_id": [IDS[0], IDS[1], IDS[1]],
    "dr3_source_id": [IDS[1], IDS[2], IDS[0]],
    "angular_distance": np.array([0.25, 1.5, 900.0], "f4"),
    "magnitude_difference": np.array([0.01, np.nan, -0.2], "f4"),
    "proper_motion_propagation": [True, True, False],
}


@pytest.mark.parametrize("form", [*FORMS, "ascii.ecsv", "parquet"])
def test_neighbourhood_from_tap(tmp_path: Path, read: Read, form: str) -> None:
    Table(NEIGHBOURS).write(tmp_path / "neighbours", format=form)
    columns = read(tmp_path / "neighbours", "dr2_neighbourhood").columns
    for name, expected in NEIGHBOURS.items():
        np.testing.assert_array_equal(columns[name], expected)


def test_neighbourhood_from_bulk_files(tmp_path: Path, read: Read) -> None:
    columns: dict[str, Any] = {
        **NEIGHBOURS,
        "angular_distance": [0.25, None, 900.0],
        "magnitude_difference": [None] * 3,
    }
    path = write_bulk(tmp_path / "Dr2Neighbourhood_0-1.csv.gz", "dr2_neighbourhood", columns)
    values = read(path, "dr2_neighbourhood").columns
    assert values["dr2_source_id"].tolist() == NEIGHBOURS["dr2_source_id"]
    assert np.isnan(values["angular_distance"]).tolist() == [False, True, False]
    assert values["proper_motion_propagation"].tolist() == [True, True, False]


# StarHorse


@pytest.mark.parametrize("form", FORMS)
def test_starhorse_of_the_aip_archive(tmp_path: Path, read: Read, form: str) -> None:
    names = ("dist16", "dist50", "dist84", "av16", "av50", "av84")
    numbers = {name: np.array([i + 0.1, i + 0.2, -999.0], "f4") for i, name in enumerate(names)}
    Table({"source_id": IDS, **numbers, "starhorse_outputflag": ["0000", "0001", ""]}).write(
        tmp_path / "a", format=form
    )
    columns = read(tmp_path / "a", "starhorse").columns
    assert columns["source_id"].tolist() == IDS
    for name in names:
        np.testing.assert_array_equal(columns[name][:2], numbers[name][:2])
        assert np.isnan(columns[name][2])
    assert columns["starhorse_outputflag"][0] == "0000"


# K2


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("position", [("RAJ2000", "DEJ2000"), ("_RA", "_DE"), ("RAdeg", "DEdeg"), ("ra", "dec")])
def test_k2_stars_with_epic_numbers_and_positions_alone(
    tmp_path: Path, read: Read, form: str, position: tuple[str, str]
) -> None:
    ra, dec = position
    table = Table({
        "EPIC": [211705076, 211821580], ra: [129.439, 130.5], dec: [15.982, 16.0],
        "numax": [98.01, 34.4], "e_numax": [0.5, 0.9], "Teff": [4664, 4795],
    })  # fmt: skip
    table.write(tmp_path / "k2", format=form)
    columns = read(tmp_path / "k2", "k2gap").columns
    assert columns["epic"].tolist() == [211705076, 211821580]
    assert (columns["ra"].tolist(), columns["dec"].tolist()) == ([129.439, 130.5], [15.982, 16.0])
    assert np.ma.getmaskarray(columns["gaia_source"]).all()
    assert columns["numax_err"].tolist() == pytest.approx([0.5, 0.9])


@pytest.mark.parametrize("header", ["EPIC,numax", "EPIC,numax,RAJ2000", "EPIC,numax,DEJ2000"])
def test_k2_stars_that_cannot_be_found_in_gaia_are_refused(tmp_path: Path, read: Read, header: str) -> None:
    path = tmp_path / "k2.csv"
    path.write_text(header + "\n" + ",".join(["1"] * (header.count(",") + 1)) + "\n")
    with pytest.raises(FormatError, match=r"k2\.csv \(CSV\) has neither Gaia ids .* nor positions") as caught:
        read(path, "k2gap")
    assert "IV/34" in caught.value.remedy


# GALAH and APOGEE: whole column lists


def appendix(real_data: Path, letter: str) -> str:
    text = (real_data / "FORMATS.md").read_text()
    return re.split(r"^## Appendix ", text.partition(f"## Appendix {letter} ")[2], flags=re.MULTILINE)[0]


def test_galah_with_all_its_columns(tmp_path: Path, read: Read, release: Release, real_data: Path) -> None:
    listed = re.findall(r"(\w+) (\d*[AKED])(?: \[[^]]*\])?(?:;|$)", appendix(real_data, "D"), re.MULTILINE)
    assert len(listed) == 197
    lowest, n = -(2**63), 3
    columns = []
    for i, (name, code) in enumerate(listed):
        if code.endswith("A"):
            columns.append(fits.Column(name, code, array=np.array(["x", "y", ""])))
        elif code == "K":
            null = 999999 if name == "sobject_id" else lowest
            array = np.array([i + 1, i + 2, null if name != "sobject_id" else i + 3])
            columns.append(fits.Column(name, code, null=null, array=array))
        else:
            columns.append(fits.Column(name, code, array=np.array([i + 0.25, i + 0.5, np.nan])))
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "a.fits")
    batch = read(tmp_path / "a.fits", "galah")
    assert (len(batch), batch.rejections) == (n, [])
    place = {name: i for i, (name, _) in enumerate(listed)}
    for column in GALAH_COLUMNS:
        values = batch.columns[column.name].tolist()
        if column.kind == "text":
            assert values == ["x", "y", None]
        elif column.kind == "bigint":
            last = place[column.name] + 3 if column.name == "sobject_id" else None
            assert values == [place[column.name] + 1, place[column.name] + 2, last]
        else:
            assert values[:2] == [place[column.name] + 0.25, place[column.name] + 0.5]
            assert np.isnan(values[2])
    survey = open_survey(tmp_path / "a.fits", "galah", release)
    list(survey.batches())
    assert survey.notices.texts == []
    assert len(survey.notices.unused) == 197 - len(GALAH.columns)


def all_star(n_rows: int) -> fits.HDUList:
    """An allStar file: the wide table, an image, and a table of names, after an empty first HDU."""
    generator = np.random.default_rng(2)
    codes = {"text": "30A", "real": "E", "double": "D", "bigint": "K", "integer": "J"}
    columns = [fits.Column("FILE", "64A", array=np.full(n_rows, "apStar-dr17.fits"))]
    for column in APOGEE.columns:
        values: Any = generator.uniform(1, 9, n_rows)
        if column.kind == "text":
            values = np.array([f"2M{i:08d}" for i in range(n_rows)])
        elif column.kind in ("bigint", "integer"):
            values = np.arange(1, n_rows + 1)
        columns.append(fits.Column(column.name.upper(), codes[column.kind], array=values))
    for name, shape in (("FPARAM_GRID", (21, 9)), ("FPARAM_COV", (9, 9)), ("PARAM_COV", (9, 9)), ("X_H", (27,))):
        array = np.ones((n_rows, *shape), "f4")
        columns.append(fits.Column(name, f"{array[0].size}E", dim=str(shape[::-1]), array=array))
    columns.append(fits.Column("VISIT_PK", "100J", array=np.zeros((n_rows, 100), "i4")))
    columns.append(fits.Column("ASPCAPFLAGS", "256A", array=np.full(n_rows, "N_M_WARN")))
    symbols = fits.BinTableHDU.from_columns([fits.Column("ELEM_SYMBOL", "5A", array=np.array(["C", "N"]))])
    return fits.HDUList(
        [fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns), fits.ImageHDU(np.zeros((2, 2))), symbols]
    )


def test_all_star_with_array_columns_and_four_hdus(tmp_path: Path, read: Read) -> None:
    hdus = all_star(9000)
    hdus.writeto(tmp_path / "allStar.fits")
    batch = read(tmp_path / "allStar.fits", "apogee")
    assert len(batch) == 9000
    for column in APOGEE.columns:
        stored = hdus[1].data[column.name.upper()]
        np.testing.assert_array_equal(batch.columns[column.name], stored if column.kind != "text" else list(stored))


def test_the_first_table_with_the_columns_is_read(tmp_path: Path, read: Read) -> None:
    hdus = all_star(5)
    fits.HDUList([hdus[0], hdus[3], hdus[2], hdus[1]]).writeto(tmp_path / "turned.fits")
    assert len(read(tmp_path / "turned.fits", "apogee")) == 5


def test_only_a_few_rows_of_a_wide_table_are_in_memory(tmp_path: Path, release: Release) -> None:
    path = tmp_path / "allStar.fits"
    all_star(30_000).writeto(path)
    size = path.stat().st_size
    tracemalloc.start()
    n_rows = sum(len(batch) for batch in open_survey(path, "apogee", release).batches())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_rows == 30_000
    # One block of 4,096 rows with all columns, and its converted columns.
    assert size > 70e6
    assert peak < 25e6


def test_fits_booleans_may_be_null(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "a.fits"
    columns = [fits.Column("dr2_source_id", "K", array=np.array([1, 2, 3])),
               fits.Column("dr3_source_id", "K", array=np.array([1, 2, 3])),
               fits.Column("angular_distance", "E", array=np.zeros(3)),
               fits.Column("proper_motion_propagation", "L", array=np.array([True, False, True]))]  # fmt: skip
    fits.BinTableHDU.from_columns(columns).writeto(path)
    data = path.read_bytes()
    # A boolean null is a zero byte, which astropy reads as false.
    row = np.array([3, 3], ">i8").tobytes() + np.zeros(1, ">f4").tobytes()
    path.write_bytes(data.replace(row + b"T", row + b"\0"))
    assert read(path, "dr2_neighbourhood").columns["proper_motion_propagation"].tolist() == [True, False, None]
