"""``greenroom prohibited``: names of projects that nobody may register."""

import json

import click

from greenroom import times
from greenroom.cli.opening import with_services, with_services_to_read
from greenroom.cli.printing import print_table
from greenroom.registry import prohibited_names
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.unit_of_work import Services

_ALL = 1_000_000_000
_REASON = click.option(
    "--reason", default="", metavar="TEXT", help="Why, as the list and the audit log have it."
)


@click.group("prohibited")
def prohibited() -> None:
    """Names of projects that nobody may register."""


@prohibited.command("list")
@click.argument("words", default="")
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for scripts.")
@with_services_to_read
def prohibited_list(services: Services, words: str, as_json: bool) -> None:
    """List the names and patterns that are prohibited: all, or those with WORDS in them."""
    with services.reading() as uow:
        found = prohibited_names.listed(uow, words, start=0, count=_ALL)
    if as_json:
        shown = [
            {"name": e.name, "reason": e.reason or None, "at": times.seconds(e.at), "by": e.by}
            for e in found
        ]
        click.echo(json.dumps(shown, indent=2))
    elif not found:
        click.echo("No names are prohibited.")
    else:
        print_table(
            ("Name", "Since (UTC)", "By", "Reason"),
            [(each.name, f"{each.at:%Y-%m-%d}", each.by, each.reason) for each in found],
        )


@prohibited.command("add")
@click.argument("name")
@_REASON
@with_services
def prohibited_add(services: Services, name: str, reason: str) -> None:
    """Let nobody register NAME, nor what looks like it; '*' in it stands for any text."""
    with services.writing() as uow:
        kept = prohibited_names.prohibit(uow, OPERATOR, name, reason)
    click.echo(f"Nobody may register {kept}.")


@prohibited.command("remove")
@click.argument("name")
@_REASON
@with_services
def prohibited_remove(services: Services, name: str, reason: str) -> None:
    """Let NAME be registered again, as it was prohibited."""
    with services.writing() as uow:
        kept = prohibited_names.allow(uow, OPERATOR, name, reason)
    click.echo(f"{kept} is not prohibited any more.")
