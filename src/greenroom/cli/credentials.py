"""``greenroom token`` and ``session``: what people have shown who they are with, and its end."""

import json

import click

from greenroom import times
from greenroom.cli.accounts import token
from greenroom.cli.opening import with_services, with_services_to_read
from greenroom.cli.printing import print_table
from greenroom.cli.users import token_as_json
from greenroom.registry import accounts, session_oversight, token_oversight
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.session_oversight import OwnedSession
from greenroom.registry.token_oversight import OwnedToken
from greenroom.registry.unit_of_work import Services

__all__ = ["session", "token"]


@token.command("list")
@click.option("--user", "username", metavar="NAME", help="Only those of this user.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for scripts.")
@with_services_to_read
def token_list(services: Services, username: str | None, as_json: bool) -> None:
    """List the API tokens that are not revoked, the newest first."""
    with services.reading() as uow:
        user = accounts.get_user(uow.db, username) if username is not None else None
        found = token_oversight.listed(uow, user)
    if as_json:
        shown = [token_as_json(each.username, each.token) for each in found]
        click.echo(json.dumps(shown, indent=2))
    elif not found:
        click.echo("There are no tokens.")
    else:
        _print_tokens(found)


def _print_tokens(found: list[OwnedToken]) -> None:
    print_table(
        ("ID", "Beginning", "User", "Label", "Project", "Permissions", "Last used", "Expires"),
        [
            (
                each.token.id,
                each.token.prefix,
                each.username,
                each.token.label,
                each.token.project_name or "",
                ", ".join(each.token.permissions),
                f"{each.token.last_used:%Y-%m-%d %H:%M}" if each.token.last_used else "never",
                f"{each.token.expires:%Y-%m-%d %H:%M}" if each.token.expires else "never",
            )
            for each in found
        ],
    )


@token.command("revoke")
@click.argument("which", metavar="ID|BEGINNING")
@click.option("--reason", default="", metavar="TEXT", help="Why, as the audit log is to have it.")
@with_services
def token_revoke(services: Services, which: str, reason: str) -> None:
    """End an API token at once, by its ID or the beginning of its text."""
    with services.writing() as uow:
        ended = token_oversight.revoke(uow, OPERATOR, which, reason)
    click.echo(f"The token {ended.token.prefix} of {ended.username} is revoked.")


@click.group()
def session() -> None:
    """Browsers in which somebody is signed in."""


@session.command("list")
@click.option("--user", "username", metavar="NAME", help="Only those of this user.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for scripts.")
@with_services_to_read
def session_list(services: Services, username: str | None, as_json: bool) -> None:
    """List the sessions that go on, the one that was used last first."""
    with services.reading() as uow:
        user = accounts.get_user(uow.db, username) if username is not None else None
        found = session_oversight.listed(uow, user)
    if as_json:
        click.echo(json.dumps([_session_as_json(each) for each in found], indent=2))
    elif not found:
        click.echo("There are no sessions.")
    else:
        print_table(
            ("ID", "User", "Browser", "Address", "Since (UTC)", "Last used (UTC)"),
            [
                (
                    each.session.id,
                    each.username,
                    each.session.device,
                    each.session.address or "",
                    f"{each.session.begun:%Y-%m-%d %H:%M}",
                    f"{each.session.last_used:%Y-%m-%d %H:%M}",
                )
                for each in found
            ],
        )


def _session_as_json(owned: OwnedSession) -> dict[str, object]:
    return {
        "id": owned.session.id,
        "user": owned.username,
        "device": owned.session.device,
        "address": owned.session.address,
        "begun": times.seconds(owned.session.begun),
        "last-used": times.seconds(owned.session.last_used),
        "authenticated": times.seconds(owned.session.authenticated),
    }


@session.command("end")
@click.argument("session_id", metavar="[ID]", type=click.IntRange(min=1), required=False)
@click.option("--user", "username", metavar="NAME", help="All sessions of this user.")
@click.option("--reason", default="", metavar="TEXT", help="Why, as the audit log is to have it.")
@with_services
def session_end(
    services: Services, session_id: int | None, username: str | None, reason: str
) -> None:
    """End the session with this ID, or with --user all of a person, at once."""
    if (session_id is None) == (username is None):
        raise click.UsageError("Give the ID of a session, or '--user' with a name.")
    with services.writing() as uow:
        if username is not None:
            ended = session_oversight.end_all(uow, OPERATOR, username, reason)
            sentence = f"Sessions of {username} that have ended: {ended}."
        else:
            one = session_oversight.end(uow, OPERATOR, session_id or 0, reason)
            sentence = f"The session {one.session.id} of {one.username} has ended."
    click.echo(sentence)
