"""A star's story: training, observed, rejected, set aside, unknown."""

import json
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from rich.console import Console

from catalog.cli.explain import explain as command
from catalog.database.ledger import Run, open_run
from catalog.database.queries import load
from catalog.errors import NotFoundError
from catalog.profiles import load_profile
from catalog.releases import load_release
from catalog.sample import select_samples
from catalog.sample.parameters import cut_parameters
from catalog.service.explain import explain
from catalog.service.story_text import render_story
from catalog.settings import Settings
from tests.sample.sky import Sky

LIMITS = {
    "teff": [3705.0, 6395.0],
    "logg": [0.58, 4.7],
    "mh": [-2.29, 0.55],
    "alpham": [-0.18, 0.46],
    "feh": [-2.2, 0.54],
    "g": [9.01, 14.21],
    "parallax": [0.05, 7.0],
}


@dataclass(frozen=True)
class Stars:
    url: str
    run_id: int
    training: int
    observed: int
    rejected: int
    quarantined: int
    unmatched: int


@pytest.fixture(scope="module")
def stars(module_database_url: str) -> Stars:
    """A database in which a few stars have been through every stage."""
    with psycopg.connect(module_database_url) as connection:
        return _fill(connection, module_database_url)


def _fill(connection: psycopg.Connection, url: str) -> Stars:
    run = open_run(connection, load_profile("tiny"))
    sky = Sky(connection, run.release)
    training, *_ = [sky.star() for _ in range(run.profile.training.min_training_stars)]
    sky.apogee(training, snr=20.0)
    observed = sky.star(
        gaia={"phot_g_mean_mag": 14.8, "parallax": 0.01},
        apogee={"aspcapflag": (1 << 41) | (1 << 7), "m_h": -0.9},
        parameters={
            "classlabel_espels": None,
            "teff_gspphot": 4700.0,
            "logg_gspphot": 2.4,
            "mh_gspphot": -0.8,
            "teff_gspspec": 4750.0,
            "teff_gspspec_lower": 4700.0,
            "teff_gspspec_upper": 4820.0,
            "logg_gspspec": 2.3,
            "mh_gspspec": -0.85,
            "alphafe_gspspec": 0.21,
            "fem_gspspec": 0.02,
        },
    )
    rejected = sky.star(gaia={"phot_bp_mean_flux_over_error": 321.5})
    unmatched = sky.star(without=("apogee_star",))
    quarantined = 4_268_620_287_278_693_120
    connection.execute(
        "INSERT INTO production.quarantine VALUES (%s, 17, %s, 'pixels', 'flux has 2400 pixels, 2401 are expected')",
        (sky.gaia_file, str(quarantined)),
    )
    galah = sky._file("galah", "GALAH_DR3.fits", "complete")
    for row, snr, teff in ((1, 20.0, 9999.0), (2, 90.0, 4810.0)):
        sky.insert(
            "survey.galah_star",
            file_id=galah,
            row_number=row,
            sobject_id=row,
            dr3_source_id=observed,
            teff=teff,
            e_teff=90.0,
            fe_h=-0.88,
            alpha_fe=0.2,
            snr_c3_iraf=snr,
        )
    select_samples(connection, run, Settings(home=Path("unused")))
    _label(connection, run, {training: "00000000", observed: "00000111", unmatched: "00000000"})
    connection.execute("INSERT INTO production.publication VALUES (3, %s, 3, repeat('c', 64), true)", (run.run_id,))
    connection.commit()
    return Stars(url, run.run_id, training, observed, rejected, quarantined, unmatched)


def _label(connection: psycopg.Connection, run: Run, flags: dict[int, str]) -> None:
    connection.execute(
        "INSERT INTO production.ensemble (key, run_id, release, path, status, n_members, n_training, settings) "
        "VALUES (repeat('e', 64), %s, %s, 'x', 'complete', 4, 40, '{}')",
        (run.run_id, run.release),
    )
    for quantity, (lower, upper) in LIMITS.items():
        connection.execute(
            "INSERT INTO production.boundary_limit VALUES (%s, %s, %s, %s, 'quantile', 0.001, 40)",
            (run.run_id, quantity, lower, upper),
        )
    for perplexity, threshold in ((30, 1.5), (50, 2.0)):
        connection.execute(
            "INSERT INTO production.likeness_map (run_id, perplexity, threshold, quantile, kl, n_training, n_observed, "
            "settings) VALUES (%s, %s, %s, 0.99, 1.0, 40, 2, '{}')",
            (run.run_id, perplexity, threshold),
        )
        for source_id, flag in flags.items():
            distance = 1.75 if flag.endswith("1") else 0.25
            connection.execute(
                "INSERT INTO production.likeness VALUES (%s, %s, %s, 0, 0, %s, %s)",
                (run.run_id, perplexity, source_id, distance, distance <= threshold),
            )
    connection.execute("INSERT INTO production.companion VALUES (%s, 7, 0.99, 0.5, 40)", (run.run_id,))
    nearest = min(flags)
    for source_id, flag in flags.items():
        connection.execute(
            "INSERT INTO production.training_distance VALUES (%s, %s, %s, %s, %s, %s)",
            (run.run_id, source_id, nearest, 0.25, 0.625, False),
        )
        connection.execute(
            "INSERT INTO production.label SELECT %s, %s, %s, ensemble_id, 4, 4812.3, 21.4, 63.2, 2.513, 0.041, 0.117, "
            "-0.912, 0.022, 0.081, 0.2134, 0.0061, 0.0312, -0.877, 0.021, 0.079 FROM production.ensemble",
            (run.run_id, run.release, source_id),
        )
        bits = sum(1 << i for i, digit in enumerate(flag) if digit == "1")
        connection.execute(
            "INSERT INTO production.boundary VALUES (%s, %s, %s, %s, %s)",
            (run.run_id, run.release, source_id, flag, bits),
        )


@pytest.fixture
def tell(stars):
    with psycopg.connect(stars.url) as connection:
        yield lambda source_id, run_id=None: explain(connection, source_id, run_id)


def spoken(story, width=120):
    console = Console(width=width, color_system=None, record=True, file=None, quiet=False)
    with console.capture() as capture:
        console.print(render_story(story))
    return capture.get()


def test_training_star(stars, tell):
    story = tell(stars.training)
    assert (story.role, story.cut, story.training_cut) == ("training", None, None)
    assert (story.run_id, story.release) == (stars.run_id, "dr3-mock-600-2024")
    assert [row.survey for row in story.files] == [
        "gaia_source",
        "rvs_spectrum",
        "xp_coefficients",
        "astrophysical_parameters",
        "apogee_star",
        "apogee_star",
    ]
    assert story.files[0].name == "GaiaSource_000000-000001.csv.gz"
    assert story.files[0].sha256 == "a" * 64
    assert (story.apogee.n_rows, story.apogee.snr, story.apogee.name) == (2, 150.0, "allStarLite.fits")
    assert [(each.version, each.is_current) for each in story.publications] == [(3, True)]
    text = spoken(story)
    assert "training sample: it passes all cuts" in text
    assert "the best of 2 rows" in text
    assert "version 3" in text


def test_observed_star(stars, tell):
    story = tell(stars.observed)
    assert (story.role, story.cut) == ("observed", None)
    assert story.training_cut.cut == "aspcapflag"
    assert story.training_cut.rule == "ASPCAPFLAG bits 7, 23 are unset"
    assert story.training_cut.value == "2199023255680 (bits 7, 41)"
    text = spoken(story)
    assert "kept out of the training sample by aspcapflag (ASPCAPFLAG bits 7, 23 are unset): this star has" in text


def test_labels_stand_beside_those_of_other_surveys(stars, tell):
    labels = {label.name: label for label in tell(stars.observed).labels}
    assert list(labels) == ["teff", "logg", "mh", "alpham", "feh"]
    teff = labels["teff"]
    assert (teff.value, teff.dispersion, teff.sigma) == pytest.approx((4812.3, 21.4, 63.2))
    assert teff.others == {
        "APOGEE": (4800.0, 12.0),
        "GSP-Spec": (4750.0, 60.0),
        "GSP-Phot": (4700.0, None),
        "GALAH": (4810.0, 90.0),  # of two rows the one with the higher S/N
    }
    assert labels["mh"].others.keys() == {"APOGEE", "GSP-Spec", "GSP-Phot"}
    assert labels["feh"].others["GSP-Spec"] == (pytest.approx(-0.83), None)
    assert labels["feh"].others["GALAH"][0] == pytest.approx(-0.88)
    assert labels["alpham"].others["GALAH"][0] == pytest.approx(0.2)
    text = spoken(tell(stars.observed))
    assert "mean of 4 networks" in text
    row = next(line for line in text.splitlines() if "Teff [K]" in line)
    assert row.split() == [
        "Teff",
        "[K]",
        "4812",
        "63",
        "21",
        "4800",
        "±",
        "12",
        "4750",
        "±",
        "60",
        "4700",
        "4810",
        "±",
        "90",
    ]


def test_each_digit_of_the_flag(stars, tell):
    story = tell(stars.observed)
    assert story.flag_boundary == "00000111"
    digits = {digit.name: digit for digit in story.flag}
    assert list(digits) == ["teff", "logg", "mh", "alpham", "feh", "g", "parallax", "tsne"]
    assert [digit.outside for digit in story.flag] == [False] * 5 + [True] * 3
    assert (digits["g"].value, digits["g"].lower, digits["g"].upper) == (pytest.approx(14.8), 9.01, 14.21)
    assert (digits["parallax"].value, digits["parallax"].lower) == (0.01, 0.05)
    assert (digits["tsne"].value, digits["tsne"].lower) == (None, None)
    assert [(each.perplexity, each.distance, each.threshold, each.is_like) for each in story.likeness] == [
        (30, 1.75, 1.5, False),
        (50, 1.75, 2.0, True),
    ]
    lines = [" ".join(line.split()) for line in spoken(story).splitlines()]
    assert "6 G 14.80 mag 9.01 to 14.21 1 outside" in lines
    assert "1 Teff 4812 K 3705 to 6395 0 inside" in lines
    assert "8 t-SNE 1 unlike" in lines
    assert "30 1.75 1.5 unlike" in lines
    assert "50 1.75 2 like" in lines
    assert "6 G 14.80 mag lies above the training sample's 9.01 to 14.21 mag: fainter than the training stars" in lines
    assert any(line.startswith("7 parallax 0.010 mas lies below") for line in lines)
    assert any(line.startswith("8 the RVS spectrum is unlike") for line in lines)
    assert story.companion.quantile == 0.625
    assert "62.5% of the training stars have a nearer one: inside" in lines
    assert any(line.endswith("at 0.25 (limit 0.5);") for line in lines)


def test_rejected_star(stars, tell):
    story = tell(stars.rejected)
    assert story.role == "rejected"
    assert story.cut.cut == "phot_bp_mean_flux_over_error"
    assert story.cut.rule == "phot_bp_mean_flux_over_error > 500"
    assert story.cut.value == "321.5"
    assert (story.training_cut, story.flag, story.flag_boundary, story.publications) == (None, [], None, [])
    assert story.apogee is not None
    assert story.labels[0].value is None
    assert "APOGEE" in story.labels[0].others
    text = spoken(story)
    assert "(phot_bp_mean_flux_over_error > 500): this star has 321.5" in text
    assert "no version" in text
    assert "CNN" not in text


def test_star_without_apogee_row(stars, tell):
    story = tell(stars.unmatched)
    assert (story.training_cut.cut, story.training_cut.value, story.apogee) == ("no APOGEE match", None, None)
    assert "this star has none" in spoken(story)


def test_quarantined_star(stars, tell):
    story = tell(stars.quarantined)
    assert (story.role, story.files) == (None, [])
    entry = story.quarantine[0]
    assert (entry.name, entry.row_number, entry.rule) == ("GaiaSource_000000-000001.csv.gz", 17, "pixels")
    text = spoken(story)
    assert "flux has 2400 pixels, 2401 are expected" in text
    assert "not part of this run" in text


def test_unknown_star(stars, tell):
    with pytest.raises(NotFoundError, match=r"Star 42 is in no ingested file of release dr3-mock-600-2024.*source_id"):
        tell(42)


def test_star_of_another_release(stars):
    with psycopg.connect(stars.url) as connection:
        other = open_run(connection, load_profile("demo"))
        connection.execute("UPDATE production.run SET status = 'superseded' WHERE run_id = %s", (other.run_id,))
        # Without --run the latest run that counts is told; a superseded one is told when asked for.
        assert explain(connection, stars.training).run_id == stars.run_id
        with pytest.raises(NotFoundError, match=rf"It is in release dr3-mock-600-2024: add --run {stars.run_id}"):
            explain(connection, stars.training, other.run_id)
        connection.execute("DELETE FROM production.run WHERE run_id = %s", (other.run_id,))
        connection.commit()


def test_unknown_run(stars, tell):
    with pytest.raises(NotFoundError, match="no run 999"):
        tell(stars.training, 999)


def test_no_run(connection):
    with pytest.raises(NotFoundError, match="no run yet"):
        explain(connection, 1)


def test_every_cut_can_be_explained(stars):
    """Each cut of sql/selection has a value in star_cut_values.sql."""
    with psycopg.connect(stars.url) as connection:
        cuts = connection.execute(load("selection/cuts").statement, cut_parameters(load_release("dr3"))).fetchall()
        names = {cut for _, step, cut, _ in cuts if step > 0}
        parameters = {"run_id": stars.run_id, "release": "dr3-mock-600-2024", "source_id": stars.observed}
        values = dict(connection.execute(load("service/star_cut_values").statement, parameters).fetchall())
    assert names == set(values)
    assert [cut for cut, value in values.items() if value is None] == ["classlabel_espels"]
    assert values["m_h_err"] == "0.01 at M_H = -0.9"
    assert values["xp_coefficients"] == "55 BP and 55 RP"
    assert values["magnitudes"] == "G 14.8, BP 11.4, RP 10.5"
    assert values["parallax"] == "0.01 mas"


@pytest.fixture
def invoke(stars, tmp_path, monkeypatch):
    monkeypatch.setenv("RVSCAT_HOME", str(tmp_path))
    monkeypatch.setenv("RVSCAT_DATABASE_URL", stars.url)
    return lambda *arguments: CliRunner().invoke(command, arguments)


def test_command(stars, invoke):
    result = invoke(str(stars.observed))
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Gaia {stars.observed}")
    assert "flag_boundary 00000111" in result.stdout


def test_command_for_programs(stars, invoke):
    answer = json.loads(invoke(str(stars.observed), "--json", "--run", str(stars.run_id)).stdout)
    assert answer["source_id"] == str(stars.observed)
    assert answer["training_cut"]["cut"] == "aspcapflag"
    assert answer["labels"][0]["others"]["GSP-Phot"] == [4700.0, None]
    assert answer["files"][0]["ingested_at"].startswith("20")


def test_command_for_an_unknown_star(invoke):
    assert isinstance(invoke("42").exception, NotFoundError)
    assert invoke("notanumber").exit_code == 2
