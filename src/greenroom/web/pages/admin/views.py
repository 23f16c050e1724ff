"""``/admin/``: what waits for administrators; for everybody else there is nothing."""

from pyramid.view import view_config

from greenroom.registry import account_list, drafts, jobs, projects, reports
from greenroom.registry.account_list import AccountState, WantedAccounts
from greenroom.registry.accounts import UserSummary
from greenroom.registry.audit_reading import LinePage, Place, Wanted, everything
from greenroom.registry.reports import WantedReports
from greenroom.web.http.paging import Page, page_from, page_number, page_of
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.admin.access import begin
from greenroom.web.pages.admin.resources import Admin
from greenroom.web.pages.audit_lines import audit_page
from greenroom.web.pages.redirects import see_other

_USERS_ON_A_PAGE = 50
_PROJECTS_ON_A_PAGE = 50
_JOBS_ON_A_PAGE = 50


@view_config(context=Admin, request_method="GET", renderer="pages/admin/admin.jinja2")
def admin(context: Admin, request: Request) -> dict[str, object]:
    """What waits to be done, what is in quarantine, and a way to every project."""
    begin(request)
    db = request.uow.db
    wanted = query_value(request, "project")
    found = projects.find(request.uow, wanted) if wanted else None
    if found is not None:
        raise see_other(request, request.paths.managed_project(found))
    return {
        "unverified": _unverified(request),
        "drafts": drafts.count_live(request.uow),
        "quarantined": page_of(
            request, projects.in_quarantine(db), _PROJECTS_ON_A_PAGE, "quarantined"
        ).showing(projects.summary),
        "jobs": _troubled_jobs(request),
        "reports": reports.count_of(request.uow, WantedReports()),
        "wanted": wanted,
    }


@view_config(context=Admin, name="audit", request_method="GET", renderer="pages/admin/audit.jinja2")
def audit_log(context: Admin, request: Request) -> dict[str, object]:
    """Who did what in the whole index."""
    begin(request)

    def fetch(wanted: Wanted, place: Place | None, most: int) -> LinePage:
        return everything(request.uow, request.person, wanted, place, most)

    return audit_page(request, request.paths.admin("audit"), fetch)


def _troubled_jobs(request: Request) -> Page[jobs.Listed]:
    number, size = page_number(request, "jobs"), _JOBS_ON_A_PAGE
    shown = jobs.troubled(request.uow, start=(number - 1) * size, count=size)
    return page_from(shown, number, size, jobs.count_troubled(request.uow), "jobs")


def _unverified(request: Request) -> Page[UserSummary]:
    wanted = WantedAccounts(state=AccountState.UNVERIFIED)
    number, size = page_number(request, "users"), _USERS_ON_A_PAGE
    shown = account_list.listed(request.uow, wanted, start=(number - 1) * size, count=size)
    return page_from(shown, number, size, account_list.count_of(request.uow, wanted), "users")
