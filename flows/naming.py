"""What Prefect shows a run as."""

from pathlib import Path

from prefect import runtime

__all__ = ["run_name"]


def run_name() -> str:
    """Name a flow run by what it does, for which profile, and when it was due."""
    profile = Path(str(runtime.flow_run.parameters.get("profile", ""))).stem
    return f"{runtime.flow_run.flow_name} of {profile}, {runtime.flow_run.scheduled_start_time:%Y-%m-%d %H:%M %Z}"
