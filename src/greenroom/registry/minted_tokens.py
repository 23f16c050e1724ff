"""The tokens that trusted workflows get for their ID tokens: short-lived, and never listed."""

import hmac
from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import bindparam, delete, select

from greenroom.database import run
from greenroom.models import MintedGrant, MintedToken, PendingPublisher, ProjectPublisher, User
from greenroom.registry import audit, token_texts
from greenroom.registry.audit import Kind
from greenroom.registry.errors import NotAuthenticated
from greenroom.registry.permissions import (
    PendingGrant,
    PublisherGrant,
    TokenUser,
    TrustedPublisher,
)
from greenroom.registry.unit_of_work import UnitOfWork

LIFETIME = timedelta(minutes=15)
"""PEP 807: no less than 15 minutes, and no more than 6 hours."""
_KEPT_FOR = timedelta(days=1)
_MARK = "ci"


class Minted(Struct, frozen=True):
    """A new token.

    Attributes:
        text: which nobody can show again.
        expires: when it ceases to be valid.
        name: what logs call the workflow.
    """

    text: str
    expires: datetime
    name: str


def mint(
    uow: UnitOfWork,
    name: str,
    means: str,
    publishers: list[ProjectPublisher],
    pending: list[PendingPublisher],
) -> Minted:
    """A token for a run of a workflow that is trusted as all of these, of which there is one."""
    text = token_texts.new_text(_MARK)
    token = MintedToken(
        prefix=token_texts.prefix_of(text),
        digest=token_texts.digest_of(text),
        name=name,
        means=means,
        created=uow.now,
        expires=uow.now + LIFETIME,
    )
    uow.db.add(token)
    uow.db.flush()
    grants = [MintedGrant(token_id=token.id, publisher_id=each.id) for each in publishers]
    grants += [MintedGrant(token_id=token.id, pending_id=each.id) for each in pending]
    uow.db.add_all(grants)
    uow.db.flush()
    return Minted(text, token.expires, name)


def find(uow: UnitOfWork, text: str) -> TrustedPublisher | None:
    """Who has a minted token of this text; None where there is none, or it was burned.

    It is worth nothing any more once nobody trusts its workflow. What cannot be one is not looked
    for.

    Raises:
        NotAuthenticated: it has expired.
    """
    if not text.startswith(token_texts.START + _MARK):
        return None
    rows = run(uow.db, _TOKEN, {"prefix": _prefix_of(text)}).all()
    expected = rows[0].digest if rows else "0" * 64
    proven = hmac.compare_digest(token_texts.digest_of(text), expected)
    if not rows or not proven or rows[0].burned is not None:
        return None
    first = rows[0]
    if first.expires <= uow.now:
        raise NotAuthenticated(
            f"This token expired on {first.expires:%Y-%m-%d at %H:%M} UTC, "
            f"{LIFETIME.seconds // 60} minutes after the workflow got it: let it get another one."
        )
    return TrustedPublisher(
        first.id,
        first.name,
        first.means,
        tuple(
            PublisherGrant(row.project_id, row.may_publish)
            for row in rows
            if row.project_id is not None
        ),
        tuple(
            PendingGrant(
                row.pending_id,
                row.normalized_name,
                row.may_publish_pending,
                TokenUser(row.user_id, row.username, row.email_verified),
            )
            for row in rows
            if row.user_id is not None  # of an account that can be used
        ),
    )


_TOKEN = (
    select(
        MintedToken.id,
        MintedToken.digest,
        MintedToken.name,
        MintedToken.means,
        MintedToken.expires,
        MintedToken.burned,
        ProjectPublisher.project_id,
        ProjectPublisher.may_publish,
        PendingPublisher.id.label("pending_id"),
        PendingPublisher.normalized_name,
        PendingPublisher.may_publish.label("may_publish_pending"),
        User.id.label("user_id"),
        User.username,
        User.email_verified,
    )
    .join(MintedGrant, MintedGrant.token_id == MintedToken.id)
    .outerjoin(ProjectPublisher, ProjectPublisher.id == MintedGrant.publisher_id)
    .outerjoin(PendingPublisher, PendingPublisher.id == MintedGrant.pending_id)
    .outerjoin(
        User,
        (User.id == PendingPublisher.user_id) & User.disabled.is_(None) & User.deleted.is_(None),
    )
    .where(MintedToken.prefix == bindparam("prefix"))
    .order_by(MintedGrant.id)
)


def burn(uow: UnitOfWork, text: str) -> bool:
    """End a minted token before its time, and say whether there was one.

    Whoever has the text may do that; nobody is told more.
    """
    token = uow.db.scalar(select(MintedToken).where(MintedToken.prefix == _prefix_of(text)))
    expected = token.digest if token is not None else "0" * 64
    proven = hmac.compare_digest(token_texts.digest_of(text), expected)
    if token is None or not proven or token.burned is not None or token.expires <= uow.now:
        return False
    by = TrustedPublisher(token.id, token.name, token.means, (), ())
    token.burned = uow.now
    uow.db.flush()
    audit.write(uow, Kind.PUBLISHER_BURN, by, detail=token.prefix)
    return True


def _prefix_of(text: str) -> str:
    """What a token of this text is kept under; for what is no token's, nothing is."""
    return token_texts.prefix_of(text) if text.isascii() and text.isprintable() else ""


def forget_old(uow: UnitOfWork) -> int:
    """Delete those that ended a while ago, and say how many there were."""
    old = MintedToken.expires <= uow.now - _KEPT_FOR
    return len(uow.db.execute(delete(MintedToken).where(old).returning(MintedToken.id)).all())
