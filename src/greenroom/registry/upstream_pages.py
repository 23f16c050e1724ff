"""What upstreams have said of projects, as it is kept and offered.

Of several upstreams the first one that has a name answers for it. Nobody knows which one that is
while one before it has to be asked and cannot be: none is passed over.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Collection
from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import bindparam, case, delete, null, or_, select, update

from greenroom.database import run
from greenroom.models import UpstreamPage, UpstreamRequest
from greenroom.other_indexes import pages
from greenroom.other_indexes.pages import NotAPage, ProjectPage
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.upstream_settings import Upstream

UNUSED_FOR = timedelta(days=30)
"""What nobody has asked for in so long is forgotten."""
_NOTED_EVERY = timedelta(hours=1)
_MOST_STATES = 2
_MOST_FILES_IN_MEMORY = 20_000
"""Of pages that were read; each takes about a kilobyte."""


class KeptPage(Struct, frozen=True):
    """What an upstream last said of a project.

    Attributes:
        upstream: its name in the settings.
        page: what it said; None where it has no such project.
        digest: of what was said: it changes when that does.
        checked: when it was said, or said again.
        is_fresh: whether it need not be asked again now.
        may_be_shown: whether it may be shown though it cannot be asked (``upstream_stale``).
        fresh_until: until when it need not be asked again.
        url: of the page, after redirects, without credentials.
        etag: by which the upstream knows it, or empty; ``last_modified`` likewise.
        used: when somebody last asked for it, to within an hour.
    """

    upstream: str
    page: ProjectPage | None
    digest: str
    checked: datetime
    is_fresh: bool
    may_be_shown: bool
    fresh_until: datetime
    url: str
    etag: str
    last_modified: str
    used: datetime


class Standing(Struct, frozen=True):
    """What is known of a name that upstreams answer for.

    Attributes:
        shown: the page that answers; None where there is none, or nobody knows.
        ask: who has to be asked before there is an answer; None where there is one.
        otherwise: what may be shown where ``ask`` cannot be asked: a page, or nothing if all that
            were ever asked had none. ``has_otherwise`` says whether there is that.
        has_otherwise: whether something may be answered without asking.
        refresh: who is to be asked again meanwhile; None: nobody.
    """

    shown: KeptPage | None = None
    ask: Upstream | None = None
    otherwise: KeptPage | None = None
    has_otherwise: bool = False
    refresh: Upstream | None = None


def find(uow: UnitOfWork, upstream: str, name: str) -> KeptPage | None:
    """What is kept of a project; None where the upstream was never asked for it.

    Args:
        uow: what to look into.
        upstream: the name of one.
        name: of the project, normalized.
    """
    return _kept(uow, name).get(upstream)


def last_said(uow: UnitOfWork, names: Collection[str]) -> dict[str, str | None]:
    """The upstream that has a project of each of these names, as far as they have said so.

    That one has it is believed however long ago it was said, that it has not for as long as pages
    may be shown. It is one query for all of them.

    Returns:
        By the names, that of an upstream in the settings; empty where none has the project; None
        where nobody knows.
    """
    row = UpstreamPage
    rows = uow.db.execute(
        select(row.project, row.upstream, row.base, row.is_there, row.checked).where(
            row.project.in_(names)
        )
    )
    oldest = uow.now - uow.settings.upstream_stale
    said = {
        (each.project, each.upstream, each.base): each.is_there
        for each in rows
        if each.is_there or each.checked > oldest
    }

    def of(name: str) -> str | None:
        found = {up.name: said.get((name, up.name, up.shown)) for up in uow.settings.upstreams}
        first = next((upstream for upstream, is_there in found.items() if is_there), None)
        return first or (None if None in found.values() else "")

    return {name: of(name) for name in names}


def standing(uow: UnitOfWork, name: str) -> Standing:
    """What is known of a name that upstreams answer for, by one query.

    Args:
        uow: what to look into.
        name: of the project, normalized.
    """
    kept = _kept(uow, name)
    ask: Upstream | None = None
    for upstream in uow.settings.upstreams:
        found = kept.get(upstream.name)
        if found is None:
            # Without it nobody can say who answers.
            return Standing(ask=ask or upstream)
        if found.page is not None:
            if ask is None and (found.is_fresh or found.may_be_shown):
                return Standing(shown=found, refresh=None if found.is_fresh else upstream)
            return Standing(
                ask=ask or upstream,
                otherwise=found if found.may_be_shown else None,
                has_otherwise=found.may_be_shown,
            )
        if not found.is_fresh:
            if not found.may_be_shown:
                return Standing(ask=ask or upstream)
            ask = ask or upstream
    return Standing(ask=ask, has_otherwise=True)


def _kept(uow: UnitOfWork, name: str) -> dict[str, KeptPage]:
    """What is kept of a project, by upstream; of those that are in the settings as they were."""
    known = _READ.of(name)
    rows = run(uow.db, _FIND, {"name": name, "known": list(known) or [""]}).all()
    bases = {upstream.name: upstream.shown for upstream in uow.settings.upstreams}
    found = {}
    for row in rows:
        if bases.get(row.upstream) != row.base:
            continue
        page = None
        if row.is_there:
            page = known.get(row.digest) or _read(name, row.digest, row.content)
            if page is None:
                continue  # another version of this program has written it: it is asked for again
        is_fresh = row.checked <= uow.now < row.fresh_until
        found[row.upstream] = KeptPage(
            upstream=row.upstream,
            page=page,
            digest=row.digest,
            checked=row.checked,
            is_fresh=is_fresh,
            may_be_shown=is_fresh or uow.now < row.checked + uow.settings.upstream_stale,
            fresh_until=row.fresh_until,
            url=row.url,
            etag=row.etag,
            last_modified=row.last_modified,
            used=row.used,
        )
    return found


def keep(
    uow: UnitOfWork,
    upstream: Upstream,
    name: str,
    page: ProjectPage | None,
    said: "Said",
) -> None:
    """Keep what an upstream has said of a project, in the place of what it said before.

    Args:
        uow: of the kind that writes.
        upstream: who has said it.
        name: of the project, normalized.
        page: None where it has no such project.
        said: how and for how long.
    """
    content = pages.to_text(page) if page is not None else ""
    digest = hashlib.sha256(content.encode()).hexdigest() if content else ""
    row = uow.db.scalar(
        select(UpstreamPage).where(
            UpstreamPage.upstream == upstream.name, UpstreamPage.project == name
        )
    )
    if row is None:
        row = UpstreamPage(
            upstream=upstream.name, project=name, content="", digest="", changed=uow.now,
            used=uow.now, is_there=page is not None,
        )  # fmt: skip
        uow.db.add(row)
    if row.digest != digest or row.is_there != (page is not None):
        row.content, row.digest, row.changed = content, digest, uow.now
    row.is_there = page is not None
    row.base, row.url = upstream.shown, said.url
    row.etag, row.last_modified = said.etag, said.last_modified
    row.checked, row.fresh_until = uow.now, uow.now + said.fresh_for
    if page is not None:
        _READ.keep(name, digest, page)


def renew(uow: UnitOfWork, upstream: Upstream, name: str, fresh_for: timedelta) -> None:
    """That an upstream has said that what it said before still holds."""
    uow.db.execute(
        update(UpstreamPage)
        .where(UpstreamPage.upstream == upstream.name, UpstreamPage.project == name)
        .values(checked=uow.now, fresh_until=uow.now + fresh_for)
    )


class Said(Struct, frozen=True):
    """How an upstream has said something.

    Attributes:
        url: where, without credentials.
        fresh_for: how long it need not be asked again.
        etag: by which it knows what it has said, or empty; ``last_modified`` likewise.
    """

    url: str
    fresh_for: timedelta
    etag: str = ""
    last_modified: str = ""


def is_use_due(uow: UnitOfWork, kept: KeptPage) -> bool:
    """Whether it is to be written down that somebody has asked for it."""
    return not kept.used <= uow.now < kept.used + _NOTED_EVERY


def note_use(uow: UnitOfWork, upstream: str, name: str) -> None:
    """Write down that somebody has asked for a page."""
    uow.db.execute(
        update(UpstreamPage)
        .where(UpstreamPage.upstream == upstream, UpstreamPage.project == name)
        .values(used=uow.now)
    )


def forget_unused(uow: UnitOfWork) -> None:
    """Forget what nobody has asked for in a month, and that something was not there long ago."""
    uow.db.execute(
        delete(UpstreamPage).where(
            or_(
                UpstreamPage.used < uow.now - UNUSED_FOR,
                UpstreamPage.is_there.is_(False)
                & (UpstreamPage.checked < uow.now - uow.settings.upstream_stale),
            )
        )
    )
    uow.db.execute(delete(UpstreamRequest).where(UpstreamRequest.until < uow.now))


def _read(name: str, digest: str, content: str | None) -> ProjectPage | None:
    try:
        page = pages.from_text(content or "", name)
    except NotAPage:
        return None
    _READ.keep(name, digest, page)
    return page


def forget_what_was_read() -> None:
    """Let the memory of this process go."""
    _READ.clear()


class _Read:
    """Pages that were read of late, by what was said; bounded, the least wanted go first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pages: OrderedDict[str, dict[str, ProjectPage]] = OrderedDict()
        self._files = 0

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._pages.clear()
            self._files = 0

    def of(self, name: str) -> dict[str, ProjectPage]:
        """The project's pages, by their digests."""
        with self._lock:
            found = self._pages.get(name)
            if found is None:
                return {}
            self._pages.move_to_end(name)
            return dict(found)

    def keep(self, name: str, digest: str, page: ProjectPage) -> None:
        """Keep a page that was read, and the one before it."""
        if len(page.files) > _MOST_FILES_IN_MEMORY // 2:
            return
        with self._lock:
            of_name = self._pages.setdefault(name, {})
            if digest in of_name:
                return
            while len(of_name) >= _MOST_STATES:
                self._files -= _weight(of_name.pop(next(iter(of_name))))
            of_name[digest] = page
            self._files += _weight(page)
            self._pages.move_to_end(name)
            while self._files > _MOST_FILES_IN_MEMORY:
                _, oldest = self._pages.popitem(last=False)
                self._files -= sum(map(_weight, oldest.values()))


def _weight(page: ProjectPage) -> int:
    return len(page.files) + 1


_READ = _Read()
"""Of this process. What is said is found by its digest, so that no two can be mistaken."""

_FIND = select(
    UpstreamPage.upstream,
    UpstreamPage.is_there,
    UpstreamPage.base,
    UpstreamPage.url,
    UpstreamPage.etag,
    UpstreamPage.last_modified,
    UpstreamPage.digest,
    UpstreamPage.checked,
    UpstreamPage.fresh_until,
    UpstreamPage.used,
    case(
        (UpstreamPage.digest.in_(bindparam("known", expanding=True)), null()),
        else_=UpstreamPage.content,
    ).label("content"),
).where(UpstreamPage.project == bindparam("name"))
