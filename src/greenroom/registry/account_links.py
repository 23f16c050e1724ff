"""One-time links: invitations, other passwords, addresses to verify, the first administrator.

The key of a link is told once, when it is made; the database has its SHA-256 digest alone. It
stands in the query of an address, whose values no log has. Who opens the address uses nothing up;
what is done with the link takes it out of the database in the same transaction.

Whoever makes a link, or does something with one, writes the line of the audit log for it.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from msgspec import Struct
from sqlalchemy import ColumnElement, delete, select

from greenroom.models import AccountLink, LinkKind, User
from greenroom.registry.errors import NotFound
from greenroom.registry.permissions import Actor
from greenroom.registry.random_text import may_be_random_text, random_text
from greenroom.registry.unit_of_work import UnitOfWork

_LENGTH = 43  # random letters and digits: 256 bits
LIFETIMES: Mapping[LinkKind, timedelta] = MappingProxyType(
    {
        LinkKind.INVITATION: timedelta(days=7),
        LinkKind.PASSWORD_RESET: timedelta(days=1),
        LinkKind.EMAIL_VERIFICATION: timedelta(days=1),
        LinkKind.FIRST_ADMINISTRATOR: timedelta(days=1),
    }
)


class NewLink(Struct, frozen=True):
    """A link that was made just now.

    Attributes:
        key: what its address carries, as ``?key=``; a secret that nobody can show again.
        expires: until when it can be used.
    """

    kind: LinkKind
    key: str
    expires: datetime


class FoundLink(Struct, frozen=True):
    """A link that can be used.

    Attributes:
        user_id: the account that it is for, None where there is none yet.
        username: the name of that account.
        email: the address that it was made for, empty where none matters.
        expires: until when it can be used.
        made_by: the name of who made it.
    """

    kind: LinkKind
    user_id: int | None
    username: str | None
    email: str
    expires: datetime
    made_by: str


def make(
    uow: UnitOfWork,
    kind: LinkKind,
    *,
    by: Actor,
    user: User | None = None,
    email: str = "",
    lifetime: timedelta | None = None,
    ends_older: bool = True,
) -> NewLink:
    """A new link, which ends every older one of its kind for the same account or address.

    Args:
        uow: in which it is made.
        kind: what it is good for.
        by: who makes it.
        user: the account that it is for, where there is one.
        email: the address that it is for; where there is no account, the link is that address's.
        lifetime: for how long it can be used, where that is not what links of its kind have.
        ends_older: not where it says the same as one that somebody else was shown: either of them
            can be used, once.
    """
    email = email.strip()
    owner = f"user:{user.id}" if user is not None else email.lower()
    uow.lock(f"account-link:{kind}:{owner}")
    if ends_older and user is not None:
        end(uow, user, kind)
    elif ends_older:
        _end_of_address(uow, kind, email)
    key = random_text(_LENGTH)
    link = AccountLink(
        kind=kind,
        digest=_digest(key),
        user_id=user.id if user is not None else None,
        email=email if user is not None else email.lower(),
        made_by=by.name,
        created=uow.now,
        expires=uow.now + (lifetime or LIFETIMES[kind]),
    )
    uow.db.add(link)
    uow.db.flush()
    return NewLink(kind, key, link.expires)


def look_at(uow: UnitOfWork, kind: LinkKind, key: str) -> FoundLink:
    """The link of this kind with this key; nothing is used up.

    Raises:
        NotFound: there is none any more, or there never was.
    """
    found = uow.db.execute(
        select(AccountLink, User)
        .outerjoin(User, AccountLink.user_id == User.id)
        .where(_is(uow, kind, key))
    ).one_or_none()
    if found is None or (found.User is not None and not found.User.is_enabled):
        raise NotFound(_sentence(kind))
    return _found(found.AccountLink, found.User)


def use(uow: UnitOfWork, kind: LinkKind, key: str) -> FoundLink:
    """The link, which is used up when the unit of work is committed: of two that try, one can.

    Raises:
        NotFound: there is none any more, or there never was.
    """
    uow.lock(f"account-link:{_digest(key)}")
    found = look_at(uow, kind, key)
    uow.db.execute(delete(AccountLink).where(AccountLink.digest == _digest(key)))
    if found.user_id is None:
        _end_of_address(uow, kind, found.email)
    return found


def is_invited(uow: UnitOfWork, email: str) -> bool:
    """Whether a link with which this address may have an account can be used."""
    of_address = _is_of_address(LinkKind.INVITATION, email) & (AccountLink.expires > uow.now)
    return uow.db.scalar(select(AccountLink.id).where(of_address).limit(1)) is not None


def invited(uow: UnitOfWork, by: str, at: datetime) -> str | None:
    """The address that somebody of this name invited at this moment, if the link is there."""
    made = (AccountLink.made_by == by) & (AccountLink.created == at)
    return uow.db.scalar(
        select(AccountLink.email).where(AccountLink.kind == LinkKind.INVITATION, made).limit(1)
    )


def _end_of_address(uow: UnitOfWork, kind: LinkKind, email: str) -> None:
    uow.db.execute(delete(AccountLink).where(_is_of_address(kind, email)))


def _is_of_address(kind: LinkKind, email: str) -> ColumnElement[bool]:
    return (
        (AccountLink.kind == kind)
        & AccountLink.user_id.is_(None)
        & (AccountLink.email == email.lower())
    )


def end(uow: UnitOfWork, user: User, *kinds: LinkKind) -> int:
    """End the account's links of these kinds, or all of them, and say how many there were.

    What a link of the account could be used for may have been done otherwise: a password that is
    changed ends the links that would change it.
    """
    wanted = AccountLink.user_id == user.id
    if kinds:
        wanted &= AccountLink.kind.in_(kinds)
    ended = uow.db.execute(delete(AccountLink).where(wanted).returning(AccountLink.id))
    return len(ended.all())


def forget_old(uow: UnitOfWork) -> int:
    """Delete the links that have expired, and say how many there were."""
    old = delete(AccountLink).where(AccountLink.expires <= uow.now).returning(AccountLink.id)
    return len(uow.db.execute(old).all())


def _is(uow: UnitOfWork, kind: LinkKind, key: str) -> ColumnElement[bool]:
    return (
        (AccountLink.digest == _digest(key))
        & (AccountLink.kind == kind)
        & (AccountLink.expires > uow.now)
    )


def _found(link: AccountLink, user: User | None) -> FoundLink:
    return FoundLink(
        kind=LinkKind(link.kind),
        user_id=link.user_id,
        username=user.username if user is not None else None,
        email=link.email,
        expires=link.expires,
        made_by=link.made_by,
    )


def _digest(key: str) -> str:
    # 43 random letters and digits cannot be guessed, so that a fast hash is enough; the database
    # is asked for the digest, so that how long it takes says nothing of the key.
    plain = key if may_be_random_text(key, _LENGTH) else ""
    return hashlib.sha256(plain.encode()).hexdigest()


def _sentence(kind: LinkKind) -> str:
    sentence = (
        "This link cannot be used: it has been used, it has expired, or a newer one was made."
    )
    if kind is LinkKind.FIRST_ADMINISTRATOR:
        return f"{sentence} 'greenroom user first-administrator-link' prints another one."
    return f"{sentence} Ask for another one."
