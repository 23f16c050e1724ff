"""Files that are announced and under way: their bytes count as if they were there.

An announced file has its room, so that it can be completed when it has arrived.
"""

from datetime import timedelta

from sqlalchemy import ColumnElement, func, select, true

from greenroom.models import Draft, Role, RoleName, UploadSession, UploadState
from greenroom.registry.unit_of_work import UnitOfWork

COMPLETION_LEASE = timedelta(minutes=15)
"""A file's completion that has not come back after this was interrupted: the server was killed."""


def is_under_way(uow: UnitOfWork) -> ColumnElement[bool]:
    """Whether bytes of an upload session may still come, or are being looked into."""
    is_pending = (UploadSession.state == UploadState.PENDING) & (UploadSession.expires > uow.now)
    is_processing = UploadSession.state == UploadState.PROCESSING
    return is_pending | (is_processing & (UploadSession.changed > uow.now - COMPLETION_LEASE))


def size(uow: UnitOfWork, besides: tuple[int, str] | None = None) -> int:
    """The bytes of all files that are announced.

    Args:
        uow: where to look.
        besides: a file that is not meant: the number of its draft, and its name.
    """
    return _size(uow, besides, true())


def size_of_user(uow: UnitOfWork, user_id: int, besides: tuple[int, str] | None = None) -> int:
    """The bytes of those that are announced for the projects that this user owns."""
    owned = select(Role.project_id).where(Role.user_id == user_id, Role.name == RoleName.OWNER)
    return _size(uow, besides, Draft.project_id.in_(owned))


def _size(uow: UnitOfWork, besides: tuple[int, str] | None, wanted: ColumnElement[bool]) -> int:
    if besides is not None:
        draft_id, filename = besides
        wanted &= (UploadSession.draft_id != draft_id) | (UploadSession.filename != filename)
    total = uow.db.scalar(
        select(func.sum(UploadSession.size))
        .join(Draft, Draft.id == UploadSession.draft_id)
        .where(is_under_way(uow), wanted)
    )
    return int(total or 0)  # PostgreSQL's sum is a decimal number
