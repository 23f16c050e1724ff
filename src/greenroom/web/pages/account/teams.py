"""``/account/teams/…``: your teams, and who is in them."""

from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.view import view_config

from greenroom.models import Team
from greenroom.registry import invitations, projects, teams
from greenroom.registry.errors import InvalidRequest, NotAllowed, NotFound, TooMany
from greenroom.registry.permissions import may_run_team, require_right_to_run
from greenroom.web.http.request import SAFE_METHODS, Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.account.forms import (
    AnswerForm,
    InviteToTeamForm,
    LeaveProjectForm,
    MemberForm,
    Place,
    RemoveMemberForm,
    ShownForm,
    TeamForm,
)
from greenroom.web.pages.account.resources import TeamPage, Teams
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.confirmation import ConfirmForm, asked_first
from greenroom.web.pages.form_responses import View, invalid, refused
from greenroom.web.pages.redirects import see_other, user_or_sign_in


@view_config(context=Teams, request_method="GET", renderer="pages/account/teams.jinja2")
def your_teams(context: Teams, request: Request) -> View:
    """The teams that you are in, and the form for another one."""
    return _list(request, TeamForm())


@view_config(context=Teams, request_method="POST", renderer="pages/account/teams.jinja2")
def create(context: Teams, request: Request) -> View:
    """A new team, which you own."""
    user = user_or_sign_in(request)
    form = TeamForm(request.POST)
    if not form.validate():
        return invalid(request, _list(request, form))
    try:
        team = teams.create(request.uow, request.person, form.name.data or "", user)
    except (InvalidRequest, NotAllowed) as refusal:
        return refused(request, _list(request, form), form, refusal)
    return see_other(request, request.paths.team(team), f"The team {team.name} is yours.")


@view_config(context=TeamPage, request_method="GET", renderer="pages/account/team.jinja2")
def team_page(context: TeamPage, request: Request) -> View:
    """Who is in the team, and what it works on."""
    return _page(request, _team(context, request), InviteToTeamForm())


@view_config(
    context=TeamPage,
    name="invite",
    request_method="POST",
    renderer="pages/account/team.jinja2",
    needs_confirmation=(),
)
def invite(context: TeamPage, request: Request) -> View:
    """Offer a person a place in the team."""
    team, form = _run(context, request), InviteToTeamForm(request.POST)
    if not form.validate():
        return invalid(request, _page(request, team, form))
    username, owner = form.username.data or "", form.role.data == Place.OWNER
    try:
        invitations.invite_to_team(request.uow, request.person, team, username, owner=owner)
    except (InvalidRequest, NotFound, TooMany) as refusal:
        return refused(request, _page(request, team, form), form, refusal)
    return _back(request, team, f"{username} is invited to the team.")


@view_config(context=TeamPage, name="withdraw", request_method="POST")
def withdraw(context: TeamPage, request: Request) -> HTTPSeeOther:
    """Take an invitation back."""
    team, form = _run(context, request), AnswerForm(request.POST)
    if not form.validate() or form.invitation.data is None:
        raise NotFound("There is no such invitation.")
    invitations.withdraw(request.uow, request.person, form.invitation.data, of=team)
    return _back(request, team, "The invitation is withdrawn.")


@view_config(context=TeamPage, name="change", request_method="POST", needs_confirmation=())
def change(context: TeamPage, request: Request) -> HTTPSeeOther:
    """Let a member be an owner of the team, or no more than a member."""
    team, form = _run(context, request), MemberForm(request.POST)
    if not form.validate():
        raise InvalidRequest("Choose a member of the team, and what they are to be.")
    owner = form.role.data == Place.OWNER
    user = teams.change_member(request.uow, request.person, team, form.user.data or "", owner=owner)
    words = "an owner" if owner else "a member"
    return _back(request, team, f"{user.username} is {words} of the team.")


@view_config(context=TeamPage, name="show", request_method="POST")
def show(context: TeamPage, request: Request) -> HTTPSeeOther:
    """Let your profile show the projects of the team, or not."""
    team, form = _team(context, request), ShownForm(request.POST)
    shown = bool(form.shown.data)
    teams.show(request.uow, request.person, team, shown=shown)
    says = "shows the projects of the team" if shown else "does not show the team's projects"
    return _back(request, team, f"Your profile {says}.")


@view_config(
    context=TeamPage,
    name="remove",
    request_method=("GET", "POST"),
    renderer="pages/account/remove_member.jinja2",
    needs_confirmation=("user",),
)
def remove(context: TeamPage, request: Request) -> View:
    """Ask for the name to be typed of who is to leave the team; then take them out of it."""
    team, form = _team(context, request), RemoveMemberForm(request.POST)
    asked = request.method in SAFE_METHODS
    wanted = ((query_value(request, "user") if asked else form.user.data) or "").lower()
    found = [each for each in teams.members(team) if each.username.lower() == wanted]
    if not found:
        raise NotFound("There is nobody of that name in this team.")
    username = form.expected = found[0].username
    is_own = user_or_sign_in(request).username == username
    if not is_own:
        require_right_to_run(request.person, team)

    def do() -> tuple[str, str]:
        name = team.name
        teams.remove_member(request.uow, request.person, team, username)
        if is_own:
            return request.paths.teams(), f"You have left the team {name}."
        return request.paths.team_named(name), f"{username} is in the team no more."

    page = {"team": team.name, "username": username, "is_own": is_own}
    return asked_first(request, form, page, do)


@view_config(
    context=TeamPage,
    name="leave-project",
    request_method=("GET", "POST"),
    renderer="pages/account/leave_project.jinja2",
    needs_confirmation=("project",),
)
def leave_project(context: TeamPage, request: Request) -> View:
    """Ask for the name to be typed of the project that the team is to leave; then let it."""
    team, form = _run(context, request), LeaveProjectForm(request.POST)
    asked = request.method in SAFE_METHODS
    wanted = (query_value(request, "project") if asked else form.project.data) or ""
    found = [each for each in teams.projects_of(request.uow, team) if each.name == wanted]
    if not found:
        raise NotFound("The team has no role in a project of that name.")
    form.expected = wanted

    def do() -> tuple[str, str]:
        project = projects.get(request.uow, wanted)
        teams.take_role(request.uow, request.person, team, project)
        return request.paths.team(team), f"The team has left {wanted}."

    return asked_first(request, form, {"team": team.name, "project": found[0]}, do)


@view_config(
    context=TeamPage,
    name="delete",
    request_method=("GET", "POST"),
    renderer="pages/account/delete_team.jinja2",
    needs_confirmation=(),
)
def delete(context: TeamPage, request: Request) -> View:
    """Ask for the name to be typed; then delete the team."""
    team, form = _run(context, request), ConfirmForm(request.POST)
    name = form.expected = team.name

    def do() -> tuple[str, str]:
        teams.delete(request.uow, request.person, team)
        return request.paths.teams(), f"The team {name} is deleted."

    page = {"team": name, "projects": teams.projects_of(request.uow, team)}
    return asked_first(request, form, page, do)


def _team(context: TeamPage, request: Request) -> Team:
    """The team, if the person may see it.

    Raises:
        HTTPSeeOther: nobody is signed in.
        HTTPNotFound: there is none, or it is none of theirs.
    """
    user_or_sign_in(request)
    team = teams.visible(request.uow, request.person, context.__name__)
    if team is None:
        raise HTTPNotFound
    context.team = team
    return team


def _run(context: TeamPage, request: Request) -> Team:
    """The team, if the person may change it.

    Raises:
        HTTPSeeOther: nobody is signed in.
        HTTPNotFound: there is none, or it is none of theirs.
        NotAllowed: they are no more than a member of it.
    """
    team = _team(context, request)
    require_right_to_run(request.person, team)
    return team


def _list(request: Request, form: TeamForm) -> dict[str, object]:
    user = user_or_sign_in(request)
    never_cache(request)
    return {
        "form": form,
        "teams": teams.of_user(request.uow, user),
        "may_make": request.person.why_no_team() is None,
    }


def _page(request: Request, team: Team, form: InviteToTeamForm) -> dict[str, object]:
    never_cache(request)
    username = user_or_sign_in(request).username
    members = teams.members(team)
    return {
        "team": team.name,
        "members": members,
        "own": next((each for each in members if each.username == username), None),
        "projects": teams.projects_of(request.uow, team),
        "may_run": may_run_team(request.person, team),
        "invitations": invitations.of_team(request.uow, team),
        "form": form,
    }


def _back(request: Request, team: Team, notice: str) -> HTTPSeeOther:
    return see_other(request, request.paths.team(team), notice)
