"""An administrator takes the second factors of somebody who has lost them away."""

from sqlalchemy import delete

from greenroom.models import SecondFactor
from greenroom.registry import (
    accounts,
    administering,
    audit,
    recovery_codes,
    second_factors,
    sessions,
)
from greenroom.registry.audit import Kind
from greenroom.registry.errors import InvalidRequest
from greenroom.registry.permissions import Actor
from greenroom.registry.unit_of_work import UnitOfWork


def reset(uow: UnitOfWork, actor: Actor, username: str, reason: str) -> int:
    """Take all second factors of a user away, and the recovery codes; end all sessions.

    Whoever knows the password signs in with it alone then, so be certain of who asks.

    Returns:
        how many there were.

    Raises:
        NotAllowed: the actor is no administrator.
        NotFound: there is no such user.
        InvalidRequest: the reason does not do, or the user has none.
    """
    administering.check_administrator(uow, actor)
    reason = administering.check_reason(actor, reason)
    user = accounts.get_user(uow.db, username)
    second_factors.lock(uow, user.id)
    removed = uow.db.execute(
        delete(SecondFactor).where(SecondFactor.user_id == user.id).returning(SecondFactor.id)
    ).all()
    if not removed:
        raise InvalidRequest(f"The user {user.username!r} has no second factor.")
    recovery_codes.forget(uow, user.id)
    sessions.drop_all(uow, user.id)
    audit.write(uow, Kind.SECOND_FACTOR_RESET, actor, about=user, detail=reason)
    return len(removed)
