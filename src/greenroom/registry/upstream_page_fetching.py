"""Asking upstreams for the pages of projects, and keeping what they say.

It is done by threads of their own, one for all who want the same page: in this process by
:class:`Asking`, among processes by a row that says who asks just now.
"""

import re
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from datetime import timedelta
from tempfile import SpooledTemporaryFile

import structlog
from msgspec import Struct
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from greenroom.models import UpstreamRequest
from greenroom.other_indexes import pages
from greenroom.other_indexes.client import Answer, shown
from greenroom.other_indexes.errors import BadAnswer, BrokenOff, UpstreamFailed
from greenroom.other_indexes.page_memory import ON_ARRIVAL
from greenroom.other_indexes.pages import NotAPage, Page, ProjectPage
from greenroom.outages import outage_of
from greenroom.registry import upstream_pages, upstream_usage
from greenroom.registry.unit_of_work import AT_ONCE, Services, UnitOfWork
from greenroom.registry.upstream_pages import KeptPage, Said
from greenroom.storage.disk import disk_errors
from greenroom.upstream_settings import Upstream

FRESH = timedelta(minutes=10)
"""So long a page need not be asked for again, at most, and where the upstream says nothing."""
LEAST_FRESH = timedelta(seconds=10)
"""At least so long, whatever it says."""
FRESH_NOTHING = timedelta(minutes=1)
"""That a project is not there is believed for so long."""
LEASE = timedelta(seconds=90)
"""Who has asked for longer has died."""
LONGEST = LEASE.total_seconds()
"""Whoever waits for a page has it, or knows that there is none, after so many seconds."""

_LOOK_EVERY = 0.1
_ATTEMPTS = 2
_GONE = (404, 410)
_NOT_MODIFIED = 304
_OVERLOADED = (429, 502, 503, 504)
_MAX_AGE = re.compile(r"(?:^|[,\s])(s-maxage|max-age)\s*=\s*\"?(\d{1,9})", re.IGNORECASE | re.ASCII)
_LONGEST_NAME = 255

log = structlog.get_logger("greenroom.upstream")


def fetch(services: Services, upstream: Upstream, name: str) -> "Future[None]":
    """Have an upstream asked for the page of a project, if nobody asks already.

    Args:
        services: what the process works on.
        upstream: who is asked.
        name: of the project, normalized.

    Returns:
        What is done when it was asked, whatever came of it: what is kept, or ``failure`` of
        ``Asking``, tells that. It has an exception where nothing could be kept.
    """
    key = (upstream.name, name)
    return services.asking.once(key, lambda: _fetch_and_tell(services, upstream, name))


def fetch_now(services: Services, upstream: Upstream, name: str) -> None:
    """Have it asked, and wait for that: for who has time.

    Raises:
        UpstreamUnavailable: it was not got, or not long ago.
        Exception: nothing could be kept.
    """
    fetch(services, upstream, name).result(LONGEST)
    failure = services.asking.failure((upstream.name, name), services.clock())
    if failure is not None:
        raise failure.unavailable(upstream.name, services.clock())


def refresh(services: Services, upstream: Upstream, name: str) -> None:
    """Have it asked meanwhile, unless it has failed of late. What comes of it is for the next."""
    if services.asking.failure((upstream.name, name), services.clock()) is None:
        fetch(services, upstream, name)


def _fetch_and_tell(services: Services, upstream: Upstream, name: str) -> None:
    """Ask, and write into the log why nothing could be kept."""
    try:
        _fetch(services, upstream, name)
    except Exception as error:
        failed = UpstreamFailed("What it has said cannot be kept.")
        services.asking.note_failure((upstream.name, name), failed, services.clock())
        outage, what = outage_of(error), "a page of an upstream cannot be kept"
        if outage is None:
            log.exception(what, upstream=upstream.name, project=name)
        else:
            log.warning(what, upstream=upstream.name, project=name, reason=outage.reason)
        raise


def _fetch(services: Services, upstream: Upstream, name: str) -> None:
    key = (upstream.name, name)
    if services.asking.failure(key, services.clock()) is not None:
        return  # it has failed while this has waited for a thread
    turn = _take_turn(services, upstream, name)
    if turn is None:
        return
    is_given = False
    try:
        with services.reading() as uow:
            known = upstream_pages.find(uow, upstream.name, name)
        if known is not None and known.is_fresh:
            return  # somebody else has asked just before
        with ExitStack() as memory:
            heard = _twice(lambda: _hear(services, upstream, name, known, memory))
            with services.writing() as uow:
                _lock(uow, upstream, name)
                if heard.is_news:
                    upstream_pages.keep(uow, upstream, name, heard.page, heard.said)
                else:
                    upstream_pages.renew(uow, upstream, name, heard.said.fresh_for)
                _give_turn(uow.db, upstream, name, turn)
        is_given = True
        services.asking.note_success(key)
        upstream_usage.PENDING.note_answer(upstream.name, services.clock())
    except UpstreamFailed as error:
        services.asking.note_failure(key, error, services.clock())
        upstream_usage.PENDING.note_failure(upstream.name, str(error), services.clock())
        log.warning(
            "an upstream was not read", upstream=upstream.name, project=name, reason=str(error)
        )
    finally:
        if not is_given:
            with services.writing() as uow:
                _lock(uow, upstream, name)
                _give_turn(uow.db, upstream, name, turn)


# --- one request of all processes ---


def _take_turn(services: Services, upstream: Upstream, name: str) -> str | None:
    """A key of who asks from now on; None where another process has asked meanwhile."""
    key = secrets.token_hex(8)
    has_waited, until = False, time.monotonic() + LONGEST
    while True:
        with services.writing() as uow:
            _lock(uow, upstream, name)
            row = _request(uow.db, upstream, name)
            # Whoever has waited for the lock has an older moment than whoever had it.
            if row is None or not uow.now < row.until <= uow.now + LEASE + AT_ONCE:
                if row is None and has_waited:
                    return None
                _lease(uow.db, row, UpstreamRequest(
                    upstream=upstream.name, project=name, until=uow.now + LEASE, key=key
                ))  # fmt: skip
                return key
        has_waited = True
        while time.monotonic() < until:
            time.sleep(_LOOK_EVERY)
            with services.reading() as uow:
                row = _request(uow.db, upstream, name)
                if row is None or row.until <= uow.now:
                    break
        else:
            return None


def _lock(uow: UnitOfWork, upstream: Upstream, name: str) -> None:
    """Nobody else writes of this page, or of who asks for it, until the unit of work ends."""
    uow.lock(f"upstream-page/{upstream.name}/{name}")


def _request(db: Session, upstream: Upstream, name: str) -> UpstreamRequest | None:
    return db.scalar(
        select(UpstreamRequest).where(
            UpstreamRequest.upstream == upstream.name, UpstreamRequest.project == name
        )
    )


def _lease(db: Session, row: UpstreamRequest | None, wanted: UpstreamRequest) -> None:
    if row is None:
        db.add(wanted)
    else:
        row.until, row.key = wanted.until, wanted.key


def _give_turn(db: Session, upstream: Upstream, name: str, key: str) -> None:
    db.execute(
        delete(UpstreamRequest).where(
            UpstreamRequest.upstream == upstream.name,
            UpstreamRequest.project == name,
            UpstreamRequest.key == key,
        )
    )


# --- asking ---


class _Heard(Struct, frozen=True):
    """What an upstream has said: a page, that there is none, or that nothing is new."""

    said: Said
    page: ProjectPage | None = None
    is_news: bool = True


def _twice(hear: Callable[[], _Heard]) -> _Heard:
    for attempt in range(_ATTEMPTS):
        try:
            return hear()
        except BrokenOff:
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def _hear(
    services: Services, upstream: Upstream, name: str, known: KeptPage | None, memory: ExitStack
) -> _Heard:
    """Ask once. What it takes to read a page is taken until ``memory`` is left."""
    client = services.asking.client(services.settings, upstream)
    room = services.asking.memory(services.settings)
    headers = {"Accept": pages.ACCEPT}
    if known is not None and known.page is not None:
        if known.etag:
            headers["If-None-Match"] = known.etag
        elif known.last_modified:
            headers["If-Modified-Since"] = known.last_modified
    incoming = services.storage.incoming
    with SpooledTemporaryFile(ON_ARRIVAL, dir=str(incoming)) as received:
        with (
            services.asking.turns,
            client.get(f"{upstream.url}{name}/", headers, is_packed=True) as answer,
        ):
            if answer.status in _GONE:
                return _Heard(Said(answer.url, FRESH_NOTHING))
            if answer.status == _NOT_MODIFIED and len(headers) > 1:
                return _Heard(_said(answer), is_news=False)
            _check_status(services, answer)
            for piece in answer.unpacked(room.most):
                with disk_errors(incoming):
                    received.write(piece)
        memory.enter_context(room.taken(received.tell()))
        with disk_errors(incoming):
            received.seek(0)
            body = received.read()
    page = Page(answer.url, answer.headers.get("Content-Type", ""), body)
    try:
        return _Heard(_said(answer), pages.project_page(page, name))
    except NotAPage as error:
        raise BadAnswer(f"{shown(answer.url)} answers with something else. {error}") from None


def _check_status(services: Services, answer: Answer) -> None:
    status, where = answer.status, shown(answer.url)
    if status == 200:
        return
    if status in (401, 403):
        raise BadAnswer(f"{where} asks for other credentials ({status}).")
    wait = answer.retry_after(services.clock()) if status in _OVERLOADED else None
    raise BadAnswer(
        f"{where} answers with status {status}.", is_wide=status in _OVERLOADED, retry_after=wait
    )


def _said(answer: Answer) -> Said:
    headers = answer.headers
    return Said(
        answer.url,
        _fresh_for(headers.get("Cache-Control", ""), headers.get("Age", "")),
        _validator(headers.get("ETag", "")),
        _validator(headers.get("Last-Modified", "")),
    )


def _validator(text: str) -> str:
    """What may be sent back; empty where it may not."""
    return text if text.isascii() and text.isprintable() and len(text) <= _LONGEST_NAME else ""


def _fresh_for(control: str, age: str) -> timedelta:
    """How long a page need not be asked for again, by what is said of it (RFC 9111)."""
    said = {name.lower(): int(seconds) for name, seconds in _MAX_AGE.findall(control)}
    words = {word.strip().lower() for word in control.split(",")}
    if words & {"no-cache", "no-store"}:
        return LEAST_FRESH
    seconds = said.get("s-maxage", said.get("max-age"))
    if seconds is None:
        return FRESH
    passed = int(age) if age.isascii() and age.isdigit() and len(age) < 10 else 0
    return min(FRESH, max(LEAST_FRESH, timedelta(seconds=seconds - passed)))
