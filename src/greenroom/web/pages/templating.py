"""What every template has: filters, the address of static files, and who is signed in."""

import hashlib
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path

from pyramid.config import Configurator
from pyramid.events import BeforeRender

from greenroom import __version__, times
from greenroom.counts import counted
from greenroom.models import Project, ReleaseSet, Team
from greenroom.registry import accounts, invitations, release_sets, search
from greenroom.registry.accounts import UserSummary
from greenroom.registry.permissions import Act, owes_reason_to_team
from greenroom.web.http import authentication
from greenroom.web.http.request import Request
from greenroom.web.http.urls import Urls
from greenroom.web.pages.inert_text import inert

STATIC = Path(__file__).with_name("static")
_STATIC_MAX_AGE = 365 * 24 * 3600


def includeme(config: Configurator) -> None:
    """Give templates their filters and globals, and serve static files."""
    config.add_static_view("static", str(STATIC), cache_max_age=_STATIC_MAX_AGE)
    config.add_subscriber(_add_globals, BeforeRender)

    def add_filters() -> None:
        filters = config.get_jinja2_environment().filters
        filters["filesize"] = filesize
        filters["moment"] = moment
        filters["isotime"] = times.seconds
        filters["duration"] = duration
        filters["inert"] = inert
        filters["counted"] = counted
        filters["is_query"] = search.is_query

    config.action(None, add_filters, order=999)


def filesize(size: int) -> str:
    """``1536`` as ``1.5 KiB``."""
    amount = float(size)
    for unit in ("bytes", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def moment(time: datetime) -> str:
    """A moment for people: ``1 Jun 2026, 12:00 UTC``."""
    return f"{time.day} {time:%b %Y, %H:%M} UTC"


def duration(length: timedelta) -> str:
    """How long something lasts, in its two largest units: ``13 days 23 hours``."""
    seconds = max(0, int(length.total_seconds()))
    parts = []
    for name, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(counted(count, name))
    return " ".join(parts[:2]) or "less than a minute"


def _add_globals(event: BeforeRender) -> None:
    request: Request | None = event.get("request")
    urls = request.paths if request is not None else Urls("")
    event["greenroom_version"] = __version__
    event["to"] = urls
    event["static"] = lambda name: urls.static(name, _static_mark(name))
    event["viewer"] = _viewer(request)
    event["has_upstreams"] = lambda: _has_upstreams(request)
    event["owes_reason"] = partial(_owes_reason, request)
    event["invitations_waiting"] = lambda: _invitations_waiting(request)


def _viewer(request: Request | None) -> UserSummary | None:
    """Who is signed in; nobody where the request brings no session, so that pages need no query."""
    if request is None or not authentication.has_session(request):
        return None
    try:
        return accounts.summary(request.user) if request.user is not None else None
    except Exception:  # an error page must not fail for the same reason as the page
        return None


def _has_upstreams(request: Request | None) -> bool:
    """Whether there are indexes behind this one."""
    return request is not None and bool(request.services.settings.upstreams)


def _owes_reason(request: Request | None, act: str | None = None) -> bool:
    """Whether who is signed in does what is asked here only by being an administrator."""
    if request is None:
        return False
    team, project = (getattr(request.context, name, None) for name in ("team", "project"))
    if isinstance(team, Team):
        return owes_reason_to_team(request.person, team)
    release_set = getattr(request.context, "release_set", None)
    if isinstance(release_set, ReleaseSet) and act == Act.DISCARD:
        there = [place.project for place in release_sets.places(request.uow, release_set)]
        return release_sets.owes_reason(request.person, release_set, there)
    if not isinstance(project, Project):
        return False
    is_draft = getattr(request.context, "draft", None) is not None
    return request.person.owes_reason(Act(act or ("discard" if is_draft else "manage")), project)


def _invitations_waiting(request: Request | None) -> int:
    """To how much whoever is signed in is invited, for the head of each of their pages."""
    if request is None or request.user is None:
        return 0
    try:
        return invitations.count_waiting(request.uow, request.user.id)
    except Exception:  # as above
        return 0


@cache
def _static_mark(name: str) -> str:
    """What is different in the address of a static file when the file is."""
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
