"""``/admin/reports/``: what was reported, and what was done."""

from pyramid.view import view_config

from greenroom.models import ReportKind
from greenroom.registry import projects, reports
from greenroom.registry.errors import InvalidRequest, NotFound
from greenroom.registry.reports import WantedReports
from greenroom.web.http.paging import page_from, page_number
from greenroom.web.http.request import SAFE_METHODS, Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.admin import chosen
from greenroom.web.pages.admin.access import begin
from greenroom.web.pages.admin.forms import ReasonForm
from greenroom.web.pages.admin.resources import AdminReport, AdminReports
from greenroom.web.pages.form_responses import View, invalid, refused
from greenroom.web.pages.redirects import see_other

_ON_A_PAGE = 50
_STATES = {"": True, "handled": False, "all": None}


@view_config(context=AdminReports, request_method="GET", renderer="pages/admin/reports.jinja2")
def all_reports(context: AdminReports, request: Request) -> View:
    """What is still to be handled, or was, the newest first."""
    begin(request)
    state = query_value(request, "state") or ""
    if state not in _STATES:
        raise NotFound("Reports do not stand so.")
    wanted = WantedReports(
        _STATES[state], chosen.words(request), chosen.one_of(request, "kind", ReportKind)
    )
    number = page_number(request)
    start = (number - 1) * _ON_A_PAGE
    found = reports.listed(request.uow, wanted, start=start, count=_ON_A_PAGE)
    return {
        "reports": page_from(found, number, _ON_A_PAGE, reports.count_of(request.uow, wanted)),
        "wanted": wanted,
        "state": state,
        "kinds": [kind.value for kind in ReportKind],
        "query": chosen.kept(q=wanted.project, state=state, kind=wanted.kind),
    }


@view_config(
    context=AdminReport, request_method=("GET", "POST"), renderer="pages/admin/report.jinja2"
)
def one_report(context: AdminReport, request: Request) -> View:
    """A report, and what was done about it."""
    begin(request)
    found = reports.get(request.uow, context.number)
    form = ReasonForm(request.POST if request.method not in SAFE_METHODS else None)
    page: dict[str, object] = {
        "report": found,
        "form": form,
        "is_there": projects.find(request.uow, found.project) is not None,
    }
    if request.method in SAFE_METHODS:
        return page
    if not form.validate():
        return invalid(request, page)
    try:
        reports.handle(request.uow, request.person, found.id, form.reason.data or "")
    except InvalidRequest as refusal:
        return refused(request, page, form, refusal)
    return see_other(
        request, request.paths.admin_part("reports"), f"The report {found.id} is handled."
    )
