"""Sessions of people who are signed in: beginning, finding, listing and ending them.

A cookie has a random text, and the database its digest, so that a session ends here, whoever has a
copy of the cookie. It ends when it was not used for long, and some time after its beginning in any
case.
"""

import hashlib
import hmac
from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import ColumnElement, Row, bindparam, delete, func, or_, select, update

from greenroom.models import SignInSession, User
from greenroom.networks import network_of
from greenroom.registry import accounts, audit, second_factors
from greenroom.registry.accounts import SignedIn
from greenroom.registry.audit import Kind
from greenroom.registry.device_names import device_name
from greenroom.registry.errors import NotAllowed, NotAuthenticated, NotFound, SecondFactorNeeded
from greenroom.registry.permissions import Actor, Person, ShownSession
from greenroom.registry.random_text import may_be_random_text, random_text
from greenroom.registry.second_factors import Proof
from greenroom.registry.unit_of_work import UnitOfWork

_SECRET_LENGTH = 43  # more than 256 bits
_USE_PRECISION = timedelta(minutes=1)
_MOST = 100
"""Sessions of one person; the one that was not used for longest ends for one more."""
_NEWEST_FIRST = (SignInSession.last_used.desc(), SignInSession.id.desc())
_ENDED = "The session has ended: sign in again."


class SessionSummary(Struct, frozen=True):
    """What is said of a session that goes on.

    Attributes:
        id: what forms and commands name it by.
        device: what people call the browser.
        address: where it was last used from, of IPv6 the network; None where nobody knows.
        last_used: to the minute.
        authenticated: when the person last showed who it is.
    """

    id: int
    device: str
    address: str | None
    begun: datetime
    last_used: datetime
    authenticated: datetime


class Browser(Struct, frozen=True):
    """In what somebody signs in.

    Attributes:
        user_agent: what it says of itself.
        secret: of the session that it had before, which ends.
    """

    user_agent: str = ""
    secret: str | None = None


def begin(
    uow: UnitOfWork,
    signed_in: SignedIn,
    browser: Browser,
    *,
    second_factor: Proof | None = None,
    since: datetime | None = None,
) -> str:
    """A session of somebody who has just signed in; gives the secret that proves it.

    Args:
        uow: to write in.
        signed_in: who; the account must be as it was then.
        browser: where.
        second_factor: which one was shown, None for none.
        since: from when its lifetime counts, where that is not now.

    Raises:
        NotAuthenticated: the password was changed meanwhile, or the account is disabled or gone.
        SecondFactorNeeded: the person has one, and it was not shown.
    """
    _lock(uow, signed_in.id)
    user = uow.db.get(User, signed_in.id, populate_existing=True)
    if user is None or not user.is_enabled:
        raise NotAuthenticated(_ENDED)
    if accounts.session_stamp(user) != signed_in.stamp:
        raise NotAuthenticated(_ENDED)
    if second_factor is None and second_factors.count_of(uow, user.id):
        raise SecondFactorNeeded("Show your second factor.")
    if browser.secret is not None:
        _end(uow, SignInSession.digest == _digest(browser.secret))
    secret = random_text(_SECRET_LENGTH)
    uow.db.add(
        SignInSession(
            user_id=user.id,
            digest=_digest(secret),
            stamp=signed_in.stamp,
            begun=since or uow.now,
            last_used=uow.now,
            authenticated=uow.now,
            second_factor=uow.now if second_factor is not None else None,
            factor_kind=second_factor.kind if second_factor is not None else None,
            address=network_of(uow.origin.address),
            user_agent=audit.plain(browser.user_agent),
        )
    )
    uow.db.flush()
    newest = select(SignInSession.id).where(*_goes_on(uow, user.id)).order_by(*_NEWEST_FIRST)
    _end(uow, SignInSession.id.in_(newest.offset(_MOST)))
    return secret


def find(uow: UnitOfWork, secret: str) -> Person | None:
    """Whose session this secret proves, in one query; None where it proves none that goes on."""
    if not may_be_random_text(secret, _SECRET_LENGTH):
        return None
    return _person(uow, uow.db.execute(_BY_DIGEST, {"digest": _digest(secret)}).one_or_none())


def get(uow: UnitOfWork, session_id: int) -> Person:
    """Whose session this is.

    Raises:
        NotAuthenticated: it has ended.
    """
    person = _person(uow, uow.db.execute(_BY_ID, {"id": session_id}).one_or_none())
    if person is None:
        raise NotAuthenticated(_ENDED)
    return person


def _person(uow: UnitOfWork, row: Row[SignInSession, User, bool, bool] | None) -> Person | None:
    if row is None:
        return None
    session, user, has_factor, owns = row
    if not hmac.compare_digest(session.stamp, accounts.session_stamp(user)):
        return None  # the password was changed elsewhere
    settings, now = uow.settings, uow.now
    is_idle = now - session.last_used >= settings.session_idle
    if is_idle or now - session.begun >= settings.session_lifetime:
        return None
    return Person(
        user,
        ShownSession(
            session.id,
            session.begun,
            session.last_used,
            session.authenticated,
            session.second_factor,
            has_factor,
            not has_factor and second_factors.is_wanted(settings, user, owns=owns),
            session.factor_kind or "",
        ),
    )


# A session opens something while all of this is so.
_OPENS: tuple[ColumnElement[bool], ...] = (
    SignInSession.ended.is_(None),
    User.disabled.is_(None),
    User.deleted.is_(None),
)
_FOUND = (
    select(SignInSession, User, second_factors.has_any(), second_factors.owns_any())
    .join(User, User.id == SignInSession.user_id)
    .where(*_OPENS)
)
_BY_DIGEST = _FOUND.where(SignInSession.digest == bindparam("digest"))
_BY_ID = _FOUND.where(SignInSession.id == bindparam("id"))


def is_use_due(uow: UnitOfWork, session: ShownSession) -> bool:
    """Whether :func:`note_use` has anything to write."""
    return uow.now - session.last_used >= _USE_PRECISION


def note_use(uow: UnitOfWork, session_id: int) -> None:
    """Remember that a session was used now, and from where."""
    uow.db.execute(
        update(SignInSession)
        .where(
            SignInSession.id == session_id,
            SignInSession.ended.is_(None),
            SignInSession.last_used < uow.now,
        )
        .values(last_used=uow.now, address=network_of(uow.origin.address))
    )


def summary(session: SignInSession) -> SessionSummary:
    """What is said of a session."""
    return SessionSummary(
        session.id,
        device_name(session.user_agent),
        session.address,
        session.begun,
        session.last_used,
        session.authenticated,
    )


def of_user(uow: UnitOfWork, user: User, *, start: int = 0, count: int) -> list[SessionSummary]:
    """Some of the user's sessions that go on, the one that was used last first."""
    found = uow.db.scalars(
        select(SignInSession)
        .where(*_goes_on(uow, user.id))
        .order_by(*_NEWEST_FIRST)
        .offset(start)
        .limit(count)
    )
    return [summary(session) for session in found]


def count_of(uow: UnitOfWork, user: User) -> int:
    """How many of the user's sessions go on."""
    return uow.db.scalar(select(func.count()).where(*_goes_on(uow, user.id))) or 0


def sign_out(uow: UnitOfWork, person: Person) -> None:
    """End the session that a person acts with, for good: a copy of its cookie opens nothing."""
    if person.session is not None:
        _end(uow, SignInSession.id == person.session.id)
    audit.write(uow, Kind.SIGN_OUT, person, about=person.user)


def end(
    uow: UnitOfWork, actor: Actor, user: User, session_id: int, reason: str = ""
) -> SessionSummary:
    """End a session of this user at once, and say which it was; ``reason`` is recorded.

    Raises:
        NotAllowed: the actor is neither this user nor an administrator.
        NotFound: the user has no such session that goes on.
    """
    _check_may_end(actor, user)
    _lock(uow, user.id)
    wanted = (*_goes_on(uow, user.id), SignInSession.id == session_id)
    session = uow.db.scalar(select(SignInSession).where(*wanted))
    if session is None:
        raise NotFound("There is no such session, or it has ended.")
    _end(uow, SignInSession.id == session_id)
    audit.write(uow, Kind.SESSION_END, actor, about=user, detail=_with(_described(session), reason))
    return summary(session)


def end_all(
    uow: UnitOfWork, actor: Actor, user: User, reason: str = "", *, but: int | None = None
) -> int:
    """End every session of this user, or every other one than this, and say how many it were.

    ``reason`` is recorded.

    Raises:
        NotAllowed: the actor is neither this user nor an administrator.
    """
    _check_may_end(actor, user)
    ended = drop_all(uow, user.id, but=but)
    if ended:
        which = "all" if but is None else "all others"
        audit.write(
            uow, Kind.SESSION_END, actor, about=user, detail=_with(f"{which}: {ended}", reason)
        )
    return ended


def drop_all(uow: UnitOfWork, user_id: int, *, but: int | None = None) -> int:
    """End them as a part of another act, whose line in the audit log says so."""
    _lock(uow, user_id)
    others = () if but is None else (SignInSession.id != but,)
    return _end(uow, SignInSession.user_id == user_id, *others)


def renew(uow: UnitOfWork, session_id: int) -> str:
    """Another secret for a session whose person has just shown who it is.

    Raises:
        NotAuthenticated: it has ended.
    """
    secret = random_text(_SECRET_LENGTH)
    row = uow.db.execute(_BY_ID, {"id": session_id}).one_or_none()
    if row is None:
        raise NotAuthenticated(_ENDED)
    session, user, *_ = row
    session.digest, session.authenticated = _digest(secret), uow.now
    session.stamp = accounts.session_stamp(user)
    uow.db.flush()
    return secret


def confirm(
    uow: UnitOfWork, person: Person, session: ShownSession, *, second_factor: Proof | None = None
) -> str:
    """Note that a person has just shown who it is; gives the session's new secret.

    Args:
        uow: to write in.
        person: who.
        session: where.
        second_factor: which one was shown, None for none.

    Raises:
        NotAuthenticated: the session has ended.
        SecondFactorNeeded: the person has one, and it was not shown.
    """
    if second_factor is None and second_factors.count_of(uow, person.user.id):
        raise SecondFactorNeeded("Show your second factor.")
    secret, detail = renew(uow, session.id), ""
    if second_factor is not None:
        detail = second_factor.detail
        shown = update(SignInSession).where(SignInSession.id == session.id)
        uow.db.execute(shown.values(second_factor=uow.now, factor_kind=second_factor.kind))
    audit.write(uow, Kind.SESSION_CONFIRM, person, about=person.user, detail=detail)
    return secret


def forget_ended(uow: UnitOfWork) -> int:
    """Delete sessions that open nothing any more; say how many there were."""
    since, begun = uow.now - uow.settings.session_idle, uow.now - uow.settings.session_lifetime
    deleted = uow.db.execute(
        delete(SignInSession)
        .where(
            or_(
                SignInSession.ended.is_not(None),
                SignInSession.last_used <= since,
                SignInSession.begun <= begun,
            )
        )
        .returning(SignInSession.id)
    )
    return len(deleted.all())


def going_on(uow: UnitOfWork) -> tuple[ColumnElement[bool], ...]:
    """What the row of a session that goes on satisfies, whoever it is of."""
    return (
        SignInSession.ended.is_(None),
        SignInSession.last_used > uow.now - uow.settings.session_idle,
        SignInSession.begun > uow.now - uow.settings.session_lifetime,
    )


def _goes_on(uow: UnitOfWork, user_id: int) -> tuple[ColumnElement[bool], ...]:
    return (SignInSession.user_id == user_id, *going_on(uow))


def _end(uow: UnitOfWork, *which: ColumnElement[bool]) -> int:
    ended = uow.db.execute(
        update(SignInSession)
        .where(SignInSession.ended.is_(None), *which)
        .values(ended=uow.now)
        .returning(SignInSession.id)
    )
    return len(ended.all())


def _check_may_end(actor: Actor, user: User) -> None:
    if not actor.is_the_user(user) and not actor.is_administrator:
        raise NotAllowed("Only a person, or an administrator of this index, ends their sessions.")


def _lock(uow: UnitOfWork, user_id: int) -> None:
    """Nobody begins a session of this user while all of them end, nor the other way around."""
    uow.lock(f"sessions:{user_id}")


def _described(session: SignInSession) -> str:
    place = f" at {session.address}" if session.address is not None else ""
    return f"session {session.id}: {device_name(session.user_agent)}{place}"


def _with(what: str, reason: str) -> str:
    return f"{what}; {reason}" if reason else what


def _digest(secret: str) -> str:
    # What is as random as this needs no slow hash.
    return hashlib.sha256(secret.encode()).hexdigest()
