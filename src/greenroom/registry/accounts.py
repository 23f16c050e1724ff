"""Accounts of people: making, finding, listing and verifying them."""

import hashlib
from datetime import datetime

from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.orm import Session

from greenroom.models import LinkKind, User
from greenroom.registry import (
    account_links,
    audit,
    password_strength,
    password_turns,
    passwords,
)
from greenroom.registry.account_links import NewLink
from greenroom.registry.audit import Kind
from greenroom.registry.errors import InvalidRequest, NotAllowed, NotFound
from greenroom.registry.names import is_username
from greenroom.registry.permissions import NO_USERS, OPERATOR, Actor, Person
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.settings import is_mail_address


class UserSummary(Struct, frozen=True):
    """What pages say of an account.

    Attributes:
        id: what forms name it by.
        email_verified: whether an administrator has vouched for it.
        created: since when it is here.
        has_password: whether it can be opened by one.
        disabled: since when nothing can be done with it, None where something can.
        disabled_reason: why, in the words of whoever did it; may be empty.
        disabled_by: the name of who did it.
        deleted: when it was, for good; then nothing is kept but its name.
    """

    id: int
    username: str
    email: str
    email_verified: bool
    is_administrator: bool
    created: datetime
    has_password: bool
    disabled: datetime | None
    disabled_reason: str
    disabled_by: str
    deleted: datetime | None


class NewAccount(Struct, frozen=True):
    """What an account begins with, all of which does; :func:`prepared` makes it."""

    username: str
    email: str
    password_hash: str
    has_password: bool = True


class SignedIn(Struct, frozen=True):
    """Somebody who may have a session.

    Attributes:
        id: of the account.
        stamp: see :func:`session_stamp`.
    """

    id: int
    username: str
    stamp: str


def prepared(
    username: str, email: str, password: str, *, index_url: str | None = None
) -> NewAccount:
    """What :func:`create_user` takes. To hash a password takes long: call it in no unit of work.

    Args:
        username: a name that nobody has yet.
        email: an address of whose account it is.
        password: a new one.
        index_url: where the index is, whose name is no good password either.

    Raises:
        InvalidRequest: name, address or password do not do.
        TooMany: too many passwords are worked on just now.
    """
    check_account(username, email, password)
    with password_turns.turn():
        check_strength(username, email, password, index_url)
        return NewAccount(username, email, passwords.hashed(password))


def check_strength(username: str, email: str, password: str, index_url: str | None) -> None:
    """Raise InvalidRequest where an account of this person may not begin with this password.

    Raises:
        InvalidRequest: it is easy to guess.
    """
    own = password_strength.own_words(username, email, index_url)
    problems = password_strength.problems(password, own)
    if problems:
        raise InvalidRequest(problems[0], problems)


def without_password(username: str, email: str) -> NewAccount:
    """What :func:`create_user` takes of somebody who signs in otherwise. It computes nothing.

    Raises:
        InvalidRequest: name or address do not do.
    """
    problems = naming_problems(username, email)
    if problems:
        raise InvalidRequest(problems[0], problems)
    return NewAccount(username, email, passwords.hasher().of_nothing(), has_password=False)


def create_user(
    uow: UnitOfWork,
    account: NewAccount,
    *,
    administrator: bool = False,
    verified: bool = False,
    by: Actor | None = None,
    how: str = "",
) -> User:
    """A new account, made by somebody, or by whose it is; ``how`` is what is recorded of it.

    Raises:
        InvalidRequest: the name is taken.
    """
    uow.lock("users")
    check_not_taken(uow, account.username)
    user = User(
        username=account.username,
        normalized_username=account.username.lower(),
        email=account.email,
        email_verified=verified,
        password_hash=account.password_hash,
        has_password=account.has_password,
        is_administrator=administrator,
        created=uow.now,
    )
    uow.db.add(user)
    uow.db.flush()
    detail = "; ".join(filter(None, ["an administrator" if administrator else "", how]))
    audit.write(uow, Kind.USER_CREATE, by or Person(user), about=user, detail=detail)
    return user


def check_account(username: str, email: str, password: str) -> None:
    """Raise InvalidRequest, with every problem, unless an account may begin with these.

    Raises:
        InvalidRequest: name, address or password do not do.
    """
    problems = [*naming_problems(username, email), *passwords.problems(password)]
    if problems:
        raise InvalidRequest(problems[0], problems)


def naming_problems(username: str, email: str) -> list[str]:
    """Why an account may not have this name or this address, empty where it may."""
    return [*_username_problems(username), *email_problems(email)]


def check_not_taken(uow: UnitOfWork, username: str) -> None:
    """Raise InvalidRequest where an account has this name, in any letter case, or had it once.

    The name of a deleted account is not given out again, so that nobody is taken for who had it.

    Raises:
        InvalidRequest: one has.
    """
    named = User.normalized_username == username.lower()
    if is_username(username) and uow.db.scalar(select(User.id).where(named)) is not None:
        raise InvalidRequest(f"The user name {username!r} is taken: choose another one.")


def first_administrator_link(uow: UnitOfWork) -> NewLink:
    """A new link that makes the first administrator; it ends the one before.

    Raises:
        NotFound: there is an account.
    """
    _check_empty(uow)
    audit.write(uow, Kind.USER_INVITE, OPERATOR, detail="the first administrator")
    return account_links.make(uow, LinkKind.FIRST_ADMINISTRATOR, by=OPERATOR)


def create_first_administrator(
    services: Services, username: str, email: str, password: str, *, key: str
) -> SignedIn:
    """The first account, an administrator's; possible for as long as there is no other account.

    Raises:
        NotFound: there is one, or the key is not that of the link that was printed last.
        InvalidRequest: name, address or password do not do.
        TooMany: too many passwords are worked on just now.
    """
    with services.reading() as uow:
        check_first_administrator_link(uow, key)
    account = prepared(username, email, password, index_url=services.settings.url)
    with services.writing() as uow:
        uow.lock("users")
        _check_empty(uow)
        account_links.use(uow, LinkKind.FIRST_ADMINISTRATOR, key)
        return signed_in(create_user(uow, account, administrator=True, verified=True))


def check_first_administrator_link(uow: UnitOfWork, key: str) -> None:
    """Raise NotFound unless the first administrator can be made with this key.

    Raises:
        NotFound: there is an account, or the key is not that of the link that was printed last.
    """
    _check_empty(uow)
    account_links.look_at(uow, LinkKind.FIRST_ADMINISTRATOR, key)


def _check_empty(uow: UnitOfWork) -> None:
    if not is_empty(uow.db):
        raise NotFound("This index has an administrator: sign in instead.")


def is_empty(db: Session) -> bool:
    """Whether there is no account yet."""
    return db.scalar(select(User.id).limit(1)) is None


def find_user(db: Session, username: str) -> User | None:
    """The account of this name, in any letter case, also a disabled one; none that was deleted."""
    if not is_username(username):
        return None
    named = User.normalized_username == username.lower()
    return db.scalar(select(User).where(named, User.deleted.is_(None)))


def get_user(db: Session, username: str) -> User:
    """The account of this name.

    Raises:
        NotFound: there is none.
    """
    user = find_user(db, username)
    if user is None:
        raise NotFound(f"There is no user {username!r}.")
    return user


def summary(user: User) -> UserSummary:
    """What pages say of an account."""
    return UserSummary(
        id=user.id,
        username=user.username,
        email=user.email,
        email_verified=user.email_verified,
        is_administrator=user.is_administrator,
        created=user.created,
        has_password=user.has_password,
        disabled=user.disabled,
        disabled_reason=user.disabled_reason,
        disabled_by=user.disabled_by,
        deleted=user.deleted,
    )


def verify_user(uow: UnitOfWork, actor: Actor, user_id: int, reason: str = "") -> User:
    """Vouch for a user, who may then register project names. To do it again changes nothing.

    Raises:
        NotAllowed: the actor is no administrator.
        NotFound: there is no such user.
    """
    if not actor.is_administrator:
        raise NotAllowed("Only administrators of this index verify users.")
    user = uow.db.get(User, user_id)
    if user is None:
        raise NotFound("There is no such user.")
    if not user.email_verified:
        user.email_verified = True
        uow.db.flush()
        audit.write(uow, Kind.USER_VERIFY, actor, about=user, detail=reason)
    return user


def signed_in(user: User) -> SignedIn:
    """This user, as somebody who may have a session."""
    return SignedIn(user.id, user.username, session_stamp(user))


def signed_in_by_id(uow: UnitOfWork, user_id: int) -> SignedIn:
    """The user of this number, likewise; there is one."""
    return signed_in(uow.db.get_one(User, user_id))


def session_stamp(user: User) -> str:
    """What a session cookie carries to prove that the password has not changed since."""
    return hashlib.sha256(user.password_hash.encode()).hexdigest()[:32]


def _username_problems(username: str) -> list[str]:
    if username.lower() in NO_USERS:
        return [f"{username!r} stands for the index itself: choose another user name."]
    if is_username(username):
        return []
    return [
        "A user name has 1 to 50 ASCII letters and digits, and '.', '_' or '-' between them; "
        f"{username[:60]!r} has not."
    ]


def email_problems(email: str) -> list[str]:
    """Why an e-mail address does not do, empty when it does."""
    if is_mail_address(email):
        return []
    if not email.isascii() and email.isprintable():
        return [
            f"{email[:60]!r} is no e-mail address in ASCII: write the domain in its form that "
            "begins with xn--, or use another address."
        ]
    return [f"{email[:60]!r} is not an e-mail address."]
