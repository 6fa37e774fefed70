"""Settings, and who set each of them."""

import os
import tomllib
from collections.abc import Iterator

from catalog.operations.doctor.findings import Finding, Patient, failure, fine, warning
from catalog.settings import Settings, mask_password

__all__ = ["examine_settings"]

_AREA = "settings"


def examine_settings(patient: Patient) -> Iterator[Finding]:
    """Show each setting that somebody chose, and who did."""
    settings = patient.settings
    by = "RVSCAT_HOME" if os.environ.get("RVSCAT_HOME") else "default"
    yield fine(_AREA, f"data folder {settings.home} ({by})")
    in_file = _in_file(settings)
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        variable = f"RVSCAT_{name.upper()}"
        if name == "home" or (not os.environ.get(variable) and name not in in_file):
            continue
        shown = mask_password(value) if isinstance(value, str) and "://" in value else value
        if not os.environ.get(variable):
            yield fine(_AREA, f"{name} = {shown} (rvscat.toml)")
        elif name in in_file and str(in_file[name]) != os.environ[variable]:
            yield warning(
                _AREA,
                f"{name} = {shown} ({variable}); rvscat.toml has another value, which does not count.",
                "Remove one of the two.",
            )
        else:
            yield fine(_AREA, f"{name} = {shown} ({variable})")
    unknown = sorted(name for name in os.environ if name.startswith("RVSCAT_") and not _known(name, settings))
    if unknown:
        yield warning(_AREA, f"Nothing reads {', '.join(unknown)}.", "A misspelt variable? See docs/operations.md.")
    file = settings.home / "rvscat.toml"
    if (
        "database_url" in in_file
        and file.stat().st_mode & 0o077
        and "***" in mask_password(str(in_file["database_url"]))
    ):
        yield failure(_AREA, f"{file} holds a password, and others may read it.", f"chmod 600 {file}")


_OTHERS = ("RVSCAT_HOME", "RVSCAT_REAL_DATA")
_OF_CONTAINERS = tuple(f"RVSCAT_{name}" for name in ("TAP_", "PREFECT_", "PROFILE", "TIMEZONE", "SECRETS", "VERSION"))
"""What compose.yaml reads."""
_OURS = ("RVSCAT_ENDPOINT_", "RVSCAT_FLOW_PROCESS", "RVSCAT_DEPLOYED_")


def _known(name: str, settings: Settings) -> bool:
    if name in _OTHERS or name.startswith(_OURS + _OF_CONTAINERS):
        return True
    return name.removeprefix("RVSCAT_").lower() in type(settings).model_fields


def _in_file(settings: Settings) -> dict[str, object]:
    file = settings.home / "rvscat.toml"
    # A file that cannot be parsed was an error before: these settings come from it.
    return tomllib.loads(file.read_text()) if file.is_file() else {}
