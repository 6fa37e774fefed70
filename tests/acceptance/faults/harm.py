"""What can go wrong, done to a home and to `rvscat` at work in it."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil
import psycopg

from tests.acceptance.faults.home import Ended, Home, Moment, Process, SmallDisk

__all__ = ["Fault", "Scene"]


@dataclass
class Scene:
    """Where a fault strikes."""

    home: Home
    process: Process
    disk: SmallDisk | None = None
    others: list[Ended] = field(default_factory=list)
    """Ends of other commands that were started meanwhile."""


Harm = Callable[[Scene], None]


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong at one moment."""

    name: str
    title: str
    moment: Moment
    harm: Harm
    own_prefect: bool = False
    disk: str | None = None
    """Folder of the home, such as ``exports``, that is on a small disk meanwhile."""
    room_mb: int = 64
    variables: tuple[tuple[str, str], ...] = ()
    survives: bool = False
    """Whether the command that is disturbed is expected to come to its end."""
    clock_s: float = 0.0
    command: str = "run"


def kill(scene: Scene) -> None:
    """SIGKILL of the process: what it started lives on for a while."""
    os.kill(scene.process.pid, signal.SIGKILL)


def power_cut(scene: Scene) -> None:
    """SIGKILL of the process, of all that it started and of all processes of the server."""
    postmaster = scene.home.postmaster()
    for process in (*scene.process.family(), postmaster, *postmaster.children(recursive=True)):
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def kill_worker(scene: Scene) -> None:
    """SIGKILL of the largest process that it started, as the kernel does when memory runs out."""
    children = [
        each for each in scene.process.family()[1:] if "prefect" not in " ".join(each.cmdline()) and _is_worker(each)
    ]
    max(children, key=lambda each: each.memory_info().rss).kill()
    scene.process.go_on()


def _is_worker(process: psutil.Process) -> bool:
    command = " ".join(process.cmdline())
    return "resource_tracker" not in command and "postgres" not in command


def restart_server(scene: Scene) -> None:
    """Stop the server in fast mode while `rvscat` works, and start it again."""
    scene.home.stop()
    scene.home.url()
    scene.process.go_on()


def kill_server(scene: Scene) -> None:
    """SIGKILL of the server's first process."""
    scene.home.postmaster().kill()
    scene.process.go_on()


def kill_backend(scene: Scene) -> None:
    """SIGKILL of the server's process of the stage: the server ends all others and recovers by itself."""
    psutil.Process(_sessions(scene)[1]).kill()
    scene.process.go_on()


def cut_stage(scene: Scene) -> None:
    """End the connection of the stage."""
    _terminate(scene, _sessions(scene)[1])


def cut_lock(scene: Scene) -> None:
    """End the connection that holds the lock of the run."""
    _terminate(scene, _sessions(scene)[0])


def _sessions(scene: Scene) -> list[int]:
    """Return the numbers of the server's processes that serve `rvscat`, in the order in which they began.

    The first connection is that of the run, the second that of the stage.
    """
    with psycopg.connect(scene.home.url()) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'rvscat' ORDER BY backend_start"
        ).fetchall()
    return [pid for (pid,) in rows]


def _terminate(scene: Scene, pid: int) -> None:
    with psycopg.connect(scene.home.url(), autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))
    scene.process.go_on()


def fill_disk(scene: Scene) -> None:
    """Take all the room of the small disk."""
    assert scene.disk is not None
    scene.disk.fill()
    scene.process.go_on()


def second_run(scene: Scene) -> None:
    """Start the same command a second time while the first one works."""
    scene.others.append(scene.home.start().ended())
    scene.process.go_on()


def kill_prefect(scene: Scene) -> None:
    """SIGKILL of the server that Prefect started for the run."""
    for process in scene.process.family()[1:]:
        if "prefect.server" in " ".join(process.cmdline()) or "uvicorn" in " ".join(process.cmdline()):
            process.kill()
    scene.process.go_on()


def nothing(scene: Scene) -> None:
    """Harm by the moment's own limits."""
    scene.process.go_on()


def interrupt(scene: Scene) -> None:
    """Ctrl-C: SIGINT."""
    os.kill(scene.process.pid, signal.SIGINT)
    time.sleep(0.1)
    scene.process.go_on()


def terminate(scene: Scene) -> None:
    """SIGTERM, as a machine that shuts down sends it."""
    os.kill(scene.process.pid, signal.SIGTERM)
    time.sleep(0.1)
    scene.process.go_on()
