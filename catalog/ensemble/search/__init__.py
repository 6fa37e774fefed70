"""Hyper-parameter search with keras_tuner over the choices that the paper tuned (Sect. 3)."""

from catalog.ensemble.search.results import SearchResult, ranked, require_own, write_profile
from catalog.ensemble.search.searching import (
    DEFAULT_EPOCHS,
    DEFAULT_TRIALS,
    SearchListener,
    SearchOptions,
    search,
    searches_folder,
)
from catalog.ensemble.search.space import SearchSpace, load_space
from catalog.ensemble.search.state import BASE, METHODS, Method, SearchFolder, SearchRecord, TrialRecord, known_searches

__all__ = [
    "BASE",
    "DEFAULT_EPOCHS",
    "DEFAULT_TRIALS",
    "METHODS",
    "Method",
    "SearchFolder",
    "SearchListener",
    "SearchOptions",
    "SearchRecord",
    "SearchResult",
    "SearchSpace",
    "TrialRecord",
    "known_searches",
    "load_space",
    "ranked",
    "require_own",
    "search",
    "searches_folder",
    "write_profile",
]
