"""Let a real DaCHS adopt a published catalogue: ``python tests/acceptance/dachs.py [--keep] [--here]``.

To be run as root on Debian 12, which has DaCHS and its extensions of PostgreSQL as packages; what is missing is
installed with apt-get. Everything else is the script's own and removed at the end: a PostgreSQL cluster on a free
port, a system account, and a folder. The catalogue is small and synthetic, published by rvscat into a database of the
cluster and brought into DaCHS's by pg_dump, as an archive would; with ``--here`` it is published into DaCHS's own
database, before that is initialised. Then the hand-over's README is followed step by step.

It ends with a summary, and with 1 when a step failed, ``dachs val`` or taplint reports an error, a regression test
fails, or the tables are not the very same files as before.
"""

import argparse
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

PACKAGES = ("python3-gavo", "postgresql-15", "postgresql-15-pgsphere", "postgresql-15-q3c", "stilts")
CLUSTER = "rvscat"
ACCOUNT = "rvscat-dachs"
# Not in the list of VOUnits, and written in quotes for that.
EXPECTED = "Unit 'dex' is not interoperable"


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def call(*command: str, check: bool = True, quiet: bool = True, text: str | None = None, seconds: int = 600) -> str:
    """Run `command` and return what it wrote, errors included."""
    done = subprocess.run(
        command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds
    )
    if check and done.returncode:
        raise SystemExit(f"{' '.join(command)} failed ({done.returncode}):\n{done.stdout}")
    if not quiet:
        say("".join(f"    {line}\n" for line in done.stdout.splitlines() if line.strip()).rstrip())
    return done.stdout


def install() -> None:
    """Install the Debian packages that are missing."""
    found = call("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *PACKAGES, check=False)
    missing = [name for name in PACKAGES if f"{name} installed" not in found]
    if missing:
        say(f"Installing {', '.join(missing)}")
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        call("apt-get", "install", "-y", "--no-install-recommends", *missing, seconds=1800)
    for line in call("dpkg-query", "-W", "-f", "${Package} ${Version}\n", *PACKAGES).splitlines():
        say(f"    {line}")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextmanager
def cluster(password: str, name: str = CLUSTER) -> Iterator[int]:
    """Run a PostgreSQL of our own with a superuser ``archive``, and give its port."""
    port = free_port()
    call("pg_createcluster", "15", name, "--port", str(port), "--", "--locale=C.UTF-8")
    try:
        call("pg_ctlcluster", "15", name, "start")
        statement = f"CREATE ROLE archive SUPERUSER LOGIN PASSWORD '{password}'"
        call("runuser", "-u", "postgres", "--", "psql", "-X", "-p", str(port), "-c", statement)
        yield port
    finally:
        call("pg_dropcluster", "--stop", "15", name)


@contextmanager
def account() -> Iterator[str]:
    """Make a system account that DaCHS runs as."""
    call("adduser", "--system", "--group", "--no-create-home", "--home", "/nonexistent", ACCOUNT)
    try:
        yield ACCOUNT
    finally:
        call("deluser", "--system", ACCOUNT, check=False)
        call("delgroup", "--system", ACCOUNT, check=False)


class Dachs:
    """A DaCHS of our own, in a folder."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.web = folder, free_port()
        self.settings = folder / "gavo.rc"
        self.settings.write_text(
            f"[general]\nrootDir: {folder}/root\ngroup: {ACCOUNT}\nmaintainerAddress: nobody@example.org\n"
            f"[db]\nprofilePath: {folder}/root/etc\n"
            f"[web]\nserverURL: http://127.0.0.1:{self.web}\nserverPort: {self.web}\nbindAddress: 127.0.0.1\n"
            f"user: {ACCOUNT}\nsitename: rvscat acceptance\n[ivoa]\nauthority: org.example.rvscat\n"
        )
        call("chown", "-R", f"{ACCOUNT}:{ACCOUNT}", str(folder))

    def __call__(self, *arguments: str, check: bool = True, quiet: bool = False) -> str:
        """Run ``dachs`` with `arguments`."""
        if not quiet:
            say(f"$ dachs {' '.join(arguments)}")
        environment = [f"GAVOSETTINGS={self.settings}", "GAVOCUSTOM=/nonexistent", f"HOME={self.folder}"]
        warnings = "PYTHONWARNINGS=ignore"
        return call(
            "runuser", "-u", ACCOUNT, "--", "env", *environment, warnings, "dachs", *arguments, check=check, quiet=quiet
        )

    def stub_vocabulary(self) -> bool:
        """Put the subjects of the catalogue where DaCHS keeps the UAT, when the IVOA cannot be reached."""
        import urllib.request

        address = "http://www.ivoa.net/rdf/uat"
        try:
            urllib.request.urlopen(address, timeout=10).close()
        except OSError:
            import json

            from catalog.publish.handover.about import SUBJECTS

            terms = {term: {"label": label, "description": label} for term, _, label in SUBJECTS}
            code = f"from gavo import utils; print(utils.defuseFileName('{address}'))"
            name = call("/usr/bin/python3", "-W", "ignore", "-c", code).split()[-1]
            (self.folder / "root" / "cache" / name).write_text(json.dumps({"uri": address, "terms": terms}))
            return True
        return False

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Run the server and give its TAP address."""
        import urllib.request

        say("$ dachs serve start")
        environment = [f"GAVOSETTINGS={self.settings}", "GAVOCUSTOM=/nonexistent", f"HOME={self.folder}"]
        command = ["runuser", "-u", ACCOUNT, "--", "env", *environment, "dachs", "serve", "start"]
        subprocess.run(command, check=True, timeout=120, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(120):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{self.web}/tap/availability", timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.5)
            else:
                logs = (self.folder / "root" / "logs").glob("*")
                raise SystemExit("DaCHS does not answer:\n" + "\n".join(p.read_text()[-3000:] for p in logs))
            yield f"http://127.0.0.1:{self.web}/tap"
        finally:
            self("serve", "stop", check=False, quiet=True)


def publish(url: str) -> int:
    """Let rvscat publish a small synthetic catalogue into the database at `url`; return its stars."""
    import psycopg

    from catalog.database import migrate
    from tests.acceptance.dachs_catalogue import publish_stars

    migrate.upgrade(url)
    with psycopg.connect(url) as connection:
        return publish_stars(connection)


FILES = (
    "SELECT string_agg(relname || ' ' || relfilenode, ', ' ORDER BY relname) FROM pg_class "
    "WHERE relnamespace = 'catalogue'::regnamespace AND relkind = 'r'"
)


def follow(folder: Path, dachs: Dachs, server: str, here: bool) -> list[str]:
    """Do the steps of the hand-over and return what is wrong."""
    import psycopg

    from catalog.publish.handover import hand_over
    from catalog.settings import Settings

    wrong: list[str] = []
    psql = ("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "--single-transaction", "-d")
    gavo = f"{server}/gavo"
    source = gavo if here else f"{server}/rvscat"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        for name in {"gavo", source.rpartition("/")[2]}:
            connection.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
    say(f"rvscat publishes {publish(source)} stars into database {source.rpartition('/')[2]}")
    settings = Settings(home=folder / "home", database_url=source)
    settings.home.mkdir()
    (settings.home / "handover.toml").write_text(
        'publisher = "The rvscat acceptance test"\nlicence = "CC-BY-4.0"\nauthority = "org.example.rvscat"\n'
        '[contact]\nname = "Nobody"\nemail = "nobody@example.org"\n'
        '[[creators]]\nname = "Nobody, Ann \\\\ \\"<&\\" {b}"\norcid = "0000-0002-1825-0097"\n'
    )
    with psycopg.connect(source) as connection:
        result = hand_over(connection, "dachs", settings)
        record = hand_over(connection, "voresource", settings)
    say(f"rvscat handover --to dachs: {', '.join(result.files)}")
    say(call("bash", "-c", f"cd {result.folder} && sha256sum -c SHA256SUMS").rstrip())
    if here:
        with psycopg.connect(gavo, autocommit=True) as connection:
            connection.execute("ALTER SCHEMA tap_schema RENAME TO rvscat_tap_schema")
    dsn = f"host=127.0.0.1 port={server.rpartition(':')[2]} dbname=gavo user=archive password={password_of(server)}"
    dachs("init", "-d", dsn, quiet=True)
    say("dachs init: done")
    if dachs.stub_vocabulary():
        say("The IVOA's vocabularies cannot be reached: `dachs val` is given the subjects of this catalogue alone.")
    if not here:
        call(*psql, gavo, "-f", str(result.folder / "functions.sql"))
        say("psql -f functions.sql: done")
        dump = call("pg_dump", "--schema=catalogue", "--no-owner", "--no-privileges", source)
        call(*psql, gavo, text=dump)
        say("pg_dump --schema=catalogue … | psql gavo: done")
    with psycopg.connect(gavo) as connection:
        before = connection.execute(FILES).fetchone()
    command = re.search(r"^ +(psql .* \| sha256sum)$", (result.folder / "README.md").read_text(), re.M)
    sha256 = call("bash", "-c", command[1].replace("-X gavo", f"-X {gavo}")).split()[0] if command else ""
    say(f"The content has the SHA-256 {sha256}")
    if sha256 not in (result.folder / "README.md").read_text() or len(sha256) != 64:
        wrong.append("the content has another checksum than the README tells")
    for name in ("indexes.sql", "grants.sql"):
        call(*psql, gavo, "-f", str(result.folder / name))
        say(f"psql -f {name}: done")
    inputs = dachs.folder / "root" / "inputs" / "rvs_cnn"
    inputs.mkdir()
    shutil.copy(result.folder / "q.rd", inputs)
    call("chown", "-R", f"{ACCOUNT}:{ACCOUNT}", str(inputs))
    say("$ dachs val rvs_cnn/q")
    told = re.findall(r"\[(?:ERROR|WARNING)\].*", dachs("val", "rvs_cnn/q", quiet=True))
    other = [line for line in told if EXPECTED not in line]
    say(f"    {len(told) - len(other)} warnings that 'dex' is no VOUnit, {len(other)} other errors and warnings")
    wrong += [f"dachs val: {line}" for line in other]
    dachs("imp", "-m", "rvs_cnn/q")
    with psycopg.connect(gavo) as connection:
        if connection.execute(FILES).fetchone() != before:
            wrong.append("the tables are not the same files as before dachs imp -m")
        else:
            say("The tables are the same files on disk as before dachs imp -m")
    wrong += compare_types(dachs("val", "-c", "rvs_cnn/q", check=False, quiet=True))
    dachs("pub", "rvs_cnn/q")
    with dachs.serving() as tap:
        tests = dachs("test", "-v", "rvs_cnn/q", check=False)
        if "\n0 of " not in tests:
            wrong.append("dachs test")
        wrong += ask(tap)
        wrong += validate(dachs, (record.folder / "voresource.xml").read_bytes())
        wrong += taplint(tap)
        # Afterwards, for it adds attributes of its own to columns, which are errors for taplint.
        dachs("limits", "rvs_cnn/q")
    return wrong + leave(result.folder, dachs, gavo, before)


def leave(folder: Path, dachs: Dachs, gavo: str, before: object) -> list[str]:
    """Let DaCHS do what it should not, then withdraw the tables; they must stay as they were."""
    import psycopg

    wrong = []
    dachs("imp", "rvs_cnn/q")
    say("$ dachs imp -I rvs_cnn/q")
    told = dachs("imp", "-I", "rvs_cnn/q", check=False, quiet=True)
    say("    refused" if "rror" in told else "    not refused")
    # With -f it forgets what it knows; without, it would try to drop the tables.
    dachs("drop", "-f", "rvs_cnn/q")
    call("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-1", "-d", gavo, "-f", str(folder / "withdraw.sql"))
    say("psql -f withdraw.sql: done")
    with psycopg.connect(gavo) as connection:
        if connection.execute(FILES).fetchone() != before:
            wrong.append("the tables are not the same files as at first")
        else:
            say("The tables are still the same files on disk")
        known = "SELECT count(*) FROM tap_schema.tables WHERE schema_name = 'catalogue'"
        readable = "SELECT has_table_privilege('untrusted', 'catalogue.rvs_cnn', 'SELECT')"
        if connection.execute(known).fetchone() != (0,) or connection.execute(readable).fetchone() != (False,):
            wrong.append("DaCHS still knows the tables, or may still read them")
    return wrong


def compare_types(report: str) -> list[str]:
    """Return what `dachs val -c` finds beside text that is varchar: DaCHS has no word for that.

    Its messages are cut after 160 characters.
    """
    from catalog.metadata.columns import PUBLISHED_TABLES

    text = {c.name for info in PUBLISHED_TABLES for c in info.columns if c.sql_type.startswith("varchar")}
    told = re.findall(r"\[ERROR\] rvs_cnn/q: (.*)", report)
    named = re.findall(r"type mismatch in column (\w+) ", " ".join(told))
    say(f"dachs val -c: {len(named)} columns are varchar where it expects text")
    wrong = [line for line in told if re.search("extra columns|mismatching|No matches", line)]
    return [f"dachs val -c: {each}" for each in [*wrong, *(name for name in named if name not in text)]]


def password_of(url: str) -> str:
    """Return the password in `url`."""
    return url.split("://archive:")[1].partition("@")[0]


def ask(tap: str) -> list[str]:
    """Ask the archive as a user does, with pyvo."""
    import pyvo

    from catalog.metadata.columns import PUBLISHED_TABLES

    service = pyvo.dal.TAPService(tap)
    wrong = []
    for info in PUBLISHED_TABLES:
        table = service.run_sync(f"SELECT TOP 5 * FROM {info.qualified_name}").to_table()
        told = [(column.name, column.ucd) for column in service.tables[info.qualified_name].columns]
        names = tuple(name.strip('"') for name, _ in told)
        if not names == tuple(table.colnames) == info.column_names:
            wrong.append(f"pyvo: columns of {info.qualified_name}: {table.colnames}")
        if [ucd for _, ucd in told] != [column.ucd for column in info.columns]:
            wrong.append(f"pyvo: UCDs of {info.qualified_name}")
    query = (
        "SELECT COUNT(*) AS n FROM catalogue.rvs_cnn JOIN catalogue.rvs_cnn_extended AS e USING (sourceid) "
        "WHERE 1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 180, 0, 60))"
    )
    say(f"pyvo: {len(PUBLISHED_TABLES)} tables read; {service.run_sync(query)['n'][0]} stars in a circle of 60 degrees")
    cone = pyvo.dal.SCSService(tap.removesuffix("/tap") + "/rvs_cnn/q/cone/scs.xml")
    say(f"pyvo: {len(cone.search((180, 0), 20))} stars by cone search")
    return wrong


def validate(dachs: Dachs, record: bytes) -> list[str]:
    """Validate the VOResource record against the schemas that DaCHS brings along."""
    path = dachs.folder / "voresource.xml"
    path.write_bytes(record)
    code = (
        f"from gavo.helpers.testtricks import getXSDErrors\nprint(getXSDErrors(open('{path}', 'rb').read()) or 'valid')"
    )
    environment = [f"GAVOSETTINGS={dachs.settings}", "GAVOCUSTOM=/nonexistent", f"HOME={dachs.folder}"]
    python = ["/usr/bin/python3", "-W", "ignore", "-c", code]
    told = call("runuser", "-u", ACCOUNT, "--", "env", *environment, *python).strip()
    say(f"VOResource record against the XML schemas: {told}")
    return [] if told.endswith("valid") else [f"VOResource: {told}"]


def taplint(tap: str) -> list[str]:
    """Let STILTS examine the archive; its errors are wrong, its failures (no observation plan) are told."""
    say(f"$ stilts taplint tapurl={tap}")
    report = call("stilts", "taplint", f"tapurl={tap}", check=False, seconds=900)
    errors = [line for line in report.splitlines() if line.startswith(("E-", "F-"))]
    for line in errors:
        say(f"    {line}")
    warnings = Counter(line.split()[0].rpartition("-")[0] for line in report.splitlines() if line.startswith("W-"))
    say(f"    Warnings, the first nine of each kind counted: {dict(warnings)}")
    say("    " + next(line for line in reversed(report.splitlines()) if "Totals" in line))
    return [f"taplint: {line}" for line in errors if line.startswith("E-")]


def main() -> int:
    """Do all of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--here", action="store_true", help="publish into DaCHS's own database")
    parser.add_argument("--keep", action="store_true", help="wait for a key before everything is removed")
    arguments = parser.parse_args()
    if os.geteuid():
        raise SystemExit("This script makes a PostgreSQL cluster and an account: run it as root.")
    # So that everything is removed then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    install()
    password = secrets.token_hex(16)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rvscat-dachs-")))
        folder.chmod(0o755)
        port = stack.enter_context(cluster(password))
        stack.enter_context(account())
        (folder / "dachs").mkdir()
        dachs = Dachs(folder / "dachs", port)
        wrong = follow(folder, dachs, f"postgresql://archive:{password}@127.0.0.1:{port}", arguments.here)
        if arguments.keep:
            input(f"{folder} is kept until Enter is pressed. ")
    say("\nSummary: " + ("everything as it should be" if not wrong else f"{len(wrong)} wrong"))
    for line in wrong:
        say(f"    {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
