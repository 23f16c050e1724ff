"""What exists: the tables. Importing this package makes all of them known to SQLAlchemy."""

from greenroom.models.accounts import Attempt, User
from greenroom.models.audit import AuditEntry, AuditRetention, TokenAddress
from greenroom.models.backups import RunningBackup
from greenroom.models.base import Base
from greenroom.models.downloads import FileDownloads, ImportedLog, ProjectDownloads
from greenroom.models.drafts import Draft, DraftEvent, DraftState, ReviewState
from greenroom.models.identity import Identity
from greenroom.models.jobs import Job, JobState
from greenroom.models.journal import JournalEntry
from greenroom.models.projects import (
    Project,
    ProjectStatus,
    RetiredName,
    Role,
    RoleName,
    status_of,
)
from greenroom.models.released_blobs import ReleasedBlob
from greenroom.models.releases import File, PublishedName, Release
from greenroom.models.search import SearchDocument
from greenroom.models.tokens import Token
from greenroom.models.uploads import PRESIGNED, UploadPart, UploadSession, UploadState

__all__ = [
    "PRESIGNED",
    "Attempt",
    "AuditEntry",
    "AuditRetention",
    "Base",
    "Draft",
    "DraftEvent",
    "DraftState",
    "File",
    "FileDownloads",
    "Identity",
    "ImportedLog",
    "Job",
    "JobState",
    "JournalEntry",
    "Project",
    "ProjectDownloads",
    "ProjectStatus",
    "PublishedName",
    "Release",
    "ReleasedBlob",
    "RetiredName",
    "ReviewState",
    "Role",
    "RoleName",
    "RunningBackup",
    "SearchDocument",
    "Token",
    "TokenAddress",
    "UploadPart",
    "UploadSession",
    "UploadState",
    "User",
    "status_of",
]
