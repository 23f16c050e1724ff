"""``greenroom import``: what it takes."""

import click

from greenroom.cli.opening import with_services
from greenroom.registry.unit_of_work import Services


@click.command("import")
@click.argument("source", metavar="FOLDER|URL")
@click.argument("names", metavar="[PROJECT]...", nargs=-1)
@click.option("--owner", metavar="NAME", help="The user whose the projects are to be.")
@click.option(
    "--map-user",
    "mapped",
    multiple=True,
    metavar="OLD=NEW",
    help="Who a user of devpi is here, nobody after the equals sign; may be repeated.",
)
@click.option(
    "--index",
    "indexes",
    multiple=True,
    metavar="USER/NAME",
    help="Of a devpi server: only this index; may be repeated.",
)
@click.option(
    "--requirements",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="The projects and versions in a requirements file.",
)
@click.option("--all", "everything", is_flag=True, help="All projects of an index.")
@click.option("--historical", is_flag=True, help="Take what the ecosystem took in its time.")
@click.option("--ignore-limits", is_flag=True, help="Let no limit of sizes hold.")
@click.option(
    "--connections",
    default=4,
    show_default=True,
    type=click.IntRange(1, 64),
    help="How many files are read at once.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be imported, and do nothing.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, writable=True),
    metavar="FILE",
    help="Write what became of it there, as JSON.",
)
@with_services
def import_(
    services: Services,
    source: str,
    names: tuple[str, ...],
    owner: str | None,
    mapped: tuple[str, ...],
    indexes: tuple[str, ...],
    requirements: str | None,
    everything: bool,
    historical: bool,
    ignore_limits: bool,
    connections: int,
    dry_run: bool,
    report: str | None,
) -> None:
    """Bring in what is published elsewhere, to be public here at once.

    From a folder of files, a mirror's folder, what devpi-export has written, or the simple pages of
    an index: the projects that are named, as PROJECT or PROJECT==VERSION, or listed. It can be
    interrupted and begun again: what is there is passed over. Exit status 1 when a file was
    refused. See docs/import.md.
    """
    from greenroom.cli import import_command

    import_command.run(
        services,
        import_command.Order(
            source=source,
            names=names,
            owner=owner,
            mapped=mapped,
            indexes=indexes,
            requirements=requirements,
            is_all=everything,
            is_historical=historical,
            ignores_limits=ignore_limits,
            connections=connections,
            is_dry=dry_run,
            report=report,
        ),
    )
