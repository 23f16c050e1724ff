"""``greenroom user``: the life of accounts after they were made."""

import json
from collections.abc import Callable, Sequence

import click

from greenroom import times
from greenroom.cli.accounts import read_password, user
from greenroom.cli.failures import fail
from greenroom.cli.opening import with_new_services, with_services, with_services_to_read
from greenroom.cli.printing import print_table
from greenroom.registry import (
    account_invitations,
    account_list,
    account_states,
    accounts,
    password_resets,
    second_factor_resets,
    tokens,
)
from greenroom.registry.account_links import NewLink
from greenroom.registry.account_list import AccountState, ProjectRole, WantedAccounts
from greenroom.registry.accounts import UserSummary
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.tokens import TokenSummary
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.settings import Settings

__all__ = ["user"]

_ALL = 1_000_000_000
_AS_JSON = click.option("--json", "as_json", is_flag=True, help="JSON, for scripts.")
_REASON = click.option(
    "--reason", default="", metavar="TEXT", help="Why, as the audit log is to have it."
)


@user.command("list")
@click.argument("words", default="")
@click.option(
    "--state",
    type=click.Choice([state.value for state in AccountState]),
    help="Only accounts that stand so; deleted ones are listed by this alone.",
)
@_AS_JSON
@with_services_to_read
def user_list(services: Services, words: str, state: str | None, as_json: bool) -> None:
    """List accounts: all, or those with WORDS in their name or address."""
    wanted = WantedAccounts(words, AccountState(state) if state is not None else None)
    with services.reading() as uow:
        found = account_list.listed(uow, wanted, start=0, count=_ALL)
    if as_json:
        click.echo(json.dumps([_account_as_json(account) for account in found], indent=2))
    elif not found:
        click.echo("There are no such accounts." if words or state else "There are no accounts.")
    else:
        print_table(
            ("Name", "E-mail", "Since (UTC)", "State"),
            [
                (each.username, each.email, f"{each.created:%Y-%m-%d}", ", ".join(_states(each)))
                for each in found
            ],
        )


@user.command("show")
@click.argument("name")
@_AS_JSON
@with_services_to_read
def user_show(services: Services, name: str, as_json: bool) -> None:
    """Show the account NAME, its roles and its API tokens."""
    with services.reading() as uow:
        found = accounts.get_user(uow.db, name)
        account = accounts.summary(found)
        roles = account_list.roles_of(uow, found, start=0, count=_ALL)
        held = tokens.of_user(uow, found)
        uploads = account_list.count_uploads(uow, found)
    if as_json:
        shown = _account_as_json(account) | {
            "uploads": uploads,
            "roles": [
                {"project": role.project_name, "role": role.name, "team": role.team}
                for role in roles
            ],
            "tokens": [token_as_json(account.username, token) for token in held],
        }
        click.echo(json.dumps(shown, indent=2))
    else:
        _print_account(account, roles, held, uploads)


@user.command("set-password")
@click.argument("name")
@click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from standard input; on a terminal it is asked for.",
)
@with_services
def user_set_password(services: Services, name: str, password_stdin: bool) -> None:
    """Set the password of the account NAME; every session of it ends."""
    password_resets.set_password(services, name, read_password(from_stdin=password_stdin))
    click.echo(f"The password of {name} is set.")


@user.command("reset-second-factor")
@click.argument("name")
@click.option(
    "--reason", required=True, metavar="TEXT", help="Why, as the audit log is to have it."
)
@with_services
def user_reset_second_factor(services: Services, name: str, reason: str) -> None:
    """Take all second factors of the user NAME away, who has lost them; end all sessions."""
    with services.writing() as uow:
        count = second_factor_resets.reset(uow, OPERATOR, name, reason)
    click.echo(f"Second factors of {name} that are gone: {count}. All sessions ended.")


@user.command("disable")
@click.argument("name")
@_REASON
@with_services
def user_disable(services: Services, name: str, reason: str) -> None:
    """Disable the account NAME; its sessions and API tokens end at once, for good."""
    with services.writing() as uow:
        account = account_states.disable(uow, OPERATOR, name, reason)
    click.echo(f"The account {account.username} is disabled.")


@user.command("enable")
@click.argument("name")
@_REASON
@with_services
def user_enable(services: Services, name: str, reason: str) -> None:
    """Let the account NAME be used again; its person makes new API tokens."""
    with services.writing() as uow:
        account = account_states.enable(uow, OPERATOR, name, reason)
    click.echo(f"The account {account.username} is enabled.")


@user.command("admin")
@click.argument("name")
@click.option("--remove", is_flag=True, help="Take the powers away; never the last one's.")
@_REASON
@with_services
def user_admin(services: Services, name: str, remove: bool, reason: str) -> None:
    """Make the person NAME an administrator, or no longer one."""
    change = account_states.take_administrator if remove else account_states.make_administrator
    with services.writing() as uow:
        account = change(uow, OPERATOR, name, reason)
    what = "no administrator any more" if remove else "an administrator"
    click.echo(f"{account.username} is {what}.")


@user.command("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_REASON
@with_services
def user_delete(services: Services, name: str, yes: bool, reason: str) -> None:
    """Delete the account NAME for good, with its roles and tokens; asks for confirmation."""
    with services.reading() as uow:
        username = accounts.get_user(uow.db, name).username
    if not yes and not _confirms(username):
        fail(f"Nothing was changed: only {username!r} confirms it.")
    with services.writing() as uow:
        account_states.delete_account(uow, OPERATOR, username, reason)
    click.echo(f"The account {username} is deleted. Nobody gets its name again.")


@user.command("invite")
@click.argument("email")
@_REASON
@with_services
def user_invite(services: Services, email: str, reason: str) -> None:
    """Print a link with which the person with the address EMAIL makes an account."""
    _print_link(services, lambda uow: account_invitations.invite(uow, OPERATOR, email, reason))


@user.command("reset-link")
@click.argument("name")
@_REASON
@with_services
def user_reset_link(services: Services, name: str, reason: str) -> None:
    """Print a link with which the person NAME sets another password."""
    _print_link(services, lambda uow: password_resets.make_link(uow, OPERATOR, name, reason))


@user.command("first-administrator-link")
@with_new_services
def user_first_administrator_link(services: Services) -> None:
    """Print a link that creates the first administrator, while there is no user."""
    _print_link(services, accounts.first_administrator_link)


def _print_link(services: Services, make: Callable[[UnitOfWork], NewLink]) -> None:
    """Print the link alone on standard output, and until when it can be used on the other."""
    from greenroom.web.http.urls import Urls  # takes as long as most commands

    with services.writing() as uow:
        link = make(uow)
    click.echo(Urls(_address(services.settings)).one_time_link(link))
    click.echo(
        f"It can be used once, until {link.expires:%Y-%m-%d %H:%M} UTC. Whoever has it can.",
        err=True,
    )


def _address(settings: Settings) -> str:
    if settings.url is None:
        click.echo(
            f"GREENROOM_URL is not set: put the address of the index in the place of {_USUAL_URL}.",
            err=True,
        )
    return settings.url or _USUAL_URL


_USUAL_URL = "http://127.0.0.1:6543"


def _confirms(username: str) -> bool:
    answer: str = click.prompt(f"Type {username!r} to delete the account for good", err=True)
    return answer.strip() == username


def _states(account: UserSummary) -> list[str]:
    """How the account stands, in words; none where there is nothing to say."""
    if account.deleted is not None:
        return ["deleted"]
    said = {
        "administrator": account.is_administrator,
        "not verified": not account.email_verified,
        "disabled": account.disabled is not None,
    }
    return [word for word, is_so in said.items() if is_so]


def _account_as_json(account: UserSummary) -> dict[str, object]:
    disabled = account.disabled
    return {
        "name": account.username,
        "email": account.email or None,
        "email-verified": account.email_verified,
        "administrator": account.is_administrator,
        "created": times.seconds(account.created),
        "disabled": times.seconds(disabled) if disabled is not None else None,
        "disabled-reason": account.disabled_reason or None,
        "disabled-by": account.disabled_by or None,
        "deleted": times.seconds(account.deleted) if account.deleted is not None else None,
    }


def token_as_json(username: str, token: TokenSummary) -> dict[str, object]:
    """An API token, for scripts."""
    return {
        "id": token.id,
        "user": username,
        "prefix": token.prefix,
        "label": token.label,
        "project": token.project_name,
        "permissions": list(token.permissions),
        "created": times.seconds(token.created),
        "expires": times.seconds(token.expires) if token.expires is not None else None,
        "last-used": times.seconds(token.last_used) if token.last_used is not None else None,
    }


def _print_account(
    account: UserSummary, roles: Sequence[ProjectRole], held: Sequence[TokenSummary], uploads: int
) -> None:
    click.echo(f"{account.username} <{account.email}>, since {account.created:%Y-%m-%d}")
    for state in _states(account):
        if state != "disabled" or account.disabled is None:
            click.echo(f"It is {state}." if state == "not verified" else f"It is an {state}.")
            continue
        why = f": {account.disabled_reason}" if account.disabled_reason else ""
        click.echo(f"Disabled on {account.disabled:%Y-%m-%d} by {account.disabled_by}{why}")
    click.echo(f"Files uploaded: {uploads}")
    for role in roles:
        by = f", by the team {role.team}" if role.team else ""
        click.echo(f"{role.name.value} of {role.project_name}{by}")
    for token in held:
        click.echo(f"Token {token.prefix} ({token.label}): {', '.join(token.permissions)}")
