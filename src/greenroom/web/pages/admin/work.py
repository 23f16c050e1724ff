"""Drafts, jobs, storage, settings and health: how the index works, for administrators."""

from functools import partial
from itertools import islice

from pyramid.view import view_config

from greenroom import __version__
from greenroom.models import JobState
from greenroom.registry import drafts, jobs, observation, projects
from greenroom.registry.administering import check_reason
from greenroom.registry.errors import NotFound
from greenroom.registry.jobs import WantedJobs
from greenroom.registry.names import parse_version
from greenroom.settings import settings_that_hold
from greenroom.storage import Shelf, StorageUnavailable
from greenroom.web.http.paging import page_from, page_number, page_of
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.admin import chosen
from greenroom.web.pages.admin.access import begin
from greenroom.web.pages.admin.acts import Act, asked
from greenroom.web.pages.admin.forms import ReasonForm
from greenroom.web.pages.admin.resources import (
    AdminDrafts,
    AdminHealth,
    AdminJob,
    AdminJobs,
    AdminSettings,
    AdminStorage,
)
from greenroom.web.pages.form_responses import View
from greenroom.web.pages.readiness import readiness

_ON_A_PAGE = 50
_MOST_COUNTED = 1000


@view_config(context=AdminDrafts, request_method="GET", renderer="pages/admin/drafts.jinja2")
def all_drafts(context: AdminDrafts, request: Request) -> View:
    """Every draft that is open, the last changed one first."""
    begin(request)
    uow, words, number = request.uow, chosen.words(request), page_number(request)
    found = drafts.some_live(uow, words, start=(number - 1) * _ON_A_PAGE, count=_ON_A_PAGE)
    page = page_from(found, number, _ON_A_PAGE, drafts.count_live(uow, words))
    return {
        "drafts": page.showing(partial(drafts.summary, uow)),
        "words": words,
        "query": chosen.kept(q=words),
    }


@view_config(
    context=AdminDrafts,
    name="discard",
    request_method=("GET", "POST"),
    renderer="pages/admin/act.jinja2",
    needs_confirmation=("project", "version"),
)
def discard(context: AdminDrafts, request: Request) -> View:
    """Throw a draft away that should not be here."""
    begin(request)
    name, text = chosen.item(request, "project"), chosen.item(request, "version")
    project, version = projects.find(request.uow, name), parse_version(text)
    draft = drafts.live(request.uow, project, version) if project and version else None
    if project is None or draft is None:
        raise NotFound("There is no such draft.")
    act = Act(
        question=f"Discard the draft of {project.name} {draft.version}?",
        explanation="Its files are gone for good, and so is its address. What is published stays.",
        button="Discard the draft",
        address=request.paths.admin_part("drafts", "discard"),
        back=request.paths.admin_part("drafts"),
        where="Open drafts",
        is_dangerous=True,
        fields={"project": project.name, "version": draft.version},
        typed=project.name,
    )
    notice = f"The draft of {project.name} {draft.version} is discarded."

    def do(form: ReasonForm) -> str:
        reason = check_reason(request.person, form.reason.data or "")
        drafts.discard(request.uow, request.person, draft, reason=reason)
        return notice

    return asked(request, act, do)


@view_config(context=AdminJobs, request_method="GET", renderer="pages/admin/jobs.jinja2")
def all_jobs(context: AdminJobs, request: Request) -> View:
    """Every job that is there, the newest first."""
    begin(request)
    kind = chosen.one_of(request, "kind", jobs.Kind)
    is_troubled = query_value(request, "state") == "troubled"
    state = None if is_troubled else chosen.one_of(request, "state", JobState)
    wanted = WantedJobs(kind, state, is_troubled)
    number = page_number(request)
    start = (number - 1) * _ON_A_PAGE
    found = jobs.listed(request.uow, wanted, start=start, count=_ON_A_PAGE)
    shown = "troubled" if is_troubled else state.value if state is not None else ""
    return {
        "jobs": page_from(found, number, _ON_A_PAGE, jobs.count_of(request.uow, wanted)),
        "kinds": [each.value for each in jobs.Kind],
        "states": [*(each.value for each in JobState), "troubled"],
        "kind": kind.value if kind is not None else "",
        "state": shown,
        "query": chosen.kept(kind=kind, state=shown),
    }


@view_config(
    context=AdminJob,
    name="retry",
    request_method=("GET", "POST"),
    renderer="pages/admin/act.jinja2",
)
def retry(context: AdminJob, request: Request) -> View:
    """Have a job tried again now."""
    number = context.number
    act = Act(
        question=f"Try job {number} again now?",
        explanation="It is due at once, also where it was given up. One that is running goes on.",
        button="Try it again",
        address=request.paths.admin_item("jobs", str(number), "retry"),
        back=request.paths.admin_part("jobs"),
        where="Jobs",
    )

    def do(form: ReasonForm) -> str:
        job = jobs.retry(request.uow, request.person, number, form.reason.data or "")
        what = "is running" if job.state == "running" else "is tried again now"
        return f"Job {job.id} {what}."

    return asked(request, act, do)


@view_config(context=AdminStorage, request_method="GET", renderer="pages/admin/storage.jinja2")
def storage(context: AdminStorage, request: Request) -> View:
    """How much there is, how much there may be, and whether it was looked through."""
    begin(request)
    settings = request.services.settings
    seen = observation.observe(request.uow)
    shown = {setting.name: setting.value for setting in settings_that_hold(settings)}
    return {
        "place": shown["GREENROOM_STORAGE_URL"],
        "size": projects.total_size(request.uow),
        "most": settings.max_total_size,
        "free": observation.free_space(settings),
        "trash": _count_trash(request),
        "most_counted": _MOST_COUNTED,
        "trash_days": settings.trash_days,
        "verified": seen.jobs_done.get(jobs.Kind.VERIFY),
        "kept_house": seen.jobs_done.get(jobs.Kind.HOUSEKEEPING),
        "backed_up": seen.backed_up,
        "findings": [
            finding
            for finding in readiness(request).findings()
            if finding.name in ("storage", "identity", "space")
        ],
    }


def _count_trash(request: Request) -> int | None:
    """How many blobs lie in the trash, not many of them counted; None where nobody can say."""
    try:
        found = request.services.storage.digests(shelf=Shelf.TRASH)
        return sum(1 for _ in islice(found, _MOST_COUNTED))
    except StorageUnavailable:
        return None


@view_config(context=AdminSettings, request_method="GET", renderer="pages/admin/settings.jinja2")
def settings(context: AdminSettings, request: Request) -> View:
    """Which settings hold, and where each comes from; no secrets."""
    begin(request)
    words = chosen.words(request)
    wanted = words.strip().lower()
    shown = settings_that_hold(request.services.settings)
    found = [each for each in shown if wanted in f"{each.name} {each.value}".lower()]
    return {
        "settings": page_of(request, found, _ON_A_PAGE),
        "words": words,
        "query": chosen.kept(q=words),
    }


@view_config(context=AdminHealth, request_method="GET", renderer="pages/admin/health.jinja2")
def health(context: AdminHealth, request: Request) -> View:
    """Whether all that the index needs is there, and what waits to be done."""
    begin(request)
    return {
        "findings": readiness(request).findings(),
        "seen": observation.observe(request.uow),
        "version": __version__,
    }
