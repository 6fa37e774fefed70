"""Functions beyond ADQL: HEALPix, the boundary flag, units, and those of the IVOA's catalogue."""

import numpy as np
import pytest
from astropy.table import Table

from catalog.errors import QueryError
from catalog.metadata import decode_flag
from catalog.service.adql import prepare, translate
from catalog.service.query import run_query
from catalog.sky.healpix import n_pixels
from catalog.sky.healpix import pixels as pixels_of

TABLES = {
    "catalogue.rvs_cnn": ["sourceid", "teff", "flag_boundary"],
    "catalogue.rvs_cnn_extended": ["source_id", "ra", "dec"],
}


@pytest.mark.parametrize("order", [0, 1, 5, 12, 29])
def test_pixels_of_positions(published, sky_of_stars, order):
    rows = run_query(published, f"SELECT source_id, ivo_healpix_index({order}, ra, dec) FROM rvs_cnn_extended").rows
    ids, ra, dec = (np.array([star[i] for star in sorted(sky_of_stars)]) for i in range(3))
    assert sorted(rows) == list(zip(ids.tolist(), pixels_of(ra, dec, order).tolist(), strict=True))


def test_pixels_of_gaia_sources(published, real_data):
    """Gaia wrote the pixel where it found a source into its source_id."""
    stars = Table.read(real_data / "gaia_source" / "gaia_source_tap_5rows_153cols.ecsv", format="ascii.ecsv")
    values = ", ".join(f"({star['source_id']}, {star['ra']}, {star['dec']})" for star in stars)
    published.execute("DELETE FROM catalogue.rvs_cnn_extended")
    published.execute(f"INSERT INTO catalogue.rvs_cnn_extended (source_id, ra, dec) VALUES {values}")
    for order in (12, 8):
        adql = (
            f"SELECT source_id, ivo_healpix_index({order}, POINT(ra, dec)), rvscat_healpix({order}, source_id) "
            "FROM rvs_cnn_extended"
        )
        rows = run_query(published, adql).rows
        assert all(held == source_id >> (59 - 2 * order) for source_id, _, held in rows)
        assert all(here == held for _, here, held in rows)


@pytest.mark.parametrize(
    ("position", "order", "pixels"),
    [
        ("0, 90", 3, {63, 127, 191, 255}),
        ("77, -90", 3, {512, 576, 640, 704}),
        ("360, 0", 0, {4}),
        ("-90, 0", 0, {7}),
        ("45, 0", 0, {0, 4, 5, 8}),
        ("90, 41.8103148957786", 3, {21, 42 + 64, 5 * 64 + 63}),  # where three base pixels meet
        ("NULL, 10", 3, {None}),
    ],
)
def test_pixels_where_base_pixels_meet(published, position, order, pixels):
    ((found,),) = run_query(published, f"SELECT TOP 1 ivo_healpix_index({order}, {position}) FROM rvs_cnn").rows
    assert found in pixels


@pytest.mark.parametrize("order", [0, 2, 7, 29])
def test_centres_of_pixels(published, order):
    last = n_pixels(order) - 1
    for index in {0, 1, last // 3, last // 2, last}:
        centre = f"ivo_healpix_center({order}, {index})"
        adql = f"SELECT TOP 1 COORD1({centre}), COORD2({centre}), DISTANCE({centre}, {centre}) FROM rvs_cnn"
        ((ra, dec, zero),) = run_query(published, adql).rows
        assert 0 <= ra < 360
        assert (pixels_of(np.array([ra]), np.array([dec]), order)[0], zero) == (index, 0)
    for index in (-1, last + 1):
        adql = f"SELECT TOP 1 COORD1(ivo_healpix_center({order}, {index})) FROM rvs_cnn"
        assert run_query(published, adql).rows == [(None,)]


def test_stars_are_counted_by_pixel(published, sky_of_stars):
    adql = "SELECT ivo_healpix_index(1, ra, dec) AS hpx, COUNT(*) AS n FROM rvs_cnn_extended GROUP BY hpx ORDER BY hpx"
    ra, dec = (np.array([star[i] for star in sky_of_stars]) for i in (1, 2))
    numbers, counts = np.unique(pixels_of(ra, dec, 1), return_counts=True)
    assert run_query(published, adql).rows == list(zip(numbers.tolist(), counts.tolist(), strict=True))


ANSWERS = [
    ("rvscat_flag('10000001', 1)", 1),
    ("rvscat_flag('10000001', 2)", 0),
    ("rvscat_flag('10000001', 'tsne')", 1),
    ("rvscat_flag(NULL, 'TEFF')", None),
    ("rvscat_flag('1', 8)", None),
    ("rvscat_flag_words('00000000')", ""),
    ("rvscat_flag_words('10000001')", "; ".join(digit.words for digit in decode_flag("10000001"))),
    ("rvscat_flag_words(NULL)", None),
    ("ivo_hashlist_has('Red#green#blue', 'GREEN')", 1),
    ("ivo_hashlist_has('Red#green#blue', 'gre')", 0),
    ("ivo_hashlist_has(NULL, 'gre')", None),
    ("ivo_hasword('A giant, with Halpha', 'GIANT')", 1),
    ("ivo_hasword('A giant, with Halpha', 'gian')", 0),
    ("ivo_nocasematch('NGC 6705', 'ngc%')", 1),
    ("ivo_nocasematch('M 67', 'ngc%')", 0),
    ("ivo_interval_overlaps(1, 2, 2, 3)", 1),
    ("ivo_interval_overlaps(1, 2, 2.1, 3)", 0),
    ("ivo_interval_overlaps(1, NULL, 2, 3)", None),
    ("IN_UNIT(teff, 'kK')", 5.777),
    ("IN_UNIT(e.ra, 'arcmin') - e.ra * 60", 0.0),
]


@pytest.mark.parametrize(("expression", "value"), ANSWERS)
def test_answers(published, expression, value):
    adql = f"SELECT {expression} FROM rvs_cnn JOIN rvs_cnn_extended e USING (sourceid) WHERE sourceid = '1002'"
    ((found,),) = run_query(published, adql).rows
    assert found == (pytest.approx(value, abs=1e-6) if isinstance(value, float) else value)


def test_flags_select_stars(published):
    adql = "SELECT sourceid FROM rvs_cnn WHERE rvscat_flag(flag_boundary, 'teff') = 1 ORDER BY sourceid"
    assert run_query(published, adql).rows == [("1003",), ("1004",)]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("ivo_healpix_index(30, ra, dec)", "order of HEALPix pixels is a number from 0 to 29"),
        ("ivo_healpix_index(1e999, ra, dec)", "order of HEALPix"),
        ("ivo_healpix_index(1.5, ra, dec)", "order of HEALPix"),
        ("ivo_healpix_index(source_id, ra, dec)", "order of HEALPix"),
        ("ivo_healpix_index(5, source_id)", r"RVSCAT_HEALPIX\(12, source_id\)"),
        ("ivo_healpix_index(5, ra, POINT(1, 1))", "IVO_HEALPIX_INDEX takes order and POINT"),
        ("ivo_healpix_index(5)", "takes 2 or 3 arguments, not 1"),
        ("ivo_healpix_center(5, 1)", "can only be an argument"),
        ("COORD1(ivo_healpix_center(5))", "takes order and pixel"),
        ("rvscat_healpix(13, source_id)", "from 0 to 12"),
        ("rvscat_flag('10000001', 9)", "flag has no digit 9"),
        ("rvscat_flag('10000001', 'colour')", "flag has no digit 'colour'. Digits are 1 to 8, or 'teff'"),
        ("rvscat_flag('10000001')", "takes 2 arguments, not 1"),
        ("ivo_string_agg(sourceid, ',')", "IVO_STRING_AGG is not offered"),
        ("IN_UNIT(ra, 'K')", "ra is in deg, which cannot be converted to K"),
        ("IN_UNIT(ra, 'nonsense')", "cannot be converted to nonsense"),
        ("IN_UNIT(ra, 'm**99999999999')", "cannot be converted"),
        ("IN_UNIT(ra, '" + "m" * 50 + "')", "is not a unit"),
        ("IN_UNIT(ra, '; DROP')", "is not a unit"),
        ("IN_UNIT(ra, dec)", "is not a unit"),
        ("IN_UNIT(ra + 1, 'rad')", "takes a column"),
        ("IN_UNIT(source_id, 'rad')", "unit of source_id is not known"),
    ],
)
def test_misuse_is_named(published, expression, message):
    with pytest.raises(QueryError, match=message):
        run_query(published, f"SELECT {expression} FROM rvs_cnn_extended")


def test_units_are_those_of_the_table_that_a_column_comes_from():
    with pytest.raises(QueryError, match="unit of ra is not known"):
        translate("SELECT IN_UNIT(ra, 'rad') FROM rvs_cnn_extended", TABLES)
    assert [c.name for c in prepare("SELECT rvscat_flag(flag_boundary, 1) FROM rvs_cnn", TABLES).columns] == [
        "rvscat_flag"
    ]
