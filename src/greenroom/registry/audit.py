"""The audit log: who did what to what, when, from where, and with what. What writes into it.

A use case writes one line for what it was asked for, in the same transaction, once all is done:
there is a line exactly when there is the act. What follows of an act is in its line, and has none
of its own: the draft that an upload opened, the drafts that go with a project.

The database lets no line be changed, nor deleted but by :func:`forget_old`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network
from types import MappingProxyType
from typing import Protocol, cast

from sqlalchemy import Table, bindparam, delete, func, insert, select, update

from greenroom.database import run
from greenroom.models import AuditEntry, AuditRetention, Project, Token, TokenAddress, User
from greenroom.registry.unit_of_work import Origin, UnitOfWork

_LONGEST_NAME = 255
_LONGEST_DETAIL = 1000
_NETWORK_BITS = 64
"""Of an IPv6 address, so many tell one customer from another."""
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
    USER_CREATE = "user-create", "Created an account."
    USER_VERIFY = "user-verify", "Verified an account."
    PASSWORD_CHANGE = "password-change", "Changed a password."
    TOKEN_CREATE = "token-create", "Made an API token."
    TOKEN_ADDRESS = "token-new-address", "Used an API token from an address that is new for it."
    TOKEN_REVOKE = "token-revoke", "Revoked an API token."
    ROLE_GIVE = "role-give", "Gave a person a role."
    ROLE_TAKE = "role-take", "Took the role of a person away."
    PROJECT_SETTINGS = "project-settings", "Changed the settings of a project."
    PROJECT_ARCHIVE = "project-archive", "Archived a project."
    PROJECT_UNARCHIVE = "project-unarchive", "Took a project out of the archive."
    PROJECT_QUARANTINE = "project-quarantine", "Put a project in quarantine."
    PROJECT_UNQUARANTINE = "project-unquarantine", "Lifted the quarantine of a project."
    PROJECT_DELETE = "project-delete", "Deleted a project."
    FILE_UPLOAD = "file-upload", "Uploaded a file to be public at once."
    FILE_IMPORT = "file-import", "Imported a file to be public at once."
    FILE_YANK = "file-yank", "Yanked a file."
    FILE_UNYANK = "file-unyank", "Took back that a file was yanked."
    FILE_DELETE = "file-delete", "Deleted a file."
    RELEASE_YANK = "release-yank", "Yanked a release."
    RELEASE_UNYANK = "release-unyank", "Took back that a release was yanked."
    RELEASE_DELETE = "release-delete", "Deleted a release."
    DRAFT_OPEN = "draft-open", "Opened a draft."
    DRAFT_STAGE = "draft-stage", "Uploaded a file into a draft."
    DRAFT_REPLACE = "draft-replace", "Replaced a file of a draft."
    DRAFT_COMMENT = "draft-comment", "Commented on a file of a draft."
    DRAFT_REMOVE = "draft-remove", "Removed a file from a draft."
    DRAFT_ROTATE = "draft-rotate", "Changed the address of a draft."
    DRAFT_EXTEND = "draft-extend", "Let a draft live longer."
    DRAFT_ASK = "draft-ask", "Asked for the publication of a draft, which is reviewed."
    DRAFT_REFUSE = "draft-refuse", "Refused the publication of a draft in its review."
    DRAFT_PUBLISH = "draft-publish", "Published a draft."
    DRAFT_DISCARD = "draft-discard", "Discarded a draft."
    DRAFT_EXPIRE = "draft-expire", "Ended a draft that had fallen due."
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
) -> None:
    """Write one line into the log, from the unit of work's origin, at its moment.

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
    """
    origin = by.comes_from(uow.origin)
    run(
        uow.db,
        _INSERT,
        {
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
            "detail": plain(detail, _LONGEST_DETAIL),
            "count": count,
        },
    )


# Made once, and without asking for the number that it gets.
_INSERT = insert(cast("Table", AuditEntry.__table__)).inline()


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
    if address is None or address == token.last_address:
        return
    is_first = token.last_address is None
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
    if (uow.db.scalar(of_token) or 0) >= _MOST_ADDRESSES:
        uow.db.execute(delete(TokenAddress).where(TokenAddress.token_id == token.id))
    uow.db.add(TokenAddress(token_id=token.id, address=address, first_used=uow.now))
    uow.db.flush()
    if not is_first:
        project = uow.db.get(Project, token.project_id) if token.project_id is not None else None
        write(uow, Kind.TOKEN_ADDRESS, by, project=project, detail=described(token))


_TOKENS = cast("Table", Token.__table__)
_NOTE_ADDRESS = (
    update(_TOKENS)
    .where(_TOKENS.c.id == bindparam("token"))
    .values(last_address=bindparam("address"))
)


def network_of(address: str | None) -> str | None:
    """What tells one client's place from another: of an IPv6 address its network.

    None where it is no address.
    """
    try:
        found = ip_address(address or "")
    except ValueError:
        return None
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ip_network((int(found), _NETWORK_BITS), strict=False))


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
