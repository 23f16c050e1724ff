"""``/manage/`` and ``/manage/project/<name>/``: your projects, their roles and settings."""

from typing import TypeAlias

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.view import view_config

from greenroom.models import Project, Role, RoleName
from greenroom.registry import catalogue, drafts, projects
from greenroom.registry.errors import InvalidRequest, NotFound
from greenroom.registry.permissions import Act, permitted, require
from greenroom.registry.projects import ProjectSettings
from greenroom.web import client_commands
from greenroom.web.form_answers import invalid, refused
from greenroom.web.manage.forms import RemoveRoleForm, RoleForm, SettingsForm
from greenroom.web.page_addresses import PageAddresses, see_other, user_or_sign_in
from greenroom.web.page_caching import never_cache
from greenroom.web.paging import page_of
from greenroom.web.request import Request
from greenroom.web.resources import Manage, ManagedProject
from greenroom.web.submitted import query_value

View: TypeAlias = dict[str, object] | HTTPSeeOther

_PROJECTS_ON_A_PAGE = 25
_RELEASES_ON_A_PAGE = 20


@view_config(context=Manage, request_method="GET", renderer="manage/projects.jinja2")
def your_projects(context: Manage, request: Request) -> View:
    """Your drafts, then your projects; how to begin, where there are none."""
    user = user_or_sign_in(request)
    never_cache(request)
    own = projects.of_user(request.index, user)
    page = page_of(request, own, _PROJECTS_ON_A_PAGE)
    return {
        "page": page,
        "drafts": drafts.live_of_projects(request.index, own),
        "latest": catalogue.latest_of_each(request.index.session, page.items),
        "roles": {project.id: _role_of(project, user.id) for project in own},
        "upload_command": client_commands.staged_upload_command(request),
        "now": request.index.now,
    }


@view_config(context=ManagedProject, request_method="GET", renderer="manage/project.jinja2")
def managed_project(context: ManagedProject, request: Request) -> View:
    """A project: drafts, releases, people, settings."""
    return _page(request, context.project, RoleForm())


@view_config(
    context=ManagedProject,
    name="add-role",
    request_method="POST",
    renderer="manage/project.jinja2",
)
def add_role(context: ManagedProject, request: Request) -> View:
    """Give a person a part in the project."""
    project = context.project
    require(request.person, Act.MANAGE, project)
    form = RoleForm(request.POST)
    if not form.validate():
        return invalid(request, _page(request, project, form))
    name = RoleName(form.role.data)
    try:
        role = projects.add_role(
            request.index, request.person, project, form.username.data or "", name
        )
    except (InvalidRequest, NotFound) as refusal:
        return refused(request, _page(request, project, form), form, refusal)
    return _back(request, project, f"{role.user.username} is {_named(role)} of {project.name}.")


@view_config(
    context=ManagedProject,
    name="remove-role",
    request_method="GET",
    renderer="manage/remove_role.jinja2",
)
def confirm_removing_role(context: ManagedProject, request: Request) -> View:
    """Ask for the name to be typed of who is to leave the project."""
    require(request.person, Act.MANAGE, context.project)
    role = _role(context.project, query_value(request, "user"))
    return _removal(request, context.project, role, RemoveRoleForm())


@view_config(
    context=ManagedProject,
    name="remove-role",
    request_method="POST",
    renderer="manage/remove_role.jinja2",
)
def remove_role(context: ManagedProject, request: Request) -> View:
    """Take a person's part in the project away."""
    project = context.project
    require(request.person, Act.MANAGE, project)
    form = RemoveRoleForm(request.POST)
    role = _role(project, form.user.data)
    form.expected = role.user.username
    if not form.validate():
        return invalid(request, _removal(request, project, role, form))
    username = role.user.username
    try:
        projects.remove_role(request.index, request.person, project, username)
    except InvalidRequest as refusal:
        return refused(request, _removal(request, project, role, form), form, refusal)
    return _back(request, project, f"{username} has no role in {project.name} any more.")


@view_config(context=ManagedProject, name="settings", request_method="POST")
def change_settings(context: ManagedProject, request: Request) -> View:
    """Set what an owner can set."""
    form = SettingsForm(request.POST)
    settings = ProjectSettings(auto_publish_releases=bool(form.auto_publish_releases.data))
    projects.change_settings(request.index, request.person, context.project, settings)
    return _back(request, context.project, "The settings are saved.")


def _page(request: Request, project: Project, form: RoleForm) -> dict[str, object]:
    never_cache(request)
    session = request.index.session
    releases = catalogue.releases(session, project)
    return {
        "project": project,
        "may": permitted(request.person, project),
        "drafts": drafts.live_of_projects(request.index, [project]),
        "releases": page_of(request, releases, _RELEASES_ON_A_PAGE),
        "is_public": bool(releases),
        "role_form": form,
        "settings_form": SettingsForm(obj=project),
        "upload_command": client_commands.staged_upload_command(request),
        "now": request.index.now,
    }


def _removal(
    request: Request, project: Project, role: Role, form: RemoveRoleForm
) -> dict[str, object]:
    never_cache(request)
    return {"project": project, "role": role, "form": form}


def _role(project: Project, username: str | None) -> Role:
    wanted = (username or "").lower()
    for role in project.roles:
        if role.user.normalized_username == wanted:
            return role
    raise NotFound("There is nobody of that name in this project.")


def _role_of(project: Project, user_id: int) -> str:
    return next((role.name for role in project.roles if role.user_id == user_id), "")


def _named(role: Role) -> str:
    return "an owner" if role.name == RoleName.OWNER else "a maintainer"


def _back(request: Request, project: Project, notice: str) -> HTTPSeeOther:
    return see_other(request, PageAddresses(request).managed_project(project), notice)
