"""``greenroom upstream``: the indexes behind this one."""

import json
from datetime import datetime

import click

from greenroom import times
from greenroom.cli.opening import with_services_to_read
from greenroom.cli.printing import print_table
from greenroom.registry import upstream_overview
from greenroom.registry.unit_of_work import Services
from greenroom.registry.upstream_overview import Overview


@click.group("upstream")
def upstream_group() -> None:
    """The indexes behind this one."""


@upstream_group.command("status")
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for scripts.")
@with_services_to_read
def upstream_status(services: Services, as_json: bool) -> None:
    """Print how the upstreams are doing, and how much of them is kept."""
    with services.reading() as uow:
        found = upstream_overview.of_all(uow)
    if as_json:
        click.echo(json.dumps([_as_json(each) for each in found], indent=2))
    elif not found:
        click.echo("There is no upstream: GREENROOM_UPSTREAMS is not set.")
    else:
        print_table(
            ("Name", "Address", "Pages", "Last answer (UTC)", "Oldest page (UTC)"),
            [
                (each.name, each.url, each.pages, _when(each.last_answer), _when(each.oldest_page))
                for each in found
            ],
        )


def _as_json(each: Overview) -> dict[str, object]:
    return {
        "name": each.name,
        "url": each.url,
        "pages": each.pages,
        "absent": each.absent,
        "last-answer": times.seconds(each.last_answer) if each.last_answer else None,
        "oldest-page": times.seconds(each.oldest_page) if each.oldest_page else None,
    }


def _when(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "never"
