"""Let TOPCAT's validator examine a fresh service: ``python tests/acceptance/taplint.py [STILTS]``.

STILTS is the program, or ``java -jar stilts.jar`` in quotes; by default the ``stilts`` on the path. The service runs on
a small published catalogue in a database of its own (RVSCAT_DATABASE_URL, or an embedded server in a temporary folder).
taplint exits with 0 whatever it finds, so its report is read: an Error, or a Failure other than that there is no
observation plan, makes this script fail.
"""

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

# What taplint looks for that a catalogue of stars does not have.
EXPECTED = {"F-LOC-NOTP"}
_LINE = re.compile(r"^([EFW])-([A-Z0-9]+)-([A-Z0-9]+)-(\S+) +(.*)$")


def read_report(report: str) -> dict[str, list[str]]:
    """Return errors (E), warnings (W) and failures (F) of a report.

    Raises
    ------
    ValueError
        It does not end as a report does: taplint was broken off.
    """
    found: dict[str, list[str]] = {"E": [], "W": [], "F": []}
    for line in report.splitlines():
        if match := _LINE.match(line):
            kind, stage, code, _, _ = match.groups()
            if f"{kind}-{stage}-{code}" not in EXPECTED:
                found[kind].append(line)
    if "Totals: Errors:" not in report:
        raise ValueError("The report of taplint does not end with its totals.")
    return found


def main(stilts: str) -> int:
    """Run taplint and tell what it found; 1 when there are errors."""
    import os

    import psycopg

    from catalog.database import migrate
    from catalog.settings import Settings
    from tests.service.tap.conftest import database, publish, serving

    with tempfile.TemporaryDirectory(prefix="rvscat-taplint-") as folder:
        home = Path(folder)
        server = os.environ.get("RVSCAT_DATABASE_URL")
        settings = Settings(home=home / "database")
        if server is None:
            from catalog.database.embedded import ensure_server

            server = ensure_server(settings)
        try:
            with database(server, "template1") as url:
                migrate.upgrade(url)
                with psycopg.connect(url) as connection:
                    publish(connection)
                with serving(url, home / "service") as service:
                    command = [*shlex.split(stilts), "taplint", f"tapurl={service.tap}"]
                    report = subprocess.run(command, capture_output=True, text=True, timeout=900, check=True).stdout
        finally:
            if "RVSCAT_DATABASE_URL" not in os.environ:
                from catalog.database.embedded import remove_server

                remove_server(settings)
    found = read_report(report)
    for line in (*found["F"], *found["E"], *found["W"]):
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(report.splitlines()[-2 if not report.splitlines()[-1].strip() else -1] + "\n")
    return 1 if found["E"] or found["F"] else 0


if __name__ == "__main__":
    program = sys.argv[1] if len(sys.argv) > 1 else shutil.which("stilts") or ""
    if not program:
        sys.exit("There is no stilts on the path: give it as an argument.")
    sys.exit(main(program))
