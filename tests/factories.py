"""Arranging what a test needs: people, tokens, files on their way in, drafts, releases."""

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from packaging.version import Version
from sqlalchemy import select

from greenroom.core_metadata import CoreMetadata
from greenroom.database import Database
from greenroom.distributions.filenames import parse_filename
from greenroom.models import Base, Draft, File, JournalEntry, Project, RoleName, UploadSession, User
from greenroom.registry import accounts, catalogue, drafts, projects, upload_sessions, uploads
from greenroom.registry.artifacts import Artifact, Claims, Received, Receiver
from greenroom.registry.permissions import DEFAULT_TOKEN_PERMISSIONS, OPERATOR, Actor, Person
from greenroom.registry.releases import NotRendered
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.registry.upload_sessions import (
    HTTP_POST_BYTES,
    RESUMABLE,
    Announcement,
    Place,
)
from greenroom.registry.uploads import Accepted

PASSWORD = "correct horse battery staple"

_T = TypeVar("_T")


def make_user(
    uow: UnitOfWork, username: str = "ada", *, administrator: bool = False, verified: bool = True
) -> User:
    account = accounts.prepared(username, f"{username}@index.example", PASSWORD)
    return accounts.create_user(uow, account, administrator=administrator, verified=verified)


def make_token(
    uow: UnitOfWork,
    user: User,
    *,
    project: Project | None = None,
    permissions: Iterable[str] = DEFAULT_TOKEN_PERMISSIONS,
    expires_in: timedelta | None = None,
    label: str = "test",
) -> str:
    _, text = accounts.create_token(
        uow, user, label, project=project, permissions=permissions, expires_in=expires_in
    )
    return text


def received(path: Path, digests: Iterable[str] = ()) -> Received:
    """The bytes of a file as if they had arrived there."""
    content = path.read_bytes()
    with Receiver(path.parent, limit=len(content), digests=digests) as receiver:
        receiver.add(content)
        return replace(receiver.received(), path=path)


def artifact_of(path: Path, filename: str | None = None) -> Artifact:
    return Artifact(filename or path.name, received(path))


def claims_of(path: Path) -> Claims:
    """What a truthful uploader says of the file."""
    named = parse_filename(path.name, private=True)
    return Claims(
        name=named.name,
        version=named.version,
        packagetype=named.packagetype,
        digests={"sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
    )


# It is never connected to.
_NO_DATABASE = Database("postgresql://database.invalid/")


class OneUnit(Services):
    """Services whose units of work are all the one that a test has open."""

    _uow: UnitOfWork

    def __init__(self, uow: UnitOfWork) -> None:
        super().__init__(_NO_DATABASE, uow.storage, uow.settings, lambda: uow.now)
        object.__setattr__(self, "_uow", uow)

    @contextmanager
    def reading(self) -> Iterator[UnitOfWork]:
        yield self._uow

    @contextmanager
    def writing(self) -> Iterator[UnitOfWork]:
        collecting = dict(self._uow.collecting)
        try:
            with self._uow.db.begin_nested():  # what an exception leaves is undone
                yield self._uow
        except NotRendered:
            self._uow.collecting.clear()
            self._uow.collecting.update(collecting)
            raise


def upload(uow: UnitOfWork, actor: Actor | User, path: Path, *, staged: bool) -> Accepted:
    """A whole upload in one unit of work."""
    who = _actor(actor)
    artifact, claims = artifact_of(path), claims_of(path)
    return uploads.upload_file(OneUnit(uow), lambda _: who, artifact, claims, staged=staged)


def stage(uow: UnitOfWork, actor: Actor | User, *paths: Path) -> Draft:
    """The draft that these files are in after they were staged."""
    draft = None
    for path in paths:
        draft = draft_of(uow, upload(uow, actor, path, staged=True))
    assert draft is not None
    return draft


def draft_of(uow: UnitOfWork, accepted: Accepted) -> Draft | None:
    """The draft that an upload went into."""
    return drafts.by_key(uow.db, accepted.draft_key) if accepted.draft_key else None


def open_new(
    uow: UnitOfWork, actor: Actor | User, name: str = "example", version: str = "1.0"
) -> Draft:
    """A new draft without files, as Upload 2.0 opens it."""
    return drafts.open_new(uow, _actor(actor), name, Version(version))


def announce(
    uow: UnitOfWork,
    actor: Actor | User,
    draft: Draft,
    path: Path,
    *,
    mechanism: str = HTTP_POST_BYTES,
    **saying: object,
) -> UploadSession:
    """The upload of a file that a truthful client announces; ``saying`` changes what it says."""
    content = path.read_bytes()
    said: dict[str, Any] = {
        "filename": path.name,
        "size": len(content),
        "digests": {"sha256": hashlib.sha256(content).hexdigest()},
        "mechanism": mechanism,
    }
    announcement = Announcement(**said | saying)
    mechanisms = (HTTP_POST_BYTES, RESUMABLE)
    return upload_sessions.announce(uow, _actor(actor), draft, announcement, mechanisms)


def send(
    uow: UnitOfWork,
    actor: Actor | User,
    draft: Draft,
    upload: UploadSession,
    content: bytes,
    start: int = 0,
) -> None:
    """Let bytes of an announced file arrive, from ``start`` on."""
    actor = _actor(actor)
    upload_sessions.check_part(uow, actor, draft, upload, upload.mechanism, start)
    path = uow.storage.new_file()
    path.write_bytes(content)
    part = received(path, upload.digests)
    upload_sessions.keep_part(uow.storage, part)
    upload_sessions.add_part(uow, actor, draft, upload, start, part)
    path.unlink()


def complete(uow: UnitOfWork, actor: Actor | User, draft: Draft, upload: UploadSession) -> None:
    """Complete an upload: what fails is written down, and raised."""
    who = _actor(actor)
    place = Place(draft.key, upload.key)
    upload_sessions.complete_upload(OneUnit(uow), lambda _: who, place)


def add_upload(
    uow: UnitOfWork,
    actor: Actor | User,
    draft: Draft,
    path: Path,
    *,
    mechanism: str = HTTP_POST_BYTES,
) -> UploadSession:
    """The completed upload of a file into a draft."""
    made = announce(uow, actor, draft, path, mechanism=mechanism)
    send(uow, actor, draft, made, path.read_bytes())
    complete(uow, actor, draft, made)
    return made


def _actor(actor: Actor | User) -> Actor:
    return Person(actor) if isinstance(actor, User) else actor


def release(uow: UnitOfWork, actor: Actor | User, *paths: Path) -> Project:
    """The project after these files were uploaded directly."""
    for path in paths:
        upload(uow, actor, path, staged=False)
    project = projects.find(uow, claims_of(paths[0]).name)
    assert project is not None
    return project


def add_role(uow: UnitOfWork, project: Project, user: User, name: RoleName) -> None:
    projects.add_role(uow, OPERATOR, project, user.username, name)


def find_draft(uow: UnitOfWork, name: str, version: str) -> Draft | None:
    project = projects.find(uow, name)
    return drafts.live(uow, project, Version(version)) if project is not None else None


def public_filenames(uow: UnitOfWork, name: str) -> list[str]:
    """The file names that the public sees of a project, empty when it sees no project."""
    project = catalogue.project(uow.db, name)
    if project is None:
        return []
    return [file.filename for file in catalogue.listing(uow.db, project).files]


def get_draft(uow: UnitOfWork, draft_id: int) -> Draft:
    return uow.db.get_one(Draft, draft_id)


def add_staged_rows(uow: UnitOfWork, draft: Draft, count: int) -> None:
    """Wheels for so many platforms in a draft, of which only the rows exist."""
    assert draft.release is not None
    for number in range(count):
        filename = f"{draft.project_name}-{draft.version}-py3-none-macosx_{number + 10}_0_arm64.whl"
        uow.db.add(
            File(
                release=draft.release,
                draft_id=draft.id,
                filename=filename,
                packagetype="bdist_wheel",
                python_tag="py3",
                size=1000,
                sha256=hashlib.sha256(filename.encode()).hexdigest(),
                md5="0" * 32,
                blake2_256="0" * 64,
                metadata_sha256="0" * 64,
                core_metadata=CoreMetadata(),
                created=uow.now,
            )
        )
    uow.db.flush()


def everything(uow: UnitOfWork) -> dict[str, list[str]]:
    """Every row of every table and every blob's digest: to see that an act changed nothing."""
    uow.db.flush()
    rows = {
        table.name: sorted(map(repr, uow.db.execute(select(table))))
        for table in Base.metadata.sorted_tables
    }
    return rows | {"storage": sorted(uow.storage.digests())}


def journal_of(uow: UnitOfWork) -> list[tuple[int, str | None, str]]:
    """Serial, version and action of every journal entry."""
    entries = uow.db.scalars(select(JournalEntry).order_by(JournalEntry.id))
    return [(entry.id, entry.version, entry.action) for entry in entries]


def at_once(*acts: Callable[[], _T]) -> list[_T]:
    """What these acts give when they begin at the same moment, each in a thread of its own."""
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], _T]) -> _T:
        start.wait()
        return act()

    with ThreadPoolExecutor(len(acts)) as executor:
        running = [executor.submit(run, act) for act in acts]
    return [act.result() for act in running]
