"""``greenroom upstream``: the indexes behind this one."""

import json
from collections.abc import Sequence
from datetime import datetime

import click

from greenroom import times
from greenroom.cli.opening import with_services, with_services_to_read
from greenroom.cli.printing import print_table
from greenroom.cli.upstream_adopt import upstream_adopt
from greenroom.cli.upstream_files import upstream_evict, upstream_verify, upstream_warm
from greenroom.models import RuleKind
from greenroom.models.base import LARGEST_ID
from greenroom.registry import upstream_overview, upstream_refusals, upstream_rules
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.sizes import readable_size
from greenroom.registry.unit_of_work import Services
from greenroom.registry.upstream_overview import Overview
from greenroom.registry.upstream_rules import Rule

_ALL = 1_000_000_000
_REASON = click.option(
    "--reason", default="", metavar="TEXT", help="Why: whoever is refused is told."
)
_UNTIL = click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="The last day, of UTC, on which it holds.",
)


@click.group("upstream")
def upstream_group() -> None:
    """The indexes behind this one."""


for _command in (upstream_adopt, upstream_warm, upstream_evict, upstream_verify):
    upstream_group.add_command(_command)


@upstream_group.command("status")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for scripts.")
@with_services_to_read
def upstream_status(services: Services, as_json: bool) -> None:
    """Print how the upstreams are doing, and how much of them is kept and used."""
    with services.reading() as uow:
        found = upstream_overview.of_all(uow)
        projects = upstream_overview.count_used(uow)
        refused = upstream_refusals.count_of(uow)
    settings = services.settings
    quota = settings.upstream_cache_size if settings.upstream_mode == "cache" else None
    if as_json:
        shown = {
            "mode": settings.upstream_mode,
            "quota": quota,
            "projects-used": projects,
            "files-refused": refused,
            "upstreams": [_overview_as_json(each) for each in found],
        }
        click.echo(json.dumps(shown, indent=2))
    elif not found:
        click.echo("There is no upstream: GREENROOM_UPSTREAMS is not set.")
    else:
        _print_overviews(found)
        kept = sum(each.kept.size for each in found)
        of_quota = f" of {readable_size(quota)}" if quota is not None else ""
        click.echo(f"Kept: {readable_size(kept)}{of_quota}, mode {settings.upstream_mode}.")
        click.echo(f"Projects used: {projects}. Files refused: {refused}.")


def _print_overviews(found: Sequence[Overview]) -> None:
    print_table(
        (
            *("Name", "Address", "State", "Last answer (UTC)", "Pages", "Oldest page (UTC)"),
            *("Files", "Size", "Hits of pages", "Hits of files"),
        ),
        [
            (
                *(each.name, each.url, _state(each), _when(each.answered), each.kept.pages),
                *(_when(each.kept.oldest_page), each.kept.files, readable_size(each.kept.size)),
                *(_rate(each.asked.page_rate), _rate(each.asked.file_rate)),
            )
            for each in found
        ],
    )


def _overview_as_json(each: Overview) -> dict[str, object]:
    return {
        "name": each.name,
        "url": each.url,
        "reachable": each.is_reachable,
        "answered": _moment(each.answered),
        "failed": _moment(each.failed),
        "failure": each.failure or None,
        "pages": each.kept.pages,
        "absent": each.kept.absent,
        "oldest-page": _moment(each.kept.oldest_page),
        "files": each.kept.files,
        "size": each.kept.size,
        "asked": {
            "pages": each.asked.pages,
            "kept-pages": each.asked.kept_pages,
            "files": each.asked.files,
            "kept-files": each.asked.kept_files,
            "size": each.asked.size,
        },
    }


@upstream_group.group("rule")
def rule_group() -> None:
    """What of the upstreams is let in, or denied, whatever the settings ask."""


@rule_group.command("list")
@click.argument("words", default="")
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for scripts.")
@with_services_to_read
def rule_list(services: Services, words: str, as_json: bool) -> None:
    """List the rules: all, or those with WORDS in the names of their projects."""
    with services.reading() as uow:
        found = upstream_rules.listed(uow, words, start=0, count=_ALL)
    if as_json:
        click.echo(json.dumps([_rule_as_json(each) for each in found], indent=2))
    elif not found:
        click.echo("There are no such rules.")
    else:
        print_table(
            ("ID", "Rule", "About", "Until", "By", "Reason"),
            [
                (each.id, each.kind, str(each.selection), _until(each), each.by, each.reason)
                for each in found
            ],
        )


@rule_group.command("allow")
@click.argument("what")
@click.option("--early", is_flag=True, help="However young its files are; all else is asked.")
@_UNTIL
@_REASON
@with_services
def rule_allow(
    services: Services, what: str, early: bool, until: datetime | None, reason: str
) -> None:
    """Let WHAT in, such as 'requests==2.31.0' or 'acme-*', whatever the settings ask."""
    kind = RuleKind.EARLY if early else RuleKind.ALLOW
    made = _make(services, kind, what, until, reason)
    click.echo(f"{made.selection} is let in{' early' if early else ''} (rule {made.id}).")


@rule_group.command("deny")
@click.argument("what")
@_UNTIL
@_REASON
@with_services
def rule_deny(services: Services, what: str, until: datetime | None, reason: str) -> None:
    """Let WHAT not in, such as 'requests<2.31' or 'acme-*'; whoever asks is told the reason."""
    made = _make(services, RuleKind.DENY, what, until, reason)
    click.echo(f"{made.selection} is denied (rule {made.id}).")


@rule_group.command("remove")
@click.argument("number", type=click.IntRange(1, LARGEST_ID), metavar="ID")
@_REASON
@with_services
def rule_remove(services: Services, number: int, reason: str) -> None:
    """Remove the rule of this ID."""
    with services.writing() as uow:
        removed = upstream_rules.remove(uow, OPERATOR, number, reason)
    click.echo(f"The rule that says {removed.kind} to {removed.selection} is removed.")


def _make(
    services: Services, kind: RuleKind, what: str, until: datetime | None, reason: str
) -> Rule:
    day = until.date() if until is not None else None
    with services.writing() as uow:
        return upstream_rules.make(uow, OPERATOR, kind, what, reason, day)


def _rule_as_json(each: Rule) -> dict[str, object]:
    return {
        "id": each.id,
        "kind": each.kind.value,
        "project": each.selection.project,
        "specifier": each.selection.specifier or None,
        "reason": each.reason or None,
        "until": f"{each.until}" if each.until is not None else None,
        "holds": each.holds,
        "at": times.seconds(each.at),
        "by": each.by,
    }


def _state(each: Overview) -> str:
    return {True: "answers", False: "away", None: "not asked"}[each.is_reachable]


def _until(each: Rule) -> str:
    if each.until is None:
        return ""
    return f"{each.until}" if each.holds else f"{each.until} (over)"


def _rate(rate: int | None) -> str:
    return f"{rate} %" if rate is not None else ""


def _moment(moment: datetime | None) -> str | None:
    return times.seconds(moment) if moment is not None else None


def _when(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment is not None else "never"
