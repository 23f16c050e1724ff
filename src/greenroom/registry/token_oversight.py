"""API tokens of everybody, for administrators and the operator."""

from msgspec import Struct
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import selectinload

from greenroom.models import Token, User
from greenroom.models.base import LARGEST_ID
from greenroom.registry import administering, token_texts, tokens
from greenroom.registry.errors import NotFound
from greenroom.registry.permissions import Actor
from greenroom.registry.tokens import TokenSummary
from greenroom.registry.unit_of_work import UnitOfWork


class OwnedToken(Struct, frozen=True):
    """A token that is not revoked, and whose it is."""

    username: str
    token: TokenSummary


def listed(uow: UnitOfWork, user: User | None = None) -> list[OwnedToken]:
    """All tokens that are not revoked, or those of a user, the newest first."""
    wanted: list[ColumnElement[bool]] = [Token.revoked.is_(None)]
    if user is not None:
        wanted.append(Token.user_id == user.id)
    found = uow.db.scalars(
        select(Token)
        .where(*wanted)
        .options(selectinload(Token.project), selectinload(Token.user))
        .order_by(Token.id.desc())
    )
    return [OwnedToken(token.user.username, tokens.summary(uow, token)) for token in found]


def revoke(uow: UnitOfWork, actor: Actor, which: str, reason: str = "") -> OwnedToken:
    """End somebody's token at once.

    Args:
        uow: in which it is done.
        actor: who does it.
        which: the token's number, or the beginning of its text, as lists show it.
        reason: why; an administrator has to give one.

    Raises:
        NotAllowed: the actor is no administrator.
        NotFound: there is no such token, or it is revoked.
        InvalidRequest: the reason does not do.
    """
    administering.check_administrator(uow, actor)
    reason = administering.check_reason(actor, reason)
    # Who ends it at the same time is waited for.
    wanted = select(Token).where(_is(which), Token.revoked.is_(None)).with_for_update(of=Token)
    token = uow.db.scalar(wanted)
    if token is None:
        raise NotFound("There is no such token, or it is revoked: see 'greenroom token list'.")
    tokens.end(uow, actor, token, f": {reason}" if reason else "")
    return OwnedToken(token.user.username, tokens.summary(uow, token))


def _is(which: str) -> ColumnElement[bool]:
    if which.isascii() and which.isdigit():
        number = int(which)
        return Token.id == (number if number <= LARGEST_ID else 0)
    plain = which if which.isascii() and which.isprintable() else ""
    return Token.prefix == token_texts.prefix_of(plain)
