"""What is published: rows, columns and the views that explain the flag."""

import io
import warnings

import numpy as np
import pytest
from astropy import units
from astropy.io.votable import parse_single_table
from astropy.units import UnitsWarning

from catalog.database.connection import connect
from catalog.metadata import FLAG_DIGITS, LABELS
from catalog.metadata.columns import BOUNDARY_LIMITS, FLAG_BOUNDARY_DECODED, RVS_CNN, RVS_CNN_EXTENDED
from catalog.publish.publications import list_publications
from catalog.service.query import run_query
from catalog.service.writers import write
from tests.publish.described import columns_of


def test_rows_are_those_of_the_run(connection, run, settings, published):
    stars, result = published
    query = "SELECT * FROM catalogue.rvs_cnn ORDER BY sourceid::bigint"
    # Binary: text would show rounded digits of each float.
    assert connection.execute(query, binary=True).fetchall() == stars.rows()
    assert (result.counts["rows"], result.counts["version"], result.counts["new"]) == (200, 1, 1)
    assert list_publications(connection)[0].run_id == run.run_id


@pytest.mark.parametrize("info", [RVS_CNN, RVS_CNN_EXTENDED, BOUNDARY_LIMITS], ids=lambda info: info.name)
def test_tables_follow_the_metadata(connection, published, info):
    expected = [
        (
            column.name,
            column.sql_type.replace("varchar", "character varying").replace("char(", "character(")
            if column.sql_type.startswith("char(")
            else column.sql_type.replace("varchar", "character varying"),
            not column.nullable,
            f"{column.description} [{column.unit}]" if column.unit else column.description,
        )
        for column in info.columns
    ]
    assert columns_of(connection, f"{info.qualified_name}_v1") == expected
    # Views carry names, types and comments too.
    view = columns_of(connection, info.qualified_name)
    assert [(row[0], row[1], row[3]) for row in view] == [(row[0], row[1], row[3]) for row in expected]
    (comment,) = connection.execute("SELECT obj_description(%s::regclass)", (info.qualified_name,)).fetchone()
    assert comment == info.description


def test_extended_rows_lead_back_to_where_they_come_from(connection, run, published):
    stars, _ = published
    first, last = (int(stars.source_id[i]) for i in (0, -1))
    distances = "tsne_distance_30, tsne_distance_50, tsne_distance_100"
    names = f"source_id, sourceid, role, apogee_id, ruwe, {distances}, run_id, n_members, ensemble"
    rows = connection.execute(
        f"SELECT {names} FROM catalogue.rvs_cnn_extended WHERE source_id IN (%s, %s) ORDER BY source_id",
        (first, last),
    ).fetchall()
    key = str(run.run_id).rjust(64, "e")
    assert rows[0] == (first, str(first), "training", "2M00000000+0000000", None, 0.0, None, 0.0, run.run_id, 4, key)
    assert rows[1][:4] == (last, str(last), "observed", None)
    assert rows[1][5] == pytest.approx(199 / 30)


def test_calibrated_sigmas_are_published_where_there_are_any(connection, settings, published):
    stars, _ = published
    names = [f"sigma_{label.name}_oof" for label in LABELS]
    rows = connection.execute(
        f"SELECT {', '.join(names)} FROM catalogue.rvs_cnn_extended ORDER BY source_id", binary=True
    ).fetchall()
    assert rows[-1] == (None,) * 5
    for i, label in enumerate(LABELS):
        found = np.array([row[i] for row in rows[:-1]], dtype=np.float32)
        np.testing.assert_allclose(found, stars.labels[f"sigma_{label.name}"][:-1] * 1.25, rtol=1e-6)
    # rvs_cnn stays as the paper's Table 2 has it.
    assert len(columns_of(connection, "catalogue.rvs_cnn")) == 17
    described = dict(
        connection.execute(
            "SELECT column_name, unit || ' | ' || ucd FROM tap_schema.columns "
            "WHERE table_name = 'catalogue.rvs_cnn_extended' AND column_name LIKE '%_oof'"
        ).fetchall()
    )
    assert described["sigma_teff_oof"] == "K | stat.error;phys.temperature.effective"
    assert sorted(described) == sorted(names)
    # Answers to queries carry that into files.
    connection.commit()
    with connect(settings, role="rvscat_reader") as reader:
        query = "SELECT sourceid, sigma_teff_oof, sigma_mh_oof FROM rvs_cnn_extended ORDER BY source_id"
        result = run_query(reader, query)
    stream = io.StringIO()
    write(result, "votable", stream)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnitsWarning)
        table = parse_single_table(io.BytesIO(stream.getvalue().encode())).to_table()
    assert table["sigma_teff_oof"].unit == units.K
    assert table["sigma_teff_oof"][0] == pytest.approx(stars.labels["sigma_teff"][0] * 1.25, rel=1e-6)
    last = table["sigma_mh_oof"][-1]
    assert last is np.ma.masked or np.isnan(last)


def test_decoded_flag(connection, published):
    stars, _ = published
    rows = connection.execute("SELECT * FROM catalogue.flag_boundary_decoded ORDER BY source_id").fetchall()
    for row, source_id, flag in zip(rows, stars.source_id.tolist(), stars.flags, strict=True):
        assert row == (source_id, flag, *(int(digit) for digit in flag), flag.count("1"))
    assert [column.name for column in FLAG_BOUNDARY_DECODED.columns[2:10]] == [
        "teff_outside",
        "logg_outside",
        "mh_outside",
        "alpham_outside",
        "feh_outside",
        "g_outside",
        "parallax_outside",
        "tsne_unlike",
    ]
    assert len(FLAG_DIGITS) == 8


def test_flag_in_words(connection, published):
    stars, _ = published
    rows = connection.execute(
        "SELECT source_id, digit, quantity, outside, value, lower, upper, words "
        "FROM catalogue.flag_boundary_explained ORDER BY source_id, digit"
    ).fetchall()
    assert len(rows) == 8 * len(stars.flags)
    for i, (source_id, digit, quantity, outside, *_, words) in enumerate(rows):
        assert source_id == stars.source_id[i // 8]
        assert digit == i % 8 + 1
        assert quantity == FLAG_DIGITS[i % 8].name
        assert outside == int(stars.flags[i // 8][i % 8])
        assert words
    g = next(row for row in rows if row[2] == "g" and not row[3])
    assert g[5:7] == (9.0, 14.0)
    assert g[7] == f"G {g[4]:.2f} mag lies within the training sample's 9.00 to 14.00 mag"
    tsne = next(row for row in rows[8 * 20 :] if row[2] == "tsne" and row[3])
    assert tsne[7].startswith("the RVS spectrum is unlike those of the training sample: in a t-SNE map the nearest")


def test_limits_are_published_with_the_version(connection, run, settings, published):
    rows = {row[0]: row[1:] for row in connection.execute("SELECT * FROM catalogue.boundary_limits")}
    assert rows["teff"] == (1, -1.0, 1.0, "quantile", pytest.approx(0.001), 10)
    assert rows["tsne_distance_30"] == (8, 0.0, 2.0, "quantile", pytest.approx(0.99), 10)
    assert rows["pca_distance"] == (None, 0.0, 0.5, "quantile", pytest.approx(0.99), 10)
    assert len(rows) == 10
    # A later change of the run does not reach what is published.
    connection.execute("UPDATE production.boundary_limit SET upper = 7 WHERE quantity = 'teff'")
    assert connection.execute("SELECT upper FROM catalogue.boundary_limits WHERE quantity = 'teff'").fetchone() == (
        1.0,
    )


def test_likeness_is_published_whatever_the_perplexities(connection, published):
    rows = connection.execute(
        "SELECT tsne_distance_30, tsne_distance_50, tsne_ratio, pca_distance, pca_quantile, pca_outside "
        "FROM catalogue.rvs_cnn_extended ORDER BY source_id"
    ).fetchall()
    assert rows[60][:3] == (2.0, None, 1.0)
    assert rows[0][3:] == (None, None, None)
    assert rows[150][3:] == (pytest.approx(0.75), pytest.approx(0.75), 1)
    assert rows[50][5] == 0


def test_cones_use_the_index(connection, published):
    connection.execute("SET enable_seqscan = off")
    plan = connection.execute(
        "EXPLAIN SELECT source_id FROM catalogue.rvs_cnn_extended "
        'WHERE point(ra, "dec") <@ box(point(10, 10), point(12, 12))'
    ).fetchall()
    assert any("Index" in line and "point" in line for (line,) in plan)
