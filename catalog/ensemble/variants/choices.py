"""Which variants there are."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from catalog.database.ledger import Run
from catalog.profiles.model import NetworkSettings

__all__ = ["VARIANTS", "Variant", "title_of", "variant_run"]


@dataclass(frozen=True)
class Variant:
    """Networks that do without some of the paper's inputs."""

    name: str
    """As `NetworkSettings.variant` calls it."""
    title: str
    inputs: Mapping[str, Any]
    """``network.inputs`` and ``network.scalars``, where they are not the paper's."""


VARIANTS: tuple[Variant, ...] = (
    Variant("rvs", "RVS spectra alone (Appendix B)", {"inputs": ("spectrum",)}),
    Variant("no-xp", "Without XP coefficients", {"inputs": ("spectrum", "scalars")}),
    Variant(
        "no-parallax",
        "Without parallax",
        {"scalars": ("phot_g_mean_mag", "phot_bp_mean_mag", "phot_rp_mean_mag")},
    ),
)


def title_of(network: NetworkSettings) -> str:
    """Return how reports call networks with those inputs."""
    titles = {"full": "All inputs", **{variant.name: variant.title for variant in VARIANTS}}
    return titles.get(network.variant, network.variant)


def variant_run(run: Run, variant: Variant) -> Run:
    """Return `run` as it would be with the networks of a variant.

    It has the same number, and so the same samples; its ensemble has another key. Only training makes use of it: the
    labels of a run are those of its own ensemble.

    Parameters
    ----------
    run : Run
    variant : Variant

    Returns
    -------
    Run
    """
    kept = run.profile.network.model_dump(exclude={"inputs", "scalars"})
    network = NetworkSettings.model_validate({**kept, **variant.inputs})
    return replace(run, profile=run.profile.model_copy(update={"network": network}))
