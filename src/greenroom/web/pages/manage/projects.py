"""``/manage/`` and ``/manage/project/<name>/``: your projects, their roles and settings."""

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.view import view_config

from greenroom.models import Project, Role, RoleName
from greenroom.registry import catalogue, drafts, journal, projects, releases
from greenroom.registry.audit_reading import LinePage, Place, Wanted, of_project
from greenroom.registry.drafts import DraftSummary
from greenroom.registry.errors import InvalidRequest, NotFound
from greenroom.registry.permissions import Act, may_read_audit, permitted, require
from greenroom.registry.projects import ProjectSettings
from greenroom.web.http import commands
from greenroom.web.http.paging import page_from, page_number, page_of
from greenroom.web.http.request import SAFE_METHODS, Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.audit_lines import audit_page
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import invalid, refused
from greenroom.web.pages.manage.confirmation import View, confirmed
from greenroom.web.pages.manage.forms import RemoveRoleForm, RoleForm, SettingsForm
from greenroom.web.pages.manage.history_sections import sections
from greenroom.web.pages.manage.resources import Manage, ManagedHistory, ManagedProject
from greenroom.web.pages.redirects import see_other, user_or_sign_in
from greenroom.web.pages.standing_releases import standing_releases

_PROJECTS_ON_A_PAGE = 25
_RELEASES_ON_A_PAGE = 20
_ENTRIES_ON_A_PAGE = 50


@view_config(context=Manage, request_method="GET", renderer="pages/manage/projects.jinja2")
def your_projects(context: Manage, request: Request) -> View:
    """Your drafts, then your projects; how to begin, where there are none."""
    user = user_or_sign_in(request)
    never_cache(request)
    own = projects.of_user(request.uow, user)
    page = page_of(request, own, _PROJECTS_ON_A_PAGE)
    return {
        "page": page.showing(projects.summary),
        "drafts": _drafts(request, own),
        "latest": standing_releases(request, page.items),
        "roles": {project.name: _role_of(project, user.id) for project in page.items},
        "upload_command": commands.upload_draft(request),
    }


@view_config(context=ManagedProject, request_method="GET", renderer="pages/manage/project.jinja2")
def managed_project(context: ManagedProject, request: Request) -> View:
    """A project: drafts, releases, people, settings."""
    return _page(request, context.project, RoleForm())


@view_config(
    context=ManagedProject,
    name="add-role",
    request_method="POST",
    renderer="pages/manage/project.jinja2",
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
            request.uow, request.person, project, form.username.data or "", name
        )
    except (InvalidRequest, NotFound) as refusal:
        return refused(request, _page(request, project, form), form, refusal)
    return _back(request, project, f"{role.user.username} is {_named(role)} of {project.name}.")


@view_config(
    context=ManagedProject,
    name="remove-role",
    request_method=("GET", "POST"),
    renderer="pages/manage/remove_role.jinja2",
)
def remove_role(context: ManagedProject, request: Request) -> View:
    """Ask for the name to be typed of who is to leave the project; then take the part away."""
    project, form = context.project, RemoveRoleForm(request.POST)
    asked = request.method in SAFE_METHODS
    role = _role(project, query_value(request, "user") if asked else form.user.data)
    username = form.expected = role.user.username

    def do() -> tuple[str, str]:
        projects.remove_role(request.uow, request.person, project, username)
        notice = f"{username} has no role in {project.name} any more."
        return request.paths.managed_project(project), notice

    return confirmed(request, project, form, {"role": projects.role_summary(role)}, do)


@view_config(context=ManagedProject, name="settings", request_method="POST")
def change_settings(context: ManagedProject, request: Request) -> View:
    """Set what an owner can set."""
    form = SettingsForm(request.POST)
    settings = ProjectSettings(auto_publish_releases=bool(form.auto_publish_releases.data))
    projects.change_settings(request.uow, request.person, context.project, settings)
    return _back(request, context.project, "The settings are saved.")


@view_config(context=ManagedHistory, request_method="GET", renderer="pages/manage/history.jinja2")
def history(context: ManagedHistory, request: Request) -> View:
    """What the journal says of the project, the newest first."""
    never_cache(request)
    db, number = request.uow.db, page_number(request)
    start = (number - 1) * _ENTRIES_ON_A_PAGE
    entries = journal.of_project(db, context.project, start=start, count=_ENTRIES_ON_A_PAGE)
    total = journal.count_of_project(db, context.project)
    return {
        "project": projects.summary(context.project),
        "entries": page_from(entries, number, _ENTRIES_ON_A_PAGE, total),
        "sections": sections(entries),
    }


@view_config(
    context=ManagedProject,
    name="audit",
    request_method="GET",
    renderer="pages/manage/audit.jinja2",
)
def audit_log(context: ManagedProject, request: Request) -> View:
    """Who did what to the project, for its owners."""
    project = context.project

    def fetch(wanted: Wanted, place: Place | None, most: int) -> LinePage:
        return of_project(request.uow, request.person, project, wanted, place, most)

    address = request.paths.managed_project(project, "audit")
    page = audit_page(request, address, fetch, has_project=False)
    return page | {"project": projects.summary(project)}


def _page(request: Request, project: Project, form: RoleForm) -> dict[str, object]:
    never_cache(request)
    published = catalogue.releases(request.uow.db, project)
    return {
        "project": projects.summary(project),
        "people": projects.people(project),
        "may": permitted(request.person, project),
        "may_read_audit": may_read_audit(request.person, project),
        "drafts": _drafts(request, [project]),
        "releases": page_of(request, published, _RELEASES_ON_A_PAGE).showing(releases.summary),
        "is_public": bool(published),
        "role_form": form,
        "settings_form": SettingsForm(obj=project),
        "upload_command": commands.upload_draft(request),
    }


def _drafts(request: Request, projects_: list[Project]) -> list[DraftSummary]:
    """The live drafts of these projects."""
    uow = request.uow
    return [drafts.summary(uow, draft) for draft in drafts.live_of_projects(uow, projects_)]


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
    return see_other(request, request.paths.managed_project(project), notice)
