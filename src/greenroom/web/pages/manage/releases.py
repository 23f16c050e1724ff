"""``/manage/project/<name>/release/<version>/``: a published release, to yank and to delete."""

from packaging.version import Version
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.view import view_config

from greenroom.models import File
from greenroom.registry import catalogue, drafts, projects, releases, removal, yanking
from greenroom.registry.errors import NotFound
from greenroom.registry.permissions import permitted
from greenroom.registry.releases import FileSummary
from greenroom.web.http.request import SAFE_METHODS, Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.confirmation import ConfirmForm
from greenroom.web.pages.file_groups import filtered_files
from greenroom.web.pages.form_responses import View
from greenroom.web.pages.manage.confirmation import confirmed
from greenroom.web.pages.manage.forms import (
    ConfirmFileForm,
    FileForm,
    ReasonForm,
    YankFileForm,
)
from greenroom.web.pages.manage.resources import ManagedRelease
from greenroom.web.pages.redirects import see_other


@view_config(context=ManagedRelease, request_method="GET", renderer="pages/manage/release.jinja2")
def managed_release(context: ManagedRelease, request: Request) -> dict[str, object]:
    """The release with its files, and what can be done to them."""
    never_cache(request)
    return {
        "project": projects.summary(context.project),
        "release": releases.summary(context.release),
        "grouped": filtered_files(request, _files(context, request)),
        "may": permitted(request.person, context.project),
    }


@view_config(
    context=ManagedRelease,
    name="yank",
    request_method=("GET", "POST"),
    renderer="pages/manage/yank_release.jinja2",
)
def yank(context: ManagedRelease, request: Request) -> View:
    """Ask why; then yank the release."""
    project, release = context.project, context.release
    form = ReasonForm(request.POST, reason=release.yanked_reason)
    form.expected = release.version

    def do() -> tuple[str, str]:
        reason = form.reason.data or ""
        yanking.yank_release(request.uow, request.person, project, release.version, reason)
        return _address(context, request), f"{project.name} {release.version} is yanked."

    return confirmed(request, project, form, {"release": releases.summary(release)}, do)


@view_config(context=ManagedRelease, name="unyank", request_method="POST")
def unyank(context: ManagedRelease, request: Request) -> HTTPSeeOther:
    """Take the yanking back."""
    project, version = context.project, context.release.version
    yanking.unyank_release(request.uow, request.person, project, version)
    notice = f"{project.name} {version} is not yanked any more."
    return see_other(request, _address(context, request), notice)


@view_config(
    context=ManagedRelease,
    name="yank-file",
    request_method=("GET", "POST"),
    renderer="pages/manage/yank_file.jinja2",
)
def yank_file(context: ManagedRelease, request: Request) -> View:
    """Ask why; then yank the file."""
    project, form = context.project, YankFileForm(request.POST)
    file = _file(context, request, form)
    form.expected = file.filename
    page = {"release": releases.summary(context.release), "file": releases.file_summary(file)}

    def do() -> tuple[str, str]:
        reason = form.reason.data or ""
        yanking.yank_file(request.uow, request.person, project, file.filename, reason)
        return _address(context, request), f"{file.filename} is yanked."

    return confirmed(request, project, form, page, do)


@view_config(context=ManagedRelease, name="unyank-file", request_method="POST")
def unyank_file(context: ManagedRelease, request: Request) -> HTTPSeeOther:
    """Take the yanking of a file back."""
    file = _file(context, request, FileForm(request.POST))
    yanking.unyank_file(request.uow, request.person, context.project, file.filename)
    notice = f"{file.filename} is not yanked by itself any more."
    return see_other(request, _address(context, request), notice)


@view_config(
    context=ManagedRelease,
    name="delete-file",
    request_method=("GET", "POST"),
    renderer="pages/manage/delete_file.jinja2",
    needs_confirmation=("filename",),
)
def delete_file(context: ManagedRelease, request: Request) -> View:
    """Ask for the file name to be typed; then delete the file."""
    project, form = context.project, ConfirmFileForm(request.POST)
    file = _file(context, request, form)
    filename = form.expected = file.filename
    page = {"release": releases.summary(context.release), "file": releases.file_summary(file)}

    def do() -> tuple[str, str]:
        removal.remove_file(request.uow, request.person, project, filename)
        return _address(context, request), f"{filename} is deleted."

    return confirmed(request, project, form, page, do)


@view_config(
    context=ManagedRelease,
    name="delete",
    request_method=("GET", "POST"),
    renderer="pages/manage/delete_release.jinja2",
    needs_confirmation=(),
)
def delete(context: ManagedRelease, request: Request) -> View:
    """Ask for the version to be typed; then delete the release."""
    project, release, form = context.project, context.release, ConfirmForm(request.POST)
    version = form.expected = release.version
    draft = drafts.live(request.uow, project, Version(release.version))
    page = {
        "release": releases.summary(release),
        "files": _files(context, request),
        "draft": drafts.details(request.uow, draft) if draft is not None else None,
    }

    def do() -> tuple[str, str]:
        removal.remove_release(request.uow, request.person, project, version)
        notice = f"{project.name} {version} is deleted."
        return request.paths.managed_project(project), notice

    return confirmed(request, project, form, page, do)


def _files(context: ManagedRelease, request: Request) -> list[FileSummary]:
    return [
        releases.file_summary(file) for file in catalogue.files(request.uow.db, context.release)
    ]


def _file(context: ManagedRelease, request: Request, form: FileForm) -> File:
    """The file of this release that the address, or else the form, names."""
    asked = request.method in SAFE_METHODS
    filename = query_value(request, "filename") if asked else form.filename.data
    file = catalogue.file_of(request.uow.db, context.project, filename or "")
    if file is None or file.release_id != context.release.id:
        raise NotFound("The release has no file of that name.")
    return file


def _address(context: ManagedRelease, request: Request) -> str:
    return request.paths.managed_release(context.project, context.release)
