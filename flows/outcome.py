"""What a scheduled flow run ends with: a state that says in words what was done, or why there was nothing to do."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from catalog.profiles import Profile

__all__ = ["NOTHING_NEW", "Outcome"]

NOTHING_NEW = "Nothing new"
"""Name of the state of a run that found no work."""


class Outcome:
    """Gathers what a flow run did, and tells it.

    Parameters
    ----------
    flow : str
        Name of the flow.
    profile : Profile
    """

    def __init__(self, flow: str, profile: Profile) -> None:
        self._flow, self._profile = flow, profile
        self._rows: list[tuple[str, str]] = []
        self._news: list[str] = []
        self._failures: list[str] = []
        self._notes: list[str] = []
        self._data: dict[str, Any] = {}
        self._kept = ""

    def downloads(self, results: Sequence[Mapping[str, Any]]) -> None:
        """Take in what `flows.downloads.download` returned."""
        n_bytes = sum(result["bytes"] for result in results)
        if n_bytes:
            self._news.append(f"{n_bytes / 1e6:,.1f} MB downloaded")
        if results:
            n_files = sum(result["files"] for result in results)
            self._rows.append(("Download", f"{n_files:,} files there, {n_bytes / 1e6:,.1f} MB new"))
        for result in results:
            self._notes += result["notes"]
            self._failures += result["failures"]

    def stages(self, done: Mapping[str, Any]) -> None:
        """Take in what `flows.production.perform_stages` returned."""
        self._data = dict(done)
        for name, result in done["stages"].items():
            words = _words(name, result["counts"])
            self._rows.append((name, f"done before: {words}" if result["skipped"] else words))
            if not result["skipped"]:
                self._news.append(f"{name}: {words}")
                self._notes += result["notes"]
        names = list(done["stages"])
        self._kept = f"run {done['run_id']} has done {_enumerate(names)} with the same files and settings"
        if published := done["stages"].get("publish"):
            self._kept += f", and version {published['counts'].get('version')} is published"

    def update(self, done: Mapping[str, Any]) -> None:
        """Take in what `flows.update.update_catalogue` returned."""
        if done["run_id"] is None:
            self._data = dict(done)
            self._notes += done["notes"]
            base = f"no spectrum has arrived that run {done['base_run_id']} and its catalogue do not have"
            self._kept = " ".join(done["notes"]).removesuffix(".") or base
            return
        self.stages(done)
        self._notes += done["notes"]

    def state(self) -> State[dict[str, Any]]:
        """Return the state to end with, and leave the same as an artefact and in the log."""
        if self._failures:
            # What came has been read; the rest needs a person, or the next time.
            message = f"{len(self._failures)} downloads failed: {'; '.join(self._failures)}"
            state: State[dict[str, Any]] = Failed(message=message)
        elif self._news:
            message = f"Run {self._data.get('run_id')}: {'; '.join(self._news)}."
            state = Completed(message=message, data=self._data)
        else:
            message = f"Nothing new: {self._kept}."
            state = Completed(name=NOTHING_NEW, message=message, data=self._data)
        get_run_logger().info(message)
        create_markdown_artifact(
            self._markdown(message), self._key(), f"What the latest {self._flow} run did, or why not"
        )
        return state

    def _markdown(self, message: str) -> str:
        rows = "".join(f"| {name} | {words} |\n" for name, words in self._rows)
        notes = "".join(f"- {note}\n" for note in self._notes)
        table = f"| stage | |\n|---|---|\n{rows}" if rows else ""
        return f"{message}\n\n{table}\n{notes}"

    def _key(self) -> str:
        name = re.sub(r"[^a-z0-9]+", "-", self._profile.name.lower()).strip("-")
        return f"{self._flow}-{name}"


def _words(stage: str, counts: Mapping[str, Any]) -> str:
    """Return the figures of a stage that a line has room for."""
    if stage == "publish":
        return f"version {counts.get('version')}, {counts.get('rows', 0):,} rows"
    if stage == "ingest":
        refused = f", {counts['files_refused']:,} refused" if counts.get("files_refused") else ""
        return f"{counts.get('files_read', 0):,} files read{refused}"
    figures = [
        f"{value:,} {key.replace('_', ' ')}"
        for key, value in counts.items()
        if type(value) is int and value and not key.endswith(("_id", "_run")) and "/" not in key
    ]
    return ", ".join(figures[:4]) or "done"


def _enumerate(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
