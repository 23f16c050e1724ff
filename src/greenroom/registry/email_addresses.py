"""E-mail addresses of accounts: verified and changed by a link that is sent to them.

Where no mail is sent, an administrator verifies, and a changed address is not verified any more.
"""

from greenroom.models import LinkKind, User
from greenroom.registry import (
    account_links,
    accounts,
    attempts,
    audit,
    current_password,
    password_turns,
)
from greenroom.registry.attempt_limits import Purpose
from greenroom.registry.audit import Kind
from greenroom.registry.errors import InvalidRequest, NotFound
from greenroom.registry.permissions import Person
from greenroom.registry.unit_of_work import Services, UnitOfWork


def change(services: Services, user_id: int, current: str | None, email: str) -> bool:
    """Give an account another e-mail address: at once where no mail is sent, else once it is used.

    Args:
        services: what is worked on.
        user_id: whose account.
        current: the present password; None for an account that has none, whose person has
            shown otherwise who it is.
        email: the other e-mail address.

    Returns:
        Whether the address has changed; otherwise a link is sent to the new one.

    Raises:
        InvalidRequest: the password is wrong, or the e-mail address does not do.
        TooMany: too many wrong passwords, or too many messages, of late.
    """
    email = email.strip()
    problems = accounts.email_problems(email)
    if problems:
        raise InvalidRequest(problems[0], problems)
    address = services.origin.address or "unknown"
    password_hash = None
    if current is not None:
        with password_turns.turn(known=True):
            password_hash = current_password.matching(services, user_id, current, address)
    with services.writing() as uow:
        user = uow.db.get_one(User, user_id)
        # It is wrong, or was changed just now.
        if user.has_password and user.password_hash != password_hash:
            raise InvalidRequest("The current password is wrong.")
        if email == user.email:
            raise InvalidRequest("This is your address already.")
        if uow.settings.mail_url is None:
            _set(uow, user, email, verified=False)
            return True
        _count(uow, user)
        user.new_email = email
        uow.db.flush()
        audit.write(uow, Kind.EMAIL_ASK, Person(user), about=user)
        return False


def ask_again(uow: UnitOfWork, user: User) -> None:
    """Have the link sent once more to the address that waits to be verified.

    Raises:
        InvalidRequest: no mail is sent, or no address waits.
        TooMany: too many messages of late.
    """
    if uow.settings.mail_url is None:
        raise InvalidRequest("This index sends no mail: ask an administrator.")
    if user.email_verified and user.new_email is None:
        raise InvalidRequest("Your address is verified already.")
    _count(uow, user)
    audit.write(uow, Kind.EMAIL_ASK, Person(user), about=user)


def give_up(uow: UnitOfWork, user: User) -> None:
    """Keep the present address: the link that was sent to another one ends."""
    if user.new_email is None:
        return
    account_links.end(uow, user, LinkKind.EMAIL_VERIFICATION)
    user.new_email = None
    uow.db.flush()
    audit.write(uow, Kind.EMAIL_KEEP, Person(user), about=user)


def look_at(uow: UnitOfWork, key: str) -> str:
    """The e-mail address that a link verifies; nothing is used up.

    Raises:
        NotFound: the link cannot be used any more.
    """
    return account_links.look_at(uow, LinkKind.EMAIL_VERIFICATION, key).email


def confirm(uow: UnitOfWork, key: str) -> str:
    """Verify the address that a link was sent to, and give it. Nobody has to be signed in.

    Raises:
        NotFound: the link cannot be used any more.
    """
    link = account_links.use(uow, LinkKind.EMAIL_VERIFICATION, key)
    user = uow.db.get_one(User, link.user_id)
    if link.email == user.new_email:
        _set(uow, user, link.email, verified=True)
    elif link.email == user.email and not user.email_verified:
        user.email_verified = True
        uow.db.flush()
        audit.write(uow, Kind.USER_VERIFY, Person(user), about=user)
    else:
        raise NotFound("This link cannot be used any more: the account has another address.")
    return link.email


def _set(uow: UnitOfWork, user: User, email: str, *, verified: bool) -> None:
    """Another address. Who has the former one is told, and can do nothing more with it."""
    account_links.end(uow, user, LinkKind.PASSWORD_RESET, LinkKind.EMAIL_VERIFICATION)
    user.former_email = user.email if user.email_verified else None
    user.email, user.new_email, user.email_verified = email, None, verified
    uow.db.flush()
    audit.write(uow, Kind.EMAIL_CHANGE, Person(user), about=user)


def _count(uow: UnitOfWork, user: User) -> None:
    """Count a message that is asked for: each counts, whatever comes of it."""
    address = uow.origin.address or "unknown"
    attempts.begin(uow, Purpose.ADDRESS, user.normalized_username, address)
