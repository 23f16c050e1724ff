"""``greenroom set``: the operator's view of release sets."""

import json

import click

from greenroom import times
from greenroom.cli.failures import fail
from greenroom.cli.opening import with_services, with_services_to_read
from greenroom.cli.parsing import moment_or_none
from greenroom.cli.printing import print_table
from greenroom.counts import counted
from greenroom.models import ReleaseSet
from greenroom.registry import publishing, release_sets, releases, set_schedules
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.release_sets import SetDetails
from greenroom.registry.schedule_rows import ScheduleDetails
from greenroom.registry.unit_of_work import Services, UnitOfWork


@click.group("set")
def release_set() -> None:
    """The operator's view of release sets."""


@release_set.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for scripts.")
@with_services_to_read
def set_list(services: Services, as_json: bool) -> None:
    """List every open release set."""
    with services.reading() as uow:
        summaries = release_sets.all_open(uow)
        if as_json:
            names = [summary.title for summary in summaries]
            bodies = [_as_json(_details(uow, _set(uow, name))) for name in names]
            click.echo(json.dumps(bodies, indent=2))
            return
    if not summaries:
        click.echo("There are no open release sets.")
        return
    print_table(
        ("Release set", "Drafts", "Changed (UTC)"),
        [
            (summary.title, summary.draft_count, f"{summary.changed:%Y-%m-%d %H:%M}")
            for summary in summaries
        ],
    )


@release_set.command("show")
@click.argument("name", metavar="OWNER/NAME")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for scripts.")
@with_services_to_read
def set_show(services: Services, name: str, as_json: bool) -> None:
    """Show the drafts of the release set OWNER/NAME, and why each cannot be published."""
    with services.reading() as uow:
        found = _set(uow, name)
        details = _details(uow, found)
        reasons = publishing.set_obstacles(uow, OPERATOR, found)
        schedule = set_schedules.of_set(uow, OPERATOR, found, details.content_digest)
    if as_json:
        body = _as_json(details, reasons) | {"schedule": _schedule_as_json(schedule)}
        click.echo(json.dumps(body, indent=2))
        return
    click.echo(f"{details.title}, {details.content_digest}, slug {details.slug}")
    if schedule is not None:
        _print_schedule(schedule)
    for member in details.members:
        what = f"{member.project_name} {member.version}"
        expires = f"{member.expires:%Y-%m-%d %H:%M} UTC"
        click.echo(f"  {what}, {counted(member.file_count, 'file')}, expires {expires}")
        for reason in reasons.get(what, ()):
            click.echo(f"    {reason}")


@release_set.command("publish")
@click.argument("name", metavar="OWNER/NAME")
@click.option(
    "--digest",
    metavar="D",
    help="Publish only content that has this digest, which 'set show' shows.",
)
@with_services
def set_publish(services: Services, name: str, digest: str | None) -> None:
    """Publish all drafts of the release set OWNER/NAME, or nothing."""

    def publish() -> str:
        with services.writing() as uow:
            found = publishing.publish_set(uow, OPERATOR, _set(uow, name), content_digest=digest)
            if found.in_review:
                return f"The publication of {name} is being reviewed."
            return f"Published {name}."

    click.echo(releases.with_renderings(publish))


@release_set.command("schedule")
@click.argument("name", metavar="OWNER/NAME")
@click.argument("time", metavar="TIME", required=False)
@click.option("--cancel", "is_canceled", is_flag=True, help="Take back the time that was set.")
@click.option(
    "--digest",
    metavar="D",
    help="The content that it must have, which 'set show' shows; what it has now.",
)
@click.option("--embargo", is_flag=True, help="Other addresses at once, which take an account.")
@with_services
def set_schedule(
    services: Services,
    name: str,
    time: str | None,
    is_canceled: bool,
    digest: str | None,
    embargo: bool,
) -> None:
    """Publish the release set OWNER/NAME at a TIME in UTC, such as 2026-01-31T09:30Z."""
    at = moment_or_none(time, is_canceled=is_canceled)
    with services.writing() as uow:
        found = _set(uow, name)
        if at is None:
            set_schedules.cancel(uow, OPERATOR, found)
            sentence = f"{name} is not published by itself any more."
        else:
            content = digest or _details(uow, found).content_digest
            set_schedules.schedule(uow, OPERATOR, found, at, content, is_embargoed=embargo)
            sentence = f"{name} is published at {times.seconds(at)}."
    click.echo(sentence)


@release_set.command("discard")
@click.argument("name", metavar="OWNER/NAME")
@click.option("--with-drafts", is_flag=True, help="Discard its drafts, too, with their files.")
@click.option("--yes", is_flag=True, help="Do not ask, also where drafts are discarded.")
@with_services
def set_discard(services: Services, name: str, with_drafts: bool, yes: bool) -> None:
    """End the release set OWNER/NAME. Its drafts stay; with them, it asks first."""
    if with_drafts and not yes:
        with services.reading() as uow:
            details = _details(uow, _set(uow, name))
        drafts = counted(len(details.members), "draft")
        click.echo(f"{drafts} of {details.title} will be discarded.", err=True)
        typed = click.prompt(f"Type {details.title} to confirm", default="", err=True)
        if typed != details.title:
            fail(f"Nothing was discarded: only {details.title!r} confirms it.")
    with services.writing() as uow:
        found = _set(uow, name)
        count = release_sets.discard(uow, OPERATOR, found, with_drafts=with_drafts)
    besides = f", with {counted(count, 'draft')}" if with_drafts else ""
    click.echo(f"Discarded the release set {name}{besides}.")


def _set(uow: UnitOfWork, name: str) -> ReleaseSet:
    return release_sets.open_for(uow, OPERATOR, release_sets.reference(name))


def _details(uow: UnitOfWork, found: ReleaseSet) -> SetDetails:
    return release_sets.details(uow, OPERATOR, found)


def _print_schedule(schedule: ScheduleDetails) -> None:
    if not schedule.is_waiting:
        click.echo(f"  It was not published at {times.seconds(schedule.at)}:")
    else:
        by_whom = f"as {schedule.by} has set"
        void = ", which is void: its content has changed since" if schedule.is_void else ""
        click.echo(f"  It is published at {times.seconds(schedule.at)}, {by_whom}{void}.")
    for reason in (*schedule.reasons, *schedule.doubts):
        click.echo(f"    {reason}")


def _schedule_as_json(schedule: ScheduleDetails | None) -> dict[str, object] | None:
    if schedule is None:
        return None
    return {
        "at": times.seconds(schedule.at),
        "by": schedule.by,
        "waiting": schedule.is_waiting,
        "void": schedule.is_void,
        "doubts": list(schedule.doubts),
        "reasons": list(schedule.reasons),
    }


def _as_json(
    details: SetDetails, reasons: dict[str, tuple[str, ...]] | None = None
) -> dict[str, object]:
    return {
        "name": details.title,
        "slug": details.slug,
        "only-together": details.only_together,
        "content-digest": details.content_digest,
        "scheduled": times.seconds(details.scheduled) if details.scheduled else None,
        "drafts": [
            {
                "project": member.project_name,
                "version": member.version,
                "files": member.file_count,
                "content-digest": member.content_digest,
                "expires": times.seconds(member.expires),
            }
            | (
                {"obstacles": list(reasons.get(f"{member.project_name} {member.version}", ()))}
                if reasons is not None
                else {}
            )
            for member in details.members
        ],
    }
