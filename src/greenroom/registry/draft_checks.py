"""Checks of a draft: what CI and people have found out about it, and which of that is required.

A result is of the content that the draft had when it was checked, named by its digest. What was
found out about other files does not count.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from urllib.parse import urlsplit

from msgspec import Struct
from sqlalchemy import ColumnElement, case, delete, func, select

from greenroom.models import CheckStatus, Draft, DraftCheck
from greenroom.registry import (
    audit,
    draft_contents,
    draft_installations,
    drafts,
    rate_limits,
    required_checks,
)
from greenroom.registry.audit import Kind
from greenroom.registry.draft_contents import HasContent
from greenroom.registry.errors import CannotPublish, Ended, InvalidRequest, Refusal, TooMany
from greenroom.registry.permissions import Act, Actor, require
from greenroom.registry.required_checks import INSTALLED
from greenroom.registry.shown_text import has_unshown, plain_lines
from greenroom.registry.unit_of_work import UnitOfWork

MOST_NAMES = 100
MOST_KEPT = 50
"""So many results of one name are kept, and so many may be posted within an hour."""
LONGEST_SUMMARY = 1000
LONGEST_LINK = 2000

_WITHIN = timedelta(hours=1)

# Beside our own words those that GitHub's and GitLab's jobs say of themselves.
_WORDS = MappingProxyType(
    {
        **{status.value: status for status in CheckStatus},
        **dict.fromkeys(("queued", "created", "running", "in_progress"), CheckStatus.PENDING),
        **dict.fromkeys(("success", "ok"), CheckStatus.PASSED),
        **dict.fromkeys(("failure", "error", "timed_out"), CheckStatus.FAILED),
        **dict.fromkeys(("canceled", "cancelled"), CheckStatus.FAILED),
        **dict.fromkeys(("neutral", "manual"), CheckStatus.SKIPPED),
    }
)
STATUS_WORDS = tuple(_WORDS)
"""What may be said of how a check has ended."""


class CheckResult(Struct, frozen=True):
    """One result.

    Attributes:
        link: where there is more of it; may be empty, as the summary may.
        content_digest: of what was checked.
        is_current: whether that is what the draft has in it now.
        means: which run of which workflow posted it, where it was one.
    """

    name: str
    status: CheckStatus
    link: str
    summary: str
    content_digest: str
    is_current: bool
    at: datetime
    by: str
    means: str | None

    @property
    def has_passed(self) -> bool:
        """Whether it says good things of the files that the draft has now."""
        return self.is_current and self.status is CheckStatus.PASSED


class Posted(Struct, frozen=True):
    """A result as it is posted.

    Attributes:
        status: one of ``STATUS_WORDS``.
        content_digest: of what was checked; None for what the draft has now.
    """

    name: str
    status: str
    link: str = ""
    summary: str = ""
    content_digest: str | None = None


def post(uow: UnitOfWork, actor: Actor, draft: Draft, posted: Posted) -> tuple[CheckResult, bool]:
    """Write down a result, which counts for its name from now on, and say whether it is new.

    What says the same as the one that counts changes nothing.

    Raises:
        NotAllowed: the actor may not stage.
        Ended: the draft is not open any more.
        InvalidRequest: the name, the status, the link, the summary or the digest does not do, or
            the draft has results of too many checks.
        DraftChanged: the draft has other files by now than were checked.
        TooMany: too many results of this name were posted of late.
    """
    name = required_checks.check_name(posted.name)
    status = _status(posted.status)
    link, summary = _link(posted.link), _summary(posted.summary)
    drafts.lock_and_reload(uow, draft)
    if draft.project is None or not drafts.is_live(uow, draft):
        raise Ended(drafts.ended_sentence(uow, draft))
    require(actor, Act.STAGE, draft.project)
    staged = drafts.contents(uow.db, draft)
    digest = draft_contents.digest_of(draft, staged)
    if posted.content_digest is not None:
        draft_contents.check_unchanged(uow.db, draft, posted.content_digest, staged)
    former = _newest(uow, draft, digest, DraftCheck.name == name)
    if not former:
        _check_room(uow, draft)
    else:
        said = (former[0].status, former[0].link, former[0].summary, former[0].by)
        if former[0].is_current and said == (status, link, summary, actor.name):
            return former[0], False
    _check_rate(uow, draft, name)
    row = DraftCheck(
        draft_id=draft.id,
        name=name,
        status=status,
        link=link,
        summary=summary,
        content_digest=digest,
        at=uow.now,
        by=actor.name,
        means=actor.means or None,
    )
    uow.db.add(row)
    uow.db.flush()
    _forget_old(uow, draft, name)
    audit.write(
        uow,
        Kind.DRAFT_CHECK,
        actor,
        project=draft.project,
        version=draft.version,
        detail=f"{name}: {status}",
    )
    return _result(row, digest), True


def newest(uow: UnitOfWork, draft: Draft, content_digest: str) -> list[CheckResult]:
    """The result of each name that counts, by name: of this content, or else the newest of all."""
    return _newest(uow, draft, content_digest)


def history(
    uow: UnitOfWork, draft: Draft, content_digest: str, names: Sequence[str]
) -> dict[str, list[CheckResult]]:
    """All results of these names that are kept, the newest first."""
    found: dict[str, list[CheckResult]] = {name: [] for name in names}
    rows = uow.db.scalars(
        select(DraftCheck)
        .where(DraftCheck.draft_id == draft.id, DraftCheck.name.in_(names))
        .order_by(DraftCheck.id.desc())
    )
    for row in rows:
        found[row.name].append(_result(row, content_digest))
    return found


def obstacles(uow: UnitOfWork, draft: Draft, staged: Sequence[HasContent]) -> list[Refusal]:
    """What of the checks that the project requires is missing, each a reason of its own.

    Args:
        uow: in which it is asked.
        draft: which is to be published.
        staged: the files that it has.
    """
    return obstacles_of(uow, [draft], {draft.id: staged}).get(draft.id, [])


def obstacles_of(
    uow: UnitOfWork, drafts_: Sequence[Draft], staged: Mapping[int, Sequence[HasContent]]
) -> dict[int, list[Refusal]]:
    """The same of each of these drafts, by its number, with as many queries as for one.

    Where nothing is required of a draft, there is nothing of it. ``staged`` is the files that each
    has, by its number.
    """
    projects = {draft.id: draft.project for draft in drafts_ if draft.project is not None}
    required = required_checks.of_projects(uow, projects.values())
    names = {draft: required[project.id] for draft, project in projects.items()}
    asked = {each.id: each for each in drafts_ if names.get(each.id)}
    if not asked:
        return {}
    digests = {
        number: draft_contents.digest_of(draft, staged[number]) for number, draft in asked.items()
    }
    every = {name for number in asked for name in names[number]}
    results = _newest_of(uow, digests, DraftCheck.name.in_(every))
    by_index = [number for number in asked if INSTALLED in names[number]]
    installed = draft_installations.installed(uow, {each: staged[each] for each in by_index})
    return {
        number: list(_unmet(names[number], results[number], was_installed=number in installed))
        for number in asked
    }


def _unmet(
    names: Iterable[str], results: Iterable[CheckResult], *, was_installed: bool
) -> Iterator[Refusal]:
    by_name = {result.name: result for result in results}
    for name in names:
        if name == INSTALLED:
            if not was_installed:
                yield CannotPublish(
                    "The project requires that a draft is installed from its address before it is "
                    "published, and no installer has taken a file that it has now: install it."
                )
        elif (sentence := _missing(name, by_name.get(name))) is not None:
            yield CannotPublish(sentence)


def _missing(name: str, result: CheckResult | None) -> str | None:
    """What is missing of a required check, None where it has passed."""
    what = f"The required check {name!r}"
    if result is None:
        return f"{what} has no result: have it made."
    if not result.is_current:
        return f"{what} was made of other files than the draft has now: have it made again."
    match result.status:
        case CheckStatus.PENDING:
            return f"{what} has not ended yet: wait for its result."
        case CheckStatus.FAILED:
            return f"{what} failed: repair what it has found, and have it made again."
        case CheckStatus.SKIPPED:
            return f"{what} was skipped: have it made."
        case CheckStatus.PASSED:
            return None


def _newest(
    uow: UnitOfWork, draft: Draft, content_digest: str, *of: ColumnElement[bool]
) -> list[CheckResult]:
    return _newest_of(uow, {draft.id: content_digest}, *of)[draft.id]


def _newest_of(
    uow: UnitOfWork, digests: Mapping[int, str], *of: ColumnElement[bool]
) -> dict[int, list[CheckResult]]:
    """The results that count of each of these drafts, by its number, as its digest is."""
    found: dict[int, list[CheckResult]] = {number: [] for number in digests}
    # No two drafts have the same digest: it is of project and version, too.
    of_content = case((DraftCheck.content_digest.in_(digests.values()), DraftCheck.id))
    numbers = (
        select(func.coalesce(func.max(of_content), func.max(DraftCheck.id)))
        .where(DraftCheck.draft_id.in_(digests), *of)
        .group_by(DraftCheck.draft_id, DraftCheck.name)
    )
    for row in uow.db.scalars(select(DraftCheck).where(DraftCheck.id.in_(numbers))):
        found[row.draft_id].append(_result(row, digests[row.draft_id]))
    for several in found.values():
        several.sort(key=lambda result: result.name)
    return found


def _result(row: DraftCheck, content_digest: str) -> CheckResult:
    return CheckResult(
        name=row.name,
        status=CheckStatus(row.status),
        link=row.link,
        summary=row.summary,
        content_digest=row.content_digest,
        is_current=row.content_digest == content_digest,
        at=row.at,
        by=row.by,
        means=row.means,
    )


def _check_room(uow: UnitOfWork, draft: Draft) -> None:
    counted = select(func.count(DraftCheck.name.distinct())).where(DraftCheck.draft_id == draft.id)
    if (uow.db.scalar(counted) or 0) >= MOST_NAMES:
        raise InvalidRequest(
            f"The draft has results of {MOST_NAMES} checks, as many as it may: post this one under "
            "a name that it has."
        )


def _check_rate(uow: UnitOfWork, draft: Draft, name: str) -> None:
    of_name = (DraftCheck.draft_id == draft.id, DraftCheck.name == name)
    wait = rate_limits.waiting_time(uow, DraftCheck.at, *of_name, limit=MOST_KEPT, within=_WITHIN)
    if wait is not None:
        raise TooMany(
            f"{MOST_KEPT} results of the check {name!r} were posted within an hour, as many as may "
            "be: wait before you post the next one.",
            wait,
        )


def _forget_old(uow: UnitOfWork, draft: Draft, name: str) -> None:
    of_name = (DraftCheck.draft_id == draft.id, DraftCheck.name == name)
    oldest = uow.db.scalar(
        select(DraftCheck.id)
        .where(*of_name)
        .order_by(DraftCheck.id.desc())
        .offset(MOST_KEPT - 1)
        .limit(1)
    )
    if oldest is not None:
        uow.db.execute(delete(DraftCheck).where(*of_name, DraftCheck.id < oldest))


def _status(text: str) -> CheckStatus:
    status = _WORDS.get(text.strip().lower())
    if status is None:
        own = ", ".join(repr(each.value) for each in CheckStatus)
        raise InvalidRequest(f"The status of a check is one of {own}, not {text[:60]!r}.")
    return status


def _summary(text: str) -> str:
    summary = plain_lines(text)
    if len(summary) > LONGEST_SUMMARY:
        raise InvalidRequest(
            f"The summary of a check has at most {LONGEST_SUMMARY} characters: give a link to more."
        )
    if has_unshown(summary):
        raise InvalidRequest(
            "The summary of a check has characters in it that nobody can see, such as those that "
            "colour a terminal: leave them out."
        )
    return summary


def _link(text: str) -> str:
    link = text.strip()
    if not link:
        return ""
    try:
        parts = urlsplit(link)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
        has_account = "@" in parts.netloc
        _ = parts.port
    except ValueError:
        is_address = has_account = False
    if has_account:
        raise InvalidRequest("The link of a check names an account: leave that out of it.")
    if not is_address or len(link) > LONGEST_LINK or not link.isprintable() or " " in link:
        raise InvalidRequest(
            "The link of a check is an address that begins with https:// or http://, without "
            f"spaces, of at most {LONGEST_LINK} characters."
        )
    return link
