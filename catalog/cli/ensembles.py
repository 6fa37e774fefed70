"""`rvscat ensembles`: the registry of trained ensembles."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from catalog.cli.ensembles_display import KEY, print_comparison, print_ensemble, print_list, print_troubles
from catalog.cli.variants import variants

if TYPE_CHECKING:
    from catalog.ensemble.registry.listing import ListedEnsemble

__all__ = ["ensembles"]


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print it for programs.")
@click.pass_context
def ensembles(context: click.Context, as_json: bool) -> None:
    """List, compare, verify, pack and unpack trained ensembles.

    Without a command, list them. Commands take an ensemble by its number or by the beginning of its key.
    """
    if context.invoked_subcommand is not None:
        if as_json:
            raise click.UsageError("--json goes behind the command.")
        return
    from catalog.ensemble.registry.listing import unregistered
    from catalog.settings import load_settings

    found, settings = _all(), load_settings()
    if as_json:
        _print_json([each.as_dict() for each in found])
        return
    console = Console(highlight=False)
    if found:
        print_list(console, found)
    else:
        console.print("No ensemble yet: `rvscat train` makes one, `rvscat ensembles unpack` takes one in.")
    for path in unregistered(found, settings):
        console.print(f"{path} is not in this database: a run that needs it uses it.", soft_wrap=True, markup=False)


@ensembles.command()
@click.argument("ensemble")
@click.option("--json", "as_json", is_flag=True, help="Print it for programs.")
def show(ensemble: str, as_json: bool) -> None:
    """Show one ensemble: training, metrics, members, settings."""
    from catalog.ensemble.registry.listing import find_ensemble, read_manifest
    from catalog.errors import ArtefactError

    found = find_ensemble(_all(), ensemble)
    try:
        manifest = read_manifest(found)
        trouble = None
    except ArtefactError as error:
        manifest, trouble = None, error.message
    if as_json:
        details = (
            manifest.model_dump(mode="json", include={"members", "notes", "versions", "wall_s"}) if manifest else {}
        )
        _print_json({**found.as_dict(), **details, "trouble": trouble})
        return
    print_ensemble(Console(highlight=False), found, manifest, trouble)


@ensembles.command()
@click.argument("first")
@click.argument("second")
@click.option("--json", "as_json", is_flag=True, help="Print it for programs.")
def compare(first: str, second: str, as_json: bool) -> None:
    """Set two ensembles side by side.

    Settings that differ, metrics of each on its own training stars, and out-of-fold labels of the stars that both were
    trained on.
    """
    from catalog.ensemble.registry.comparing import compare_ensembles
    from catalog.ensemble.registry.listing import find_ensemble

    known = _all()
    comparison = compare_ensembles(find_ensemble(known, first), find_ensemble(known, second))
    if as_json:
        _print_json(comparison.as_dict())
    else:
        print_comparison(Console(highlight=False), comparison)


@ensembles.command()
@click.argument("ensemble", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print it for programs.")
@click.pass_context
def verify(context: click.Context, ensemble: tuple[str, ...], as_json: bool) -> None:
    """Read every byte of ensembles and compare checksums.

    Without an argument, of all that are complete. The exit status is 1 when one is damaged.
    """
    from catalog.ensemble.registry.listing import find_ensemble, verify_listed

    known = _all()
    chosen = [find_ensemble(known, name) for name in ensemble] or [e for e in known if e.status == "complete"]
    console = Console(stderr=True)
    results = []
    for each in chosen:
        with console.status(f"reading {each.path}"):
            results.append((each, verify_listed(each)))
    if as_json:
        _print_json([{"ensemble_id": e.ensemble_id, "key": e.key, "trouble": trouble} for e, trouble in results])
    else:
        print_troubles(Console(highlight=False), results)
    if any(trouble for _, trouble in results):
        context.exit(1)


@ensembles.command()
@click.argument("ensemble")
@click.argument("file", type=click.Path(path_type=Path))
def pack(ensemble: str, file: Path) -> None:
    """Write an ensemble into one file, to be unpacked elsewhere.

    FILE may be a folder. The same ensemble gives the same bytes; the SHA-256 of the file lies beside it.
    """
    from catalog.ensemble.registry.listing import find_ensemble, read_manifest
    from catalog.ensemble.registry.portable import pack_ensemble, packed_name

    found = find_ensemble(_all(), ensemble)
    read_manifest(found)
    with Console(stderr=True).status("packing"):
        packed = pack_ensemble(found.path, file / packed_name(found.key) if file.is_dir() else file)
    click.echo(
        f"Ensemble {found.ensemble_id} packed into {packed.file}: {packed.n_files} files, {packed.n_bytes} bytes"
    )
    click.echo(f"SHA-256 {packed.sha256}")


@ensembles.command()
@click.argument("file", type=click.Path(path_type=Path))
def unpack(file: Path) -> None:
    """Take in an ensemble that was packed elsewhere.

    Every byte is verified before anything is put into place. A run with the same training stars and settings then uses
    it.
    """
    from catalog.database.connection import connect
    from catalog.database.roles import PRODUCTION
    from catalog.ensemble.registry.unpacking import unpack_ensemble
    from catalog.settings import load_settings

    settings = load_settings()
    with connect(settings, role=PRODUCTION.name) as connection, Console(stderr=True).status("unpacking"):
        found = unpack_ensemble(connection, settings, file)
    words = "was there already" if found.was_there else f"unpacked into {found.folder}"
    manifest = found.manifest
    click.echo(
        f"Ensemble {found.ensemble_id} ({manifest.key[:KEY]}) {words}: {len(manifest.members)} members, trained on "
        f"{manifest.n_training} stars of {manifest.release}"
    )


ensembles.add_command(variants)


def _all() -> "list[ListedEnsemble]":
    from catalog.database.connection import connect
    from catalog.database.roles import PRODUCTION
    from catalog.ensemble.registry.listing import list_ensembles
    from catalog.settings import load_settings

    settings = load_settings()
    with connect(settings, role=PRODUCTION.name) as connection:
        return list_ensembles(connection, settings)


def _print_json(what: Any) -> None:
    click.echo(json.dumps(what, ensure_ascii=False, indent=1))
