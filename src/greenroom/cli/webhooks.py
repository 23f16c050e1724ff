"""``greenroom webhook``: who is told of drafts and releases."""

import json

import click

from greenroom import times
from greenroom.cli.opening import with_services, with_services_to_read
from greenroom.cli.printing import print_table
from greenroom.registry import projects, webhooks
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.unit_of_work import Services
from greenroom.registry.webhooks import Hook, OfIndex, OfProject


@click.group()
def webhook() -> None:
    """Programs and chat rooms that are told of drafts and releases."""


@webhook.command("list")
@click.argument("project", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for scripts.")
@with_services_to_read
def webhook_list(services: Services, project: str | None, as_json: bool) -> None:
    """List the webhooks of PROJECT, or those of the whole index, the oldest first."""
    with services.reading() as uow:
        scope = OfProject(projects.get(uow, project)) if project is not None else OfIndex()
        found = webhooks.listed(uow, OPERATOR, scope)
    if as_json:
        click.echo(json.dumps([_as_json(each) for each in found], indent=2))
    elif not found:
        click.echo("There are no webhooks.")
    else:
        print_table(
            ("ID", "Name", "Host", "Form", "State", "Events"),
            [
                (each.id, each.name, each.host, each.format, _state(each), ", ".join(each.events))
                for each in found
            ],
        )


@webhook.command("switch")
@click.argument("number", type=click.IntRange(1, 2**31 - 1), metavar="ID")
@click.argument("to", type=click.Choice(["on", "off"]), metavar="on|off")
@with_services
def webhook_switch(services: Services, number: int, to: str) -> None:
    """Switch the webhook of this ID off, whosever it is, or on again."""
    with services.writing() as uow:
        scope = webhooks.scope_of(uow, number)
        hook = webhooks.switch(uow, OPERATOR, scope, number, on=to == "on")
    click.echo(f"The webhook {hook.name} ({hook.host}) is switched {to}.")


def _as_json(hook: Hook) -> dict[str, object]:
    return {
        "id": hook.id,
        "name": hook.name,
        "host": hook.host,
        "format": hook.format,
        "events": list(hook.events),
        "state": _state(hook),
        "created": times.seconds(hook.created),
        "created-by": hook.created_by,
        "failing-since": times.seconds(hook.failing_since) if hook.failing_since else None,
        "disabled": times.seconds(hook.disabled) if hook.disabled else None,
        "disabled-reason": hook.disabled_reason,
    }


def _state(hook: Hook) -> str:
    if hook.disabled is not None:
        return "off"
    return "failing" if hook.failing_since is not None else "on"
