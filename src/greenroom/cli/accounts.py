"""``greenroom user``, ``token`` and ``role``: who may do what."""

import sys
from datetime import timedelta

import click

from greenroom.cli.opening import with_new_services, with_services
from greenroom.models import RoleName
from greenroom.registry import accounts, projects, roles, tokens
from greenroom.registry.permissions import DEFAULT_TOKEN_PERMISSIONS, OPERATOR, TOKEN_PERMISSIONS
from greenroom.registry.unit_of_work import Services
from greenroom.settings import parse_duration

NEVER = timedelta(0)
"""What :class:`_Lifetime` gives for ``never``: click takes None for what is not given."""


class _Lifetime(click.ParamType[timedelta]):
    name = "lifetime"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        if value == "never":
            return NEVER
        try:
            lifetime = parse_duration(str(value))
        except ValueError as error:
            self.fail(f"{value!r} is not {error}, nor 'never'.", param, ctx)
        if lifetime <= NEVER:
            self.fail("A token's lifetime is longer than zero.", param, ctx)
        return lifetime


@click.group()
def user() -> None:
    """Accounts."""


@user.command("create")
@click.argument("name")
@click.option("--email", required=True, metavar="E", help="The person's e-mail address.")
@click.option("--admin", is_flag=True, help="Make the person an administrator.")
@click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from standard input; on a terminal it is asked for.",
)
@with_new_services
def user_create(
    services: Services, name: str, email: str, admin: bool, password_stdin: bool
) -> None:
    """Create the user NAME; the address counts as verified."""
    password = read_password(from_stdin=password_stdin)
    account = accounts.prepared(name, email, password, index_url=services.settings.url)
    with services.writing() as uow:
        accounts.create_user(uow, account, administrator=admin, verified=True, by=OPERATOR)
    click.echo(f"Created the user {name}.")


def read_password(*, from_stdin: bool) -> str:
    """A password, of standard input or of the person at the terminal.

    Raises:
        UsageError: there is neither.
    """
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise click.UsageError("Missing option '--password-stdin': there is no terminal to ask on.")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


@click.group()
def token() -> None:
    """API tokens."""


@token.command("create")
@click.option("--user", "username", required=True, metavar="NAME", help="Whose token it is.")
@click.option(
    "--name",
    "label",
    default="made on the command line",
    show_default=True,
    metavar="LABEL",
    help="What the token is for, as its owner sees it.",
)
@click.option("--project", metavar="P", help="Limit the token to this project.")
@click.option(
    "--permission",
    "permissions",
    multiple=True,
    type=click.Choice([act.value for act in TOKEN_PERMISSIONS]),
    help="What the token may do; may be repeated. By default: stage, publish and discard.",
)
@click.option(
    "--expires-in",
    type=_Lifetime(),
    default=f"{tokens.DEFAULT_LIFETIME.days}d",
    show_default=True,
    metavar="30d|never",
    help="How long the token is valid.",
)
@with_services
def token_create(
    services: Services,
    username: str,
    label: str,
    project: str | None,
    permissions: tuple[str, ...],
    expires_in: timedelta,
) -> None:
    """Create an API token and print it, alone; nobody can show it again."""
    with services.writing() as uow:
        _, text = tokens.create(
            uow,
            accounts.get_user(uow.db, username),
            label,
            project=projects.get(uow, project) if project is not None else None,
            permissions=permissions or DEFAULT_TOKEN_PERMISSIONS,
            expires_in=expires_in if expires_in != NEVER else None,
            by=OPERATOR,
        )
    click.echo(text)


@click.group()
def role() -> None:
    """Who works on a project."""


@role.command("add")
@click.argument("project")
@click.argument("user")
@click.argument(
    "name", metavar="[owner|maintainer]", type=click.Choice([r.value for r in RoleName])
)
@with_services
def role_add(services: Services, project: str, user: str, name: str) -> None:
    """Make USER an owner or a maintainer of PROJECT, both by name."""
    with services.writing() as uow:
        found = projects.get(uow, project)
        roles.give(uow, OPERATOR, found, user, RoleName(name))
    click.echo(f"{user} is {name} of {project}.")


@role.command("remove")
@click.argument("project")
@click.argument("user")
@with_services
def role_remove(services: Services, project: str, user: str) -> None:
    """Take USER's role in PROJECT away, both by name; never the last owner's."""
    with services.writing() as uow:
        found = projects.get(uow, project)
        roles.take(uow, OPERATOR, found, user)
        stays = accounts.get_user(uow.db, user) in roles.strongest(found)
    own = "no role but by a team" if stays else "no role"
    click.echo(f"{user} has {own} in {project} any more.")
