"""What is deployed: `prefect.yaml`, as far as rvscat uses it, for the profile and the times that are asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from prefect import Flow
from prefect.client.schemas.schedules import CronSchedule
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import validate
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from catalog.errors import ConfigurationError, NotFoundError

__all__ = ["Deployed", "Wishes", "read_deployments"]

_PACKAGE = Path(__file__).resolve().parent.parent
PREFECT_YAML = next(
    (path for path in (_PACKAGE / "prefect.yaml", _PACKAGE / "catalog" / "_data" / "prefect.yaml") if path.is_file()),
    _PACKAGE / "prefect.yaml",
)
"""In a checkout, and in an installed wheel."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Times(_Model):
    """When a deployment runs by itself."""

    slug: str
    cron: str
    timezone: str = "UTC"
    active: bool = False


class Concurrency(_Model):
    """How many runs of a deployment there are at once, and what becomes of further ones."""

    limit: int = Field(ge=1)
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW"] = "ENQUEUE"


class Pool(_Model):
    """Where flow runs are done."""

    name: str


class Deployed(_Model):
    """One deployment."""

    name: str
    entrypoint: str
    description: str
    tags: list[str]
    parameters: dict[str, Any]
    schedules: list[Times] = Field(min_length=1, max_length=1)
    concurrency_limit: Concurrency
    work_pool: Pool
    pull: list[Any] = Field(max_length=0)
    """Nothing is fetched: flows come with the installed package."""

    @cached_property
    def flow(self) -> Flow[..., Any]:
        """The flow itself."""
        return load_flow_from_entrypoint(self.entrypoint, use_placeholder_flow=False)

    @property
    def kind(self) -> str:
        """Name of the flow, by which the deployment is asked for: ``nightly``."""
        return self.flow.name

    @property
    def full_name(self) -> str:
        """As Prefect names it: ``nightly/paper``."""
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True)
class Wishes:
    """What differs from `prefect.yaml`."""

    profile: str | None = None
    """Name of a profile, or absolute path of a profile file."""
    pool: str | None = None
    crons: Mapping[str, str] = field(default_factory=dict)
    """Cron expressions by flow."""
    timezone: str | None = None
    switched: Mapping[str, bool] = field(default_factory=dict)
    """Schedules to switch on or off, by flow; others stay as they are."""
    sources: Sequence[str] = ()
    """What ingest and the nightly run download first."""


def read_deployments(names: Sequence[str], wishes: Wishes) -> list[Deployed]:
    """Read `prefect.yaml` and change what is wished.

    Parameters
    ----------
    names : sequence of str
        Flows to deploy; all of them when there are none.
    wishes : Wishes

    Returns
    -------
    list of Deployed

    Raises
    ------
    ConfigurationError
        The file holds something that cannot be used, or a time is none.
    NotFoundError
        There is no such deployment.
    """
    try:
        listed = YAML(typ="safe").load(PREFECT_YAML)["deployments"]
        found = {made.kind: made for made in (Deployed.model_validate(each) for each in listed)}
    except (OSError, YAMLError, KeyError, TypeError, ValidationError) as error:
        raise ConfigurationError(f"{PREFECT_YAML} cannot be used: {error}.") from error
    if unknown := sorted({*names, *wishes.crons, *wishes.switched} - set(found)):
        raise NotFoundError(f"There is no deployment {', '.join(unknown)}.", f"Deployments: {', '.join(found)}.")
    for kind, deployed in found.items():
        _change(deployed, kind, wishes)
    return [deployed for kind, deployed in found.items() if kind in names or not names]


def _change(deployed: Deployed, kind: str, wishes: Wishes) -> None:
    if wishes.profile is not None:
        deployed.name = Path(wishes.profile).stem
        deployed.parameters["profile"] = wishes.profile
    if wishes.pool is not None:
        deployed.work_pool.name = wishes.pool
    if wishes.sources and "sources" in deployed.parameters:
        deployed.parameters["sources"] = list(wishes.sources)
    times = deployed.schedules[0]
    times.cron = wishes.crons.get(kind, times.cron)
    times.timezone = wishes.timezone or times.timezone
    try:
        CronSchedule(cron=times.cron, timezone=times.timezone)
    except ValidationError as error:
        reasons = "; ".join(each["msg"] for each in error.errors())
        raise ConfigurationError(
            f"{kind} cannot run at {times.cron!r}, {times.timezone}: {reasons}.",
            "Give five fields (minute hour day month weekday) and a zone such as Europe/Berlin.",
        ) from error
    schema = parameter_schema(deployed.flow).model_dump()
    if bad := [error for error in validate(deployed.parameters, schema) if error.path]:
        raise ConfigurationError(
            f"{deployed.full_name} cannot have these parameters: "
            + "; ".join(f"{'.'.join(map(str, error.path))}: {error.message}" for error in bad)
            + "."
        )
