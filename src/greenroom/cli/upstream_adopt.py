"""``greenroom upstream adopt``: copying a release of an upstream into the index, to stay."""

import click

from greenroom.cli.opening import with_services
from greenroom.registry import upstream_adoption
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.unit_of_work import Services


@click.command("adopt")
@click.argument("name")
@click.argument("version")
@click.option(
    "--owner",
    required=True,
    metavar="USER",
    help="Whose the project is to be. Of one that was adopted before, an owner.",
)
@click.option("--reason", default="", metavar="TEXT", help="Why, as the audit log has it.")
@with_services
def upstream_adopt(services: Services, name: str, version: str, owner: str, reason: str) -> None:
    """Copy the files of VERSION of NAME into this index, to stay.

    From then on this index answers for NAME alone: other versions of it come from upstream no more.
    """
    with services.writing() as uow:
        wanted = upstream_adoption.order(uow, OPERATOR, name, version, owner, reason)
    found = upstream_adoption.adopt(services, wanted, lambda filename: click.echo(filename))
    click.echo(
        f"Adopted {wanted.project} {wanted.version} from {found.upstream}: "
        f"{len(found.taken)} files came, {len(found.present)} were here. "
        f"This index answers for {wanted.project} alone."
    )
