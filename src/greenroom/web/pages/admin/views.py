"""``/admin/``: every user, draft, project and failing job, for administrators; else nothing."""

from functools import partial

from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.view import view_config

from greenroom.registry import accounts, drafts, jobs, projects
from greenroom.registry.audit_reading import LinePage, Place, Wanted, everything
from greenroom.registry.errors import NotFound
from greenroom.web.http.paging import Page, page_from, page_number, page_of
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.admin.forms import RetryForm, VerifyForm
from greenroom.web.pages.admin.resources import Admin
from greenroom.web.pages.audit_lines import audit_page
from greenroom.web.pages.caching import never_cache
from greenroom.web.pages.redirects import see_other

_USERS_ON_A_PAGE = 50
_DRAFTS_ON_A_PAGE = 50
_PROJECTS_ON_A_PAGE = 50
_JOBS_ON_A_PAGE = 50


@view_config(context=Admin, request_method="GET", renderer="pages/admin/admin.jinja2")
def admin(context: Admin, request: Request) -> dict[str, object]:
    """Who is here, what is in the making and what in quarantine, and a way to every project."""
    _check_administrator(request)
    never_cache(request)
    db = request.uow.db
    wanted = query_value(request, "project")
    found = projects.find(request.uow, wanted) if wanted else None
    if found is not None:
        raise see_other(request, request.paths.managed_project(found))
    number = page_number(request, "users")
    users = accounts.users(db, start=(number - 1) * _USERS_ON_A_PAGE, count=_USERS_ON_A_PAGE)
    total = accounts.count_users(db)
    return {
        "users": page_from(users, number, _USERS_ON_A_PAGE, total, "users"),
        "drafts": page_of(
            request, drafts.all_live(request.uow), _DRAFTS_ON_A_PAGE, "drafts"
        ).showing(partial(drafts.summary, request.uow)),
        "quarantined": page_of(
            request, projects.in_quarantine(db), _PROJECTS_ON_A_PAGE, "quarantined"
        ).showing(projects.summary),
        "jobs": _troubled_jobs(request),
        "wanted": wanted,
    }


@view_config(context=Admin, name="audit", request_method="GET", renderer="pages/admin/audit.jinja2")
def audit_log(context: Admin, request: Request) -> dict[str, object]:
    """Who did what in the whole index."""
    _check_administrator(request)

    def fetch(wanted: Wanted, place: Place | None, most: int) -> LinePage:
        return everything(request.uow, request.person, wanted, place, most)

    return audit_page(request, request.paths.admin("audit"), fetch)


@view_config(context=Admin, name="verify", request_method="POST")
def verify(context: Admin, request: Request) -> HTTPSeeOther:
    """Vouch for a user."""
    _check_administrator(request)
    form = VerifyForm(request.POST)
    if not form.validate() or form.user.data is None:
        raise NotFound("There is no such user.")
    user = accounts.verify_user(request.uow, request.person, form.user.data)
    notice = f"{user.username} is verified and may register project names."
    return see_other(request, request.paths.admin(), notice)


@view_config(context=Admin, name="retry", request_method="POST")
def retry(context: Admin, request: Request) -> HTTPSeeOther:
    """Have a job tried again now."""
    _check_administrator(request)
    form = RetryForm(request.POST)
    if not form.validate() or form.job.data is None:
        raise NotFound("There is no such job.")
    job = jobs.retry(request.uow, request.person, form.job.data)
    what = "is running" if job.state == "running" else "is tried again now"
    return see_other(request, request.paths.admin(), f"Job {job.id} {what}.")


def _troubled_jobs(request: Request) -> Page[jobs.Listed]:
    number, size = page_number(request, "jobs"), _JOBS_ON_A_PAGE
    shown = jobs.troubled(request.uow, start=(number - 1) * size, count=size)
    return page_from(shown, number, size, jobs.count_troubled(request.uow), "jobs")


def _check_administrator(request: Request) -> None:
    if not request.person.is_administrator:
        raise HTTPNotFound
