"""New spectra in a published catalogue: added, and nothing else touched."""

from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest

from catalog import stages
from catalog.boundary.placed import place_stars
from catalog.database import ledger
from catalog.ensemble.prediction.labelling import label_stars
from catalog.errors import ArtefactError, ConfigurationError, DatabaseError, NotFoundError, SampleError
from catalog.profiles import load_profile
from catalog.progress import silent
from tests.update.working import Installation

# What may not change of a star that was known.
KEPT = """
SELECT to_jsonb(given) - 'run_id', to_jsonb(sample) - 'run_id' - 'added', to_jsonb(flag) - 'run_id',
       to_jsonb(companion) - 'run_id',
       (SELECT jsonb_agg(jsonb_build_array(perplexity, x, y, distance, "like") ORDER BY perplexity)
        FROM production.likeness AS star WHERE star.run_id = given.run_id AND star.source_id = given.source_id)
FROM production.label AS given
JOIN production.sample_star AS sample USING (run_id, source_id)
JOIN production.boundary AS flag USING (run_id, source_id)
JOIN production.training_distance AS companion USING (run_id, source_id)
WHERE run_id = %s AND source_id IN (SELECT source_id FROM production.label WHERE run_id = %s)
ORDER BY source_id
"""
PLACES = """
SELECT perplexity, source_id, x, y, distance, "like", placed_distance FROM production.likeness AS star
WHERE run_id = %s AND source_id IN (SELECT source_id FROM production.sample_star WHERE run_id = %s AND added)
ORDER BY perplexity, source_id
"""
COMPANIONS = """
SELECT source_id, nearest, distance, quantile, outside FROM production.training_distance
WHERE run_id = %s AND source_id IN (SELECT source_id FROM production.sample_star WHERE run_id = %s AND added)
ORDER BY source_id
"""
LABELS = """
SELECT to_jsonb(given) - 'run_id' FROM production.label AS given WHERE run_id = %s
AND source_id IN (SELECT source_id FROM production.sample_star WHERE run_id = %s AND added) ORDER BY source_id
"""


def test_new_spectra_are_added_twice_and_nothing_else_is_touched(installation: Installation) -> None:
    before = installation.content(1)
    installation.deliver(1)
    found, results = installation.update()
    assert (found.base.run_id, found.run and found.run.run_id) == (1, 2)
    n_added = results["sample"].counts["added"]
    assert n_added > 20
    assert results["predict"].counts["labelled"] == n_added
    assert results["flag"].counts["placed"] + len(results["flag"].notes) >= n_added
    [(names,)] = installation.rows("SELECT array_agg(name ORDER BY stage_id) FROM production.stage WHERE run_id = 2")
    assert names == ["ingest", "sample", "predict", "flag", "validate", "publish"]
    assert all(mb > 10 for (mb,) in installation.rows("SELECT peak_mb FROM production.stage WHERE run_id = 2"))
    assert installation.rows("SELECT version, run_id, current FROM production.publication ORDER BY version") == [
        (1, 1, False),
        (2, 2, True),
    ]
    assert installation.rows("SELECT count(*) FROM catalogue.rvs_cnn") == [(len(before["label"]) + n_added,)]
    # The ensemble does not learn, and says so.
    assert installation.rows("SELECT count(*) FROM production.ensemble") == [(1,)]
    assert results["sample"].counts["qualified"] == sum(
        row[0]["training_cut"] == "arrived later" for row in installation.content(2)["sample_star"]
    )

    installation.deliver(3)
    found, results = installation.update()
    assert (found.base.run_id, found.run and found.run.run_id) == (2, 3)
    for earlier, later in ((1, 2), (1, 3), (2, 3)):
        assert installation.rows(KEPT, later, earlier) == installation.rows(KEPT, earlier, earlier)
    assert installation.content(1) == before
    # Every flag is what the database computes anew.
    assert installation.rows(
        "SELECT count(*), count(*) FILTER (WHERE stored.flag_bits = computed.flag_bits) "
        "FROM production.boundary AS stored JOIN production.boundary_computed AS computed USING (run_id, source_id) "
        "WHERE run_id = 3"
    ) == [(len(installation.content(3)["label"]),) * 2]

    # A full run would label and place the new stars alike: all stars at once, by the same ensemble, in the same maps.
    run_id = as_if_whole(installation, 3)
    assert installation.rows(LABELS, run_id, 3) == installation.rows(LABELS, 3, 3)
    assert installation.rows(PLACES, run_id, 3) == installation.rows(PLACES, 3, 3)
    assert installation.rows(COMPANIONS, run_id, 3) == installation.rows(COMPANIONS, 3, 3)

    found, _ = installation.update()
    assert (found.base.run_id, found.run) == (3, None)
    assert installation.rows("SELECT count(*) FROM production.run WHERE run_id <> %s", run_id) == [(3,)]
    assert installation.rows("SELECT count(*) FROM production.publication") == [(3,)]


def as_if_whole(installation: Installation, run_id: int) -> int:
    """Label and place all stars of a run as a full run with frozen maps does; return that run."""
    with psycopg.connect(installation.url) as connection:
        [(key,)] = connection.execute(
            "SELECT DISTINCT reference FROM production.likeness_map WHERE run_id = %s", (run_id,)
        ).fetchall()
        [(ensemble_id, path)] = connection.execute("SELECT ensemble_id, path FROM production.ensemble").fetchall()
        likeness = installation.profile.likeness.model_copy(update={"reference": key})
        whole = ledger.open_run(connection, installation.profile.model_copy(update={"likeness": likeness}))
        connection.execute(
            "INSERT INTO production.sample_star (run_id, release, source_id, role, cut, training_cut, apogee_file_id, "
            "apogee_row) SELECT %s, release, source_id, role, cut, training_cut, apogee_file_id, apogee_row "
            "FROM production.sample_star WHERE run_id = %s",
            (whole.run_id, run_id),
        )
        connection.commit()
        label_stars(
            connection,
            whole,
            installation.settings,
            silent,
            ensemble_id,
            installation.home / "ensembles" / path.rpartition("/")[2],
        )
        place_stars(connection, whole, installation.settings, silent)
    return whole.run_id


KILLS = (("ingest", 3), ("sample", 2), ("predict", 1), ("flag", 3), ("validate", 4), ("publish", 3))
"""Stages, and how often each tells how far it is before its process is killed."""


def test_killed_in_the_middle_of_each_stage_it_ends_with_the_same_rows(
    copy: Callable[[], Installation],
) -> None:
    stopped, straight = copy(), copy()
    for each in (stopped, straight):
        each.deliver(1)
    for stage, times in KILLS:
        stopped.killed_update(stage, times)
    found, _ = stopped.update()
    straight.update()
    assert found.run is not None
    assert stopped.content(found.run.run_id) == straight.content(2)
    interrupted = stopped.rows("SELECT name FROM production.stage WHERE message = 'interrupted' ORDER BY stage_id")
    assert [name for (name,) in interrupted] == ["sample", "predict", "flag", "validate", "publish"]
    published = "SELECT to_jsonb(row) - 'run_id' FROM catalogue.rvs_cnn_extended AS row ORDER BY source_id"
    assert stopped.rows(published) == straight.rows(published)


def test_nothing_new_makes_no_run_and_no_version(installation: Installation) -> None:
    installation.deliver(1, "gaia_source")
    found, _ = installation.update()
    assert found.run is None
    # Spectra without XP coefficients are all rejected: nothing to publish either.
    installation.deliver(1, "rvs_mean_spectrum")
    found, results = installation.update()
    assert results["sample"].counts["added"] == 0
    assert installation.rows("SELECT run_id, status FROM production.run") == [(1, "complete")]
    assert installation.rows("SELECT version FROM production.publication") == [(1,)]


def test_settings_that_have_changed_are_refused_by_name(installation: Installation) -> None:
    installation.deliver(1)
    likeness = installation.profile.likeness.model_copy(update={"n_iter": 51})
    other = installation.profile.model_copy(update={"likeness": likeness})
    with pytest.raises(ConfigurationError, match=r"run 1.*likeness\.n_iter 50 -> 51") as told:
        installation.update(other)
    assert "rvscat run" in told.value.remedy
    with pytest.raises(NotFoundError, match="No catalogue of profile demo"):
        installation.update(load_profile("demo"))
    installation.rows("UPDATE production.run SET version = '0.0.1', key = repeat('0', 64) RETURNING 1")
    with pytest.raises(ConfigurationError, match=r"version of rvscat 0\.0\.1 -> "):
        installation.update()
    assert installation.rows("SELECT count(*) FROM production.run") == [(1,)]


def test_an_ensemble_or_maps_that_have_changed_are_refused(installation: Installation) -> None:
    installation.deliver(1)
    [folder] = (installation.home / "ensembles").glob("[0-9a-f]*")
    sums = folder / "checksums.txt"
    content = sums.read_text()
    sums.write_text(content + "\n")
    with pytest.raises(ArtefactError, match="not the one that was recorded"):
        installation.update()
    sums.write_text(content)
    [(key,)] = installation.rows("UPDATE production.likeness_reference SET path = '/nowhere' RETURNING key")
    with pytest.raises(ArtefactError, match="holds no reference maps"):
        installation.update()
    [path] = (installation.home / "likeness").iterdir()
    installation.rows("UPDATE production.likeness_reference SET path = %s WHERE key = %s RETURNING 1", str(path), key)
    # Another ensemble under the same name and sums: its labels tell.
    installation.rows("UPDATE production.label SET teff = teff + 5 RETURNING 1")
    with pytest.raises(ArtefactError, match="does not give the labels that run 1 has"):
        installation.update()
    assert installation.rows("SELECT count(*) FROM production.publication") == [(1,)]
    assert installation.rows("SELECT count(*) FROM production.label WHERE run_id = 2") == installation.rows(
        "SELECT count(*) FROM production.label WHERE run_id = 1"
    )


def test_rows_that_have_changed_are_told_or_refused(installation: Installation) -> None:
    replaced = """
        WITH other AS (
            INSERT INTO production.ingest_file (release, product, name, path, sha256, bytes, status)
            SELECT release, product, 'replaced.csv', path, repeat('1', 64), bytes, 'complete'
            FROM production.ingest_file WHERE product = %s LIMIT 1 RETURNING file_id
        )
        UPDATE survey.{table} SET file_id = (SELECT file_id FROM other)
        WHERE source_id = (SELECT min(source_id) FROM production.label) RETURNING source_id
    """
    [(star,)] = installation.rows(replaced.format(table="rvs_spectrum"), "rvs_mean_spectrum")
    found, _ = installation.update()
    assert found.run is None
    assert [f"source_id {star}" in note and "rvs_mean_spectrum" in note for note in found.notes] == [True]
    installation.deliver(1, "rvs_mean_spectrum")
    installation.rows(replaced.format(table="gaia_source"), "gaia_source")
    with pytest.raises(SampleError, match=rf"1 of gaia_source.*{star}") as told:
        installation.update()
    assert "rvscat run" in told.value.remedy
    assert installation.rows("SELECT count(*) FROM production.run") == [(1,)]


def test_there_is_one_update_at_a_time_and_no_other_stage(installation: Installation) -> None:
    with (
        psycopg.connect(installation.url) as other,
        ledger.exclusive(other, ledger.find_run(other, 1)),
        pytest.raises(DatabaseError, match="Another process"),
    ):
        installation.update()
    with psycopg.connect(installation.url) as connection:
        run = replace(ledger.find_run(connection, 1), run_id=2, base_run_id=1)
        with pytest.raises(NotFoundError, match="has no stage 'train'"):
            stages.run_stage(connection, run, "train", installation.settings)
