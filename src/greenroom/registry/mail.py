"""Who is told of what has happened, by mail: decided when the job of an event is done.

A message is a job of its own for each recipient, written in the transaction that remembers that
they were told, so that nobody is told twice and one recipient holds up no other. What it says is
made when it is sent (:mod:`greenroom.mailing`).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from packaging.utils import canonicalize_name
from sqlalchemy import ColumnElement, Select, delete, func, or_, select

from greenroom.counts import counted
from greenroom.models import (
    AuditEntry,
    Draft,
    DraftEvent,
    ExpiryWarning,
    Notification,
    Project,
    ReleaseSet,
    ReleaseSetMember,
    Role,
    RoleName,
    SignInPlace,
    UnwantedMail,
    User,
)
from greenroom.models.base import JSONObject
from greenroom.networks import network_of
from greenroom.registry import (
    account_links,
    audit,
    jobs,
    live_drafts,
    notices,
    webhook_events,
)
from greenroom.registry.account_links import NewLink
from greenroom.registry.audit import Kind
from greenroom.registry.errors import InvalidRequest
from greenroom.registry.notices import CHOICES, NOTICES, Category, Notice, To, Whom
from greenroom.registry.permissions import HOUSEKEEPING, MAIL, Person
from greenroom.registry.unit_of_work import Services, UnitOfWork

_HOUR = timedelta(hours=1)
_KEPT = timedelta(days=7)
_PLACES_KEPT = timedelta(days=365)
_MOST_LINES = 1000
_WARNED_BEFORE = timedelta(days=3)
_MOST_WARNINGS = 500

SUMMARY = "summary"
"""Stands for the act, where a message says how many others were not sent."""


class Letter(Struct, frozen=True):
    """A message that is to be sent now.

    Attributes:
        username: of the recipient, empty where there is no account.
        address: where it goes.
        act: what it is about.
        facts: what it may say, as texts.
        key: the same whenever the message is sent again.
        link: the one-time link that it has; a secret.
    """

    username: str
    address: str
    act: str
    facts: dict[str, str]
    key: str
    link: NewLink | None = None


# Telling of an event


def notify(services: Services, payload: JSONObject) -> None:
    """Decide who is told of an event, and write a job for each of them. To do it again is nothing.

    Args:
        services: what is worked on.
        payload: the facts of the event, as :func:`notices.note` has written them.
    """
    act = _text(payload, "act")
    notice = NOTICES.get(act)
    if notice is None or services.settings.mail_url is None:
        return
    with services.writing() as uow:
        facts = {name: str(value) for name, value in payload.items()}
        if act == notices.SIGN_IN and not _is_news(uow, payload):
            return
        if act in notices.STAGING:
            done = _done_in_draft(uow, facts)
            if done is None:
                return
            facts["detail"] = done
        if notice.whom is Whom.INVITED:
            _tell_invited(uow, payload, facts)
        for user in _told(uow, notice, payload):
            _tell(uow, user, notice, act, facts)


def _tell(uow: UnitOfWork, user: User, notice: Notice, act: str, facts: dict[str, str]) -> None:
    event = facts["event"]
    if notice.once_a_day:
        event = f"{act} {uow.now:%Y-%m-%d} {facts.get('detail', '')}"[:255]
    known = (Notification.user_id == user.id) & (Notification.event == event)
    if uow.db.scalar(select(Notification.id).where(known)) is not None:
        return
    uow.lock(f"mail:{user.id}")
    of_late = ~Notification.held & (Notification.at > uow.now - _HOUR)
    lately, held = uow.db.execute(
        select(func.count().filter(of_late), func.count().filter(Notification.held)).where(
            _counted_with(user, notice), Notification.act == act
        )
    ).one()
    is_held = lately >= notice.most
    told = Notification(user_id=user.id, event=event, act=act, at=uow.now, held=is_held)
    uow.db.add(told)
    uow.db.flush()
    if not is_held:
        jobs.enqueue(uow, jobs.Kind.MAIL, {"user": user.id, "act": act, "facts": facts})
    elif not held and notice.link is None:
        payload: JSONObject = {"user": user.id, "act": SUMMARY, "of": act, "event": event}
        jobs.enqueue(uow, jobs.Kind.MAIL, payload, due=uow.now + _HOUR)


def _tell_invited(uow: UnitOfWork, payload: JSONObject, facts: dict[str, str]) -> None:
    """Write a job for the message to somebody who has no account."""
    at = datetime.fromisoformat(_text(payload, "at"))
    email = account_links.invited(uow, _text(payload, "by"), at)
    if email is not None:
        jobs.enqueue(uow, jobs.Kind.MAIL, {"act": facts["act"], "to": email, "facts": facts})


def _counted_with(user: User, notice: Notice) -> ColumnElement[bool]:
    """What counts against a message: those of its recipient; of links, those to its address.

    Nobody is to be sent links because many accounts were registered with their address.
    """
    address = (_address(user, notice.to) or "").lower()
    if notice.link is None:
        return Notification.user_id == user.id
    same = or_(func.lower(User.email) == address, func.lower(User.new_email) == address)
    return Notification.user_id.in_(select(User.id).where(same))


def _told(uow: UnitOfWork, notice: Notice, payload: JSONObject) -> Sequence[User]:
    """Whoever is told: who has a verified address, and has not switched it off."""
    wanted = _concerned(notice, payload)
    if wanted is None:
        return ()
    unwanted = select(UnwantedMail.user_id).where(UnwantedMail.category == notice.category)
    if notice.category is not Category.SECURITY:
        wanted = wanted.where(User.id.not_in(unwanted))
    return [user for user in uow.db.scalars(wanted.order_by(User.id)) if _address(user, notice.to)]


def _address(user: User, to: To) -> str | None:
    """Where a message goes; None where it goes nowhere."""
    if not user.is_enabled:
        return None
    match to:
        case To.VERIFIED:
            return user.email if user.email_verified else None
        case To.UNVERIFIED:
            return None if user.email_verified else user.email
        case To.WAITING:
            return user.new_email or _address(user, To.UNVERIFIED)
        case To.FORMER:
            return user.former_email


def _concerned(notice: Notice, payload: JSONObject) -> Select[User] | None:
    by, about = _number(payload, "by_id"), _number(payload, "about_id")
    match notice.whom:
        case Whom.ACCOUNT:
            return select(User).where(User.id == about) if about is not None else None
        case Whom.OTHER_ACCOUNT:
            other = about is not None and about != by
            return select(User).where(User.id == about) if other else None
        case Whom.DOER:
            return select(User).where(User.id == by) if by is not None else None
        case Whom.INVITED:
            return None
        case Whom.PEOPLE_OF_SET | Whom.OTHERS_OF_SET:
            people = select(User).where(User.id.in_(_people_of_set(payload)))
            return people.where(User.id != by) if _is_for_others(notice, payload) else people
        case Whom.OWNERS if about is not None:
            return select(User).where(User.id == about)
        case Whom.OWNERS if payload.get("project") is None:
            return select(User).where(User.is_administrator)
        case Whom.OWNERS:
            return select(User).where(User.id.in_(_with_role(payload, RoleName.OWNER)))
        case Whom.PEOPLE | Whom.OTHERS:
            people = select(User).where(User.id.in_(_with_role(payload, *RoleName)))
            return people.where(User.id != by) if _is_for_others(notice, payload) else people


def _is_for_others(notice: Notice, payload: JSONObject) -> bool:
    """Whether all are told but who did it. Of what was set to happen by itself, they are, too."""
    is_by_hand = payload.get("credential") != f"job {jobs.Kind.PUBLISH}"
    has_doer = _number(payload, "by_id") is not None
    return notice.whom in (Whom.OTHERS, Whom.OTHERS_OF_SET) and has_doer and is_by_hand


def _people_of_set(payload: JSONObject) -> Select[int]:
    """Who works on a project of the set of this event, which was open until then."""
    owner, _, name = _text(payload, "detail").partition(",")[0].partition("/")
    at = datetime.fromisoformat(_text(payload, "at"))
    return (
        select(Role.user_id)
        .join(Draft, Draft.project_id == Role.project_id)
        .join(ReleaseSetMember, ReleaseSetMember.draft_id == Draft.id)
        .join(ReleaseSet, ReleaseSet.id == ReleaseSetMember.release_set_id)
        .where(
            ReleaseSet.owner_name == owner,
            ReleaseSet.name == name,
            ReleaseSet.created <= at,
            or_(ReleaseSet.ended.is_(None), ReleaseSet.ended >= at),
        )
    )


def _with_role(payload: JSONObject, *names: RoleName) -> Select[int]:
    """The accounts that have one of these roles in the project of an event."""
    return (
        select(Role.user_id)
        .join(Project, Project.id == Role.project_id)
        .where(_is_project(payload), Role.name.in_(names))
    )


def _is_project(facts: Mapping[str, object]) -> ColumnElement[bool]:
    """Whether it is the project of an event: not another one that has its name by now."""
    created = datetime.fromisoformat(str(facts["project_created"]))
    named = Project.normalized_name == str(facts["normalized_project"])
    return named & (Project.created == created)


def _is_news(uow: UnitOfWork, payload: JSONObject) -> bool:
    """Whether the account has not signed in from there, or in this browser; from now on it has.

    What the account begins with is not new: there is nothing to compare it with.
    """
    is_new_browser = payload.get("new_browser") is True
    user_id, place = _number(payload, "about_id"), network_of(_text(payload, "address"))
    user = uow.db.get(User, user_id) if user_id is not None else None
    if user is None or place is None:
        return False
    uow.lock(f"mail:{user.id}")
    known = uow.db.get(SignInPlace, (user.id, place))
    if known is not None:
        known.last_seen = max(known.last_seen, uow.now)
        return is_new_browser
    of_user = SignInPlace.user_id == user.id
    has_others = uow.db.scalar(select(SignInPlace.place).where(of_user).limit(1)) is not None
    uow.db.add(SignInPlace(user_id=user.id, place=place, last_seen=uow.now))
    if has_others:
        return True
    in_log = _places_in_log(uow, user, datetime.fromisoformat(_text(payload, "at")))
    return bool(in_log) and (is_new_browser or place not in in_log)


def _places_in_log(uow: UnitOfWork, user: User, before: datetime) -> set[str | None]:
    """Where the account signed in before places were kept, as far as the audit log has it."""
    lines = (
        select(AuditEntry.address)
        .where(
            AuditEntry.about == user.username,
            AuditEntry.about_id == user.id,
            AuditEntry.act == notices.SIGN_IN,
            AuditEntry.at < before,
        )
        .order_by(AuditEntry.at.desc())
        .limit(_MOST_LINES)
    )
    return {network_of(address) for address in uow.db.scalars(lines)} - {None}


def _done_in_draft(uow: UnitOfWork, facts: Mapping[str, str]) -> str | None:
    """What somebody has done to the files of a live draft since then; None: there is none."""
    since = datetime.fromisoformat(facts["at"])
    draft = uow.db.scalar(
        select(Draft)
        .join(Project, Project.id == Draft.project_id)
        .where(
            _is_project(facts),
            Draft.version == facts.get("version"),
            Draft.opened <= since,
            live_drafts.is_live(uow),
        )
    )
    if draft is None:
        return None
    counts = dict(
        uow.db.execute(
            select(DraftEvent.act, func.count())
            .where(
                DraftEvent.draft_id == draft.id,
                DraftEvent.by == facts.get("by"),
                DraftEvent.at >= since,
                DraftEvent.act.in_(("opened", "added", "replaced", "removed")),
            )
            .group_by(DraftEvent.act)
        ).all()
    )
    words = ["it is new"] if counts.pop("opened", 0) else []
    words += [f"{counted(count, 'file')} {act}" for act, count in sorted(counts.items())]
    return ", ".join(words) or None


# Sending


def makes_link(payload: JSONObject) -> bool:
    """Whether the message of a job has a one-time link."""
    notice = NOTICES.get(_text(payload, "act"))
    return notice is not None and notice.link is not None


def letter(uow: UnitOfWork, payload: JSONObject) -> Letter | None:
    """The message of a job, None where it is not to be sent any more.

    Args:
        uow: which writes, where the message has a link: it is made here, each time anew.
        payload: as :func:`notify` has written it.
    """
    act, said = _text(payload, "act"), payload.get("facts")
    notice, facts = NOTICES.get(act), {}
    if isinstance(said, dict):
        facts = {name: str(value) for name, value in said.items()}
    user = uow.db.get(User, _number(payload, "user") or 0)
    address = _to(uow, user, notice, payload)
    if address is None or (notice is None and act != SUMMARY):
        return None
    if act == SUMMARY and user is not None:
        facts = {"of": _text(payload, "of"), "count": str(_held(uow, user.id, payload))}
        if facts["count"] == "0":
            return None
    link = None
    if notice is not None and notice.link is not None:
        link = account_links.make(
            *(uow, notice.link),
            by=MAIL,
            user=user,
            email=address,
            ends_older=not notice.is_shown,
        )
    key = facts.get("event") or _text(payload, "event")
    name = user.username if user is not None else ""
    return Letter(name, address, act, facts, f"{key} {user.id if user else address}", link)


def _to(
    uow: UnitOfWork, user: User | None, notice: Notice | None, payload: JSONObject
) -> str | None:
    """Where the message of a job goes by now; None where it goes nowhere."""
    if user is not None:
        return _address(user, notice.to if notice is not None else To.VERIFIED)
    invited = _text(payload, "to")
    return invited if invited and account_links.is_invited(uow, invited) else None


def sent(uow: UnitOfWork, payload: JSONObject) -> None:
    """Note that a message was sent: what it has counted is not counted again."""
    if _text(payload, "act") == SUMMARY:
        of = _is_held(_number(payload, "user") or 0, payload)
        uow.db.execute(delete(Notification).where(of))


def _held(uow: UnitOfWork, user_id: int, payload: JSONObject) -> int:
    return uow.db.scalar(select(func.count()).where(_is_held(user_id, payload))) or 0


def _is_held(user_id: int, payload: JSONObject) -> ColumnElement[bool]:
    return (
        (Notification.user_id == user_id)
        & (Notification.act == _text(payload, "of"))
        & Notification.held
    )


# What falls due


def warn_of_expiry(uow: UnitOfWork) -> int:
    """Have people and webhooks told that drafts expire soon, once for each draft and moment.

    That is three days before, or when a quarter of a shorter lifetime is left.

    Returns:
        Of how many drafts, at most some hundred.
    """
    if uow.settings.mail_url is None and not webhook_events.are_there(uow):
        return 0
    soon = uow.now + min(_WARNED_BEFORE, uow.settings.draft_lifetime / 4)
    due = uow.db.execute(
        select(Draft, ExpiryWarning)
        .outerjoin(ExpiryWarning, ExpiryWarning.draft_id == Draft.id)
        .where(
            live_drafts.is_live(uow),
            Draft.expires <= soon,
            or_(ExpiryWarning.expires.is_(None), ExpiryWarning.expires != Draft.expires),
        )
        .order_by(Draft.id)
        .limit(_MOST_WARNINGS)
        .with_for_update(of=Draft, skip_locked=True)
    ).all()
    for draft, warning in due:
        if warning is None:
            uow.db.add(ExpiryWarning(draft_id=draft.id, expires=draft.expires))
        else:
            warning.expires = draft.expires
        line = {
            "at": uow.now,
            "by": HOUSEKEEPING.name,
            "project": draft.project_name,
            "normalized_project": canonicalize_name(draft.project_name),
            "project_created": draft.project.created if draft.project is not None else None,
            "version": draft.version,
            "detail": f"{draft.expires.day} {draft.expires:%b %Y, %H:%M} UTC",
        }
        notices.note(uow, notices.EXPIRING, line)
        webhook_events.note(uow, notices.EXPIRING, line)
    uow.db.flush()
    return len(due)


def forget_old(uow: UnitOfWork) -> None:
    """Delete what was told some days ago, and places from where nobody signs in any more."""
    uow.db.execute(delete(Notification).where(Notification.at < uow.now - _KEPT))
    uow.db.execute(delete(SignInPlace).where(SignInPlace.last_seen < uow.now - _PLACES_KEPT))


# What people choose


def unwanted(uow: UnitOfWork, user: User) -> frozenset[Category]:
    """What a person has switched off."""
    of_user = select(UnwantedMail.category).where(UnwantedMail.user_id == user.id)
    names = set(uow.db.scalars(of_user))
    return frozenset(category for category in CHOICES if category in names)


def choose(uow: UnitOfWork, user: User, wanted: Iterable[str]) -> None:
    """Let a person be told of these categories, and of no others but security.

    Raises:
        InvalidRequest: one is none that can be chosen.
    """
    chosen = set(wanted)
    if not chosen <= set(CHOICES):
        names = ", ".join(CHOICES)
        raise InvalidRequest(f"Choose of {names}: what concerns security is always told.")
    off = {category for category in CHOICES if category not in chosen}
    if off == unwanted(uow, user):
        return
    uow.db.execute(delete(UnwantedMail).where(UnwantedMail.user_id == user.id))
    uow.db.add_all(UnwantedMail(user_id=user.id, category=category) for category in sorted(off))
    uow.db.flush()
    detail = f"not told of: {', '.join(sorted(off)) or 'nothing'}"
    audit.write(uow, Kind.MAIL_SETTINGS, Person(user), about=user, detail=detail)


def _text(payload: JSONObject, name: str) -> str:
    value = payload.get(name)
    return value if isinstance(value, str) else ""


def _number(payload: JSONObject, name: str) -> int | None:
    value = payload.get(name)
    return value if isinstance(value, int) else None
