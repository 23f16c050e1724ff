"""Tokens that were found where they should not be: who shows one has it revoked.

Anybody may report one, as whoever has its text can do worse with it than that. To try texts here is
no better than to try them as credentials: they are as long, and what is mistyped is not looked for.
"""

import hmac
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from msgspec import Struct
from sqlalchemy import select

from greenroom.models import Token
from greenroom.registry import minted_tokens, token_texts, tokens
from greenroom.registry.audit import Kind
from greenroom.registry.errors import NotAuthenticated
from greenroom.registry.permissions import ANONYMOUS
from greenroom.registry.unit_of_work import Services, UnitOfWork

_LONGEST_PLACE = 200
_SOURCE = re.compile(r"[A-Za-z0-9 _.-]{1,40}", re.ASCII)


class Found(Struct, frozen=True):
    """A text that somebody has found, with where, as they say it."""

    text: str
    url: str = ""
    source: str = ""


def report(services: Services, found: Sequence[Found]) -> list[bool]:
    """Revoke those of the texts that are tokens of this index, and tell which of them are.

    Those that workflows got are ended, too; of these only one that is still valid is known.

    One that is revoked, or has expired, is one all the same. What is revoked here has a line in the
    audit log each.
    """
    likely = [each for each in found if token_texts.is_well_formed(each.text)]
    if not likely:
        return [False] * len(found)
    with services.reading() as uow:
        known = _known(uow, likely)
        minted = {each.text for each in likely if _is_minted(uow, each.text)}
        is_news = bool(minted) or any(token.revoked is None for token in known.values())
    if is_news:
        with services.writing() as uow:
            for text, token in _known(uow, likely).items():
                _revoke(uow, token, next(each for each in likely if each.text == text))
            for text in sorted(minted):
                minted_tokens.burn(uow, text)
    return [each.text in known or each.text in minted for each in found]


def _is_minted(uow: UnitOfWork, text: str) -> bool:
    try:
        return minted_tokens.find(uow, text) is not None
    except NotAuthenticated:  # it has expired
        return False


def _known(uow: UnitOfWork, found: Sequence[Found]) -> dict[str, Token]:
    """Those of the texts that are tokens, with the tokens."""
    prefixes = {token_texts.prefix_of(each.text) for each in found}
    query = select(Token).where(Token.prefix.in_(prefixes)).order_by(Token.id)
    # Who revokes it at the same time is waited for.
    rows = uow.db.scalars(query.with_for_update() if uow.may_write else query)
    by_prefix = {token.prefix: token for token in rows}
    known = {}
    for each in found:
        token = by_prefix.get(token_texts.prefix_of(each.text))
        expected = token.digest if token is not None else "0" * 64
        if hmac.compare_digest(token_texts.digest_of(each.text), expected) and token is not None:
            known[each.text] = token
    return known


def _revoke(uow: UnitOfWork, token: Token, found: Found) -> None:
    if token.revoked is None:
        where = _where(found)
        tokens.end(uow, ANONYMOUS, token, f", {where}" if where else "", Kind.TOKEN_REPORTED)


def _where(found: Found) -> str:
    """Where it was found, without what may be a secret there."""
    source = found.source if _SOURCE.fullmatch(found.source) else ""
    try:
        place = urlsplit(found.url)
        host = place.hostname or ""
    except ValueError:
        return source
    if place.scheme not in ("http", "https") or not host:
        return source
    shown = token_texts.without_tokens(f"{place.scheme}://{host}{place.path}")[:_LONGEST_PLACE]
    return f"found at {shown}" + (f" ({source})" if source else "")
