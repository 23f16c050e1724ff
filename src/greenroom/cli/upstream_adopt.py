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
    found = upstream_adoption.carry_out_now(services, wanted, click.echo)
    release = f"{wanted.project} {wanted.version}"
    if found.taken:
        click.echo(
            f"Adopted {release} from {found.upstream}. Files that came: {len(found.taken)}. "
            f"Here before: {len(found.present)}. This index answers for {wanted.project} alone."
        )
    else:
        click.echo(
            f"Nothing was changed: all files of {release} that {found.upstream} has are here "
            f"already ({len(found.present)})."
        )
