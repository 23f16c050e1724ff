"""``greenroom project``: whom projects are open to."""

import click

from greenroom.cli.opening import with_services
from greenroom.models import Visibility
from greenroom.registry import projects
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.unit_of_work import Services


@click.group("project")
def project_group() -> None:
    """Projects."""


@project_group.command("visibility")
@click.argument("project")
@click.argument(
    "visibility",
    metavar="[public|internal|private]",
    type=click.Choice([each.value for each in Visibility]),
)
@with_services
def set_visibility(services: Services, project: str, visibility: str) -> None:
    """Open PROJECT to everybody (public), to who has an account (internal), or to its people.

    It counts where GREENROOM_READ is 'projects'.
    """
    with services.writing() as uow:
        found = projects.get(uow, project)
        projects.set_visibility(uow, OPERATOR, found, Visibility(visibility))
    click.echo(f"{project} is {visibility}.")
    if services.settings.read != "projects":
        click.echo(
            f"Nothing changes by that while GREENROOM_READ is {services.settings.read}.", err=True
        )
