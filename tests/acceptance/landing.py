"""Use the service's page in a real browser: ``python tests/acceptance/landing.py [FOLDER]``.

A small catalogue is published and served (see ``serving.py``); a headless Chromium clicks an example and Run, and the
table that appears is compared with the database. Pictures for a person to look at (desktop, phone, dark) are written to
FOLDER, by default a temporary one that is named at the end. Any error of a script, any refusal of the security policy
and any difference makes this script fail. Chromium must be on the path (Debian: ``apt install chromium``).
"""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from browser import Page, find_browser, open_page
from serving import small_service

from tests.service.tap.conftest import Service

DONE = "document.querySelector('#stop').hidden && !document.querySelector('#answer').hidden"
CELLS = "[...document.querySelectorAll('#result tbody tr')].map(row => [...row.cells].map(cell => cell.textContent))"
HEADS = (
    "[...document.querySelectorAll('#result thead th')].map(cell => [cell.firstChild.data, cell.lastChild.textContent])"
)
STATUS = "document.querySelector('#status').textContent"
ERROR = "document.querySelector('#error').hidden ? '' : document.querySelector('#error').textContent"
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


def run(page: Page, query: str | None = None) -> None:
    """Write a query, click Run and wait for the answer."""
    if query is not None:
        page.type("document.querySelector('#text')", query)
    page.click("document.querySelector('#run')")
    page.wait(DONE)


def check_an_example(page: Page, service: Service) -> str:
    """Click the first example and Run; read the table."""
    page.click("[...document.querySelectorAll('.example')].find(node => node.textContent.startsWith('Stars around'))")
    assert "CIRCLE" in page.ask("document.querySelector('#text').value")
    page.click("document.querySelectorAll('.example')[0]")
    run(page)
    names = [name for name, _ in page.ask(HEADS)]
    assert names == ["sourceid", "teff", "logg", "mh", "alpham"], names
    assert dict(map(tuple, page.ask(HEADS)))["teff"] == "K"
    found = {row[0]: row[1:] for row in page.ask(CELLS)}
    rows = service.rows(
        "SELECT sourceid, teff, logg, mh, alpham FROM catalogue.rvs_cnn WHERE flag_boundary = '00000000'"
    )
    assert len(found) == len(rows) > 0, page.ask(STATUS)
    for identifier, *labels in rows:
        shown = [None if text in ("–", "") else float(text) for text in found[identifier]]
        assert all(x is None or abs(x - y) <= 1e-6 * abs(y) for x, y in zip(shown, labels, strict=True)), identifier
    return f"the example's {len(rows)} rows stand in the table, as in the database: {page.ask(STATUS)}"


def check_long_identifiers(page: Page, service: Service) -> str:
    """Numbers beyond 2**53 keep every digit."""
    run(page, "SELECT TOP 5 source_id FROM catalogue.rvs_cnn_extended ORDER BY source_id DESC")
    rows = service.rows("SELECT source_id FROM catalogue.rvs_cnn_extended ORDER BY source_id DESC LIMIT 5")
    assert page.ask(CELLS) == [[str(row[0])] for row in rows]
    assert rows[0][0] > 2**53
    return f"source_id {rows[0][0]} keeps its digits"


def check_overflow(page: Page, service: Service) -> str:
    """More rows than asked for: told, and the files have all."""
    page.type("document.querySelector('#rows')", "7")
    run(page, "SELECT sourceid FROM catalogue.rvs_cnn")
    told = page.ask(STATUS)
    assert len(page.ask(CELLS)) == 7
    assert told.startswith("The first 7 rows, there are more"), told
    script = "fetch([...document.querySelectorAll('#files a')].find(a => a.textContent === 'CSV').href)"
    page.ask(f"{script}.then(answer => answer.text()).then(text => {{ window.csv = text; }}); 0")
    page.wait("window.csv !== undefined")
    n = service.rows("SELECT count(*) FROM catalogue.rvs_cnn")[0][0]
    assert page.ask("window.csv.trim().split('\\n').length") == n + 1
    page.type("document.querySelector('#rows')", "100")
    return f"overflow: “{told}”; the CSV link has all {n}"


def check_errors(page: Page, service: Service) -> str:
    """A mistake is told in words."""
    run(page, "SELECT teffs FROM catalogue.rvs_cnn")
    told = page.ask(ERROR)
    assert "teffs" in told, told
    assert page.ask(CELLS) == []
    return f"a mistake: “{told}”"


def check_hostile(page: Page, service: Service) -> str:
    """Markup in values, names and messages stays text."""
    literal = HOSTILE.replace("'", "''")
    name = HOSTILE.replace('"', '""')
    run(page, f"SELECT TOP 1 '{literal}' AS \"{name}\" FROM catalogue.rvs_cnn")
    if not page.ask(ERROR):
        assert page.ask(CELLS) == [[HOSTILE]], page.ask(CELLS)
    run(page, f"SELECT TOP 1 '{literal}' AS v FROM catalogue.rvs_cnn")
    assert page.ask(CELLS) == [[HOSTILE]], page.ask(ERROR)
    run(page, f'SELECT "{name}" FROM catalogue.rvs_cnn')
    told = page.ask(ERROR)
    assert "<img" in told, told
    assert page.ask("document.querySelectorAll('main img, main script').length") == 0
    assert page.ask("document.title") != "owned"
    return "markup in values and messages stays text"


def check_search(page: Page, service: Service) -> str:
    """Search in columns leaves what fits."""
    page.type("document.querySelector('#search')", "galactic")
    shown = "[...document.querySelectorAll('.columns tbody tr')].filter(row => row.checkVisibility()).length"
    assert page.ask(shown) == 2, page.ask(shown)
    told = page.ask("document.querySelector('#found').textContent")
    page.type("document.querySelector('#search')", " ")
    return f"search for “galactic”: {told}"


CHECKS: list[Callable[[Page, Service], str]] = [
    check_an_example,
    check_long_identifiers,
    check_overflow,
    check_errors,
    check_hostile,
    check_search,
]


def main(browser: str, folder: Path) -> int:
    """Run every check, take the pictures, and say what was found; 1 when something is wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    with small_service() as service, open_page(browser) as page:
        page.size(1280, 900)
        page.go(service.url)
        for check in CHECKS:
            sys.stdout.write(f"good: {check(page, service)}\n")
        # The mistakes above are answers with status 400, which the browser notes as well.
        complaints = [each for each in page.complaints if "status of 400" not in each]
        for name, width, phone, dark in (
            ("desktop", 1280, False, False),
            ("phone", 390, True, False),
            ("dark", 1280, False, True),
        ):
            page.size(width, 900, phone=phone, dark=dark)
            page.go(service.url)
            run(page)
            page.ask("window.scrollTo(0, 0)")
            page.picture(folder / f"{name}.png")
            assert page.ask("document.documentElement.scrollWidth") <= width, f"{name} is too wide"
        page.size(1280, 900)
        page.scripts(False)
        page.go(service.url)
        page.picture(folder / "without-scripts.png")
    for complaint in complaints:
        sys.stdout.write(f"BAD: {complaint}\n")
    sys.stdout.write(f"pictures: {json.dumps([str(each) for each in sorted(folder.glob('*.png'))])}\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    program = find_browser()
    if not program:
        sys.exit("There is no Chromium on the path: install it (Debian: apt install chromium).")
    sys.exit(main(program, Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp(prefix="rvscat-page-"))))
