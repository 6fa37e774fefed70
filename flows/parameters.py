"""Parameters of deployed flows: their schema says what may be given, so that Prefect's page and API refuse the rest."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from catalog.profiles import load_profile
from catalog.profiles.model import profile_names
from catalog.releases import load_release
from catalog.releases.loading import release_names

__all__ = ["HEALPIX", "ONLY_MISSING", "PROFILE", "SOURCES", "HealpixText", "ProfileName", "SourceName"]


def _readable(name: str) -> str:
    # Before a run begins; an error of ours derives from ValueError or LookupError, and only the first is pydantic's.
    try:
        load_profile(name)
    except LookupError as error:
        raise ValueError(str(error)) from error
    return name


def _source_names() -> list[str]:
    return sorted({name for release in release_names() for name in load_release(release).sources})


ProfileName = Annotated[
    str,
    Field(pattern=rf"^({'|'.join(map(re.escape, profile_names()))}|/.+\.toml)$"),
    AfterValidator(_readable),
]
"""Name of a shipped profile, or absolute path of a profile file: flows run in a folder of their own."""

SourceName = Annotated[str, Field(json_schema_extra={"enum": list(_source_names())})]
"""A source of any release: `rvscat fetch --list` shows them."""

HealpixText = Annotated[str, Field(pattern=r"^(\d{1,2}:\d+-\d+)?$")]
"""``LEVEL:FIRST-LAST``, or nothing for the whole sky."""


def _field(default: Any, title: str, description: str) -> Any:
    return Field(default=default, description=description, json_schema_extra={"title": title})


PROFILE = _field(
    "paper",
    "Profile",
    f"How the catalogue is made: {', '.join(profile_names())}, or the absolute path of a .toml file on the worker.",
)
SOURCES = _field(
    [],
    "Sources to download first",
    "Names as rvscat fetch --list shows them. Without any, only what lies in the data folder is read.",
)
ONLY_MISSING = _field(
    False,
    "Only what is missing",
    "Download rvs_mean_spectrum or xp_continuous_mean_spectrum of those stars alone whose product the database lacks.",
)
HEALPIX = _field("", "Part of the sky", "HEALPix pixels (nested) to download, LEVEL:FIRST-LAST, for instance 5:0-47.")
