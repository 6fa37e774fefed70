"""Downloads from the archives: whole, verified, and taken up again where they broke off.

`session` asks, `selection` says what is wanted, `journal` remembers what is there, and each route is a function::

    fetch_<route>(name, source, folder, selection, session, progress=silent) -> FetchResult

in a module of its own: `bulk`, `file`, `tap` and `datalink`. `source` holds absolute addresses by then
(`catalog.fetch.endpoints`) and `folder` is locked for this process (`catalog.fetch.lock`). A file arrives as
``<name>.part`` beside its place and gets its name when it is whole and verified.
"""

from catalog.fetch.errors import FetchError
from catalog.fetch.journal import Journal, Part
from catalog.fetch.outcome import FetchResult
from catalog.fetch.selection import HealpixRange, Selection, parse_healpix, read_source_ids
from catalog.fetch.session import ArchiveSession, ask, open_session

__all__ = [
    "ArchiveSession",
    "FetchError",
    "FetchResult",
    "HealpixRange",
    "Journal",
    "Part",
    "Selection",
    "ask",
    "open_session",
    "parse_healpix",
    "read_source_ids",
]
