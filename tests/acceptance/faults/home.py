"""A data folder of its own for faults, with its embedded server, and `rvscat` running in it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from catalog.database.embedded import ensure_server, stop_server
from catalog.settings import Settings

__all__ = ["PROFILE", "ROOT", "Ended", "Home", "Moment", "Process"]

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PROFILE = HERE / "faults.toml"
_PATIENCE = 900.0


@dataclass(frozen=True)
class Moment:
    """When a fault strikes."""

    stage: str
    event: str = "progress"
    """``begin`` or ``end`` of the stage as the ledger has it, ``progress``, or ``before`` or ``after`` a call."""
    words: str = ""
    """Expression that the words of the progress match."""
    fraction: float = 0.0
    """Of the stage that is done at least."""
    target: str | None = None
    """``module:function`` of a call."""
    pause: bool = True
    """Whether the process waits while the harm is done; otherwise it works on."""
    memory_mb: float | None = None
    """Address space that the process is left with from then on."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    output: str
    seconds: float

    @property
    def said(self) -> str:
        """What the user saw last: the error, or the last line."""
        lines = [line.rstrip() for line in self.output.splitlines() if line.strip()]
        errors = [i for i, line in enumerate(lines) if line.startswith("Error:")]
        if errors:
            # The line after it tells what to do.
            return lines[errors[-1]].removeprefix("Error: ")
        if self.status < 0:
            return f"nothing: ended by {signal.Signals(-self.status).name}"
        return lines[-1] if lines else "(nothing)"

    @property
    def ugly(self) -> bool:
        """Whether a person met a traceback."""
        return "Traceback (most recent call last)" in self.output


class Process:
    """`rvscat` at work."""

    def __init__(self, command: list[str], environment: Mapping[str, str], log: Path, folder: Path) -> None:
        self._log, self._folder = log, folder
        self._began = time.monotonic()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command, env=dict(environment), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def at_moment(self) -> bool:
        """Wait for the moment; False when the process ended before it."""
        end = time.monotonic() + _PATIENCE
        while not (self._folder / "reached").exists():
            if self._process.poll() is not None or time.monotonic() > end:
                return (self._folder / "reached").exists()
            time.sleep(0.01)
        return True

    def go_on(self) -> None:
        """Let it go on from the moment."""
        (self._folder / "go").touch()

    def kill(self) -> None:
        """End it and all that it has started."""
        for process in self.family():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()

    def family(self) -> list[psutil.Process]:
        """Return the process and all that it has started."""
        try:
            own = psutil.Process(self.pid)
            return [own, *own.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def ended(self, patience: float = _PATIENCE) -> Ended:
        """Wait for its end; one that hangs is ended and said to hang."""
        try:
            status = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            output = self._log.read_text(errors="replace")
            return Ended(1, f"{output}\nError: it hung for {patience:.0f} s", time.monotonic() - self._began)
        return Ended(status, self._log.read_text(errors="replace"), time.monotonic() - self._began)


class Home:
    """The data folder that faults are inflicted on, always in one place: paths are part of what is recorded."""

    def __init__(self, folder: Path, prefect_url: str | None = None) -> None:
        self.folder = folder
        self.path = folder / "home"
        self._prefect_url = prefect_url
        self._signals = folder / "signals"
        self._count = 0
        shutil.rmtree(self._signals, ignore_errors=True)
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        for open_to_all in (folder, self.path):
            # The account of root's database server must get through.
            open_to_all.mkdir(exist_ok=True)
            open_to_all.chmod(0o755)

    @property
    def settings(self) -> Settings:
        """Settings of this home."""
        return Settings(home=self.path)

    def start(
        self,
        moment: Moment | None = None,
        *,
        own_prefect: bool = False,
        arguments: tuple[str, ...] = ("run",),
        variables: Mapping[str, str] | None = None,
        clock_s: float = 0.0,
    ) -> Process:
        """Start `rvscat`, to be met at a moment if one is given."""
        self._count += 1
        signals = self._signals / str(self._count)
        signals.mkdir(parents=True)
        plan = {
            "folder": str(signals),
            "page_size": 50,
            "figures": 3,
            "clock_s": clock_s,
            "moment": asdict(moment) if moment else None,
        }
        (signals / "plan.json").write_text(json.dumps(plan))
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("RVSCAT_", "PREFECT_"))}
        environment |= {
            "RVSCAT_HOME": str(self.path),
            "RVSCAT_WORKERS": "2",
            "RVSCAT_FAULTS": str(signals / "plan.json"),
            "PYTHONPATH": os.pathsep.join([str(HERE / "hook"), str(ROOT)]),
            "COLUMNS": "160",
        }
        if self._prefect_url and not own_prefect:
            environment["PREFECT_API_URL"] = self._prefect_url
        environment |= variables or {}
        command = [str(Path(sys.executable).with_name("rvscat")), *arguments, "--profile", str(PROFILE)]
        log = self.folder / "logs" / f"{self._count:03}.log"
        return Process(command, environment, log, signals)

    def url(self) -> str:
        """Return the URL of its database, starting the server if need be."""
        return ensure_server(self.settings)

    def postmaster(self) -> psutil.Process:
        """Return the server's first process."""
        pid = int((self.path / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
        return psutil.Process(pid)

    def stop(self) -> None:
        """Stop its database server."""
        stop_server(self.settings)

    def empty(self) -> None:
        """Begin anew."""
        self.stop()
        for path in self.path.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def keep(self, name: str) -> None:
        """Keep the home as it is, to begin there again; its server is stopped."""
        self.stop()
        shutil.rmtree(self.folder / "kept" / name, ignore_errors=True)
        _copy(self.path, self.folder / "kept" / name)

    def kept(self, name: str) -> bool:
        """Whether there is such a copy."""
        return (self.folder / "kept" / name).is_dir()

    def take_up(self, name: str) -> None:
        """Bring back what `keep` kept."""
        self.empty()
        _copy(self.folder / "kept" / name, self.path)

    @contextmanager
    def small_disk(self, part: str, room_mb: int = 64) -> Iterator["SmallDisk"]:
        """Have a folder of the home on a disk of its own while this lasts."""
        self.stop()
        place = self.path / part if part else self.path
        place.mkdir(parents=True, exist_ok=True)
        aside = self.folder / "aside"
        shutil.rmtree(aside, ignore_errors=True)
        _copy(place, aside)
        size = sum(file.stat().st_blocks * 512 for file in aside.rglob("*") if file.is_file())
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size // 1_000_000 + room_mb}m,mode=755", "none", str(place)],
            check=True,
        )
        disk = SmallDisk(place)
        try:
            _copy(aside, place)
            yield disk
        finally:
            disk.make_room()
            self.stop()
            shutil.rmtree(aside, ignore_errors=True)
            _copy(place, aside)
            subprocess.run(["umount", "--lazy", str(place)], check=True)
            for path in place.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            _copy(aside, place)


class SmallDisk:
    """A file system in memory that can be filled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self) -> None:
        """Take all the room that is left."""
        with (self.folder / "ballast").open("wb") as file:
            # Others write meanwhile: what was free may be less by now.
            for _ in range(100):
                room = shutil.disk_usage(self.folder).free
                with suppress(OSError):
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), max(room, 1))

    def make_room(self) -> None:
        """Give it back."""
        (self.folder / "ballast").unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    # Owners and modes as well: PostgreSQL looks at both.
    subprocess.run(["cp", "-a", f"{source}/.", str(target)], check=True)
