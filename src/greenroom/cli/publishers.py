"""``greenroom publisher``: the workflows that projects trust."""

import json

import click

from greenroom import times
from greenroom.cli.opening import with_services, with_services_to_read
from greenroom.cli.printing import print_table
from greenroom.models.base import LARGEST_ID
from greenroom.registry import projects, trusted_publishers
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.trusted_publishers import Publisher
from greenroom.registry.unit_of_work import Services
from greenroom.registry.workflows import OWNER_NUMBER, Service


@click.group()
def publisher() -> None:
    """Workflows elsewhere that projects trust."""


@publisher.command("list")
@click.argument("project")
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for scripts.")
@with_services_to_read
def publisher_list(services: Services, project: str, as_json: bool) -> None:
    """List the workflows that PROJECT trusts, the oldest first."""
    with services.reading() as uow:
        found = trusted_publishers.of_project(uow, OPERATOR, projects.get(uow, project))
    if as_json:
        click.echo(json.dumps([_as_json(each) for each in found], indent=2))
    elif not found:
        click.echo(f"{project} trusts no workflow.")
    else:
        print_table(
            ("ID", "Service", "Workflow", "May", "Last used (UTC)"),
            [
                (each.id, each.service, each.described, _rights(each), _moment(each))
                for each in found
            ],
        )


@publisher.command("add")
@click.argument("project")
@click.argument("service")
@click.argument("conditions", nargs=-1, required=True, metavar="NAME=VALUE...")
@click.option("--may-publish", is_flag=True, help="Let it publish, too, not only stage.")
@with_services
def publisher_add(
    services: Services, project: str, service: str, conditions: tuple[str, ...], may_publish: bool
) -> None:
    """Let PROJECT trust a workflow at SERVICE, one of those in GREENROOM_TRUSTED_ISSUERS.

    NAME=VALUE says which: owner, repository, workflow, and where they are wanted environment and
    owner_number; or the claims of another service.
    """
    found = trusted_publishers.service_named(services.settings, service)
    values = _values(found, conditions)
    with services.writing() as uow:
        added = trusted_publishers.add(
            uow,
            OPERATOR,
            projects.get(uow, project),
            found,
            values,
            may_publish=may_publish,
        )
    click.echo(f"{project} trusts {added.service}: {added.described}.")


@publisher.command("remove")
@click.argument("project")
@click.argument("number", type=click.IntRange(1, LARGEST_ID), metavar="ID")
@with_services
def publisher_remove(services: Services, project: str, number: int) -> None:
    """Let PROJECT trust the workflow of this ID no more; its tokens stop working at once."""
    with services.writing() as uow:
        trusted_publishers.remove(uow, OPERATOR, projects.get(uow, project), number)
    click.echo(f"{project} trusts the workflow {number} no more.")


def _values(service: Service, conditions: tuple[str, ...]) -> dict[str, str]:
    names = [field.name for field in service.fields]
    values: dict[str, str] = {}
    for condition in conditions:
        name, equals, value = condition.partition("=")
        if not equals or name not in names or name in values:
            raise click.UsageError(
                f"{condition!r} is no NAME=VALUE, each once, with a name of {', '.join(names)}."
            )
        values[name] = value
    return values


def _as_json(publisher: Publisher) -> dict[str, object]:
    return {
        "id": publisher.id,
        "service": publisher.service,
        "issuer": publisher.issuer,
        "workflow": publisher.described,
        OWNER_NUMBER.replace("_", "-"): publisher.owner_number,
        "may-publish": publisher.may_publish,
        "created": times.seconds(publisher.created),
        "last-used": times.seconds(publisher.last_used) if publisher.last_used else None,
        "issuer-is-trusted": publisher.is_possible,
    }


def _rights(publisher: Publisher) -> str:
    return "stage and publish" if publisher.may_publish else "stage"


def _moment(publisher: Publisher) -> str:
    return f"{publisher.last_used:%Y-%m-%d %H:%M}" if publisher.last_used else "never"
