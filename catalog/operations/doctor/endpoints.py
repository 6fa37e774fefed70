"""Archives of the release: asked only when a person wants it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import requests

from catalog.fetch.endpoints import endpoints_of
from catalog.operations.doctor.findings import Finding, Patient, fine, warning
from catalog.releases import load_release
from catalog.settings import mask_password

__all__ = ["examine_endpoints"]

_AREA = "endpoints"
_SECONDS = (3, 5)
# A service may not know HEAD, or want an account: it is there all the same.
_THERE = 500


def examine_endpoints(patient: Patient) -> Iterator[Finding]:
    """Ask every endpoint of the release for its head."""
    release = load_release(patient.profile.release)
    endpoints = endpoints_of(release)
    if not patient.online:
        yield fine(_AREA, f"{len(endpoints)} archives of {release.title} not asked (--online does)")
        return
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(_head, endpoints.values()))
    for (name, url), answer in zip(endpoints.items(), answers, strict=True):
        shown = mask_password(url)
        if isinstance(answer, int) and answer < _THERE:
            yield fine(_AREA, f"{name}: {shown} answers (HTTP {answer})")
        else:
            words = f"HTTP {answer}" if isinstance(answer, int) else answer
            yield warning(
                _AREA,
                f"{name}: {shown} does not answer well ({words}).",
                f"Try later, or name a mirror: RVSCAT_ENDPOINT_{name.upper()}=URL.",
            )


def _head(url: str) -> int | str:
    try:
        return requests.head(url, timeout=_SECONDS, allow_redirects=True).status_code
    except requests.RequestException as error:
        return type(error).__name__
