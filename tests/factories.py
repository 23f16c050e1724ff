"""Arranging what a test needs: people, tokens, files on their way in, drafts, releases."""

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy
from msgspec.structs import replace
from packaging.version import Version
from sqlalchemy import select

from greenroom.core_metadata import CoreMetadata
from greenroom.database import Database
from greenroom.distributions.filenames import parse_filename
from greenroom.models import (
    Base,
    Draft,
    File,
    JournalEntry,
    PendingPublisher,
    Project,
    ProjectPublisher,
    RoleName,
    Team,
    UploadSession,
    User,
)
from greenroom.registry import (
    accounts,
    catalogue,
    draft_comments,
    drafts,
    projects,
    roles,
    teams,
    tokens,
    upload_sessions,
    uploads,
    webhook_deliveries,
    webhooks,
)
from greenroom.registry.artifacts import Artifact, Claims, Received, Receiver
from greenroom.registry.permissions import (
    DEFAULT_TOKEN_PERMISSIONS,
    OPERATOR,
    Actor,
    Person,
    ShownSession,
)
from greenroom.registry.preparations import NotPrepared
from greenroom.registry.releases import with_renderings
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.registry.upload_sessions import (
    HTTP_POST_BYTES,
    RESUMABLE,
    Announcement,
    Place,
)
from greenroom.registry.uploads import Accepted
from greenroom.registry.webhook_events import CHOICES
from greenroom.registry.webhooks import OfIndex, OfProject, Wanted
from greenroom.settings import Settings, parse_setting

PASSWORD = "correct horse battery staple"
HOME, ELSEWHERE = "192.0.2.1", "192.0.2.2"

_T = TypeVar("_T")


def configured(settings: Settings, **changes: object) -> Settings:
    """These settings with changes, of which text, numbers and lists are read as people set them."""
    read = {
        name: parse_setting(name, value) if isinstance(value, str | int | list) else value
        for name, value in changes.items()
    }
    return replace(settings, **read)


def make_user(
    uow: UnitOfWork, username: str = "ada", *, administrator: bool = False, verified: bool = True
) -> User:
    account = accounts.prepared(username, f"{username}@index.example", PASSWORD)
    return accounts.create_user(uow, account, administrator=administrator, verified=verified)


def first_administrator_key(services: Services) -> str:
    """The key of a new link that makes the first administrator."""
    with services.writing() as uow:
        return accounts.first_administrator_link(uow).key


def make_token(
    uow: UnitOfWork,
    user: User,
    *,
    project: Project | None = None,
    permissions: Iterable[str] = DEFAULT_TOKEN_PERMISSIONS,
    expires_in: timedelta | None = None,
    label: str = "test",
) -> str:
    _, text = tokens.create(
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


def one_unit(uow: UnitOfWork) -> Services:
    """Services whose units of work are all the one that a test has open."""
    return _OneUnit(_NO_DATABASE, uow.storage, uow.settings, lambda: uow.now, uow=uow)


class _OneUnit(Services, frozen=True, kw_only=True):
    uow: UnitOfWork

    @contextmanager
    def reading(self) -> Iterator[UnitOfWork]:
        yield self.uow

    @contextmanager
    def writing(self) -> Iterator[UnitOfWork]:
        collecting = dict(self.uow.collecting)
        try:
            with self.uow.db.begin_nested():  # what an exception leaves is undone
                yield self.uow
        except NotPrepared:
            self.uow.collecting.clear()
            self.uow.collecting.update(collecting)
            raise


def upload(uow: UnitOfWork, actor: Actor | User, path: Path, *, staged: bool) -> Accepted:
    """A whole upload in one unit of work."""
    who = _actor(actor)
    artifact, claims = artifact_of(path), claims_of(path)
    return uploads.upload_file(one_unit(uow), lambda _: who, artifact, claims, staged=staged)


def stage(uow: UnitOfWork, actor: Actor | User, *paths: Path) -> Draft:
    """The draft that these files are in after they were staged."""
    draft = None
    for path in paths:
        draft = draft_of(uow, upload(uow, actor, path, staged=True))
    assert draft is not None
    return draft


def publish_directly(uow: UnitOfWork, *names: str) -> None:
    """Let projects that began with a draft publish what is uploaded, as their owner could."""
    for name in names:
        projects.get(uow, name).auto_publish_releases = True
    uow.db.flush()


def present(uow: UnitOfWork, user: User, *, shown: timedelta | None = timedelta(0)) -> Person:
    """A person who is signed in, and has shown a passkey so long ago; None for never."""
    when = uow.now - shown if shown is not None else None
    kind = "passkey" if shown is not None else ""
    begun = uow.now - timedelta(hours=3)
    session = ShownSession(
        1, begun, uow.now, uow.now, second_factor=when, has_factor=True, factor_kind=kind
    )
    return Person(user, session)


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
    upload_sessions.complete_upload(one_unit(uow), lambda _: who, place)


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
    roles.give(uow, OPERATOR, project, user.username, name)


def make_team(
    uow: UnitOfWork, owner: User, name: str, *members: User, works_on: Project | None = None
) -> Team:
    """A team, which may be a maintainer of a project."""
    team = teams.create(uow, OPERATOR, name, owner)
    for member in members:
        teams.add_member(uow, OPERATOR, team, member.username)
    if works_on is not None:
        teams.give_role(uow, OPERATOR, team, works_on, RoleName.MAINTAINER)
    return team


def trust_workflows(uow: UnitOfWork, user: User, project: str) -> None:
    """A workflow that the project trusts, and one that may register a name for the user."""
    said = {
        "service": "github",
        "issuer": "https://ci.example",
        "subject": "ada/example",
        "conditions": {"owner": "ada", "repository": "example", "workflow": "release.yml"},
        "may_publish": False,
        "created": uow.now,
    }
    number = projects.get(uow, project).id
    uow.db.add(ProjectPublisher(project_id=number, added_by=user.username, **said))
    name = {"project_name": "new-thing", "normalized_name": "new-thing"}
    uow.db.add(PendingPublisher(user_id=user.id, **name, **said))
    uow.db.flush()


def add_webhooks(uow: UnitOfWork, project: str) -> None:
    """A webhook of the project, which is about to be tried, and one of the index."""
    wanted = Wanted("CI", "https://ci.example/hook", "json", tuple(CHOICES))
    scope = OfProject(projects.get(uow, project))
    made, _ = webhooks.add(uow, OPERATOR, scope, wanted)
    webhook_deliveries.try_out(uow, OPERATOR, scope, made.id)
    webhooks.add(uow, OPERATOR, OfIndex(), wanted)


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


def until_somebody_waits(services: Services) -> None:
    """Go on when some transaction waits for a lock; the database is PostgreSQL."""
    waits = sqlalchemy.text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    while True:
        with services.reading() as uow:
            if uow.db.scalar(waits):
                return


def comment(uow: UnitOfWork, actor: Actor, draft: Draft, text: str = "Good.") -> int:
    """A comment on a draft; gives its number."""
    return with_renderings(lambda: draft_comments.add(uow, actor, draft, text))


def edit_comment(uow: UnitOfWork, actor: Actor, draft: Draft, number: int, text: str) -> None:
    with_renderings(lambda: draft_comments.edit(uow, actor, draft, number, text))
