"""Sessions of everybody, for administrators and the operator."""

from msgspec import Struct
from sqlalchemy import select

from greenroom.models import SignInSession, User
from greenroom.models.base import LARGEST_ID
from greenroom.registry import accounts, administering, sessions
from greenroom.registry.errors import NotFound
from greenroom.registry.permissions import Actor
from greenroom.registry.sessions import SessionSummary
from greenroom.registry.unit_of_work import UnitOfWork


class OwnedSession(Struct, frozen=True):
    """A session that goes on, and whose it is."""

    username: str
    session: SessionSummary


def listed(uow: UnitOfWork, user: User | None = None) -> list[OwnedSession]:
    """All sessions that go on, or those of a user, the one that was used last first."""
    wanted = [*sessions.going_on(uow)]
    if user is not None:
        wanted.append(SignInSession.user_id == user.id)
    found = uow.db.execute(
        select(SignInSession, User.username)
        .join(User, User.id == SignInSession.user_id)
        .where(*wanted)
        .order_by(SignInSession.last_used.desc(), SignInSession.id.desc())
    )
    return [OwnedSession(name, sessions.summary(session)) for session, name in found]


def end(uow: UnitOfWork, actor: Actor, session_id: int, reason: str = "") -> OwnedSession:
    """End somebody's session at once.

    Raises:
        NotAllowed: the actor is no administrator.
        NotFound: there is no such session, or it has ended.
        InvalidRequest: the reason does not do.
    """
    administering.check_administrator(uow, actor)
    reason = administering.check_reason(actor, reason)
    session = uow.db.get(SignInSession, min(session_id, LARGEST_ID))
    if session is None:
        raise NotFound("There is no such session, or it has ended.")
    user = uow.db.get_one(User, session.user_id)
    return OwnedSession(user.username, sessions.end(uow, actor, user, session.id, reason))


def end_all(uow: UnitOfWork, actor: Actor, username: str, reason: str = "") -> int:
    """End every session of somebody at once, and say how many there were.

    Raises:
        NotAllowed: the actor is no administrator.
        NotFound: there is no such account.
        InvalidRequest: the reason does not do.
    """
    administering.check_administrator(uow, actor)
    reason = administering.check_reason(actor, reason)
    return sessions.end_all(uow, actor, accounts.get_user(uow.db, username), reason)
