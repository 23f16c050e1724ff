"""What every act of an administrator has in common: who may, and why it is done.

What an administrator does to a project or a team of others takes a reason as well:
:func:`greenroom.registry.permissions.require` asks for it.
"""

from greenroom.models import User
from greenroom.registry.errors import InvalidRequest, NotAllowed
from greenroom.registry.permissions import Actor
from greenroom.registry.reasons import check_line
from greenroom.registry.unit_of_work import UnitOfWork


def check_administrator(uow: UnitOfWork, actor: Actor) -> None:
    """Raise NotAllowed unless the actor is an administrator now, as the database has it.

    Raises:
        NotAllowed: the actor is not.
    """
    if actor.user_id is not None:
        uow.db.get(User, actor.user_id, populate_existing=True)
    if not actor.is_administrator:
        raise NotAllowed("Only administrators of this index do this.")


def check_reason(actor: Actor, text: str) -> str:
    """Why an administrator does something: one line, which everybody but the operator has to give.

    Raises:
        InvalidRequest: there is none, or it does not do.
    """
    reason = check_line(text)
    if not reason and actor.user_id is not None:
        raise InvalidRequest("Give a reason: it is recorded in the audit log.")
    return reason
