"""What is declared is answered."""

import re

import pytest

from catalog.service.adql import translate
from catalog.service.capabilities_adql import ADQL_LANGUAGE
from catalog.service.geometry import GEOMETRY
from catalog.service.query import run_query
from catalog.service.user_functions import USER_FUNCTIONS

GROUPS = {group.type.partition("#features-")[2]: group for group in ADQL_LANGUAGE.groups}

VALUES = {
    "INTEGER": "5",
    "BIGINT": "1001",
    "DOUBLE PRECISION": "1.5",
    "VARCHAR": "'word'",
    "CHAR(8)": "'10000000'",
}

EXAMPLES = {
    "AREA": "AREA(CIRCLE(1, 1, 1))",
    "BOX": "AREA(BOX(1, 1, 1, 1))",
    "CENTROID": "COORD1(CENTROID(BOX(1, 1, 1, 1)))",
    "CIRCLE": "AREA(CIRCLE(1, 1, 1))",
    "CONTAINS": "CONTAINS(POINT(1, 1), CIRCLE(1, 1, 1))",
    "COORD1": "COORD1(POINT(1, 1))",
    "COORD2": "COORD2(POINT(1, 1))",
    "COORDSYS": "COORDSYS(POINT(1, 1))",
    "DISTANCE": "DISTANCE(POINT(1, 1), POINT(2, 2))",
    "INTERSECTS": "INTERSECTS(POINT(1, 1), BOX(1, 1, 1, 1))",
    "POINT": "COORD1(POINT(1, 1))",
    "POLYGON": "AREA(POLYGON(1, 1, 2, 1, 1, 2))",
    "LOWER": "LOWER('A')",
    "UPPER": "UPPER('a')",
    "COALESCE": "COALESCE(NULL, 1)",
    "CAST": "CAST('1' AS INTEGER)",
    "IN_UNIT": "IN_UNIT(ra, 'rad')",
    "BITWISE_AND": "BITWISE_AND(1, 2)",
    "BITWISE_OR": "BITWISE_OR(1, 2)",
    "BITWISE_XOR": "BITWISE_XOR(1, 2)",
    "BITWISE_NOT": "BITWISE_NOT(1)",
}

QUERIES = {
    "ILIKE": "SELECT source_id FROM rvs_cnn_extended WHERE sourceid ILIKE '1%'",
    "UNION": "SELECT ra FROM rvs_cnn_extended UNION SELECT dec FROM rvs_cnn_extended",
    "EXCEPT": "SELECT ra FROM rvs_cnn_extended EXCEPT SELECT dec FROM rvs_cnn_extended",
    "INTERSECT": "SELECT ra FROM rvs_cnn_extended INTERSECT SELECT ra FROM rvs_cnn_extended",
    "WITH": "WITH x AS (SELECT ra FROM rvs_cnn_extended) SELECT ra FROM x",
    "OFFSET": "SELECT ra FROM rvs_cnn_extended ORDER BY ra OFFSET 1",
}


@pytest.mark.parametrize(
    "form",
    [feature.form for kind, group in GROUPS.items() if kind != "udf" for feature in group.features],
)
def test_features(published, form):
    adql = QUERIES.get(form) or f"SELECT TOP 1 {EXAMPLES[form]} FROM rvs_cnn_extended"
    assert run_query(published, adql).rows


@pytest.mark.parametrize("signature", [feature.form for feature in GROUPS["udf"].features])
def test_user_functions(published, signature):
    name, arguments, result = re.fullmatch(r"(\w+)\((.*)\) -> (\w+)", signature).groups()
    values = [VALUES[argument.split(" ", 1)[1]] for argument in arguments.split(", ")]
    call = f"{name}({', '.join(values)})"
    ((found,),) = run_query(
        published, f"SELECT TOP 1 {f'COORD2({call})' if result == 'POINT' else call} FROM rvs_cnn_extended"
    ).rows
    assert isinstance(found, {"INTEGER": int, "BIGINT": int, "VARCHAR": str, "POINT": float}[result])


def test_all_that_is_offered_is_declared():
    geometry = {feature.form for feature in GROUPS["adqlgeo"].features}
    declared = {feature.form.partition("(")[0].upper() for feature in GROUPS["udf"].features}
    assert geometry | declared >= set(GEOMETRY)
    assert declared >= set(USER_FUNCTIONS)
    assert all(feature.description for feature in GROUPS["udf"].features)
    assert {number for number, _ in ADQL_LANGUAGE.versions} == {"2.0", "2.1"}


def test_adql_2_0_still_works():
    tables = {"catalogue.rvs_cnn_extended": ["source_id", "ra", "dec"]}
    adql = (
        "SELECT source_id FROM rvs_cnn_extended "
        "WHERE CONTAINS(POINT('ICRS', ra, dec), BOX('ICRS', 1, 2, 3, 4)) = 1 "
        "AND CONTAINS(POINT('ICRS GEOCENTER', ra, dec), POLYGON('ICRS', 0, 0, 3, 0, 3, 3)) = 1"
    )
    assert translate(adql, tables).startswith("SELECT")
