"""Another password for somebody who does not have the present one: by a link, or by the operator.

Nobody but the operator chooses a password for somebody else. Every session ends with the old one.
"""

from greenroom.models import LinkKind, User
from greenroom.registry import (
    account_links,
    accounts,
    administering,
    audit,
    password_strength,
    password_turns,
    passwords,
    sessions,
)
from greenroom.registry.account_links import NewLink
from greenroom.registry.audit import Kind
from greenroom.registry.errors import AccountDisabled, InvalidRequest
from greenroom.registry.permissions import OPERATOR, Actor, Person
from greenroom.registry.unit_of_work import Services, UnitOfWork


def make_link(uow: UnitOfWork, actor: Actor, username: str, reason: str = "") -> NewLink:
    """A link with which its owner sets another password of the account; an older one ends.

    Raises:
        NotAllowed: the actor is no administrator, the account is disabled, or passwords open
            nothing in this index.
        NotFound: there is no such account.
        InvalidRequest: the reason does not do.
    """
    administering.check_administrator(uow, actor)
    passwords.check_taken(uow.settings)
    reason = administering.check_reason(actor, reason)
    user = accounts.get_user(uow.db, username)
    if not user.is_enabled:
        raise AccountDisabled(user.username)
    link = account_links.make(uow, LinkKind.PASSWORD_RESET, by=actor, user=user)
    audit.write(uow, Kind.PASSWORD_LINK, actor, about=user, detail=reason)
    return link


def reset(services: Services, key: str, password: str) -> str:
    """Set another password with a link, and give the name of the account.

    Raises:
        NotFound: the link cannot be used any more.
        InvalidRequest: the password does not do. The link stays.
        TooMany: too many passwords are worked on just now.
        NotAllowed: passwords open nothing in this index.
    """
    passwords.check_taken(services.settings)
    with services.reading() as uow:
        link = account_links.look_at(uow, LinkKind.PASSWORD_RESET, key)
        own = _own_words(uow, uow.db.get_one(User, link.user_id))
    new_hash = _hashed(password, own)
    with services.writing() as uow:
        link = account_links.use(uow, LinkKind.PASSWORD_RESET, key)
        user = uow.db.get_one(User, link.user_id)
        _set(uow, user, new_hash)
        how = f"with a link of {link.made_by}"
        audit.write(uow, Kind.PASSWORD_RESET, Person(user), about=user, detail=how)
        return user.username


def set_password(services: Services, username: str, password: str) -> None:
    """Set the password of an account, as the operator.

    Raises:
        NotFound: there is no such account.
        InvalidRequest: the password does not do.
        TooMany: too many passwords are worked on just now.
    """
    with services.reading() as uow:
        own = _own_words(uow, accounts.get_user(uow.db, username))
    new_hash = _hashed(password, own)
    with services.writing() as uow:
        user = accounts.get_user(uow.db, username)
        _set(uow, user, new_hash)
        audit.write(uow, Kind.PASSWORD_CHANGE, OPERATOR, about=user)


def _own_words(uow: UnitOfWork, user: User) -> tuple[str, ...]:
    return password_strength.own_words(user.username, user.email, uow.settings.url)


def _hashed(password: str, own: tuple[str, ...]) -> str:
    with password_turns.turn():
        problems = passwords.problems(password) or password_strength.problems(password, own)
        if problems:
            raise InvalidRequest(problems[0], problems)
        return passwords.hashed(password)


def _set(uow: UnitOfWork, user: User, password_hash: str) -> None:
    """Give the account this password; its sessions have ended, and what could set another one."""
    # In the order of whoever disables an account, and of whoever uses a link.
    account_links.end(uow, user, LinkKind.PASSWORD_RESET)
    sessions.drop_all(uow, user.id)
    user.password_hash = password_hash
    user.has_password = True
    uow.db.flush()
