"""Checks of a draft: results that people post by hand, and which checks a project requires."""

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.view import view_config

from greenroom.registry import draft_checks, required_checks
from greenroom.registry.draft_checks import Posted
from greenroom.registry.errors import InvalidRequest, TooMany
from greenroom.registry.permissions import Act, require
from greenroom.web.http.request import Request
from greenroom.web.pages.form_responses import View, invalid, refused
from greenroom.web.pages.manage.drafts import managed_draft_page
from greenroom.web.pages.manage.forms import CheckForm, RequiredChecksForm
from greenroom.web.pages.manage.projects import managed_project_page
from greenroom.web.pages.manage.resources import ManagedDraft, ManagedProject
from greenroom.web.pages.redirects import see_other


@view_config(
    context=ManagedDraft,
    name="check",
    request_method="POST",
    renderer="pages/manage/draft.jinja2",
)
def post_check(context: ManagedDraft, request: Request) -> View:
    """Take down what somebody has found out about the files that the page has shown."""
    require(request.person, Act.STAGE, context.project)
    form = CheckForm(request.POST)
    if not form.validate():
        return invalid(request, managed_draft_page(context, request, check_form=form))
    posted = Posted(
        form.name.data or "",
        form.status.data or "",
        form.link.data or "",
        form.summary.data or "",
        form.content_digest.data or None,
    )
    try:
        draft_checks.post(request.uow, request.person, context.draft, posted)
    except (InvalidRequest, TooMany) as refusal:
        page = managed_draft_page(context, request, check_form=form)
        return refused(request, page, form, refusal)
    address = request.paths.managed_draft(context.draft) + "#checks"
    return see_other(request, address, "The result is posted.")


@view_config(
    context=ManagedProject,
    name="required-checks",
    request_method="POST",
    renderer="pages/manage/project.jinja2",
    needs_confirmation=(),
)
def require_checks(context: ManagedProject, request: Request) -> View:
    """Set without which checks no draft of the project is published."""
    form = RequiredChecksForm(request.POST)
    names = [line for line in (form.required.data or "").splitlines() if line.strip()]
    try:
        required_checks.change(request.uow, request.person, context.project, names)
    except InvalidRequest as refusal:
        page = managed_project_page(context, request, required_form=form)
        return refused(request, page, form, refusal)
    return _back(context, request)


def _back(context: ManagedProject, request: Request) -> HTTPSeeOther:
    address = request.paths.managed_project(context.project)
    return see_other(request, address, "The required checks are saved.")
