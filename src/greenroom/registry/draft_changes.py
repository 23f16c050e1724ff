"""Whether drafts have changed, for those who wait for it: each has a mark, another one afterwards.

So has each release set, of which the mark is another one when one of its drafts has another.

A mark is made of what every change of a draft leaves: its row, its log, the uploads into it, how
many of its files were looked into and compared, which installers took files, and the lines that the
audit log has of its version, or of its project as a whole. What shows on a draft's pages and leaves
none of these does not wake whoever waits.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any, Protocol, cast

from sqlalchemy import Row, bindparam, func, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import PoolProxiedConnection

from greenroom.database import Database, run
from greenroom.models import (
    AuditEntry,
    Draft,
    DraftEvent,
    DraftInstallation,
    File,
    FileComparison,
    FileFacts,
    Project,
    ReleaseSet,
    ReleaseSetEvent,
    ReleaseSetMember,
    UploadSession,
)

MARK_LENGTH = 16
_TOPIC = "draft:"
_TOPIC_OF_SETS = "set:"


def topic(draft: Draft) -> str:
    """What whoever waits calls the draft."""
    return f"{_TOPIC}{draft.id}"


def topic_of_set(release_set: ReleaseSet) -> str:
    """What whoever waits calls the release set."""
    return f"{_TOPIC_OF_SETS}{release_set.id}"


def of_topic(db: Session, text: str) -> Draft | None:
    """The draft that is called so."""
    if not text.startswith(_TOPIC):
        return None
    return db.get(Draft, int(text.removeprefix(_TOPIC)))


def mark(db: Session, draft: Draft) -> str:
    """The mark of the draft, as the session sees it."""
    return marks(db, [draft.id])[draft.id]


def mark_of_set(db: Session, release_set: ReleaseSet) -> str:
    """The mark of the release set, as the session sees it."""
    return marks_of_sets(db, [release_set.id])[release_set.id]


def marks(db: Session, numbers: Collection[int]) -> dict[int, str]:
    """The marks of these drafts, by their numbers, with one query."""
    return _marks(run(db, _SIGNS, {"numbers": list(numbers)}))


def marks_of_sets(db: Session, numbers: Collection[int]) -> dict[int, str]:
    """The marks of these release sets, by their numbers, with two queries."""
    asked = {"numbers": list(numbers)}
    members: dict[int, list[tuple[object, ...]]] = {number: [] for number in numbers}
    for number, *signs in run(db, _SIGNS_OF_MEMBERS, asked):
        members[number].append(tuple(signs))
    return {row[0]: _digest((*row, *members[row[0]])) for row in run(db, _SIGNS_OF_SETS, asked)}


def _marks(rows: Iterable[Row[Any]]) -> dict[int, str]:
    return {row[0]: _digest(tuple(row)) for row in rows}


def _digest(signs: tuple[object, ...]) -> str:
    return hashlib.sha256(repr(signs).encode()).hexdigest()[:MARK_LENGTH]


class DraftMarks:
    """Looks at the drafts that somebody waits for, with one query for all of them; sets take two.

    SQLite is first asked whether anything at all was written, on a connection that is kept for it.
    One thread at a time may look.
    """

    def __init__(self, database: Database) -> None:
        """Nothing is connected before the first look."""
        self._database = database
        self._connection: PoolProxiedConnection | None = None
        self._seen: tuple[object, ...] = ()

    def look(self, topics: Collection[str], *, anew: bool) -> Mapping[str, str] | None:
        """The marks of these drafts and sets; None: nothing was written since the last look.

        Args:
            topics: which, as :func:`topic` and :func:`topic_of_set` call them. One that is
                gone has no mark.
            anew: whether to look though nothing was written.

        Raises:
            Exception: of the database's driver: it does not answer.
        """
        # Before what is read, so that whatever is written meanwhile is seen the next time.
        if not self._has_written() and not anew:
            return None
        drafts, sets = _numbers(topics, _TOPIC), _numbers(topics, _TOPIC_OF_SETS)
        with self._database.reading() as db:
            found = marks(db, drafts) if drafts else {}
            found_sets = marks_of_sets(db, sets) if sets else {}
        return {
            **{f"{_TOPIC}{number}": each for number, each in found.items()},
            **{f"{_TOPIC_OF_SETS}{number}": each for number, each in found_sets.items()},
        }

    def _has_written(self) -> bool:
        if not self._database.is_sqlite:
            return True
        try:
            seen = (self._database.file_identity(), self._data_version())
        except BaseException:
            self._disconnect()
            raise
        has_written, self._seen = seen != self._seen, seen
        return has_written

    def _data_version(self) -> int:
        if self._seen[:1] != (self._database.file_identity(),):
            self._disconnect()  # another file has taken the place of the database
        if self._connection is None:
            self._connection = self._database.connection_apart()
        cursor = cast("_Cursor", self._connection.cursor())
        cursor.execute("PRAGMA data_version")
        return cursor.fetchone()[0]

    def _disconnect(self) -> None:
        self._seen = ()
        connection, self._connection = self._connection, None
        if connection is not None and connection.dbapi_connection is not None:
            with suppress(Exception):
                connection.dbapi_connection.close()


def _numbers(topics: Collection[str], kind: str) -> list[int]:
    return [int(text.removeprefix(kind)) for text in topics if text.startswith(kind)]


class _Cursor(Protocol):
    def execute(self, statement: str, /) -> object: ...
    def fetchone(self) -> tuple[int, ...]: ...


_NEWEST_EVENT = (
    select(func.max(DraftEvent.id)).where(DraftEvent.draft_id == Draft.id).scalar_subquery()
)
_COUNT_UPLOADS = select(func.count()).where(UploadSession.draft_id == Draft.id).scalar_subquery()
_NEWEST_UPLOAD = (
    select(func.max(UploadSession.changed))
    .where(UploadSession.draft_id == Draft.id)
    .scalar_subquery()
)
_NEWEST_ACT = (
    select(AuditEntry.id)
    .where(
        AuditEntry.normalized_project == Project.normalized_name,
        or_(AuditEntry.version == Draft.version, AuditEntry.version.is_(None)),
    )
    .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
    .limit(1)
    .scalar_subquery()
)
_COUNT_FACTS = (
    select(func.count())
    .select_from(FileFacts)
    .join(File, File.id == FileFacts.file_id)
    .where(File.draft_id == Draft.id)
    .scalar_subquery()
)
_COUNT_COMPARED = (
    select(func.count())
    .select_from(FileComparison)
    .join(File, File.id == FileComparison.file_id)
    .where(File.draft_id == Draft.id)
    .scalar_subquery()
)
_NEWEST_INSTALLATION = (
    select(func.max(DraftInstallation.id))
    .where(DraftInstallation.draft_id == Draft.id)
    .scalar_subquery()
)
_OF_DRAFT = (
    Draft.id,
    Draft.slug,
    Draft.state,
    Draft.changed,
    Draft.expires,
    Draft.review,
    Draft.review_notices,
    Draft.content_digest,
    _NEWEST_EVENT,
    _COUNT_UPLOADS,
    _NEWEST_UPLOAD,
    _NEWEST_ACT,
    _COUNT_FACTS,
    _COUNT_COMPARED,
    _NEWEST_INSTALLATION,
)
_SIGNS = (
    select(*_OF_DRAFT)
    .outerjoin(Project, Project.id == Draft.project_id)
    .where(Draft.id.in_(bindparam("numbers", expanding=True)))
)
_SIGNS_OF_SETS = select(
    ReleaseSet.id,
    ReleaseSet.slug,
    ReleaseSet.name,
    ReleaseSet.state,
    ReleaseSet.only_together,
    ReleaseSet.in_review,
    ReleaseSet.changed,
    ReleaseSet.content_digest,
    select(func.max(ReleaseSetEvent.id))
    .where(ReleaseSetEvent.release_set_id == ReleaseSet.id)
    .scalar_subquery(),
).where(ReleaseSet.id.in_(bindparam("numbers", expanding=True)))
_SIGNS_OF_MEMBERS = (
    select(
        ReleaseSetMember.release_set_id,
        ReleaseSetMember.go_at,
        ReleaseSetMember.review_passed,
        *_OF_DRAFT,
    )
    .join(Draft, Draft.id == ReleaseSetMember.draft_id)
    .outerjoin(Project, Project.id == Draft.project_id)
    .where(ReleaseSetMember.release_set_id.in_(bindparam("numbers", expanding=True)))
    .order_by(ReleaseSetMember.release_set_id, ReleaseSetMember.draft_id)
)
