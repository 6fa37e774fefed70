"""`rvscat resample`: RVS spectra onto the pixel grid of a release."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from catalog.cli.words import thousands

__all__ = ["resample"]

_HELP = """Bring RVS spectra onto the pixel grid of a release.

INPUT is a file of spectra in any form that `rvscat ingest` reads; OUTPUT a FITS file to be ingested. The flux is
conserved and errors are propagated; pixels that touch a missing one, or that the input does not cover, are missing.
Grids are named RELEASE or RELEASE:PRODUCT. A network trained on spectra of one grid refuses those of another.

\b
rvscat resample epochs.fits epochs_dr3.fits --from dr4-draft:rvs_epoch_spectrum --to dr3 \\
    --velocity-column radial_velocity
"""


@click.command(help=_HELP)
@click.argument("path", metavar="INPUT", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("output", metavar="OUTPUT", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--from", "source", required=True, metavar="GRID", help="Grid of the spectra in INPUT.")
@click.option("--to", "target", required=True, metavar="GRID", help="Grid to bring them to.")
@click.option(
    "--velocity-column",
    metavar="NAME",
    help="Column of INPUT with radial velocities, km/s: from the barycentric to the star's rest frame.",
)
@click.option("--velocity", type=float, metavar="KM/S", help="One radial velocity for all spectra instead.")
@click.option("--keep-frame", is_flag=True, help="Change the pixels only and leave the spectra in their frame.")
@click.option("--overwrite", is_flag=True, help="Let OUTPUT take the place of a file of that name.")
@click.option("--json", "as_json", is_flag=True, help="Print the result for programs.")
def resample(
    path: Path,
    output: Path,
    source: str,
    target: str,
    velocity_column: str | None,
    velocity: float | None,
    keep_frame: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Bring RVS spectra onto the pixel grid of a release."""
    from catalog.releases import load_release
    from catalog.surveys.resample_file import resample_file

    if (velocity_column is not None) + (velocity is not None) + keep_frame > 1:
        raise click.UsageError("Give one of --velocity-column, --velocity and --keep-frame.")
    if output.exists() and not overwrite:
        raise click.UsageError(f"{output} exists; --overwrite lets it be replaced.")
    console = Console(stderr=True, highlight=False)
    for name in dict.fromkeys(grid.partition(":")[0] for grid in (source, target)):
        if warning := load_release(name).warning:
            console.print(f"Note: {warning}", style="yellow", soft_wrap=True, markup=False)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), console=console
    )
    with bar:
        task = bar.add_task(path.name, total=1.0)
        result = resample_file(
            path,
            output,
            source,
            target,
            velocity_column or velocity,
            lambda done, _, what="": bar.update(task, completed=done, description=what),
            keep_frame=keep_frame,
        )
    if as_json:
        click.echo(json.dumps(asdict(result), default=str, indent=1))
        return
    click.echo(f"{output}: {thousands(result.n_spectra)} spectra on the grid of {target}.")
    for rule, n in Counter(rejection.rule for rejection in result.rejections).items():
        first = next(rejection for rejection in result.rejections if rejection.rule == rule)
        click.echo(f"  {thousands(n)} set aside ({rule}): row {first.row_number}, {first.identifier}: {first.reason}")
