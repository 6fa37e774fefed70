"""`rvscat ensembles`, as a user meets it."""

import json
import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from catalog.cli.main import cli
from catalog.database import ledger
from catalog.database.ledger import Run, StageResult
from catalog.ensemble.registry.listing import ListedEnsemble
from catalog.ensemble.stage import predict_labels, train_ensemble
from catalog.errors import ArtefactError, NotFoundError, SampleError
from catalog.metadata import LABELS
from catalog.settings import Settings
from tests.ensemble import conftest as small
from tests.ensemble.conftest import InProcess
from tests.features.sky import make_sky, store_sky

# Small networks, as the ensemble's own tests have them.
keras, profile, run, variant = small.keras, small.profile, small.run, small.variant
in_process, pair = small.in_process, small.pair


def rvscat(*arguments: str, width: int = 80) -> Result:
    """Run one command; errors come through."""
    return CliRunner(env={"COLUMNS": str(width)}).invoke(
        cli, ["ensembles", *arguments], catch_exceptions=False, standalone_mode=False
    )


def as_json(*arguments: str) -> Any:
    return json.loads(rvscat(*arguments, "--json").stdout)


def test_an_empty_registry(settings: Settings) -> None:
    assert "No ensemble yet: `rvscat train` makes one" in rvscat().output
    assert as_json() == []
    with pytest.raises(NotFoundError, match="no ensemble '1'"):
        rvscat("show", "1")
    assert rvscat("verify").output.split() == ["Id", "Key", "MB", "Folder"]


@pytest.mark.parametrize("width", [80, 120])
def test_the_list_tells_the_essential(
    pair: list[ListedEnsemble], connection: psycopg.Connection, run: Run, settings: Settings, width: int
) -> None:
    predict_labels(connection, run, settings)
    connection.execute(
        "INSERT INTO production.publication (version, run_id, n_rows, sha256, current) VALUES (3, %s, 60, '', true)",
        (run.run_id,),
    )
    connection.commit()
    text = rvscat(width=width).output
    assert max(map(len, text.splitlines())) <= width
    rows = [line.split() for line in text.splitlines()]
    first, second = ([row for row in rows if row[:1] == [str(each.ensemble_id)]] for each in pair)
    assert first[0][1:5] == [pair[0].key[:12], "full", "2", "40"]
    assert first[0][6:] == ["whole", "run", str(run.run_id), "v3*"]
    assert second[0][2:5] == ["rvs", "2", "40"]
    assert second[0][6:] == ["whole", "–", "–"]
    assert first[1].count("|") == len(LABELS)
    assert re.search(r"network\.inputs\s+spectrum", text)
    assert "training.max_epochs 2" in " ".join(text.split())
    listed = as_json()
    assert [each["key"] for each in listed] == [each.key for each in pair]
    assert (listed[0]["versions"], listed[0]["current"], listed[0]["folder"]) == ([3], 3, "whole")
    assert listed[1]["differing"]["network.inputs"] == ["spectrum"]


def test_one_is_shown(pair: list[ListedEnsemble]) -> None:
    for width in (80, 120):
        text = rvscat("show", pair[1].key[:10], width=width).output
        assert max(map(len, text.splitlines())) <= width
        for words in ("rvs", "40 stars of", "out of fold", "Within 1 sigma", "network.inputs", "Members", "bp_1"):
            assert (words in text) == (words != "bp_1"), words
    facts = as_json("show", pair[0].key)
    assert (facts["trouble"], len(facts["members"]), facts["members"][0]["epochs"]) == (None, 2, 2)
    # A damaged one is shown with what is wrong, and with what the database knows.
    (pair[0].path / "scalers.json").write_text("{}")
    assert "scalers.json has been altered" in " ".join(
        rvscat("show", str(pair[0].ensemble_id), width=200).output.split()
    )
    assert "altered" in as_json("show", pair[0].key)["trouble"]


def test_two_are_compared(pair: list[ListedEnsemble]) -> None:
    names = [str(each.ensemble_id) for each in pair]
    for width in (80, 120):
        text = rvscat("compare", *names, width=width).output
        assert max(map(len, text.splitlines())) <= width
        assert re.search(r"Inputs\s+full\s+rvs", text)
        assert re.search(r"network\.inputs\s+spectrum scalars xp\s+spectrum", text)
        assert "40 training stars in common" in text
        assert text.count("ratio") == 3
    facts = as_json("compare", *names)
    assert facts["settings"] == {"network.inputs": [["spectrum", "scalars", "xp"], ["spectrum"]]}
    assert facts["ratio"]["out_of_fold"]["teff"] == pytest.approx(
        facts["second"]["metrics"]["out_of_fold"]["teff"]["dispersion"]
        / facts["first"]["metrics"]["out_of_fold"]["teff"]["dispersion"]
    )


def test_damage_is_found_and_told_by_the_exit_status(pair: list[ListedEnsemble]) -> None:
    assert rvscat("verify").return_value in (None, 0)
    content = bytearray((pair[1].path / "training.npz").read_bytes())
    content[1000] ^= 1
    (pair[1].path / "training.npz").write_bytes(content)
    result = rvscat("verify", width=300)
    assert result.return_value == 1
    assert re.search(r"training\.npz has been altered", result.output)
    assert rvscat("verify", pair[0].key[:12]).return_value in (None, 0)
    found = CliRunner().invoke(cli, ["ensembles", "verify", "--json"])
    assert found.exit_code == 1
    assert [each["trouble"] is None for each in json.loads(found.stdout)] == [True, False]


def test_packed_and_unpacked(pair: list[ListedEnsemble], tmp_path: Path, connection: psycopg.Connection) -> None:
    words = rvscat("pack", pair[0].key[:8], str(tmp_path), width=300).output
    file = tmp_path / f"rvscat-ensemble-{pair[0].key[:16]}.tar"
    assert str(file) in words
    assert re.search(r"SHA-256 [0-9a-f]{64}", words)
    assert "was there already" in rvscat("unpack", str(file)).output
    # Lost, and brought back.
    connection.execute("DELETE FROM production.ensemble")
    connection.commit()
    pair[0].path.rename(tmp_path / "lost")
    text = rvscat("unpack", str(file), width=300).output
    assert "2 members, trained on 40 stars" in text
    assert str(pair[0].path) in text
    (listed,) = as_json()
    assert (listed["key"], listed["unpacked_from"], listed["run_id"]) == (pair[0].key, file.name, None)
    # The folder of the other one is still there, unknown to the database.
    assert f"{pair[1].path.name} is not in this database" in rvscat(width=300).output.replace("\n", " ")
    with pytest.raises(NotFoundError, match="There is no file"):
        rvscat("unpack", str(tmp_path / "absent.tar"))
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ArtefactError, match="is damaged"):
        rvscat("unpack", str(file))


def test_variants_are_trained_and_reported(
    connection: psycopg.Connection, run: Run, settings: Settings, in_process: InProcess
) -> None:
    with pytest.raises(SampleError, match="needs stage 'sample'"):
        rvscat("variants")
    store_sky(connection, run, make_sky(60, 20))
    ledger.perform(connection, run, "sample", ledger.fingerprint("sample"), lambda: StageResult({"training": 40}))
    text = rvscat("variants", "--only", "rvs,no-parallax", width=100).output
    assert in_process.trained == [0, 1] * 3
    page = settings.reports / f"variants-run-{run.run_id}" / "variants.html"
    assert str(page) in text.replace("\n", "")
    for words in ("All inputs", "RVS spectra alone", "Without parallax", "×"):
        assert words in text
    facts = json.loads(page.with_suffix(".json").read_text())
    assert [each["variant"] for each in facts["variants"]] == ["full", "rvs", "no-parallax"]
    assert page.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    # Done is done: the run's own ensemble, and what was trained of the variants.
    again = rvscat("variants", "--only", "no-parallax", "--json")
    assert json.loads(again.stdout) == facts
    assert in_process.trained == [0, 1] * 3
    assert len(as_json()) == 3
    own = train_ensemble(connection, run, settings).counts["ensemble_id"]
    assert own == facts["variants"][0]["ensemble_id"]
    predict_labels(connection, run, settings)
    labelled = connection.execute("SELECT DISTINCT ensemble_id FROM production.label").fetchall()
    assert labelled == [(own,)]


def test_unknown_variants_are_refused(settings: Settings) -> None:
    result = CliRunner().invoke(cli, ["ensembles", "variants", "--only", "rvs,no-spectrum"])
    assert result.exit_code == 2
    assert "'no-spectrum' is none of rvs, no-xp, no-parallax" in result.output
    result = CliRunner().invoke(cli, ["ensembles", "variants", "--run", "1", "--profile", "tiny"])
    assert "Give --profile or --run, not both." in result.output
