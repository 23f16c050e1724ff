"""Where the upload of a file stands now, judged by the clock."""

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct
from sqlalchemy import ColumnElement, select

from greenroom.models import Draft, DraftState, UploadSession, UploadState
from greenroom.registry import drafts
from greenroom.registry.announced import COMPLETION_LEASE
from greenroom.registry.unit_of_work import AT_ONCE, UnitOfWork

INTERRUPTED = "The index was interrupted: upload the file anew."


class UploadStatus(Struct, frozen=True):
    """An upload session as it stands at the moment of a unit of work.

    Attributes:
        key: what its address has.
        size: in bytes, as announced.
        state: judged by the clock.
        problems: why it is in error.
        expires: until when its bytes may come.
    """

    key: str
    filename: str
    size: int
    state: UploadState
    problems: tuple[str, ...]
    expires: datetime

    @property
    def is_removable(self) -> bool:
        """Whether it can be broken off now: one that is just being completed cannot."""
        return self.state is not UploadState.PROCESSING


def state(uow: UnitOfWork, upload: UploadSession) -> UploadState:
    """Where the upload of a file stands now.

    One that was never completed is canceled from the second it falls due, one whose completion was
    interrupted has failed, and all end with their draft.
    """
    if drafts.state(uow, upload.draft) is DraftState.EXPIRED:
        return UploadState.CANCELED
    if upload.state == UploadState.PENDING and upload.expires <= uow.now:
        return UploadState.CANCELED
    if upload.state == UploadState.PROCESSING and not (
        uow.now - COMPLETION_LEASE < upload.changed <= uow.now + AT_ONCE
    ):
        return UploadState.ERROR
    return UploadState(upload.state)


def status(uow: UnitOfWork, upload: UploadSession) -> UploadStatus:
    """The upload as it stands now, for pages and APIs."""
    now = state(uow, upload)
    was_interrupted = now is UploadState.ERROR and upload.state != UploadState.ERROR
    return UploadStatus(
        key=upload.key,
        filename=upload.filename,
        size=upload.size,
        state=now,
        problems=(INTERRUPTED,) if was_interrupted else tuple(upload.problems),
        expires=upload.expires,
    )


def unfinished(uow: UnitOfWork, draft: Draft) -> list[UploadStatus]:
    """The uploads that are under way or have failed, by name: what is not among its files yet."""
    return unfinished_of(uow, [draft])[draft.id]


def unfinished_of(uow: UnitOfWork, drafts_: Iterable[Draft]) -> dict[int, list[UploadStatus]]:
    """The same for each of these drafts, by its number, with one query."""
    found: dict[int, list[UploadStatus]] = {draft.id: [] for draft in drafts_}
    rows = uow.db.scalars(
        select(UploadSession)
        .where(UploadSession.draft_id.in_(found), is_unfinished())
        .order_by(UploadSession.filename)
    )
    for row in rows:
        upload = status(uow, row)
        if upload.state is not UploadState.CANCELED:
            found[row.draft_id].append(upload)
    return found


def is_unfinished() -> ColumnElement[bool]:
    """Whether it is written down that a file's upload is under way, or failed.

    The clock may have ended it since, so that this only narrows down what to look at.
    """
    unfinished = [UploadState.PENDING, UploadState.PROCESSING, UploadState.ERROR]
    return UploadSession.state.in_(unfinished)
