"""``/manage/project/<name>/people``: who works on a project, invitations, handing it over."""

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.view import view_config

from greenroom.models import Project, RoleName
from greenroom.registry import invitations, projects, roles, teams
from greenroom.registry.errors import InvalidRequest, NotAllowed, NotFound, TooMany
from greenroom.registry.permissions import Act, permitted, require_right
from greenroom.web.http.request import SAFE_METHODS, Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import View, invalid, refused
from greenroom.web.pages.manage.confirmation import confirmed
from greenroom.web.pages.manage.forms import (
    Afterwards,
    HandOverForm,
    InvitationForm,
    InviteForm,
    InviteTeamForm,
    PersonForm,
    Receiver,
    RemoveRoleForm,
    RemoveTeamForm,
)
from greenroom.web.pages.manage.resources import ManagedProject
from greenroom.web.pages.redirects import see_other

_REFUSALS = (InvalidRequest, NotFound, TooMany)


@view_config(
    context=ManagedProject,
    name="people",
    request_method="GET",
    renderer="pages/manage/people.jinja2",
)
def people(context: ManagedProject, request: Request) -> View:
    """Who works on the project, by themselves or by a team, and who is invited."""
    return _page(request, context.project)


@view_config(
    context=ManagedProject,
    name="invite",
    request_method="POST",
    renderer="pages/manage/people.jinja2",
    needs_confirmation=(),
    form_on="people",
)
def invite(context: ManagedProject, request: Request) -> View:
    """Offer a person a role."""
    project = context.project
    require_right(request.person, Act.MANAGE, project)
    form = InviteForm(request.POST)
    if not form.validate():
        return invalid(request, _page(request, project, person=form))
    username, name = form.username.data or "", RoleName(form.role.data)
    try:
        made = invitations.invite(request.uow, request.person, project, username, name)
    except _REFUSALS as refusal:
        return refused(request, _page(request, project, person=form), form, refusal)
    invited = made.user.username if made.user is not None else username
    return _back(request, project, f"{invited} is invited to be {roles.a(name)}.")


@view_config(
    context=ManagedProject,
    name="invite-team",
    request_method="POST",
    renderer="pages/manage/people.jinja2",
    needs_confirmation=(),
    form_on="people",
)
def invite_team(context: ManagedProject, request: Request) -> View:
    """Offer a team a role, or give it, where who asks may do both."""
    project = context.project
    require_right(request.person, Act.MANAGE, project)
    form = InviteTeamForm(request.POST)
    if not form.validate():
        return invalid(request, _page(request, project, team=form))
    team, name = form.team.data or "", RoleName(form.role.data)
    try:
        made = invitations.invite_team(request.uow, request.person, project, team, name)
    except _REFUSALS as refusal:
        return refused(request, _page(request, project, team=form), form, refusal)
    if made is None:
        return _back(request, project, f"The team {team} is {roles.a(name)} of {project.name}.")
    return _back(request, project, f"The team {team} is invited to be {roles.a(name)}.")


@view_config(context=ManagedProject, name="withdraw", request_method="POST")
def withdraw(context: ManagedProject, request: Request) -> HTTPSeeOther:
    """Take an invitation back."""
    form = InvitationForm(request.POST)
    if not form.validate() or form.invitation.data is None:
        raise NotFound("There is no such invitation.")
    number = form.invitation.data
    invitations.withdraw(request.uow, request.person, number, of=context.project)
    return _back(request, context.project, "The invitation is withdrawn.")


@view_config(
    context=ManagedProject,
    name="make-maintainer",
    request_method="POST",
    needs_confirmation=(),
    form_on="people",
)
def make_maintainer(context: ManagedProject, request: Request) -> HTTPSeeOther:
    """Let an owner be no more than a maintainer."""
    project, form = context.project, PersonForm(request.POST)
    wanted = form.user.data if form.validate() else None
    user = roles.give(request.uow, request.person, project, wanted or "", RoleName.MAINTAINER)
    return _back(request, project, f"{user.username} is a maintainer of {project.name}.")


@view_config(
    context=ManagedProject,
    name="remove-role",
    request_method=("GET", "POST"),
    renderer="pages/manage/remove_role.jinja2",
    needs_confirmation=("user",),
)
def remove_role(context: ManagedProject, request: Request) -> View:
    """Ask for the name to be typed of who is to leave the project; then take the part away."""
    project, form = context.project, RemoveRoleForm(request.POST)
    asked = request.method in SAFE_METHODS
    role = _role(project, query_value(request, "user") if asked else form.user.data)
    username = form.expected = role.username
    is_own = request.user is not None and request.user.username == username

    def do() -> tuple[str, str]:
        roles.take(request.uow, request.person, project, username)
        if is_own:
            return request.paths.managed_projects(), f"You have left {project.name}."
        notice = f"{username} has no role of their own in {project.name} any more."
        return request.paths.managed_project(project, "people"), notice

    page = {"role": role, "is_own": is_own}
    return confirmed(request, project, form, page, do, needs=Act.SEE if is_own else Act.MANAGE)


@view_config(
    context=ManagedProject,
    name="remove-team",
    request_method=("GET", "POST"),
    renderer="pages/manage/remove_team.jinja2",
    needs_confirmation=("team",),
)
def remove_team(context: ManagedProject, request: Request) -> View:
    """Ask for the name to be typed of the team that is to leave; then take its role away."""
    project, form = context.project, RemoveTeamForm(request.POST)
    asked = request.method in SAFE_METHODS
    wanted = (query_value(request, "team") if asked else form.team.data) or ""
    found = [each for each in teams.of_project(request.uow, project) if each.name == wanted]
    if not found:
        raise NotFound("There is no team of that name in this project.")
    form.expected = wanted

    def do() -> tuple[str, str]:
        team = teams.get(request.uow, wanted)
        teams.take_role(request.uow, request.person, team, project)
        notice = f"The team {wanted} has no role in {project.name} any more."
        return request.paths.managed_project(project, "people"), notice

    return confirmed(request, project, form, {"team": found[0]}, do)


@view_config(
    context=ManagedProject,
    name="hand-over",
    request_method=("GET", "POST"),
    renderer="pages/manage/hand_over.jinja2",
    needs_confirmation=(),
)
def hand_over(context: ManagedProject, request: Request) -> View:
    """Ask to whom, and for the project's name to be typed; then offer them the project."""
    project, form = context.project, HandOverForm(request.POST)
    form.expected = project.name

    def do() -> tuple[str, str]:
        uow, person, name = request.uow, request.person, form.name.data or ""
        leaves = form.afterwards.data == Afterwards.LEAVE
        back = request.paths.managed_project(project, "people")
        if form.receiver.data == Receiver.PERSON:
            invitations.offer(uow, person, project, name, leaves=leaves)
        elif invitations.offer_to_team(uow, person, project, name, leaves=leaves) is None:
            return back, f"{project.name} is the team's."
        return back, f"{project.name} is offered to {name}: it is handed over when they accept."

    refusals = (*_REFUSALS, NotAllowed)
    return confirmed(request, project, form, {}, do, refusals=refusals)


def _page(
    request: Request,
    project: Project,
    *,
    person: InviteForm | None = None,
    team: InviteTeamForm | None = None,
) -> dict[str, object]:
    never_cache(request)
    may = permitted(request.person, project)
    managed = roles.managed(request.uow, project)
    return {
        "project": projects.summary(project),
        "may": may,
        "people": managed,
        "teams": teams.of_project(request.uow, project),
        "invitations": invitations.of_project(request.uow, project),
        "person_form": person or InviteForm(formdata=None),
        "team_form": team or InviteTeamForm(formdata=None),
    }


def _role(project: Project, username: str | None) -> roles.RoleSummary:
    wanted = (username or "").lower()
    for role in roles.people(project):
        if role.username.lower() == wanted:
            return role
    raise NotFound("There is nobody of that name in this project.")


def _back(request: Request, project: Project, notice: str) -> HTTPSeeOther:
    return see_other(request, request.paths.managed_project(project, "people"), notice)
