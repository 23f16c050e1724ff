"""``/project/…/report``: telling the administrators what is wrong with a project."""

from pyramid.httpexceptions import HTTPNotFound
from pyramid.view import view_config

from greenroom.models import ReportKind
from greenroom.registry import projects, reports
from greenroom.registry.errors import InvalidRequest, TooMany
from greenroom.web.http.request import SAFE_METHODS, Request
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.form_responses import View, invalid, refused
from greenroom.web.pages.project.forms import KINDS, ReportForm
from greenroom.web.pages.project.resources import ProjectPage, UnpublishedProject


@view_config(
    context=ProjectPage,
    name="report",
    request_method=("GET", "POST"),
    renderer="pages/project/report.jinja2",
)
def report(context: ProjectPage, request: Request) -> View:
    """Ask what is wrong, and tell the administrators; there is one where the project's page is."""
    if isinstance(context, UnpublishedProject):
        raise HTTPNotFound
    never_cache(request)
    form = ReportForm(request.POST if request.method not in SAFE_METHODS else None)
    page: dict[str, object] = {
        "form": form,
        "kinds": KINDS,
        "project": projects.summary(context.project),
    }
    if request.method in SAFE_METHODS:
        return page
    if not form.validate():
        return invalid(request, page)
    try:
        reports.report(
            request.uow,
            request.person,
            context.project,
            ReportKind(form.kind.data),
            form.text.data or "",
            request.address,
        )
    except (InvalidRequest, TooMany) as refusal:
        return refused(request, page, form, refusal)
    request.override_renderer = "pages/project/reported.jinja2"
    return {"project": projects.summary(context.project)}
