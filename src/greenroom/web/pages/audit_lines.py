"""The audit log on pages: what its address asks for, and lines in words.

A page is found by what was on the one before, not by counting, so that it takes as long however
long the log is.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

from msgspec import Struct
from pyramid.httpexceptions import HTTPBadRequest

from greenroom.registry.audit import Kind, kind_named
from greenroom.registry.audit_reading import LinePage, Place, Wanted
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value
from greenroom.web.pages.caching import never_cache

_ON_A_PAGE = 50
_LONGEST_NAME = 255
_PLACE = re.compile(r"([0-9]{1,17})-([0-9]{1,4})", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FILTERS = ("act", "person", "project", "since", "until")

Fetch = Callable[[Wanted, Place | None, int], LinePage]


class AuditFilter(Struct, frozen=True):
    """What the form above the lines has in it.

    Attributes:
        address: of the page without any of it.
        has_person: whether persons can be chosen; it is not so where it is one person's page.
        has_project: the same for projects.
    """

    address: str
    has_person: bool
    has_project: bool
    act: str
    person: str
    project: str
    since: str
    until: str
    acts: tuple[tuple[str, str], ...]

    @property
    def is_set(self) -> bool:
        """Whether anything was chosen."""
        return any(getattr(self, name) for name in _FILTERS)


def audit_page(
    request: Request,
    address: str,
    fetch: Fetch,
    *,
    has_person: bool = True,
    has_project: bool = True,
) -> dict[str, object]:
    """What ``pages/parts/audit.jinja2`` shows: the form, the lines, and where older ones are.

    Raises:
        HTTPBadRequest: what the address asks for is none that there can be.
    """
    never_cache(request)
    said = {name: (query_value(request, name) or "").strip() for name in _FILTERS}
    until = _day(said["until"], "until")
    wanted = Wanted(
        act=_act(said["act"]),
        person=_name(said["person"], "person") if has_person else None,
        project=_name(said["project"], "project") if has_project else None,
        since=_day(said["since"], "since"),
        until=until + timedelta(days=1) if until is not None else None,
    )
    page = fetch(wanted, _place(request), _ON_A_PAGE)
    kept = {name: value for name, value in said.items() if value}
    return {
        "filter": AuditFilter(
            address,
            has_person,
            has_project,
            **said,
            acts=tuple((k.value, k.sentence) for k in Kind),
        ),
        "lines": page.lines,
        "older": _older(address, kept, page.older),
        "newest": f"{address}?{urlencode(kept)}" if query_value(request, "before") else None,
    }


def _older(address: str, kept: dict[str, str], place: Place | None) -> str | None:
    if place is None:
        return None
    key = f"{(place.at - _EPOCH) // _MICROSECOND}-{place.skipped}"
    return f"{address}?{urlencode(kept | {'before': key})}"


def _place(request: Request) -> Place | None:
    text = query_value(request, "before")
    if text is None:
        return None
    found = _PLACE.fullmatch(text)
    if found is None:
        raise HTTPBadRequest("The 'before' in the address is none of a page of the audit log.")
    return Place(_EPOCH + int(found[1]) * _MICROSECOND, int(found[2]))


def _act(text: str) -> Kind | None:
    if not text:
        return None
    kind = kind_named(text)
    if kind is None:
        raise HTTPBadRequest(f"The audit log knows no act {text[:60]!r}.")
    return kind


def _name(text: str, what: str) -> str | None:
    if len(text) > _LONGEST_NAME:
        raise HTTPBadRequest(f"The {what!r} in the address is longer than any name.")
    return text or None


def _day(text: str, what: str) -> datetime | None:
    """When a day begins that is not the last one there is."""
    if not text:
        return None
    with suppress(ValueError, OverflowError):
        if _DAY.fullmatch(text) and date.fromisoformat(text) + timedelta(days=1):
            return datetime.fromisoformat(f"{text}T00:00:00Z")
    raise HTTPBadRequest(f"The {what!r} in the address is no day such as 2026-06-01.")
