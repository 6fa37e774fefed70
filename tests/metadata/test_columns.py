"""Facts of published columns, against Table 2 of the paper and against the standards."""

import re
import warnings

import pytest
from astropy import units
from astropy.io.votable import ucd

from catalog.metadata import FLAG_DIGITS, LABELS, TABLE_LABELS
from catalog.metadata.columns import (
    FLAG_BOUNDARY_DECODED,
    PERPLEXITIES,
    PUBLISHED_TABLES,
    RVS_CNN,
    RVS_CNN_EXTENDED,
    decoded_name,
)
from catalog.metadata.tap_schema import SCHEMAS, TAP_TABLES

TABLES = (*PUBLISHED_TABLES, *TAP_TABLES)
COLUMNS = [
    pytest.param(table, column, id=f"{table.name}.{column.name}") for table in TABLES for column in table.columns
]

# Table 2 of Guiglion et al. (2024), as printed.
TABLE_2 = (
    "sourceid teff eteff sigma_teff logg elogg sigma_logg mh emh sigma_mh feh efeh sigma_feh "
    "alpham ealpham sigma_alpham flag_boundary"
)


def test_rvs_cnn_is_table_2():
    assert RVS_CNN.column_names == tuple(TABLE_2.split())
    first, *labels, flag = RVS_CNN.columns
    assert (first.datatype, flag.datatype, flag.arraysize, flag.nullable) == ("char", "char", "8", False)
    assert {column.datatype for column in labels} == {"float"}
    assert {column.unit for column in labels[:3]} == {"K"}
    assert {column.unit for column in labels[3:6]} == {"log(cm.s**-2)"}
    assert {column.unit for column in labels[6:]} == {"'dex'"}


def test_extended_holds_all_of_rvs_cnn_with_the_same_facts():
    extended = {column.name: column for column in RVS_CNN_EXTENDED.columns}
    for column in RVS_CNN.columns[1:]:
        assert extended[column.name] == column
    assert [f"tsne_distance_{p}" for p in PERPLEXITIES] == [n for n in extended if n.startswith("tsne_distance")]


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_ucd_is_of_the_controlled_vocabulary(table, column):
    assert ucd.check_ucd(column.ucd, check_controlled_vocabulary=True), column.ucd
    assert len(column.ucd) <= 64


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_unit_is_a_vounit(table, column):
    # log(...) is a function of the VOUnits grammar that astropy does not read; 'dex' is quoted as the grammar asks.
    if column.unit in (None, "log(cm.s**-2)"):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        units.Unit(column.unit, format="vounit")


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_types_agree(table, column):
    expected = {
        "bigint": ("long", None),
        "integer": ("int", None),
        "smallint": ("short", None),
        "real": ("float", None),
        "double precision": ("double", None),
    }
    if match := re.fullmatch(r"(varchar|char)\((\d+)\)", column.sql_type):
        assert column.datatype == "char"
        assert column.arraysize.rstrip("*") == match[2]
        assert match[1] == "varchar" or not column.arraysize.endswith("*")
    else:
        assert (column.datatype, column.arraysize) == expected[column.sql_type]


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_description_fits_every_header(table, column):
    # FITS headers are ASCII.
    assert column.description.isascii()
    assert column.description == column.description.strip() != ""


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_names_are_unique_and_keys_lead_somewhere(table):
    assert len(set(table.column_names)) == len(table.columns)
    assert table.primary_key is None or table.primary_key in table.column_names
    assert table.schema in SCHEMAS
    by_name = {each.qualified_name: each for each in TABLES}
    for key in table.keys:
        assert key.column in table.column_names
        target = by_name[key.target_table]
        types = [
            next(c for c in t.columns if c.name == n).sql_type
            for t, n in ((table, key.column), (target, key.target_column))
        ]
        assert types[0] == types[1], key


@pytest.mark.parametrize("table", PUBLISHED_TABLES, ids=lambda table: table.name)
def test_one_main_identifier_and_position(table):
    mains = [column.ucd for column in table.columns if column.ucd.endswith(";meta.main")]
    assert len(mains) == len(set(mains))
    assert "meta.id;meta.main" in mains


def test_key_ids_are_unique():
    ids = [key.key_id for table in TABLES for key in table.keys]
    assert len(ids) == len(set(ids))


def test_decoded_columns_follow_the_digits():
    assert FLAG_BOUNDARY_DECODED.column_names[2:-1] == tuple(decoded_name(digit) for digit in FLAG_DIGITS)
    for digit, column in zip(FLAG_DIGITS, FLAG_BOUNDARY_DECODED.columns[2:-1], strict=True):
        assert column.description.startswith(f"Digit {digit.position}: 1 when ")


def test_calibrated_sigmas_stand_beside_the_papers_in_the_extended_table_alone():
    columns = {column.name: column for column in RVS_CNN_EXTENDED.columns}
    for label in LABELS:
        calibrated, sigma = columns[f"sigma_{label.name}_oof"], columns[f"sigma_{label.name}"]
        assert (calibrated.unit, calibrated.ucd) == (sigma.unit, sigma.ucd)
        assert (calibrated.nullable, sigma.nullable) == (True, False)
        assert calibrated.name not in RVS_CNN.column_names
    order = [name for name in columns if name.endswith("_oof")]
    assert order == [f"sigma_{label.name}_oof" for label in TABLE_LABELS]


def test_every_label_has_its_three_columns():
    for label in LABELS:
        value, spread, sigma = (
            next(c for c in RVS_CNN.columns if c.name == name)
            for name in (label.name, f"e{label.name}", f"sigma_{label.name}")
        )
        assert value.unit == spread.unit == sigma.unit == label.unit
        assert spread.ucd == f"stat.stdev;{value.ucd}"
        assert sigma.ucd == f"stat.error;{value.ucd}"
