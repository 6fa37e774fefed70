"""Stops a process of rvscat at a moment that a test names, and waits there until the test has done its harm.

Python imports this module by itself in every process whose PYTHONPATH holds its folder. RVSCAT_FAULTS names a JSON file
that says what to do; the product knows nothing of it.
"""

import dataclasses
import functools
import importlib.abc
import importlib.machinery
import json
import os
import re
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

PLAN: dict[str, Any] = (
    json.loads(Path(os.environ["RVSCAT_FAULTS"]).read_text()) if "RVSCAT_FAULTS" in os.environ else {}
)
# Processes that the first one starts inherit it: moments are looked for in the first one alone.
FIRST = os.environ.setdefault("RVSCAT_FAULTS_FIRST", str(os.getpid())) == str(os.getpid())
FOLDER = Path(PLAN.get("folder", "."))


def reach(what: str) -> None:
    """Tell the test that the moment has come; go on when it says so."""
    moment = PLAN["moment"]
    if not FIRST or (FOLDER / "reached").exists():
        return
    if moment.get("memory_mb") is not None:
        # As much as the process has, and little more.
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + int(moment["memory_mb"] * 1e6)
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    (FOLDER / "reached.new").write_text(json.dumps({"pid": os.getpid(), "what": what}))
    (FOLDER / "reached.new").replace(FOLDER / "reached")
    end = time.monotonic() + 600
    while moment.get("pause", True) and not (FOLDER / "go").exists() and time.monotonic() < end:
        time.sleep(0.02)


def watch_display(module: ModuleType) -> None:
    """Look for moments that the display of stages is told of."""
    display, moment = module.StageDisplay, PLAN["moment"]
    begin, told, ended = display.begin, display.__call__, display.end
    at = [""]

    def new_begin(self: Any, stage: str) -> None:
        at[0] = stage
        begin(self, stage)
        if (moment["stage"], moment["event"]) == (stage, "begin"):
            reach("begin")

    def new_told(self: Any, done: float, total: float, what: str = "") -> None:
        told(self, done, total, what)
        wanted = (moment["stage"], moment["event"]) == (at[0], "progress")
        if wanted and re.search(moment["words"], what) and done >= moment["fraction"] * total:
            reach(what)

    def new_end(self: Any, stage: str, *rest: Any) -> None:
        ended(self, stage, *rest)
        if (moment["stage"], moment["event"]) == (stage, "end"):
            reach("end")

    display.begin, display.__call__, display.end = new_begin, new_told, new_end


def watch_call(module: ModuleType, name: str, event: str) -> None:
    """Look for the moment before or after a call of a function of a module."""
    function: Callable[..., Any] = getattr(module, name)

    @functools.wraps(function)
    def watched(*args: Any, **kwargs: Any) -> Any:
        if event == "before":
            reach(f"before {name}")
        result = function(*args, **kwargs)
        if event == "after":
            reach(f"after {name}")
        return result

    setattr(module, name, watched)


def small_pages(module: ModuleType) -> None:
    """Have several pages of labels though there are few stars."""
    module.PAGE_SIZE = PLAN["page_size"]  # type: ignore[attr-defined]


def few_figures(module: ModuleType) -> None:
    """Draw few figures: they take most of the time of a validation."""

    def left_out(_: object) -> None:
        raise SampleError("left out: faults are tried")

    from catalog.errors import SampleError

    module.FIGURES = tuple(  # type: ignore[attr-defined]
        spec if i < PLAN["figures"] else dataclasses.replace(spec, draw=left_out)
        for i, spec in enumerate(module.FIGURES)
    )


CHANGES: dict[str, list[Callable[[ModuleType], None]]] = {}
if PLAN:
    CHANGES["catalog.ensemble.prediction.labelling"] = [small_pages]
    CHANGES["catalog.validation.figures.catalogue"] = [few_figures]
    if chosen := PLAN.get("moment"):
        if target := chosen.get("target"):
            where, _, what = target.partition(":")
            change = functools.partial(watch_call, name=what, event=chosen["event"])
            CHANGES.setdefault(where, []).append(change)
        else:
            CHANGES.setdefault("catalog.cli.display", []).append(watch_display)
    if PLAN.get("clock_s"):
        real = time.time
        time.time = lambda: real() + PLAN["clock_s"]


class Changer(importlib.abc.MetaPathFinder):
    """Changes a module when it has been imported."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find the module as usual, and have it changed after its code has run."""
        if fullname not in CHANGES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def changed(module: ModuleType) -> None:
            execute(module)
            for change in CHANGES[fullname]:
                change(module)

        spec.loader.exec_module = changed  # type: ignore[method-assign]
        return spec


if PLAN:
    sys.meta_path.insert(0, Changer())
