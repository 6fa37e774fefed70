"""What a person sees of a stage on the Prefect server: its figures, its notes, the report, a picture."""

import base64
import logging
import re
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from prefect.artifacts import (
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException

from catalog import stages
from catalog.operations.secrets import mask
from catalog.settings import Settings

__all__ = ["tell_stage"]

_LOG = logging.getLogger(__name__)
_HERE = ("127.0.0.1", "::1", "localhost")
_IMAGES = {"validate": ("kiel.png", "Kiel diagram of the catalogue")}
_IMAGE_BYTES = 1_000_000
"""Of an image that travels inside its artifact: the server's page cannot read our data folder."""


def tell_stage(
    profile: str, run_id: int, name: str, counts: Mapping[str, Any], notes: Sequence[str], settings: Settings
) -> None:
    """Leave artifacts of a stage with the flow run that did it; a server that is gone fails no stage.

    Keys are ``<profile>-<stage>-counts``, ``-notes``, ``-report`` and ``-image``: each has its history over runs.

    Parameters
    ----------
    profile : str
        Name of the profile.
    run_id : int
    name : str
        Of the stage.
    counts : mapping
        As the stage returned them.
    notes : sequence of str
    settings : Settings
    """
    title = stages.find_stage(name).title
    key = re.sub(r"[^a-z0-9]+", "-", f"{profile}-{name}".lower()).strip("-")
    try:
        _make_sure_of_server()
        _tell(key, f"{title} of run {run_id}", name, counts, notes, settings.reports / f"run-{run_id}")
    except (httpx.HTTPError, PrefectException, OSError) as error:
        _LOG.warning("artifacts of %s cannot be left: %s", name, error, extra={"run_id": run_id, "stage": name})


def _make_sure_of_server() -> None:
    """Raise at once when no server of this machine is there: Prefect's client would ask for it for over a minute.

    One of another machine may be in the middle of a restart, and is worth the wait.
    """
    url = get_client(sync_client=True).api_url
    if url.host in _HERE:
        socket.create_connection((url.host, url.port or 80), timeout=3).close()


def _tell(key: str, title: str, name: str, counts: Mapping[str, Any], notes: Sequence[str], report: Path) -> None:
    if counts:
        table = [{"figure": figure, "value": _shown(value)} for figure, value in counts.items()]
        create_table_artifact(table=table, key=f"{key}-counts", description=title)
    if notes:
        lines = "\n".join(f"- {_escaped(mask(note))}" for note in notes)
        create_markdown_artifact(f"# {title}\n\n{lines}\n", key=f"{key}-notes", description=f"{title}: notes")
    if name == "validate" and (report / "report.html").is_file():
        link = f"file://{quote(str(report / 'report.html'))}"
        create_link_artifact(link, link_text=f"report of {report.name}", key=f"{key}-report", description=title)
    if name in _IMAGES:
        file, words = _IMAGES[name]
        image = report / file
        if image.is_file() and image.stat().st_size <= _IMAGE_BYTES:
            data = base64.b64encode(image.read_bytes()).decode()
            create_image_artifact(
                f"data:image/png;base64,{data}", key=f"{key}-image", description=f"{words}, {report.name}"
            )


def _shown(value: Any) -> Any:
    return mask(value) if isinstance(value, str) else value


def _escaped(text: str) -> str:
    """Return a note as Markdown that shows it as it is."""
    return re.sub(r"([\\`*_<>\[\]#|])", r"\\\1", text)
