"""Searches that nobody has made, to write and to show."""

from catalog.ensemble.search import SearchRecord, SearchSpace
from catalog.profiles import Profile

__all__ = ["search_record"]


def search_record(profile: Profile, space: SearchSpace) -> SearchRecord:
    """A search of three trials of five epochs."""
    return SearchRecord(
        key="0123456789abcdef" * 4,
        run_id=1,
        profile=profile,
        sample="b" * 64,
        n_training=300,
        n_validation=100,
        method="bayesian",
        seed=7,
        epochs=5,
        space=space,
        started="2026-11-22T19:00:00+00:00",
        planned=3,
    )
