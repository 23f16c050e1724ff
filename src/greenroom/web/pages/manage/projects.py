"""``/manage/`` and ``/manage/project/<name>/``: your projects, their roles and settings."""

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.view import view_config

from greenroom.models import Project
from greenroom.registry import (
    catalogue,
    drafts,
    journal,
    projects,
    releases,
    required_checks,
    roles,
    upstreams,
)
from greenroom.registry.audit_reading import LinePage, Place, Wanted, of_project
from greenroom.registry.drafts import DraftSummary
from greenroom.registry.permissions import (
    may_oversee_tokens,
    may_read_audit,
    permitted,
)
from greenroom.registry.projects import ProjectSettings
from greenroom.web.http import commands
from greenroom.web.http.paging import page_from, page_number, page_of
from greenroom.web.http.request import Request
from greenroom.web.pages.audit_lines import audit_page
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import View
from greenroom.web.pages.manage.approvals import rules_page
from greenroom.web.pages.manage.forms import RequiredChecksForm, SettingsForm
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
        "roles": {project.name: roles.role_of(project, user.id) or "" for project in page.items},
        "upload_command": commands.upload_draft(request),
    }


@view_config(context=ManagedProject, request_method="GET", renderer="pages/manage/project.jinja2")
def managed_project(context: ManagedProject, request: Request) -> View:
    """A project: drafts, releases, people, settings."""
    return managed_project_page(context, request)


def managed_project_page(
    context: ManagedProject, request: Request, *, required_form: RequiredChecksForm | None = None
) -> dict[str, object]:
    """What the page of a project shows; a form that cannot be taken as it is once more."""
    required = required_checks.of_project(request.uow, context.project)
    form = required_form or RequiredChecksForm(required="\n".join(required))
    return _page(request, context.project) | {"required_form": form}


@view_config(context=ManagedProject, name="settings", request_method="POST", needs_confirmation=())
def change_settings(context: ManagedProject, request: Request) -> View:
    """Set what an owner can set."""
    form = SettingsForm(request.POST)
    settings = ProjectSettings(
        auto_publish_releases=bool(form.auto_publish_releases.data),
        reauthenticate_to_publish=bool(form.reauthenticate_to_publish.data),
    )
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


def _page(request: Request, project: Project) -> dict[str, object]:
    never_cache(request)
    published = catalogue.releases(request.uow.db, project)
    return {
        "project": projects.summary(project),
        "upstream_origin": upstreams.origin(request.services.settings, project),
        "people": roles.people(project),
        "may": permitted(request.person, project),
        "may_read_audit": may_read_audit(request.person, project),
        "may_oversee_tokens": may_oversee_tokens(request.person, project),
        "drafts": _drafts(request, [project]),
        "releases": page_of(request, published, _RELEASES_ON_A_PAGE).showing(releases.summary),
        "is_public": bool(published),
        "settings_form": SettingsForm(obj=project),
        **rules_page(request, project),
        "has_visibility": request.services.settings.read == "projects",
        "upload_command": commands.upload_draft(request),
    }


def _drafts(request: Request, projects_: list[Project]) -> list[DraftSummary]:
    """The live drafts of these projects."""
    uow = request.uow
    return [drafts.summary(uow, draft) for draft in drafts.live_of_projects(uow, projects_)]


def _back(request: Request, project: Project, notice: str) -> HTTPSeeOther:
    return see_other(request, request.paths.managed_project(project), notice)
