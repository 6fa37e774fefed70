"""One star's story: where its rows came from, what became of it, and why."""

from collections.abc import Mapping
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from catalog.database.ledger import Run, find_run
from catalog.database.queries import load
from catalog.errors import NotFoundError
from catalog.metadata import FLAG_DIGITS, LABELS
from catalog.service.story import (
    ApogeeRow,
    Companion,
    Cut,
    Explanation,
    FlagStory,
    LabelStory,
    Likeness,
    PublishedIn,
    QuarantinedRow,
    SurveyRow,
)

__all__ = ["explain"]


def explain(connection: Connection, source_id: int, run_id: int | None = None) -> Explanation:
    """Gather everything that is known of a star.

    Parameters
    ----------
    connection : psycopg.Connection
    source_id : int
        Gaia identifier.
    run_id : int, optional
        Run whose samples, labels and flags are told; the latest one by default.

    Returns
    -------
    Explanation

    Raises
    ------
    NotFoundError
        There is no such run, or its release has no row of the star.
    """
    run = find_run(connection, run_id)
    star = _Star(connection, run, source_id)
    files = [SurveyRow(**row) for row in star.rows("star_files")]
    quarantine = [QuarantinedRow(**row) for row in star.rows("star_quarantine")]
    sample = star.row("star_sample")
    if not (files or quarantine or sample):
        raise _unknown(connection, run, source_id)
    cut_values = {row["cut"]: row["value"] for row in star.rows("star_cut_values")} if sample else {}
    apogee = star.row("star_apogee")
    labels = star.row("star_labels")
    return Explanation(
        source_id=source_id,
        release=run.release,
        run_id=run.run_id,
        files=files,
        quarantine=quarantine,
        role=sample["role"] if sample else None,
        cut=_cut(sample, "cut", "cut_rule", cut_values),
        training_cut=_cut(sample, "training_cut", "training_rule", cut_values),
        apogee=ApogeeRow(**apogee) if apogee else None,
        n_members=labels["n_members"] if labels else None,
        ensemble=labels["ensemble_key"] if labels else None,
        labels=_labels(labels, star.rows("star_comparisons")),
        flag_boundary=labels["flag_boundary"] if labels else None,
        flag=_flag(labels, star.rows("star_digits")),
        likeness=[Likeness(**row) for row in star.rows("star_likeness")],
        companion=next((Companion(**row) for row in star.rows("star_companion")), None),
        publications=[PublishedIn(**row) for row in star.rows("star_publications")],
    )


class _Star:
    """Runs the queries of sql/service for one star."""

    def __init__(self, connection: Connection, run: Run, source_id: int) -> None:
        self._connection = connection
        self._parameters = {"run_id": run.run_id, "release": run.release, "source_id": source_id}

    def rows(self, name: str) -> list[dict[str, Any]]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(load(f"service/{name}").statement, self._parameters).fetchall()

    def row(self, name: str) -> dict[str, Any] | None:
        return next(iter(self.rows(name)), None)


def _cut(sample: Mapping[str, Any] | None, cut: str, rule: str, values: Mapping[str, str | None]) -> Cut | None:
    if sample is None or sample[cut] is None:
        return None
    return Cut(sample[cut], sample[rule] or "", values.get(sample[cut]))


def _labels(labels: Mapping[str, Any] | None, comparisons: list[dict[str, Any]]) -> list[LabelStory]:
    if labels is None and not comparisons:
        return []
    return [
        LabelStory(
            name=label.name,
            value=labels[label.name] if labels else None,
            dispersion=labels[f"e{label.name}"] if labels else None,
            sigma=labels[f"sigma_{label.name}"] if labels else None,
            others={
                row["survey"]: (row[label.name], row[f"{label.name}_err"])
                for row in comparisons
                if row[label.name] is not None
            },
        )
        for label in LABELS
    ]


def _flag(labels: Mapping[str, Any] | None, digits: list[dict[str, Any]]) -> list[FlagStory]:
    if labels is None or labels["flag_boundary"] is None:
        return []
    told = {row["digit"]: row for row in digits}
    none = {"value": None, "lower": None, "upper": None, "words": ""}
    story = []
    for digit, value in zip(FLAG_DIGITS, labels["flag_boundary"], strict=True):
        row = told.get(digit.position, none)
        # The distance of digit 8 is told map by map.
        number = None if digit.name == "tsne" else row["value"]
        story.append(
            FlagStory(digit.position, digit.name, value == "1", number, row["lower"], row["upper"], row["words"])
        )
    return story


def _unknown(connection: Connection, run: Run, source_id: int) -> NotFoundError:
    message = f"Star {source_id} is in no ingested file of release {run.release} (run {run.run_id})."
    others = connection.execute(load("service/star_releases").statement, {"source_id": source_id}).fetchall()
    for release, other_run in others:
        if other_run is not None and release != run.release:
            return NotFoundError(message, f"It is in release {release}: add --run {other_run}.")
    return NotFoundError(
        message,
        "Is it a Gaia source_id of this release, and are the files of its part of the sky ingested (`rvscat status`)?",
    )
