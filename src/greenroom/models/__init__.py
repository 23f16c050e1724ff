"""What exists: the tables. Importing this package makes all of them known to SQLAlchemy."""

from greenroom.models.account_links import AccountLink, LinkKind
from greenroom.models.accounts import Attempt, User
from greenroom.models.adoptions import AdoptedFile
from greenroom.models.approvals import Approval
from greenroom.models.audit import AuditEntry, AuditRetention, TokenAddress
from greenroom.models.backups import RunningBackup
from greenroom.models.base import Base
from greenroom.models.downloads import FileDownloads, ImportedLog, ProjectDownloads
from greenroom.models.draft_checks import (
    CheckStatus,
    DraftCheck,
    DraftInstallation,
    RequiredCheck,
)
from greenroom.models.draft_comments import DraftComment
from greenroom.models.drafts import Draft, DraftEvent, DraftState, ReviewState
from greenroom.models.file_facts import FileFacts, SilencedFinding
from greenroom.models.identity import Identity
from greenroom.models.jobs import Job, JobState
from greenroom.models.journal import JournalEntry, UnlistedEntry
from greenroom.models.linked_identities import LinkedIdentity
from greenroom.models.mail import ExpiryWarning, Notification, SignInPlace, UnwantedMail
from greenroom.models.oversight import ProhibitedName, ProjectReport, ReportKind
from greenroom.models.projects import (
    Project,
    ProjectStatus,
    RetiredName,
    Role,
    RoleName,
    Visibility,
    status_of,
)
from greenroom.models.release_sets import (
    ReleaseSet,
    ReleaseSetEvent,
    ReleaseSetInvitation,
    ReleaseSetMember,
    SetState,
)
from greenroom.models.released_blobs import ReleasedBlob
from greenroom.models.releases import File, PublishedName, Release
from greenroom.models.schedules import Schedule, ScheduleState
from greenroom.models.search import SearchDocument
from greenroom.models.second_factors import (
    FactorKind,
    RecoveryCode,
    SecondFactor,
    UsedChallenge,
)
from greenroom.models.sessions import SignInSession
from greenroom.models.teams import RoleInvitation, Team, TeamMember, TeamRole
from greenroom.models.tokens import Token, TokenCutOff
from greenroom.models.trusted_publishers import (
    MintedGrant,
    MintedToken,
    PendingPublisher,
    ProjectPublisher,
    TrustedWorkflow,
    UsedIDToken,
)
from greenroom.models.uploads import PRESIGNED, UploadPart, UploadSession, UploadState
from greenroom.models.upstream_files import UpstreamFile
from greenroom.models.upstream_pages import UpstreamPage, UpstreamRequest
from greenroom.models.upstream_policy import (
    RuleKind,
    UpstreamLicense,
    UpstreamRefusal,
    UpstreamRule,
)
from greenroom.models.upstream_usage import UpstreamStanding, UpstreamUse, UpstreamUser
from greenroom.models.webhooks import (
    DeliveryState,
    Webhook,
    WebhookDelivery,
    WebhookFormat,
    WebhookScope,
)

__all__ = [
    "PRESIGNED",
    "AccountLink",
    "AdoptedFile",
    "Approval",
    "Attempt",
    "AuditEntry",
    "AuditRetention",
    "Base",
    "CheckStatus",
    "DeliveryState",
    "Draft",
    "DraftCheck",
    "DraftComment",
    "DraftEvent",
    "DraftInstallation",
    "DraftState",
    "ExpiryWarning",
    "FactorKind",
    "File",
    "FileDownloads",
    "FileFacts",
    "Identity",
    "ImportedLog",
    "Job",
    "JobState",
    "JournalEntry",
    "LinkKind",
    "LinkedIdentity",
    "MintedGrant",
    "MintedToken",
    "Notification",
    "PendingPublisher",
    "ProhibitedName",
    "Project",
    "ProjectDownloads",
    "ProjectPublisher",
    "ProjectReport",
    "ProjectStatus",
    "PublishedName",
    "RecoveryCode",
    "Release",
    "ReleaseSet",
    "ReleaseSetEvent",
    "ReleaseSetInvitation",
    "ReleaseSetMember",
    "ReleasedBlob",
    "ReportKind",
    "RequiredCheck",
    "RetiredName",
    "ReviewState",
    "Role",
    "RoleInvitation",
    "RoleName",
    "RuleKind",
    "RunningBackup",
    "Schedule",
    "ScheduleState",
    "SearchDocument",
    "SecondFactor",
    "SetState",
    "SignInPlace",
    "SignInSession",
    "SilencedFinding",
    "Team",
    "TeamMember",
    "TeamRole",
    "Token",
    "TokenAddress",
    "TokenCutOff",
    "TrustedWorkflow",
    "UnlistedEntry",
    "UnwantedMail",
    "UploadPart",
    "UploadSession",
    "UploadState",
    "UpstreamFile",
    "UpstreamLicense",
    "UpstreamPage",
    "UpstreamRefusal",
    "UpstreamRequest",
    "UpstreamRule",
    "UpstreamStanding",
    "UpstreamUse",
    "UpstreamUser",
    "UsedChallenge",
    "UsedIDToken",
    "User",
    "Visibility",
    "Webhook",
    "WebhookDelivery",
    "WebhookFormat",
    "WebhookScope",
    "status_of",
]
