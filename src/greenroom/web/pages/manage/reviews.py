"""``/manage/project/<name>/reviews``: what its reviews expect, and leave out."""

from pyramid.view import view_config

from greenroom.distributions.review import Code
from greenroom.registry import expected_files, projects, silenced_findings
from greenroom.registry.errors import InvalidRequest
from greenroom.registry.permissions import Act, permitted, require
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import View, invalid, refused
from greenroom.web.pages.manage.forms import ExpectedFilesForm, SilenceForm, UnsilenceForm
from greenroom.web.pages.manage.resources import ManagedProject
from greenroom.web.pages.redirects import see_other

_TEMPLATE = "pages/manage/reviews.jinja2"


@view_config(context=ManagedProject, name="reviews", request_method="GET", renderer=_TEMPLATE)
def reviews(context: ManagedProject, request: Request) -> View:
    """The files that are expected, and the findings that are silenced."""
    require(request.person, Act.SEE, context.project)
    # A finding leads here, with what it is.
    asked = {name: query_value(request, name) for name in ("code", "pattern")}
    silence = SilenceForm(data={name: value for name, value in asked.items() if value})
    return _page(context, request, _expected(context), silence)


@view_config(
    context=ManagedProject,
    name="expected-files",
    request_method="POST",
    renderer=_TEMPLATE,
    needs_confirmation=(),
    form_on="reviews",
)
def expect(context: ManagedProject, request: Request) -> View:
    """Say which files every release has."""
    project, form = context.project, ExpectedFilesForm(request.POST)
    require(request.person, Act.MANAGE, project)
    try:
        expected_files.change(request.uow, request.person, project, form.expected_files.data or "")
    except InvalidRequest as refusal:
        return refused(request, _page(context, request, form, SilenceForm()), form, refusal)
    return _back(context, request, "What releases have to have is saved.")


@view_config(
    context=ManagedProject,
    name="silence",
    request_method="POST",
    renderer=_TEMPLATE,
    needs_confirmation=("code", "pattern"),
    form_on="reviews",
)
def silence(context: ManagedProject, request: Request) -> View:
    """Let reviews not tell of a finding any more."""
    project, form = context.project, SilenceForm(request.POST)
    require(request.person, Act.MANAGE, project)
    if not form.validate():
        return invalid(request, _page(context, request, _expected(context), form))
    code, reason = str(form.code.data), form.reason.data or ""
    try:
        silenced_findings.silence(
            request.uow, request.person, project, code, reason, form.pattern.data or ""
        )
    except InvalidRequest as refusal:
        return refused(request, _page(context, request, _expected(context), form), form, refusal)
    return _back(context, request, f"{code} is silenced.")


@view_config(context=ManagedProject, name="unsilence", request_method="POST")
def unsilence(context: ManagedProject, request: Request) -> View:
    """Let reviews tell of a finding again."""
    form = UnsilenceForm(request.POST)
    require(request.person, Act.MANAGE, context.project)
    if not form.validate():
        raise InvalidRequest("This form does not say what is told of again: open the page anew.")
    silenced_findings.unsilence(
        request.uow, request.person, context.project, form.silence.data or 0
    )
    return _back(context, request, "It is told of again.")


def _expected(context: ManagedProject) -> ExpectedFilesForm:
    return ExpectedFilesForm(obj=context.project)


def _page(
    context: ManagedProject, request: Request, expected: ExpectedFilesForm, silence: SilenceForm
) -> dict[str, object]:
    never_cache(request)
    return {
        "project": projects.summary(context.project),
        "may": permitted(request.person, context.project),
        "expected_form": expected,
        "silence_form": silence,
        "codes": sorted(code.value for code in Code),
        "silences": silenced_findings.of_project(request.uow.db, context.project),
    }


def _back(context: ManagedProject, request: Request, notice: str) -> View:
    return see_other(request, request.paths.managed_project(context.project, "reviews"), notice)
