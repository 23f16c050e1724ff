"""What exists: the tables. Importing this package makes all of them known to SQLAlchemy."""

from greenroom.models.accounts import Attempt, Token, User
from greenroom.models.base import Base
from greenroom.models.drafts import Draft, DraftEvent, DraftState, ReviewState
from greenroom.models.journal import JournalEntry
from greenroom.models.projects import Project, ProjectStatus, RetiredName, Role, RoleName
from greenroom.models.releases import File, PublishedName, Release
from greenroom.models.search import SearchDocument
from greenroom.models.uploads import FileUpload, UploadPart, UploadState

__all__ = [
    "Attempt",
    "Base",
    "Draft",
    "DraftEvent",
    "DraftState",
    "File",
    "FileUpload",
    "JournalEntry",
    "Project",
    "ProjectStatus",
    "PublishedName",
    "Release",
    "RetiredName",
    "ReviewState",
    "Role",
    "RoleName",
    "SearchDocument",
    "Token",
    "UploadPart",
    "UploadState",
    "User",
]
