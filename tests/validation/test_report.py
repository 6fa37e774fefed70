"""The report's pictures, its words, and the layout of its JSON as the documentation has it."""

import io
import json
import re
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from PIL import Image

from catalog.database.ledger import Run
from catalog.settings import Settings
from catalog.validation.checks import load_checks
from catalog.validation.figures import FIGURES, Drawing
from catalog.validation.images import embed, picture_size
from catalog.validation.report import SCHEMA, Report, write_report
from catalog.validation.results import Result

DOCUMENTED = Path(__file__).parents[2] / "docs" / "validation.md"
STATUSES = {"pass", "warn", "fail", "not run", "info"}


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    shades = np.random.default_rng(3).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(np.dstack([shades, np.full((40, 60), 255, dtype=np.uint8)])).save(tmp_path / "kiel.png")
    return tmp_path / "kiel.png"


@pytest.fixture
def written(connection: psycopg.Connection, run: Run, settings: Settings, picture: Path, tmp_path: Path) -> Any:
    """Give a function that writes a report of some rows, and returns its page and its facts."""

    def write(*results: Result, reason: str = "") -> tuple[str, dict[str, Any]]:
        publish = run.profile.publish.model_copy(update={"accept_failed": reason})
        changed = replace(run, profile=run.profile.model_copy(update={"publish": publish}))
        drawings = [Drawing(spec, picture if spec.name == "kiel" else None, "left out") for spec in FIGURES]
        counts = {"stars": 4, "training": 2, "observed": 2, "inside_limits": 1}
        write_report(connection, Report(changed, load_checks(), results, drawings, counts), tmp_path)
        text = (tmp_path / "report.json").read_text(encoding="utf-8")
        facts = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        return (tmp_path / "report.html").read_text(encoding="utf-8"), facts

    return write


def row(status: Any, **values: Any) -> Result:
    return Result("apogee", f"part, {status}", "teff", 40, 1.0, 1 / 3, 0.3, status=status, message="found", **values)


def documented() -> dict[str, str]:
    table = DOCUMENTED.read_text(encoding="utf-8").split("Keys of `report.json`")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `([a-z_\[\]]+)` \| (.*) \|$", table, re.MULTILINE))


def test_a_picture_is_the_same_to_the_last_pixel(picture: Path) -> None:
    embedded = embed(picture)
    assert (embedded.width, embedded.height) == picture_size(picture) == (60, 40)
    head, _, data = embedded.uri.partition(",")
    assert head == "data:image/webp;base64"
    with Image.open(io.BytesIO(b64decode(data))) as shown, Image.open(picture) as drawn:
        assert np.array_equal(np.asarray(shown.convert("RGB")), np.asarray(drawn.convert("RGB")))


@pytest.mark.parametrize(("said", "kind"), [("encoding error 1", MemoryError), ("encoding error 4", ValueError)])
def test_a_picture_that_memory_does_not_suffice_for(
    said: str, kind: type[Exception], picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError(said)

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(kind):
        embed(picture)


def test_the_json_is_as_documented(written: Any, picture: Path) -> None:
    _, facts = written(row("pass", paper=59.0, extra={"within_1": float("inf")}), row("not run"))
    words = documented()
    assert {key.removesuffix("[]") for key in words} == set(facts)
    assert facts["schema"] == SCHEMA
    assert words["schema"].endswith(f": {SCHEMA}")
    for key, told in words.items():
        if key.endswith("[]"):
            assert isinstance(facts[key.removesuffix("[]")], list)
        entries = facts[key.removesuffix("[]")] if key.endswith("[]") else [facts[key]]
        if key not in ("counts", "software", "thresholds", "parity"):
            for entry in entries:
                names = entry if isinstance(entry, dict) else ()
                assert all(f"`{name}`" in told for name in names), (key, entry)
    first, second = facts["results"]
    assert {first["status"], second["status"]} <= STATUSES
    assert set(facts["verdict"]["counts"]) == STATUSES
    assert first["dispersion"] == 1 / 3, "every digit"
    assert first["extra"] == {"within_1": None}
    drawn = next(figure for figure in facts["figures"] if figure["name"] == "kiel")
    assert (drawn["width"], drawn["height"], drawn["bytes"]) == (60, 40, picture.stat().st_size)
    assert all(figure["reason"] == "left out" for figure in facts["figures"] if figure["name"] != "kiel")
    assert facts["thresholds"]["comparisons"]["finite"]["checks"][0]["ranges"]["fraction"]["pass"] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("statuses", "reason", "words", "gate"),
    [
        (["pass", "info"], "", "Good: every check passed", "Publication accepts"),
        (["pass", "warn"], "", "Good, with warnings", "Publication accepts"),
        (["pass", "fail"], "", "Not good enough", "Publication refuses"),
        (["pass", "fail"], "a trial", "Not good enough", "the profile accepts failed checks: a trial."),
        (["not run"], "", "Not validated", "Publication refuses"),
    ],
)
def test_the_first_screen_says_whether_it_is_good(
    written: Any, statuses: list[str], reason: str, words: str, gate: str
) -> None:
    page, facts = written(*map(row, statuses), reason=reason)
    first = page[page.index("<main") : page.index('id="catalogue"')]
    assert f">{words}</h2>" in first
    assert gate in first
    assert words in page[: page.index("</title>")]
    assert facts["verdict"]["headline"] in first
    # Never by colour alone: the word of the worst row stands beside the mark.
    (mark,) = re.findall(r'<a href="#apogee" title=.*?</a>', first)
    worst = next(status for status in ("fail", "warn", "pass", "not run") if status in statuses)
    assert f'<span class="tally">{worst}' in mark


def test_the_page_can_be_read_without_eyes_and_without_a_mouse(written: Any) -> None:
    page, _ = written(row("fail"))
    for image in re.findall(r"<img [^>]*>", page):
        assert re.search(r' alt="[^"]+"', image)
        assert re.search(r' width="\d+" height="\d+"', image)
        described = re.search(r'aria-describedby="([^"]+)"', image)
        assert described
        assert f'id="{described[1]}"' in page
    assert page.index('class="skip" href="#top"') < page.index("<nav")
    identifiers = re.findall(r' id="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(identifiers)
    assert "<th>" not in page, "every head says whether it is of a column or of a row"
    assert len(re.findall(r"<div\b", page)) == page.count("</div>")
    assert len(re.findall(r"<section\b", page)) == page.count("</section>")
