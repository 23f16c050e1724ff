"""What was typed into a form that came too late, until its person has shown again who they are.

A session has one at most, the last one. It is sealed for that session: no other one opens it, nor
does whoever has the database alone.
"""

import json
from collections.abc import Sequence
from datetime import timedelta

from msgspec import Struct
from sqlalchemy import select, update

from greenroom.models import SignInSession
from greenroom.registry import sealing
from greenroom.registry.permissions import ShownSession
from greenroom.registry.unit_of_work import AT_ONCE, UnitOfWork

KEPT_FOR = timedelta(minutes=15)


class KeptForm(Struct, frozen=True):
    """A form that was sent, and not taken.

    Attributes:
        page: where the form is, as a path.
        action: where it was sent to, as a path.
        fields: names and values, in the order of the form.
    """

    page: str
    action: str
    fields: Sequence[tuple[str, str]]


def keep(uow: UnitOfWork, session: ShownSession, form: KeptForm) -> None:
    """Keep this form for the session, instead of the one before.

    How long its text may be is for whoever has read the form to say.
    """
    text = json.dumps([form.page, form.action, *form.fields], ensure_ascii=False)
    sealed = sealing.seal(uow.settings, _purpose(session), text)
    uow.db.execute(
        update(SignInSession)
        .where(SignInSession.id == session.id, SignInSession.ended.is_(None))
        .values(kept_form=sealed, kept_at=uow.now)
    )


def find(uow: UnitOfWork, session: ShownSession) -> KeptForm | None:
    """What is kept for the session; nothing where that is too long ago."""
    kept = select(SignInSession.kept_form, SignInSession.kept_at)
    sealed, kept_at = uow.db.execute(kept.where(SignInSession.id == session.id)).one()
    if sealed is None or kept_at is None:
        return None
    if not -AT_ONCE <= uow.now - kept_at < KEPT_FOR:
        return None
    text = sealing.unseal(uow.settings, _purpose(session), sealed)
    if text is None:
        return None
    page, action, *fields = json.loads(text)
    return KeptForm(page, action, [(name, value) for name, value in fields])


def forget(uow: UnitOfWork, session: ShownSession) -> None:
    """Keep nothing any more for the session."""
    which = update(SignInSession).where(SignInSession.id == session.id)
    uow.db.execute(which.values(kept_form=None, kept_at=None))


def forget_old(uow: UnitOfWork) -> None:
    """Keep nothing any more that nobody came back for."""
    too_old = SignInSession.kept_at <= uow.now - KEPT_FOR
    uow.db.execute(update(SignInSession).where(too_old).values(kept_form=None, kept_at=None))


def _purpose(session: ShownSession) -> str:
    return f"a form of session {session.id}"
