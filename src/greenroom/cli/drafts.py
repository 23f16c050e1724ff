"""``greenroom draft``: the operator's view of drafts."""

import json

import click

from greenroom import times
from greenroom.cli.opening import with_services, with_services_to_read
from greenroom.cli.parsing import moment_or_none
from greenroom.cli.printing import print_table
from greenroom.models import Draft, ReviewState
from greenroom.registry import draft_contents, drafts, publishing, releases, schedules
from greenroom.registry.errors import NotFound
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.unit_of_work import Services, UnitOfWork


@click.group()
def draft() -> None:
    """The operator's view of drafts."""


@draft.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for scripts.")
@with_services_to_read
def draft_list(services: Services, as_json: bool) -> None:
    """List every live draft, with its whole slug."""
    with services.reading() as uow:
        live = drafts.all_live(uow)
        if as_json:
            click.echo(json.dumps([_draft_as_json(draft) for draft in live], indent=2))
        else:
            _print_drafts(live)


def _draft_as_json(draft: Draft) -> dict[str, object]:
    scheduled = times.seconds(draft.scheduled) if draft.scheduled is not None else None
    return {
        "slug": draft.slug,
        "project": draft.project_name,
        "version": draft.version,
        "files": sorted(file.filename for file in draft.files),
        "content-digest": draft_contents.digest_of(draft, draft.files),
        "opened": times.seconds(draft.opened),
        "expires": times.seconds(draft.expires),
        "scheduled": scheduled,
    }


def _print_drafts(live: list[Draft]) -> None:
    if not live:
        click.echo("There are no drafts.")
        return
    print_table(
        ("Slug", "Project", "Version", "Files", "Expires (UTC)"),
        [
            (
                draft.slug,
                draft.project_name,
                draft.version,
                len(draft.files),
                f"{draft.expires:%Y-%m-%d %H:%M}",
            )
            for draft in live
        ],
    )


@draft.command("publish")
@click.argument("slug")
@click.option(
    "--digest",
    metavar="D",
    help="Publish only content that has this digest, which 'draft list --json' shows.",
)
@with_services
def draft_publish(services: Services, slug: str, digest: str | None) -> None:
    """Publish the draft with this SLUG."""

    def publish() -> str:
        with services.writing() as uow:
            draft = publishing.publish(uow, OPERATOR, _draft(uow, slug), content_digest=digest)
            what = f"{draft.project_name} {draft.version}"
            if draft.review == ReviewState.PROCESSING:
                return f"The publication of {what} is being reviewed."
            return f"Published {what}."

    click.echo(releases.with_renderings(publish))


@draft.command("schedule")
@click.argument("slug")
@click.argument("time", metavar="TIME", required=False)
@click.option("--cancel", "is_canceled", is_flag=True, help="Take back the time that was set.")
@click.option(
    "--digest",
    metavar="D",
    help="The content that it must have, which 'draft list --json' shows; what it has now.",
)
@click.option("--embargo", is_flag=True, help="Another address at once, which takes an account.")
@with_services
def draft_schedule(
    services: Services,
    slug: str,
    time: str | None,
    is_canceled: bool,
    digest: str | None,
    embargo: bool,
) -> None:
    """Publish the draft with this SLUG at a TIME in UTC, such as 2026-01-31T09:30Z."""
    at = moment_or_none(time, is_canceled=is_canceled)
    with services.writing() as uow:
        draft = _draft(uow, slug)
        what = f"{draft.project_name} {draft.version}"
        if at is None:
            schedules.cancel(uow, OPERATOR, draft)
            sentence = f"{what} is not published by itself any more."
        else:
            content = digest or draft_contents.digest_of(draft, drafts.files(uow.db, draft))
            schedules.schedule(uow, OPERATOR, draft, at, content, is_embargoed=embargo)
            sentence = f"{what} is published at {times.seconds(at)}."
    click.echo(sentence)


@draft.command("discard")
@click.argument("slug")
@with_services
def draft_discard(services: Services, slug: str) -> None:
    """Discard the draft with this SLUG, with its files."""
    with services.writing() as uow:
        draft = _draft(uow, slug)
        drafts.discard(uow, OPERATOR, draft)
        sentence = f"Discarded the draft of {draft.project_name} {draft.version}."
    click.echo(sentence)


def _draft(uow: UnitOfWork, slug: str) -> Draft:
    draft = drafts.by_slug(uow.db, slug)
    if draft is None:
        raise NotFound("There is no draft with this slug: see 'greenroom draft list'.")
    return draft
