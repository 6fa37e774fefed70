"""Where the archives are: the release's addresses, or those that a mirror or a test puts in their place."""

import os
from collections.abc import Mapping
from urllib.parse import urljoin

from catalog.errors import ConfigurationError
from catalog.fetch.session import check_address
from catalog.releases import Release
from catalog.releases.model import Source, TapRoute

__all__ = ["PREFIX", "endpoints_of", "resolved"]

PREFIX = "RVSCAT_ENDPOINT_"
"""``RVSCAT_ENDPOINT_TAP`` puts another address in the place of the endpoint ``tap``."""


def endpoints_of(
    release: Release, overrides: Mapping[str, str] | None = None, environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return the address of each endpoint: from `overrides`, else the environment, else the release.

    Parameters
    ----------
    release : Release
    overrides : mapping, optional
        Addresses by the endpoint's name, as given on the command line.
    environment : mapping
        Where ``RVSCAT_ENDPOINT_<NAME>`` is looked up.

    Raises
    ------
    ConfigurationError
        An override names no endpoint of the release.
    FetchError
        An address is not http or https.
    """
    given = {
        **{name.removeprefix(PREFIX).lower(): url for name, url in environment.items() if name.startswith(PREFIX)},
        **(overrides or {}),
    }
    if unknown := sorted(set(given) - set(release.endpoints)):
        raise ConfigurationError(
            f"{release.title} has no endpoint {', '.join(unknown)}.",
            f"Endpoints: {', '.join(sorted(release.endpoints))} (--endpoint NAME=URL or {PREFIX}NAME).",
        )
    endpoints = {**release.endpoints, **{name: url for name, url in given.items() if url}}
    for url in endpoints.values():
        check_address(url)
    return endpoints


def resolved(source: Source, endpoints: Mapping[str, str]) -> Source:
    """Return `source` with absolute addresses in all its routes.

    Raises
    ------
    ConfigurationError
        A route names an endpoint that the release does not have.
    """
    routes = {}
    for name in source.routes:
        route = getattr(source, name)
        update: dict[str, object] = {"url": _address(route.url, name, endpoints)}
        if isinstance(route, TapRoute):
            update["mirrors"] = tuple(_address(url, name, endpoints) for url in route.mirrors)
        routes[name] = route.model_copy(update=update)
    return source.model_copy(update=routes)


def _address(url: str, route: str, endpoints: Mapping[str, str]) -> str:
    if "://" in url:
        return url
    if route == "bulk":
        # Both are folders, whether or not they are written with their slash.
        return urljoin(endpoints["bulk"].rstrip("/") + "/", url.rstrip("/") + "/")
    if url not in endpoints:
        raise ConfigurationError(
            f"{url!r} is no endpoint of the release.", f"Endpoints: {', '.join(sorted(endpoints))}."
        )
    return endpoints[url]
