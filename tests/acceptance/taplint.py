"""Let TOPCAT's engine examine and use a fresh service: ``python tests/acceptance/taplint.py [STILTS]``.

STILTS is the program, or ``java -jar stilts.jar`` in quotes; by default the ``stilts`` on the path. The service runs on
a small published catalogue in a database of its own (see ``serving.py``).

- ``taplint`` exits with 0 whatever it finds, so its report is read: an Error, or a Failure other than that there is no
  observation plan, makes this script fail.
- ``votlint`` reads answers of /sync, an error among them; whatever it says makes this script fail.
- ``tapquery`` asks synchronously and by a job, with an upload; its tables are compared with the database.
"""

import csv
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent))

from serving import small_service

from tests.service.tap.conftest import Service

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


def check_answers(stilts: list[str], service: Service) -> list[str]:
    """Let votlint read answers of /sync; return what it complains of."""
    queries = {
        "BINARY2": ("SELECT TOP 50 * FROM catalogue.rvs_cnn_extended", {"RESPONSEFORMAT": "votable"}),
        "TABLEDATA": ("SELECT TOP 50 * FROM catalogue.rvs_cnn_extended", {"RESPONSEFORMAT": "votable/td"}),
        "overflow": ("SELECT * FROM catalogue.rvs_cnn", {"MAXREC": 7}),
        "no row": ("SELECT * FROM catalogue.rvs_cnn WHERE teff < -1e30", {}),
        "computed": ("SELECT AVG(teff) AS t, MAX(flag_boundary) AS f, COUNT(*) AS n FROM catalogue.rvs_cnn", {}),
        "error": ("SELECT nothing FROM catalogue.rvs_cnn", {}),
    }
    complaints = []
    for name, (query, parameters) in queries.items():
        answer = service.sync(query, **parameters)
        told = subprocess.run([*stilts, "votlint", "votable=-"], input=answer.content, capture_output=True, timeout=300)
        text = (told.stdout + told.stderr).decode().strip()
        complaints += [f"votlint, {name}: {line}" for line in text.splitlines()]
        complaints += [f"votlint, {name}: exit status {told.returncode}"] if told.returncode and not text else []
    cone = httpx.get(f"{service.url}/cone?RA=10&DEC=20&SR=30&VERB=3", timeout=60)
    told = subprocess.run([*stilts, "votlint", "votable=-"], input=cone.content, capture_output=True, timeout=300)
    complaints += [f"votlint, cone: {line}" for line in (told.stdout + told.stderr).decode().splitlines()]
    return complaints


def check_queries(stilts: list[str], service: Service) -> list[str]:
    """Let tapquery ask, at once and by a job, with a table of its own; return what differs from the database."""
    labels = "sourceid, teff, logg, flag_boundary"
    expected = [
        tuple("" if value is None else value for value in row)
        for row in service.rows(f"SELECT {labels} FROM catalogue.rvs_cnn ORDER BY sourceid LIMIT 20")
    ]
    complaints = []
    with tempfile.TemporaryDirectory() as folder:
        mine = Path(folder) / "mine.csv"
        # With numbers below it: a line of texts above texts is no head to stilts.
        mine.write_text("id,n\n" + "".join(f"s{row[0]},{i}\n" for i, row in enumerate(expected)))
        plain = f"SELECT TOP 20 {labels} FROM catalogue.rvs_cnn ORDER BY sourceid"
        joined = (
            f"SELECT {labels} FROM catalogue.rvs_cnn AS c JOIN TAP_UPLOAD.mine AS m ON 's' || c.sourceid = m.id "
            "ORDER BY sourceid"
        )
        upload = ["nupload=1", f"upload1={mine}", "ufmt1=csv", "upname1=mine"]
        for name, query, options in (
            ("at once", plain, ["sync=true"]),
            ("by a job", plain, ["sync=false", "poll=200"]),
            ("with an upload", joined, ["sync=true", *upload]),
        ):
            command = [*stilts, "tapquery", f"tapurl={service.tap}", f"adql={query}", *options, "ofmt=csv"]
            told = subprocess.run(command, capture_output=True, text=True, timeout=300)
            found = list(csv.reader(told.stdout.splitlines()))
            if told.returncode or not _same(found[1:], expected):
                complaints.append(f"tapquery, {name}: {told.stderr.strip() or found[:3]}")
    return complaints


def _same(found: list[list[str]], expected: list[tuple]) -> bool:  # type: ignore[type-arg]
    """Return whether texts are the database's values, numbers as the same floats of four bytes."""
    import numpy as np

    def equal(text: str, value: object) -> bool:
        return np.float32(text) == np.float32(value) if isinstance(value, float) else text == str(value)

    return len(found) == len(expected) and all(
        len(row) == len(values) and all(map(equal, row, values)) for row, values in zip(found, expected, strict=True)
    )


def main(stilts: str) -> int:
    """Run all three and tell what they found; 1 when there are errors."""
    program = shlex.split(stilts)
    with small_service() as service:
        complaints = check_answers(program, service)
        sys.stdout.write("".join(f"{line}\n" for line in complaints) or "votlint: 7 answers, nothing to complain of\n")
        wrong = check_queries(program, service)
        sys.stdout.write("".join(f"{line}\n" for line in wrong) or "tapquery: 3 queries, as in the database\n")
        command = [*program, "taplint", f"tapurl={service.tap}"]
        report = subprocess.run(command, capture_output=True, text=True, timeout=900, check=True).stdout
    found = read_report(report)
    for line in (*found["F"], *found["E"], *found["W"]):
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(report.splitlines()[-2 if not report.splitlines()[-1].strip() else -1] + "\n")
    return 1 if found["E"] or found["F"] or complaints or wrong else 0


if __name__ == "__main__":
    program = sys.argv[1] if len(sys.argv) > 1 else shutil.which("stilts") or ""
    if not program:
        sys.exit("There is no stilts on the path: give it as an argument.")
    sys.exit(main(program))
