"""Releases, for drafts and for direct uploads: find, add, and let them say what their files say."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeVar, cast

from msgspec import Struct
from packaging.version import Version
from sqlalchemy import Table, insert, select
from sqlalchemy.orm import Session

from greenroom import core_metadata
from greenroom.core_metadata import CoreMetadata
from greenroom.database import run
from greenroom.distributions import description
from greenroom.distributions.inspect import Distribution
from greenroom.models import File, Project, Release, User
from greenroom.registry import catalogue
from greenroom.registry.artifacts import Artifact
from greenroom.registry.names import canonical_version
from greenroom.registry.permissions import Actor
from greenroom.registry.preparations import NotPrepared
from greenroom.registry.unit_of_work import Services, UnitOfWork

_T = TypeVar("_T")


class ReleaseSummary(Struct, frozen=True):
    """What pages say of a release, besides what it says of itself in its core metadata.

    Attributes:
        project_name: as the project spells itself.
        summary: the one line of its core metadata.
        published: when it became public, None where it never did.
        yanked_reason: may be empty.
    """

    project_name: str
    version: str
    summary: str
    published: datetime | None
    yanked: bool
    yanked_reason: str


class FileSummary(Struct, frozen=True):
    """What pages say of a file, staged or published.

    Attributes:
        id: tells forms apart.
        size: in bytes.
        time: when it became public, or else when it arrived.
        yanked: by itself, not with its release.
        yanked_reason: may be empty.
        uploaded_by: a user name, where it is known and to be shown.
    """

    id: int
    filename: str
    size: int
    sha256: str
    md5: str
    blake2_256: str
    is_sdist: bool
    python_tag: str
    requires_python: str | None
    time: datetime
    yanked: bool
    yanked_reason: str
    uploaded_by: str | None


def summary(release: Release) -> ReleaseSummary:
    """What pages say of a release."""
    return ReleaseSummary(
        project_name=release.project.name,
        version=release.version,
        summary=release.summary,
        published=release.published,
        yanked=release.yanked,
        yanked_reason=release.yanked_reason,
    )


def file_summary(file: File, uploaded_by: User | None = None) -> FileSummary:
    """What pages say of a file, and of who uploaded it where that is given."""
    return FileSummary(
        id=file.id,
        filename=file.filename,
        size=file.size,
        sha256=file.sha256,
        md5=file.md5,
        blake2_256=file.blake2_256,
        is_sdist=file.is_sdist,
        python_tag=file.python_tag,
        requires_python=file.requires_python,
        time=file.published or file.created,
        yanked=file.yanked,
        yanked_reason=file.yanked_reason,
        uploaded_by=uploaded_by.username if uploaded_by is not None else None,
    )


def find(db: Session, project: Project, version: Version) -> Release | None:
    """The release of this version, published or not."""
    return db.scalar(
        select(Release).where(
            Release.project_id == project.id,
            Release.canonical_version == canonical_version(version),
        )
    )


def add(uow: UnitOfWork, project: Project, version: Version) -> Release:
    """A release that is not published."""
    release = Release(
        project=project,
        version=str(version),
        canonical_version=canonical_version(version),
        created=uow.now,
        core_metadata=CoreMetadata(),
    )
    uow.db.add(release)
    uow.db.flush()
    return release


class Inserted(Struct, frozen=True):
    """A public release that was just written, with its first file's words."""

    id: int
    version: str
    summary: str
    core_metadata: CoreMetadata
    yanked: bool = False


def insert_public(uow: UnitOfWork, project_id: int, distribution: Distribution) -> Inserted:
    """Write a release that is public from now on, and says what its one file says.

    Raises:
        NotRendered: see :func:`describe`.
    """
    said = distribution.metadata
    is_sdist = distribution.packagetype == "sdist"
    metadata = core_metadata.of_release(said if is_sdist else None, [] if is_sdist else [said])
    html = _RENDERINGS.get(metadata)
    if html is None:
        raise NotRendered(metadata)
    row: dict[str, object] = {
        "project_id": project_id,
        "version": str(distribution.version),
        "canonical_version": canonical_version(distribution.version),
        "created": uow.now,
        "published": uow.now,
        "summary": metadata.summary,
        "requires_python": metadata.requires_python or None,
        "core_metadata": metadata,
        "description_html": html,
    }
    number = run(uow.db, _INSERT_RELEASE, row).scalar_one()
    return Inserted(number, str(distribution.version), metadata.summary, metadata)


_RELEASES = cast("Table", Release.__table__)
_INSERT_RELEASE = insert(_RELEASES).returning(_RELEASES.c.id)


def new_file(
    uow: UnitOfWork,
    actor: Actor,
    release: Release,
    artifact: Artifact,
    distribution: Distribution,
    comment: str,
) -> File:
    """A file of a release, neither staged nor published yet."""
    return File(release_id=release.id, **_columns(uow, actor, artifact, distribution, comment))


def insert_file(
    uow: UnitOfWork,
    actor: Actor,
    release_id: int,
    artifact: Artifact,
    distribution: Distribution,
    comment: str,
    *,
    draft_id: int | None,
) -> None:
    """Write a file of a release that is staged in this draft, or else is public from now on.

    What the release says of itself is left to the caller.
    """
    where: dict[str, object] = {
        "release_id": release_id,
        "draft_id": draft_id,
        "published": uow.now if draft_id is None else None,
    }
    run(uow.db, _INSERT_FILE, where | _columns(uow, actor, artifact, distribution, comment))


# Nobody asks for the number of the file.
_INSERT_FILE = insert(cast("Table", File.__table__)).inline()


def _columns(
    uow: UnitOfWork, actor: Actor, artifact: Artifact, distribution: Distribution, comment: str
) -> dict[str, object]:
    """What is kept of a file, wherever it goes."""
    return {
        "filename": artifact.filename,
        "packagetype": distribution.packagetype,
        "python_tag": distribution.python_tag,
        "requires_python": distribution.requires_python,
        "size": artifact.size,
        "sha256": artifact.sha256,
        "md5": artifact.md5,
        "blake2_256": artifact.blake2_256,
        "metadata_sha256": distribution.metadata_sha256,
        "core_metadata": distribution.metadata,
        "created": uow.now,
        "comment": comment,
        "uploaded_by_id": actor.user_id,
    }


def metadata_of(db: Session, file: File) -> CoreMetadata:
    """What a file says of itself."""
    return db.execute(select(File.core_metadata).where(File.id == file.id)).scalar_one()


def said_by(files: Iterable[File]) -> CoreMetadata:
    """What a release says of itself that has these files: it depends on nothing but their set."""
    in_order = sorted(files, key=lambda file: file.filename)
    sdists = [file.core_metadata for file in in_order if file.is_sdist]
    wheels = [file.core_metadata for file in in_order if not file.is_sdist]
    return core_metadata.of_release(sdists[0] if sdists else None, wheels)


def describe(release: Release, metadata: CoreMetadata) -> None:
    """Let the release say what this core metadata says.

    A description is rendered when it becomes that of the release, and not again: before that, as it
    takes long, and the caller holds locks.

    Raises:
        NotRendered: it was not rendered of late. See :func:`with_renderings`.
    """
    former = release.core_metadata
    is_new = (former.description, former.description_content_type) != (
        metadata.description,
        metadata.description_content_type,
    )
    if is_new:
        release.description_html = known_rendering(metadata)
    release.core_metadata = metadata
    release.summary = metadata.summary
    release.requires_python = metadata.requires_python or None
    if metadata.version:
        release.version = str(Version(metadata.version))


def describe_with(release: Release, file: File) -> bool:
    """Let a release say what its files say, to which this one has come, if that can be seen so.

    Most files of a release say the same. One that says what the release says adds nothing to it,
    wherever it stands among the others, and the first one is all there is.

    Returns:
        False where it depends on what the others say.

    Raises:
        NotRendered: see :func:`describe`.
    """
    if release.core_metadata == file.core_metadata:
        return True
    if release.core_metadata.name:  # so it has files: each says at least a name
        return False
    describe(release, said_by([file]))
    return True


def describe_by_public_files(uow: UnitOfWork, release: Release) -> None:
    """Let a public release say what its files say, of which one has come or gone."""
    uow.db.flush()
    describe(release, said_by(catalogue.described_files(uow.db, release)))
    uow.db.flush()


def rendered_description(metadata: CoreMetadata) -> str:
    """The description in this core metadata as HTML, empty when it has none that renders.

    Rendering may take long, and the result is remembered: an upload renders before it takes the
    project's lock, so that under the lock it is only looked up.
    """
    html = _RENDERINGS.get(metadata)
    if html is None:
        content_type = metadata.description_content_type or None
        html = description.render(metadata.description, content_type) or ""
        _RENDERINGS.keep(metadata, html)
    return html


def known_rendering(metadata: CoreMetadata) -> str:
    """The description in this core metadata as HTML, without rendering it where locks are held.

    Raises:
        NotRendered: it was not rendered of late. See :func:`with_renderings`.
    """
    html = _RENDERINGS.get(metadata)
    if html is None:
        raise NotRendered(metadata)
    return html


class NotRendered(NotPrepared):
    """A description has to be rendered first, where no lock is held.

    Attributes:
        metadata: what has the description.
    """

    def __init__(self, metadata: CoreMetadata) -> None:
        super().__init__("A description is not rendered.")
        self.metadata = metadata

    def prepare(self, services: Services) -> None:
        """Render it."""
        rendered_description(self.metadata)


def with_renderings(act: Callable[[], _T]) -> _T:
    """What an act gives that has units of work of its own; it is begun again where it has to be.

    Which description becomes that of a release is certain only under the lock of its project. It is
    seldom another one than was rendered for the upload; then the act has changed nothing, the
    description is rendered, and the act done again.
    """
    while True:
        try:
            return act()
        except NotRendered as missing:
            rendered_description(missing.metadata)


class _Renderings:
    """What was rendered of late, by what it was rendered from."""

    def __init__(self, most: int, most_characters: int) -> None:
        self._most = most
        self._most_characters = most_characters
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, str] = OrderedDict()
        self._characters = 0

    @staticmethod
    def _key(metadata: CoreMetadata) -> bytes:
        said = f"{metadata.description_content_type}\n{metadata.description}"
        return hashlib.sha256(said.encode("utf-8", "surrogatepass")).digest()

    def get(self, metadata: CoreMetadata) -> str | None:
        """The HTML; None where it is not known."""
        if not metadata.description:
            return ""
        key = self._key(metadata)
        with self._lock:
            html = self._kept.get(key)
            if html is not None:
                self._kept.move_to_end(key)
            return html

    def keep(self, metadata: CoreMetadata, html: str) -> None:
        """Remember it, and forget what nobody has asked for the longest; not the last ones."""
        key = self._key(metadata)
        with self._lock:
            self._characters += len(html) - len(self._kept.pop(key, ""))
            self._kept[key] = html
            while len(self._kept) > self._most or (
                self._characters > self._most_characters and len(self._kept) > _LAST
            ):
                self._characters -= len(self._kept.popitem(last=False)[1])


_LAST = 16
_RENDERINGS = _Renderings(most=1000, most_characters=8_000_000)
