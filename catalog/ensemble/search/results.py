"""What comes out of a search: the best trial, tables of all, and a profile that `rvscat run` takes."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalog.ensemble.registry.files import write_whole
from catalog.ensemble.search.space import Axis, apply_values
from catalog.ensemble.search.state import BASE, SearchRecord, TrialRecord
from catalog.errors import ConfigurationError, TrainingError
from catalog.profiles import Profile

__all__ = ["FIRST_LINE", "SearchResult", "ranked", "require_own", "write_profile", "write_tables"]

FIRST_LINE = "# A profile found by `rvscat tune`."
"""Of the files that `write_profile` writes: it replaces no others."""


@dataclass(frozen=True)
class SearchResult:
    """A search, whether it is over or not."""

    folder: Path
    record: SearchRecord
    trials: list[TrialRecord]
    """In the order of their numbers."""
    axes: tuple[Axis, ...]
    notes: tuple[str, ...] = ()

    @property
    def base(self) -> TrialRecord | None:
        """The trial with the profile's own settings, where it has been done."""
        return next((trial for trial in self.trials if trial.number == BASE), None)

    @property
    def best(self) -> TrialRecord | None:
        """The trial with the lowest validation MSE; the first of equals, so that the profile's own settings stay."""
        return next(iter(ranked(self.trials)), None)

    def tuned(self, trial: TrialRecord) -> Profile:
        """Return the profile with the settings of a trial, under its own name."""
        profile = self.record.profile
        if not trial.values:
            return profile
        network, training = apply_values(self.axes, trial.values, profile.network, profile.training)
        return profile.model_copy(update={"network": network, "training": training})

    def changes(self, trial: TrialRecord) -> dict[str, tuple[Any, Any]]:
        """Return the settings of a trial that differ from the profile's.

        Parameters
        ----------
        trial : TrialRecord

        Returns
        -------
        dict of str to tuple
            The profile's value and the trial's, by the names of settings, ``training.learning_rate`` for instance.
        """
        tuned, found = self.tuned(trial), {}
        for axis in self.axes:
            old, new = (
                getattr(getattr(profile, axis.section), axis.setting) for profile in (self.record.profile, tuned)
            )
            if old != new:
                found[f"{axis.section}.{axis.setting}"] = (old, new)
        return found


def ranked(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the trials that did not fail, the best first."""
    scored = [(trial.val_mse, trial.number, trial) for trial in trials if trial.val_mse is not None]
    return [trial for _, _, trial in sorted(scored, key=lambda each: each[:2])]


def require_own(path: Path) -> None:
    """Refuse to write a profile over a file that a search has not written, or where it cannot be written.

    Raises
    ------
    ConfigurationError
    """
    if path.suffix != ".toml":
        raise ConfigurationError(f"{path} does not end in .toml: no command would take it as a profile.")
    if not path.parent.is_dir():
        raise ConfigurationError(f"The folder of {path} does not exist.")
    if path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(FIRST_LINE):
        raise ConfigurationError(
            f"{path} exists, and was not written by a search: it is left as it is.", "Name another file by --out."
        )


def write_profile(result: SearchResult, path: Path) -> TrialRecord:
    """Write the profile with the settings of the best trial.

    The file is complete: it holds what differs from the defaults, which are the paper's, and a comment wherever the
    search has changed the profile.

    Parameters
    ----------
    result : SearchResult
    path : pathlib.Path

    Returns
    -------
    TrialRecord
        The best trial.

    Raises
    ------
    TrainingError
        There is no trial that did not fail.
    ConfigurationError
        The file is not one of a search.
    """
    best = result.best
    if best is None:
        said = f" The last one: {result.trials[-1].message}." if result.trials else ""
        raise TrainingError(
            f"None of the {len(result.trials)} trials of the search in {result.folder} came to an end.{said}",
            "Let the space begin with lower learning rates, or look at the training sample's labels.",
        )
    require_own(path)
    text = _header(result, best) + _toml(result, best)
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return best


def write_tables(result: SearchResult) -> None:
    """Write ``trials.csv`` and ``trials.json`` with all trials into the folder of the search."""
    rows = [_row(result, trial) for trial in result.trials]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    content = [trial.model_dump(mode="json") for trial in result.trials]
    write_whole(result.folder / "trials.csv", lambda path: path.write_text(stream.getvalue(), encoding="utf-8"))
    write_whole(result.folder / "trials.json", lambda path: path.write_text(json.dumps(content, indent=1) + "\n"))


def _row(result: SearchResult, trial: TrialRecord) -> dict[str, Any]:
    tuned = result.tuned(trial)
    row: dict[str, Any] = {
        name: getattr(trial, name)
        for name in ("number", "status", "val_mse", "epochs", "best_epoch", "max_epochs", "wall_s", "same_as")
    }
    for axis in result.axes:
        value = getattr(getattr(tuned, axis.section), axis.setting)
        row[axis.name] = value if axis.part is None else value[axis.part]
    return row | {"message": trial.message}


def _header(result: SearchResult, best: TrialRecord) -> str:
    record, base = result.record, result.base
    failed = sum(trial.status == "failed" for trial in result.trials)
    n = sum(trial.number != BASE for trial in result.trials)
    lines = [
        FIRST_LINE,
        "#",
        f"# Profile      {record.profile.name}, run {record.run_id}",
        f"# Sample       {record.sample[:16]}: {record.n_training} to train on, {record.n_validation} to validate on",
        f"# Search       {record.key[:16]}: {record.method}, seed {record.seed}",
        f"# Trials       {n} of up to {record.epochs} epochs, {failed} failed",
        f"# Best         {_best_words(best, base)}",
        f"# Date         {best.finished}",
        f"# Versions     {', '.join(f'{name} {value}' for name, value in best.versions.items())}",
        "#",
        "# One network with one seed was trained for each trial: differences of a few per cent may be chance.",
        "",
    ]
    return "\n".join(lines) + "\n"


def _best_words(best: TrialRecord, base: TrialRecord | None) -> str:
    score = f"validation MSE {best.val_mse:.6g} of scaled labels, epoch {best.best_epoch} of {best.epochs}"
    if best.number == BASE:
        return f"the profile's own settings: {score}; no trial was better"
    words = f"trial {best.number}: {score}"
    if base is not None and base.val_mse is not None and best.val_mse is not None:
        words += f"; the profile's own settings: {base.val_mse:.6g}"
    return words


def _toml(result: SearchResult, best: TrialRecord) -> str:
    """Return what differs from the defaults, and whatever was searched."""
    tuned, changes = result.tuned(best), result.changes(best)
    values = tuned.model_dump(mode="json", exclude_defaults=True, exclude_none=True, exclude={"name"})
    values["description"] = f"{tuned.name}, with network and training as a search found them"
    for name in changes:
        section, setting = name.split(".")
        values.setdefault(section, {})[setting] = getattr(getattr(tuned, section), setting)
    remarks = {name: f"{result.record.profile.name}: {_value(old)}" for name, (old, _) in changes.items()}
    return "\n".join(_lines(values, "", remarks)) + "\n"


def _lines(table: Mapping[str, Any], name: str, remarks: Mapping[str, str]) -> list[str]:
    """Return a table as TOML has it, tables inside it last."""
    lines = []
    for key, value in table.items():
        if not isinstance(value, Mapping):
            remark = remarks.get(f"{name}.{key}")
            lines.append(f"{key} = {_value(value)}" + (f"  # {remark}" if remark else ""))
    for key, value in table.items():
        if isinstance(value, Mapping):
            inner = f"{name}.{key}" if name else key
            lines += ["", f"[{inner}]", *_lines(value, inner, remarks)]
    return lines


def _value(value: Any) -> str:
    """Return a value as TOML has it; numbers are read back as they are."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, float):
        return repr(value)
    # Strings, whole numbers and truth values are written as in JSON.
    return json.dumps(value, ensure_ascii=False)
