"""``/manage/project/<name>/``: archiving, quarantine, and the end of a project."""

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.view import view_config

from greenroom.models import Visibility
from greenroom.registry import catalogue, drafts, projects, removal
from greenroom.registry.permissions import Act
from greenroom.web.http.request import Request
from greenroom.web.pages.confirmation import ConfirmForm
from greenroom.web.pages.form_responses import View
from greenroom.web.pages.manage.confirmation import confirmed
from greenroom.web.pages.manage.forms import QuarantineForm, ReasonForm, VisibilityForm
from greenroom.web.pages.manage.resources import ManagedProject
from greenroom.web.pages.redirects import see_other


@view_config(
    context=ManagedProject,
    name="archive",
    request_method=("GET", "POST"),
    renderer="pages/manage/archive.jinja2",
)
def archive(context: ManagedProject, request: Request) -> View:
    """Ask why, and for the name to be typed; then archive the project."""
    project = context.project
    form = ReasonForm(request.POST, reason=project.archived_reason)
    form.expected = project.name

    def do() -> tuple[str, str]:
        projects.archive(request.uow, request.person, project, form.reason.data or "")
        return _address(context, request), f"{project.name} is archived."

    return confirmed(request, project, form, {}, do)


@view_config(context=ManagedProject, name="unarchive", request_method="POST")
def unarchive(context: ManagedProject, request: Request) -> HTTPSeeOther:
    """Let the project go on."""
    projects.unarchive(request.uow, request.person, context.project)
    notice = f"{context.project.name} is out of the archive, and takes files again."
    return see_other(request, _address(context, request), notice)


@view_config(
    context=ManagedProject,
    name="visibility",
    request_method=("GET", "POST"),
    renderer="pages/manage/visibility.jinja2",
    needs_confirmation=(),
)
def visibility(context: ManagedProject, request: Request) -> View:
    """Ask whom the project is to be open to, and for its name to be typed; then open it to them.

    Where the index does not decide that by project, the page says that nothing changes by it.
    """
    project = context.project
    form = VisibilityForm(request.POST, visibility=project.visibility)
    form.expected = project.name

    def do() -> tuple[str, str]:
        wanted = Visibility(form.visibility.data)
        projects.set_visibility(request.uow, request.person, project, wanted)
        return _address(context, request), f"{project.name} is {wanted.value}."

    counts = request.services.settings.read == "projects"
    return confirmed(request, project, form, {"counts": counts}, do)


@view_config(
    context=ManagedProject,
    name="quarantine",
    request_method=("GET", "POST"),
    renderer="pages/manage/quarantine.jinja2",
)
def quarantine(context: ManagedProject, request: Request) -> View:
    """Ask why, and for the name to be typed; then keep the project away from everyone."""
    project = context.project
    form = QuarantineForm(request.POST, reason=project.quarantined_reason)
    form.expected = project.name
    request.given_reason = form.reason.data or ""

    def do() -> tuple[str, str]:
        projects.quarantine(request.uow, request.person, project, form.reason.data or "")
        return _address(context, request), f"{project.name} is in quarantine."

    return confirmed(request, project, form, {}, do, needs=Act.QUARANTINE)


@view_config(context=ManagedProject, name="lift-quarantine", request_method="POST")
def lift_quarantine(context: ManagedProject, request: Request) -> HTTPSeeOther:
    """Give the project back as it was."""
    projects.lift_quarantine(request.uow, request.person, context.project)
    notice = f"{context.project.name} is out of quarantine."
    return see_other(request, _address(context, request), notice)


@view_config(
    context=ManagedProject,
    name="delete",
    request_method=("GET", "POST"),
    renderer="pages/manage/delete_project.jinja2",
    needs_confirmation=(),
)
def delete(context: ManagedProject, request: Request) -> View:
    """Ask for the name to be typed; then delete the project with everything in it."""
    project, form = context.project, ConfirmForm(request.POST)
    name = form.expected = project.name
    page = {
        "release_count": len(catalogue.releases(request.uow.db, project)),
        "draft_count": len(drafts.live_of_projects(request.uow, [project])),
    }

    def do() -> tuple[str, str]:
        removal.remove_project(request.uow, request.person, project)
        return request.paths.managed_projects(), f"{name} is deleted."

    return confirmed(request, project, form, page, do)


def _address(context: ManagedProject, request: Request) -> str:
    return request.paths.managed_project(context.project)
