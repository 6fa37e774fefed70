"""Ensembles and other things a run left in the data folder: whole, or half-made."""

from collections.abc import Iterator

from catalog.ensemble.registry.listing import list_ensembles, unregistered, verify_listed
from catalog.operations.doctor.findings import Finding, Patient, failure, fine, gigabytes, warning

__all__ = ["examine_artefacts"]

_AREA = "artefacts"


def examine_artefacts(patient: Patient) -> Iterator[Finding]:
    """Read every byte of every registered ensemble, and look for what was left half-made."""
    settings = patient.settings
    if patient.connection is not None:
        ensembles = list_ensembles(patient.connection, settings)
        whole = 0
        for each in ensembles:
            if each.status != "complete":
                yield warning(
                    _AREA, f"Ensemble {each.ensemble_id} was not trained to its end.", "`rvscat train` goes on with it."
                )
            elif problem := verify_listed(each):
                wanted = bool(each.runs) or each.current
                make = failure if wanted else warning
                yield make(_AREA, problem, "Bring it back from a copy (`rvscat ensembles`), or `rvscat train` again.")
            else:
                whole += 1
        yield fine(_AREA, f"{whole} ensemble{'' if whole == 1 else 's'} verified by checksum")
        if strangers := unregistered(ensembles, settings):
            yield warning(
                _AREA,
                f"Ensembles that the database does not know: {', '.join(path.name for path in strangers[:3])}"
                f"{' ...' if len(strangers) > 3 else ''}.",
                "A run that needs one uses it; `rvscat prune` removes them.",
            )
    parent = settings.ensembles
    halves = [*parent.glob(".work-*"), *parent.glob(".*.partial"), *parent.glob("*.damaged")] if parent.is_dir() else []
    if halves:
        size = sum(file.stat().st_size for folder in halves for file in folder.rglob("*") if file.is_file())
        yield warning(
            _AREA,
            f"Half-made or damaged ensembles: {len(halves)} ({gigabytes(size)}), such as {halves[0].name}.",
            "`rvscat train` goes on with a half-made one; `rvscat prune` removes them.",
        )
