"""``greenroom team``: people who hold roles together."""

import json

import click

from greenroom.cli.failures import fail
from greenroom.cli.opening import with_services, with_services_to_read
from greenroom.cli.printing import print_table
from greenroom.models import RoleName
from greenroom.registry import accounts, projects, teams
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.unit_of_work import Services


@click.group()
def team() -> None:
    """Teams, whose members hold roles together."""


@team.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for scripts.")
@with_services_to_read
def team_list(services: Services, as_json: bool) -> None:
    """List every team, with how many are in it."""
    with services.reading() as uow:
        found = teams.every(uow)
    if as_json:
        rows = [{"name": t.name, "members": t.members, "projects": t.projects} for t in found]
        click.echo(json.dumps(rows, indent=2))
    elif not found:
        click.echo("There are no teams.")
    else:
        print_table(
            ("Team", "Members", "Projects"), [(t.name, t.members, t.projects) for t in found]
        )


@team.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for scripts.")
@with_services_to_read
def team_show(services: Services, name: str, as_json: bool) -> None:
    """Show who is in the team NAME, and what it works on."""
    with services.reading() as uow:
        found = teams.get(uow, name)
        members, working = teams.members(found), teams.projects_of(uow, found)
    if as_json:
        shown = {
            "name": found.name,
            "members": [{"user": m.username, "owner": m.is_owner} for m in members],
            "projects": [{"name": p.name, "role": p.role} for p in working],
        }
        click.echo(json.dumps(shown, indent=2))
        return
    rows = [(m.username, "owner of the team" if m.is_owner else "member") for m in members]
    print_table(("Who and what", "Role"), [*rows, *((p.name, f"{p.role} by it") for p in working)])


@team.command("create")
@click.argument("name")
@click.option("--owner", required=True, metavar="USER", help="Who says who is in it.")
@with_services
def team_create(services: Services, name: str, owner: str) -> None:
    """Make the team NAME."""
    with services.writing() as uow:
        teams.create(uow, OPERATOR, name, accounts.get_user(uow.db, owner))
    click.echo(f"Created the team {name}.")


@team.command("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_services
def team_delete(services: Services, name: str, yes: bool) -> None:
    """Delete the team NAME, and the roles that its members have by it."""
    with services.reading() as uow:
        found = teams.get(uow, name)
        spelled = found.name
    if not yes:
        prompt = f"Its members lose the roles that they have by it. Type {spelled!r} to delete it"
        if click.prompt(prompt, err=True) != spelled:
            fail(f"Nothing was deleted: only {spelled!r} confirms it.")
    with services.writing() as uow:
        teams.delete(uow, OPERATOR, teams.get(uow, name))
    click.echo(f"Deleted the team {spelled}.")


@team.command("add")
@click.argument("name")
@click.argument("user")
@click.option("--owner", is_flag=True, help="Let USER say who is in the team.")
@with_services
def team_add(services: Services, name: str, user: str, owner: bool) -> None:
    """Put USER into the team NAME at once; who is in it becomes an owner of it, or none."""
    with services.writing() as uow:
        found, person = teams.get(uow, name), accounts.get_user(uow.db, user)
        if teams.place_of(found, person.id) is None:
            teams.add_member(uow, OPERATOR, found, user, owner=owner)
        else:
            teams.change_member(uow, OPERATOR, found, user, owner=owner)
    click.echo(f"{user} is {'an owner' if owner else 'a member'} of the team {name}.")


@team.command("remove")
@click.argument("name")
@click.argument("user")
@with_services
def team_remove(services: Services, name: str, user: str) -> None:
    """Take USER out of the team NAME; never its last owner."""
    with services.writing() as uow:
        teams.remove_member(uow, OPERATOR, teams.get(uow, name), user)
    click.echo(f"{user} is not in the team {name} any more.")


@team.group("role")
def team_role() -> None:
    """What the members of a team are in a project."""


@team_role.command("add")
@click.argument("name")
@click.argument("project")
@click.argument(
    "role", metavar="[owner|maintainer]", type=click.Choice([r.value for r in RoleName])
)
@with_services
def team_role_add(services: Services, name: str, project: str, role: str) -> None:
    """Make all members of the team NAME owners or maintainers of PROJECT."""
    with services.writing() as uow:
        found = projects.get(uow, project)
        teams.give_role(uow, OPERATOR, teams.get(uow, name), found, RoleName(role))
    click.echo(f"The team {name} is {role} of {project}.")


@team_role.command("remove")
@click.argument("name")
@click.argument("project")
@with_services
def team_role_remove(services: Services, name: str, project: str) -> None:
    """Take the role of the team NAME in PROJECT away; never the last owner's."""
    with services.writing() as uow:
        teams.take_role(uow, OPERATOR, teams.get(uow, name), projects.get(uow, project))
    click.echo(f"The team {name} has no role in {project} any more.")
