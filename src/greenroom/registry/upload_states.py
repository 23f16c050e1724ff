"""Where the upload of a file stands now, judged by the clock."""

from datetime import timedelta

from sqlalchemy import ColumnElement

from greenroom.models import UploadSession, UploadState
from greenroom.registry.unit_of_work import UnitOfWork

# The mechanism of uploads whose parts a client puts into the storage itself.
PRESIGNED = "vnd-greenroom-presigned-v1"
# A file's completion that has not come back after this was interrupted: the server was killed.
COMPLETION_LEASE = timedelta(minutes=15)


def state(uow: UnitOfWork, upload: UploadSession) -> UploadState:
    """Where the upload of a file stands now.

    One that was never completed is canceled from the second it falls due, and one whose completion
    was interrupted has failed.
    """
    if upload.state == UploadState.PENDING and upload.expires <= uow.now:
        return UploadState.CANCELED
    if upload.state == UploadState.PROCESSING and upload.changed + COMPLETION_LEASE <= uow.now:
        return UploadState.ERROR
    return UploadState(upload.state)


def is_unfinished() -> ColumnElement[bool]:
    """Whether a file upload stands in the way of publication: it is under way, or failed."""
    unfinished = [UploadState.PENDING, UploadState.PROCESSING, UploadState.ERROR]
    return UploadSession.state.in_(unfinished)
