"""Asking by mail for a link that sets another password, without being signed in."""

from sqlalchemy import func, select

from greenroom.models import User
from greenroom.registry import attempts, audit, passwords
from greenroom.registry.attempt_limits import Purpose
from greenroom.registry.audit import Kind
from greenroom.registry.errors import NotFound
from greenroom.registry.names import is_username
from greenroom.registry.permissions import ANONYMOUS
from greenroom.registry.unit_of_work import UnitOfWork

_MOST_ACCOUNTS = 5


def ask(uow: UnitOfWork, typed: str, address: str) -> None:
    """Have a link sent to whom this name or e-mail address belongs, if it is anybody's.

    The same is done, and nothing is said, whether or not there is such an account: the line of the
    audit log is written for nobody then. Who is found is told when the message is made.

    Args:
        uow: in which it is done.
        typed: the name of an account, or an e-mail address.
        address: from where this is asked; each time counts against it, and for what was typed.

    Raises:
        NotFound: no mail is sent by this index.
        NotAllowed: passwords open nothing in it.
        TooMany: it was asked for too often from there, or for this account.
    """
    if uow.settings.mail_url is None:
        raise NotFound("This index sends no mail: ask an administrator for another password.")
    passwords.check_taken(uow.settings)
    attempts.begin(uow, Purpose.RESET, typed, address)
    for user in _found(uow, typed.strip()) or [None]:
        audit.write(uow, Kind.PASSWORD_FORGOTTEN, ANONYMOUS, about=user)


def _found(uow: UnitOfWork, typed: str) -> list[User | None]:
    """Whose address can be written to, of that name or address."""
    named = User.normalized_username == typed.lower()
    wanted = named if is_username(typed) else func.lower(User.email) == typed.lower()
    reachable = User.email_verified & User.disabled.is_(None) & User.deleted.is_(None)
    found = uow.db.scalars(
        select(User).where(wanted, reachable).order_by(User.id).limit(_MOST_ACCOUNTS)
    )
    return list(found)
