"""Releases by name, from the TOML files of this folder."""

import tomllib
from functools import cache
from importlib.resources import files

from pydantic import ValidationError

from catalog.errors import ConfigurationError, NotFoundError
from catalog.releases.model import DRAFT, Release

__all__ = ["load_release", "release_names"]


@cache
def load_release(name: str) -> Release:
    """Read the release `name`.

    A draft goes by its file's name and ``-draft``: a profile that uses one says so, its rows are kept under
    that name, and nothing of it is taken for the release itself later on.

    Parameters
    ----------
    name : str

    Returns
    -------
    Release

    Raises
    ------
    NotFoundError
        There is no such release file.
    ConfigurationError
        The file does not follow the model, or the release is a draft and its name does not say so.
    """
    key = name.removesuffix(DRAFT)
    if key not in _files():
        raise NotFoundError(f"Unknown release {name!r}.", f"Known releases: {', '.join(release_names())}.")
    release = _read(key)
    if name == release.name:
        return release
    if release.status == "draft":
        raise ConfigurationError(release.warning, f"To use it knowingly, give the release as {release.name}.")
    raise NotFoundError(f"Release {key} is no draft any more.", f"Say {key}.")


def release_names() -> list[str]:
    """Return the names of all known releases; those of drafts end in ``-draft``."""
    return [_read(key).name for key in _files()]


@cache
def _read(key: str) -> Release:
    text = files(__package__).joinpath(f"{key}.toml").read_text()
    try:
        values = tomllib.loads(text)
        name = f"{key}{DRAFT}" if values.get("status") == "draft" else key
        return Release.model_validate({"name": name, **values})
    except (ValidationError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"catalog/releases/{key}.toml: {error}") from error


def _files() -> list[str]:
    return sorted(
        item.name.removesuffix(".toml") for item in files(__package__).iterdir() if item.name.endswith(".toml")
    )
