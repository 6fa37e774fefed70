"""What `rvscat run` does when something breaks: faults inflicted at chosen moments, and what comes out in the end.

    python tests/acceptance/faults [--list] [--only NAME ...] [--folder FOLDER] [--markdown FILE]

One undisturbed catalogue is made first. Then each journey makes the same catalogue once more while its faults are
inflicted one after the other, each followed by the same command; in the end, what every stage left behind must be the
same, byte for byte. Small disks that fill up need root on Linux.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[0] = str(ROOT)

from rich.console import Console  # noqa: E402

from tests.acceptance.faults.digest import Digest, digest_of  # noqa: E402
from tests.acceptance.faults.harm import Fault  # noqa: E402
from tests.acceptance.faults.home import Home  # noqa: E402
from tests.acceptance.faults.journey import Outcome, travel  # noqa: E402
from tests.acceptance.faults.listing import JOURNEYS  # noqa: E402
from tests.acceptance.faults.table import show, write_markdown  # noqa: E402

console = Console(highlight=False, soft_wrap=True)


def tell(words: str) -> None:
    """Say something with the time."""
    console.print(f"{time.strftime('%H:%M:%S')} {words}", markup=False)


def main() -> int:
    """Make the undisturbed catalogue, then the others."""
    parser = argparse.ArgumentParser(description="Inflict faults on `rvscat run` and compare what comes out.")
    parser.add_argument("--list", action="store_true", help="name all journeys and faults")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="journeys or faults")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/rvscat-faults"), help="made if missing; kept")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there as well")
    chosen = parser.parse_args()
    # A shell that starts this in the background has it ignore Ctrl-C, and what it starts would, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    journeys = wanted(chosen.only)
    if chosen.list:
        for name, faults in journeys.items():
            console.print(f"[bold]{name}[/]")
            for fault in faults:
                console.print(f"  {fault.name:18} {fault.title}")
        return 0
    with prefect_server(chosen.folder) as url:
        home = Home(chosen.folder, url)
        try:
            outcomes = perform(home, journeys)
        finally:
            home.stop()
    show(outcomes, home.path, Console())
    if chosen.markdown:
        write_markdown(outcomes, home.path, chosen.markdown)
    return 0 if all(outcome.good for outcome in outcomes) else 1


def wanted(only: list[str] | None) -> dict[str, tuple[Fault, ...]]:
    """Return the journeys, or those parts of them that are named."""
    if only is None:
        return JOURNEYS
    found = {
        name: faults if name in only else tuple(fault for fault in faults if fault.name in only)
        for name, faults in JOURNEYS.items()
    }
    return {name: faults for name, faults in found.items() if faults}


def perform(home: Home, journeys: dict[str, tuple[Fault, ...]]) -> list[Outcome]:
    """Make every journey."""
    reference = undisturbed(home)
    outcomes: list[Outcome] = []
    for name, faults in journeys.items():
        began = time.monotonic()
        tell(f"journey {name}")
        # What is left after each stage is where other journeys begin.
        keep = faults is JOURNEYS["boundaries"]
        came = travel(home, faults, reference, tell, keep)
        if keep and not all(outcome.same for outcome in came):
            tell("states on the way cannot be used")
            shutil.rmtree(home.folder / "kept")
        outcomes += came
        tell(f"journey {name}: {time.monotonic() - began:.0f} s")
    return outcomes


def undisturbed(home: Home) -> Digest:
    """Make the catalogue that all others are compared with, or read its checksums."""
    known = home.folder / "reference.json"
    if known.exists():
        return Digest(json.loads(known.read_text()))
    home.empty()
    ended = home.start().ended()
    if ended.status:
        raise SystemExit(f"The undisturbed run failed: {ended.said}")
    digest = digest_of(home.path, home.url())
    known.write_text(json.dumps(digest.parts, indent=1))
    tell(f"undisturbed run: {ended.seconds:.0f} s, {len(digest.parts)} tables and files")
    return digest


@contextmanager
def prefect_server(folder: Path) -> Iterator[str]:
    """Run one Prefect server for all runs but those whose own is disturbed: that saves seconds for each."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("RVSCAT_", "PREFECT_"))}
    environment |= {"PREFECT_HOME": str(folder / "prefect"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    command = [str(Path(sys.executable).with_name("prefect")), "server", "start", "--host", "127.0.0.1"]
    with (folder / "prefect.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--port", str(port)], env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        while not answers(f"{url}/health"):
            time.sleep(0.2)
        yield url
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def answers(url: str) -> bool:
    """Tell whether a server answers there."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
