"""``greenroom audit``: the audit log, read."""

import json
from contextlib import suppress
from datetime import UTC, datetime

import click

from greenroom import times
from greenroom.cli.opening import with_services_to_read
from greenroom.registry import audit, audit_reading
from greenroom.registry.audit_reading import AuditLine, Wanted
from greenroom.registry.unit_of_work import Services
from greenroom.settings import parse_duration


@click.command("audit")
@click.option(
    "--since", metavar="7d|DATE", help="Not before: a length of time, or a day or moment."
)
@click.option("--user", metavar="NAME", help="Done by this user, or to the account; or 'operator'.")
@click.option("--project", metavar="P", help="Done to this project.")
@click.option(
    "--act",
    type=click.Choice([kind.value for kind in audit.Kind]),
    metavar="ACT",
    help="Of this kind, such as sign-in-failed.",
)
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line, for other programs.")
@click.option("--follow", is_flag=True, help="Go on with what happens, until SIGINT.")
@with_services_to_read
def audit_command(
    services: Services,
    since: str | None,
    user: str | None,
    project: str | None,
    act: str | None,
    as_json: bool,
    follow: bool,
) -> None:
    """Print the audit log: who did what to what, the oldest first."""
    wanted = Wanted(
        act=audit.kind_named(act) if act is not None else None,
        person=user,
        project=project,
        since=_moment(services, since) if since is not None else None,
    )
    shown = _audit_as_json if as_json else _audit_as_text
    with suppress(KeyboardInterrupt):
        for line in audit_reading.follow(services, wanted, for_ever=follow):
            click.echo(shown(line))


def _moment(services: Services, text: str) -> datetime:
    """How long ago, or when."""
    with suppress(ValueError):
        return services.clock() - parse_duration(text)
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.UsageError(
            f"'--since' takes a length of time such as 7d, or a day such as 2026-06-01, not "
            f"{text!r}."
        ) from None


def _audit_as_json(line: AuditLine) -> str:
    return json.dumps(
        {
            "id": line.id,
            "at": times.microseconds(line.at),
            "act": line.act,
            "by": line.by,
            "by-id": line.by_id,
            "credential": line.credential,
            "address": line.address,
            "request-id": line.request_id,
            "about": line.about,
            "about-id": line.about_id,
            "project": line.project,
            "version": line.version,
            "filename": line.filename,
            "detail": line.detail,
            "count": line.count,
        }
    )


def _audit_as_text(line: AuditLine) -> str:
    what = [line.about if line.about != line.by else None, line.project, line.version]
    words = [times.seconds(line.at), line.by, line.act, *what, line.filename]
    if line.address:
        words.append(f"from {line.address}")
    if line.credential:
        words.append(f"with {line.credential}")
    if line.count > 1:
        words.append(f"{line.count} times")
    return " ".join(filter(None, words)) + (f": {line.detail}" if line.detail else "")
