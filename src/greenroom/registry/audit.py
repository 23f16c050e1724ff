"""The audit log: who did what to what, when, from where, and with what. What writes into it.

A use case writes one line for what it was asked for, in the same transaction, once all is done:
there is a line exactly when there is the act. What follows of an act is in its line, and has none
of its own: the draft that an upload opened, the drafts that go with a project.

The database lets no line be changed, nor deleted but by :func:`forget_old`.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol, cast

from sqlalchemy import Table, bindparam, delete, func, insert, select, update

from greenroom.database import run
from greenroom.models import AuditEntry, AuditRetention, Project, Token, TokenAddress, User
from greenroom.networks import network_of
from greenroom.registry import notices, webhook_events
from greenroom.registry.errors import AccountDisabled
from greenroom.registry.unit_of_work import Origin, UnitOfWork

_LONGEST_NAME = 255
_LONGEST_DETAIL = 1000
_MOST_ADDRESSES = 1000


class Kind(StrEnum):
    """What is recorded, each with a sentence that says what was done."""

    sentence: str

    def __new__(cls, value: str, sentence: str) -> "Kind":
        """A kind of act, by its name in the log."""
        made = str.__new__(cls, value)
        made._value_ = value
        made.sentence = sentence
        return made

    SIGN_IN = "sign-in", "Signed in."
    SIGN_IN_FAILED = "sign-in-failed", "Failed to sign in."
    SIGN_OUT = "sign-out", "Signed out."
    SESSION_CONFIRM = "session-confirm", "Confirmed who they are."
    SESSION_END = "session-end", "Ended sessions."
    SECOND_FACTOR_ADD = "second-factor-add", "Added a second factor."
    SECOND_FACTOR_RENAME = "second-factor-rename", "Renamed a second factor."
    SECOND_FACTOR_REMOVE = "second-factor-remove", "Removed a second factor."
    SECOND_FACTOR_RESET = "second-factor-reset", "Took all second factors of a person away."
    RECOVERY_CODES = "recovery-codes", "Made other recovery codes."
    USER_CREATE = "user-create", "Created an account."
    USER_VERIFY = "user-verify", "Verified an account."
    IDENTITY_LINK = "identity-link", "Linked an account to an identity of single sign-on."
    IDENTITY_UNLINK = "identity-unlink", "Unlinked an account from single sign-on."
    USER_INVITE = "user-invite", "Made a link with which somebody may make an account."
    USER_DISABLE = "user-disable", "Disabled an account."
    USER_ENABLE = "user-enable", "Enabled an account."
    USER_DELETE = "user-delete", "Deleted an account."
    ADMINISTRATOR_GIVE = "administrator-give", "Made a person an administrator."
    ADMINISTRATOR_TAKE = "administrator-take", "Took the powers of an administrator away."
    PASSWORD_CHANGE = "password-change", "Changed a password."
    PASSWORD_LINK = "password-link", "Made a link that sets another password."
    PASSWORD_RESET = "password-reset", "Set another password with a link."
    EMAIL_ASK = "email-ask", "Asked for a message that verifies an e-mail address."
    EMAIL_CHANGE = "email-change", "Changed an e-mail address."
    EMAIL_KEEP = "email-keep", "Kept an e-mail address that was to be changed."
    PASSWORD_FORGOTTEN = "password-forgotten", "Asked for a link that sets another password."
    MAIL_SETTINGS = "mail-settings", "Changed what one is told of by mail."
    TOKEN_CREATE = "token-create", "Made an API token."
    TOKEN_ADDRESS = "token-new-address", "Used an API token from an address that is new for it."
    TOKEN_REVOKE = "token-revoke", "Revoked an API token."
    PUBLISHER_ADD = "publisher-add", "Let a workflow publish a project."
    PUBLISHER_REMOVE = "publisher-remove", "Let a workflow publish a project no more."
    PENDING_ADD = "pending-publisher-add", "Let a workflow register a project."
    PENDING_REMOVE = "pending-publisher-remove", "Let a workflow register a project no more."
    PUBLISHER_MINT = "publisher-mint", "Got a token as a trusted publisher."
    PUBLISHER_BURN = "publisher-burn", "Gave a token of a trusted publisher back."
    WEBHOOK_ADD = "webhook-add", "Added a webhook."
    WEBHOOK_CHANGE = "webhook-change", "Changed a webhook."
    WEBHOOK_ROTATE = "webhook-rotate", "Made another secret for a webhook."
    WEBHOOK_SEND = "webhook-send", "Had a message sent to a webhook."
    WEBHOOK_DISABLE = "webhook-disable", "Switched a webhook off that takes nothing."
    WEBHOOK_REMOVE = "webhook-remove", "Removed a webhook."
    TOKEN_REVOKE_ALL = "token-revoke-all", "Revoked all API tokens of an account."
    TOKEN_CUT_OFF = "token-cut-off", "Cut an API token off from a project."
    TOKEN_REPORTED = "token-reported", "Had an API token revoked that was found somewhere."
    ROLE_GIVE = "role-give", "Gave a person a role."
    ROLE_TAKE = "role-take", "Took the role of a person away."
    ROLE_INVITE = "role-invite", "Invited a person or a team to a role."
    ROLE_ACCEPT = "role-accept", "Accepted a role."
    ROLE_DECLINE = "role-decline", "Declined a role."
    ROLE_WITHDRAW = "role-withdraw", "Withdrew an invitation to a role."
    ROLE_EXPIRE = "role-expire", "Ended an invitation that had fallen due."
    TEAM_CREATE = "team-create", "Made a team."
    TEAM_INVITE = "team-invite", "Invited a person to a team."
    TEAM_JOIN = "team-join", "Joined a team."
    TEAM_DECLINE = "team-decline", "Declined to join a team."
    TEAM_WITHDRAW = "team-withdraw", "Withdrew an invitation to a team."
    TEAM_ADD = "team-add", "Put a person into a team."
    TEAM_CHANGE = "team-change", "Changed what a person is in a team."
    TEAM_REMOVE = "team-remove", "Took a person out of a team."
    TEAM_SHOW = "team-show", "Changed whether a profile shows the projects of a team."
    TEAM_ROLE_GIVE = "team-role-give", "Gave a team a role."
    TEAM_ROLE_TAKE = "team-role-take", "Took the role of a team away."
    TEAM_DELETE = "team-delete", "Deleted a team."
    PROJECT_OFFER = "project-offer", "Offered to hand a project over."
    PROJECT_HAND_OVER = "project-hand-over", "Handed a project over."
    PROJECT_SETTINGS = "project-settings", "Changed the settings of a project."
    PROJECT_UNPROTECT = "project-unprotect", "Let a project be published with less protection."
    PROJECT_VISIBILITY = "project-visibility", "Changed who may read a project."
    PROJECT_ARCHIVE = "project-archive", "Archived a project."
    PROJECT_UNARCHIVE = "project-unarchive", "Took a project out of the archive."
    PROJECT_QUARANTINE = "project-quarantine", "Put a project in quarantine."
    PROJECT_UNQUARANTINE = "project-unquarantine", "Lifted the quarantine of a project."
    PROJECT_DELETE = "project-delete", "Deleted a project."
    PROJECT_QUOTA = "project-quota", "Set how large a project may be."
    PROJECT_TRANSFER = "project-transfer", "Gave a project to another owner."
    PROJECT_REPORT = "project-report", "Reported a project."
    REPORT_HANDLE = "report-handle", "Handled the report of a project."
    NAME_PROHIBIT = "name-prohibit", "Prohibited the name of projects."
    NAME_ALLOW = "name-allow", "Allowed a name that was prohibited."
    UPSTREAM_ALLOW = "upstream-allow", "Let files of upstreams in."
    UPSTREAM_DENY = "upstream-deny", "Denied files of upstreams."
    UPSTREAM_EVICT = "upstream-evict", "Let kept files of upstreams go."
    UPSTREAM_RULE_REMOVE = "upstream-rule-remove", "Removed a rule on files of upstreams."
    PROJECT_EXPECT = "project-expect", "Said which files every release of a project has."
    FINDING_SILENCE = "finding-silence", "Silenced a finding in the reviews of a project."
    FINDING_UNSILENCE = "finding-unsilence", "Took back that a finding is silenced."
    FILE_UPLOAD = "file-upload", "Uploaded a file to be public at once."
    FILE_IMPORT = "file-import", "Imported a file to be public at once."
    FILE_YANK = "file-yank", "Yanked a file."
    FILE_UNYANK = "file-unyank", "Took back that a file was yanked."
    FILE_DELETE = "file-delete", "Deleted a file."
    RELEASE_YANK = "release-yank", "Yanked a release."
    RELEASE_UNYANK = "release-unyank", "Took back that a release was yanked."
    RELEASE_DELETE = "release-delete", "Deleted a release."
    RELEASE_ADOPT = "release-adopt", "Had a release of an upstream copied, to stay."
    DRAFT_OPEN = "draft-open", "Opened a draft."
    DRAFT_STAGE = "draft-stage", "Uploaded a file into a draft."
    DRAFT_REPLACE = "draft-replace", "Replaced a file of a draft."
    DRAFT_COMMENT = "draft-comment", "Commented on a file of a draft."
    DRAFT_REMOVE = "draft-remove", "Removed a file from a draft."
    DRAFT_ROTATE = "draft-rotate", "Changed the address of a draft."
    DRAFT_EXTEND = "draft-extend", "Let a draft live longer."
    DRAFT_ASK = "draft-ask", "Asked for the publication of a draft, which is reviewed."
    DRAFT_REFUSE = "draft-refuse", "Refused the publication of a draft in its review."
    DRAFT_APPROVE = "draft-approve", "Approved of what is in a draft."
    DRAFT_WITHDRAW = "draft-withdraw", "Took an approval of a draft back."
    DRAFT_SCHEDULE = "draft-schedule", "Set when a draft is to be published."
    DRAFT_UNSCHEDULE = "draft-unschedule", "Took back when a draft was to be published."
    DRAFT_MISS = "draft-miss", "Did not publish a draft at the time that was set."
    DRAFT_MEMBERS = "draft-members", "Changed whether the address of a draft takes an account."
    DRAFT_PUBLISH = "draft-publish", "Published a draft."
    DRAFT_DISCARD = "draft-discard", "Discarded a draft."
    DRAFT_EXPIRE = "draft-expire", "Ended a draft that had fallen due."
    SET_CREATE = "set-create", "Made a release set."
    SET_ADD = "set-add", "Added a draft to a release set."
    SET_REMOVE = "set-remove", "Took a draft out of a release set."
    SET_INVITE = "set-invite", "Changed which projects a release set invites."
    SET_CHANGE = "set-change", "Changed the name or the settings of a release set."
    SET_ROTATE = "set-rotate", "Changed the address of a release set."
    SET_GO = "set-go", "Let drafts go with a release set."
    SET_ASK = "set-ask", "Asked for the publication of a release set, which is reviewed."
    SET_PUBLISH = "set-publish", "Published a release set."
    SET_DISCARD = "set-discard", "Discarded a release set."
    SET_EXPIRE = "set-expire", "Ended a release set that had no drafts for long."
    DRAFT_CHECK = "draft-check", "Posted the result of a check of a draft."
    COMMENT_ADD = "comment-add", "Commented on a draft."
    COMMENT_EDIT = "comment-edit", "Changed a comment on a draft."
    COMMENT_DELETE = "comment-delete", "Deleted a comment on a draft."
    JOB_RETRY = "job-retry", "Had a job tried again."
    HOUSEKEEPING = "housekeeping", "Put aside or deleted files that nobody refers to."
    STORAGE_ADOPT = "storage-adopt", "Bound the storage to the database."
    STORAGE_RESTORE = "storage-restore", "Brought files back from the trash."
    STORAGE_REPAIR = "storage-repair", "Put damaged files aside, or mended them."
    BACKUP = "backup", "Made a backup."
    BACKUP_RESTORE = "backup-restore", "Restored a backup into this index."
    DATABASE_UPGRADE = "database-upgrade", "Upgraded the schema of the database."
    DATABASE_COPY = "database-copy", "Copied this database from another one."
    DOWNLOADS_IMPORT = "downloads-import", "Counted the downloads in an access log."


_BY_NAME: Mapping[str, Kind] = MappingProxyType({kind.value: kind for kind in Kind})


def kind_named(name: str) -> Kind | None:
    """The kind of act that the log calls so, None where there is none."""
    return _BY_NAME.get(name)


class Doer(Protocol):
    """Who acts, as the log says it; :class:`greenroom.registry.permissions.Actor` is one."""

    @property
    def name(self) -> str:
        """What logs call who acts."""

    @property
    def user_id(self) -> int | None:
        """The account, None where there is none."""

    @property
    def credential(self) -> str:
        """What has been shown."""

    @property
    def reason(self) -> str:
        """Why, where somebody has to say so."""

    def comes_from(self, origin: Origin) -> Origin:
        """From where an act of theirs comes in a unit of work of this origin."""


class Audited(Protocol):
    """A project: a row, or a value that was made of one."""

    @property
    def name(self) -> str:
        """As it spells itself."""

    @property
    def normalized_name(self) -> str:
        """As everybody may spell it."""

    @property
    def created(self) -> datetime:
        """When the name was taken, which tells it from another project that had it before."""


class Shown(Protocol):
    """A token: a row, or a value that was made of one."""

    @property
    def prefix(self) -> str:
        """Its beginning, which is no secret."""

    @property
    def label(self) -> str:
        """What its owner calls it."""


class Used(Shown, Protocol):
    """A token that was shown, with where it was used from before."""

    @property
    def id(self) -> int:
        """Its number in the database."""

    @property
    def project_id(self) -> int | None:
        """The only project that it covers."""

    @property
    def last_address(self) -> str | None:
        """Where it was last used from."""


def write(
    uow: UnitOfWork,
    act: Kind,
    by: Doer,
    *,
    about: User | None = None,
    project: Audited | None = None,
    version: str | None = None,
    filename: str | None = None,
    detail: str = "",
    count: int = 1,
    told: bool = True,
) -> None:
    """Write one line into the log, from the unit of work's origin, at its moment.

    Whoever is to hear of such an act is told of it, where mail is sent.

    An account that is disabled has no line, and so does nothing: whoever disables one waits until
    what it was doing is committed, or it is given up here, since nothing is done without its line.

    Args:
        uow: in which the act is done.
        act: what was done.
        by: who did it.
        about: the account that it was done to, with its number, where it was done to one.
        project: what it was done to.
        version: of the release or the draft.
        filename: the file.
        detail: what else is worth knowing; nothing secret.
        count: how often, where one line stands for several failures.
        told: whether people may be told of it: not where they are of what it belongs to.

    Raises:
        AccountDisabled: the account that acts was disabled or deleted, perhaps just now.
    """
    origin = by.comes_from(uow.origin)
    line = {
        "at": uow.now,
        "act": act.value,
        "by": plain(by.name),
        "by_id": by.user_id,
        "credential": plain(by.credential if origin.means is None else origin.means),
        "address": _plain_or_none(origin.address),
        "request_id": _plain_or_none(origin.request_id),
        "about": about.username if about is not None else None,
        "about_id": about.id if about is not None else None,
        "project": project.name if project is not None else None,
        "normalized_project": project.normalized_name if project is not None else None,
        "project_created": project.created if project is not None else None,
        "version": _plain_or_none(version),
        "filename": _plain_or_none(filename),
        "detail": plain(_with_reason(detail, by.reason), _LONGEST_DETAIL),
        "count": count,
    }
    written = run(uow.db, _INSERT if by.user_id is None else _INSERT_OF_ACCOUNT, line)
    if written.rowcount != 1:
        raise AccountDisabled(by.name)
    if told and act is Kind.SIGN_IN and about is not None and origin.is_new_to(about.username):
        notices.note(uow, act.value, line | {"new_browser": True})
    elif told:
        notices.note(uow, act.value, line)
    webhook_events.note(uow, act.value, line)


def _with_reason(detail: str, reason: str) -> str:
    """What is worth knowing, with why it was done, which some acts say by themselves."""
    reason = reason.strip()
    if re.search(rf"(^|[:;,] ){re.escape(reason)}($|[:;,])", detail):
        return detail
    return ": ".join(filter(None, [detail, reason]))


# Made once, and without asking for the number that it gets.
_AUDIT = cast("Table", AuditEntry.__table__)
_COLUMNS = [column for column in _AUDIT.c if column is not _AUDIT.c.id]
_INSERT = insert(_AUDIT).inline()
# The account's row stays as it is until the transaction ends. Nobody who holds it that way waits
# for a lock: the line of an act is written when all is done.
_INSERT_OF_ACCOUNT = (
    insert(_AUDIT)
    .from_select(
        _COLUMNS,
        select(*(bindparam(column.name, type_=column.type) for column in _COLUMNS))
        .where(User.id == bindparam("by_id"), User.disabled.is_(None), User.deleted.is_(None))
        .with_for_update(read=True, of=User),
        include_defaults=False,
    )
    .inline()
)


def plain(text: str, most: int = _LONGEST_NAME) -> str:
    """Text for a log: no control characters, nothing that changes its direction, and bounded."""
    if len(text) <= most and text.isprintable():
        return text
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:most])
    return shown if len(shown) <= most and len(text) <= most else f"{shown[: most - 1]}…"


def _plain_or_none(text: str | None) -> str | None:
    return plain(text) if text else None


def described(token: Shown) -> str:
    """A token as the log names it: by its beginning, which is no secret, and its label."""
    return f"{token.prefix} ({token.label})"


def note_address(uow: UnitOfWork, by: Doer, token: Used) -> None:
    """Remember where a token is used from, and write a line where it is new for it.

    The address of its first use is not: there is nothing to compare it with. Where it comes from
    the same address as the last time, nothing is asked and nothing is written.
    """
    address = network_of(uow.origin.address)
    if address is None or is_last_address(uow, token):
        return
    run(uow.db, _NOTE_ADDRESS, {"token": token.id, "address": address})
    uow.forget(Token, token.id, "last_address")
    known = select(TokenAddress.address).where(
        TokenAddress.token_id == token.id, TokenAddress.address == address
    )
    if uow.db.scalar(known) is not None:
        return
    uow.lock(f"token:{token.id}")
    if uow.db.scalar(known) is not None:  # by a request that came at the same time
        return
    of_token = select(func.count()).where(TokenAddress.token_id == token.id)
    before = uow.db.scalar(of_token) or 0
    if before >= _MOST_ADDRESSES:
        uow.db.execute(delete(TokenAddress).where(TokenAddress.token_id == token.id))
    uow.db.add(TokenAddress(token_id=token.id, address=address, first_used=uow.now))
    uow.db.flush()
    if before:
        project = uow.db.get(Project, token.project_id) if token.project_id is not None else None
        write(uow, Kind.TOKEN_ADDRESS, by, project=project, detail=described(token))


def is_last_address(uow: UnitOfWork, token: Used) -> bool:
    """Whether the unit of work comes from where the token was last used, as far as anybody knows.

    Nothing is asked for that.
    """
    address = network_of(uow.origin.address)
    return address is None or address == token.last_address


_TOKENS = cast("Table", Token.__table__)
_NOTE_ADDRESS = (
    update(_TOKENS)
    .where(_TOKENS.c.id == bindparam("token"))
    .values(last_address=bindparam("address"))
)


def forget_old(uow: UnitOfWork, most: int) -> int:
    """Delete lines that are older than the operator wants them kept, and say how many.

    That are at most so many of them, the oldest first. The newest line of all stays, so that no
    number is given out twice.
    """
    days = uow.settings.audit_days
    if days is None:
        return 0
    uow.lock("audit")
    until = uow.now - timedelta(days=days)
    newest = select(func.max(AuditEntry.id)).scalar_subquery()
    old = (
        select(AuditEntry.id)
        .where(AuditEntry.at < until, AuditEntry.id < newest)
        .order_by(AuditEntry.at, AuditEntry.id)
        .limit(most)
    )
    numbers = uow.db.scalars(old).all()
    if not numbers:
        return 0
    # What the triggers look for. It is gone before anybody else can see it.
    uow.db.add(AuditRetention(id=1, until=until))
    uow.db.flush()
    uow.db.execute(delete(AuditEntry).where(AuditEntry.id.in_(numbers)))
    uow.db.execute(delete(AuditRetention))
    return len(numbers)
