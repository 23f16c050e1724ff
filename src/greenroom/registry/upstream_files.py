"""Files of upstreams that are kept here: which there are, which are used, and which go.

They are none of this index: a table of their own names them, and they lie in the same storage under
their digests. Those that nobody has asked for the longest go first, once there are more than
``GREENROOM_UPSTREAM_CACHE_SIZE`` bytes of them. The bytes of a file that is published or staged
here as well stay where they are.
"""

import threading
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from msgspec import Struct
from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from greenroom.models import UpstreamFile
from greenroom.other_indexes.pages import PageFile
from greenroom.registry import backup_holds, released_blobs, trash
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.storage import Shelf

STRONG = ("sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s")
"""Hash functions that nobody can forge the digests of."""

METADATA = ".metadata"
"""How the name of a wheel's metadata file ends (PEP 658)."""

MOST_METADATA = 16 * 2**20
"""Bytes of a metadata file: those of real ones have some thousand."""

LONGEST_NAME = 255

_BATCH = 100
_NOTED_EVERY = timedelta(hours=1)
_MOST_PENDING = 10_000


class WantedFile(Struct, frozen=True):
    """A file of an upstream, as its page says it.

    Attributes:
        upstream: its name in the settings.
        project: the normalized name.
        filename: that of a metadata file ends with ``.metadata``.
        url: where it is.
        hashes: hexadecimal digests, by the name of the hash function.
        size: in bytes; None where the page does not say.
    """

    upstream: str
    project: str
    filename: str
    url: str
    hashes: Mapping[str, str]
    size: int | None

    @property
    def strong(self) -> Mapping[str, str]:
        """The digests that nobody can forge."""
        return {name: self.hashes[name] for name in STRONG if name in self.hashes}

    @property
    def is_metadata(self) -> bool:
        """Whether it is the metadata file of a wheel."""
        return self.filename.endswith(METADATA)

    @property
    def said(self) -> str:
        """What tells its content from another one: a digest, or its address where none is said."""
        strong = sorted(self.strong.items(), key=lambda item: STRONG.index(item[0]))
        weak = sorted(self.hashes.items())
        return next((f"{name}={digest}" for name, digest in [*strong, *weak]), self.url)


class KeptFile(Struct, frozen=True):
    """A file of an upstream that is kept here.

    Attributes:
        id: of its row.
        sha256: the digest of its bytes.
        size: in bytes.
        is_verified: whether the upstream had said a digest of it that nobody can forge.
        fetched: when it came.
        used: when somebody last asked for it, to within an hour.
    """

    id: int
    upstream: str
    project: str
    filename: str
    sha256: str
    size: int
    is_verified: bool
    fetched: datetime
    used: datetime


class Usage(Struct, frozen=True):
    """How much is kept: how many files, and how many bytes they have together."""

    files: int
    size: int


def wanted(upstream: str, project: str, file: PageFile) -> WantedFile:
    """The file, to be had from there."""
    return WantedFile(upstream, project, file.filename, file.url, file.hashes, file.size)


def wanted_metadata(upstream: str, project: str, file: PageFile) -> WantedFile | None:
    """Its metadata file (PEP 658); None where the upstream has none."""
    if file.core_metadata is None:
        return None
    name, _, query = file.url.partition("?")
    url = f"{name}{METADATA}" + (f"?{query}" if query else "")
    return WantedFile(
        upstream, project, file.filename + METADATA, url, file.core_metadata, size=None
    )


def find(db: Session, file: WantedFile) -> KeptFile | None:
    """The file as it is kept, if it is the one that the page speaks of."""
    row = db.execute(
        _KEPT.where(_is(file.upstream, file.project, file.filename), UpstreamFile.said == file.said)
    ).one_or_none()
    return KeptFile(*row) if row is not None else None


def is_whole(uow: UnitOfWork, kept: KeptFile) -> bool:
    """Whether the bytes of a file are there, as far as that is seen without reading them."""
    return uow.storage.size(kept.sha256) == kept.size


def usage(db: Session) -> Usage:
    """How much is kept."""
    count, size = db.execute(select(func.count(), func.sum(UpstreamFile.size))).one()
    return Usage(count, int(size or 0))


def all_of(services: Services, project: str | None = None) -> Iterator[KeptFile]:
    """What is kept now, of one project or of all, with few of them in memory at once."""
    last = 0
    with services.reading() as uow:
        newest = uow.db.scalar(select(func.max(UpstreamFile.id))) or 0
    while True:
        query = _KEPT.where(UpstreamFile.id > last, UpstreamFile.id <= newest)
        query = query.order_by(UpstreamFile.id).limit(_BATCH)
        if project is not None:
            query = query.where(UpstreamFile.project == project)
        with services.reading() as uow:
            found = [KeptFile(*row) for row in uow.db.execute(query)]
        yield from found
        if len(found) < _BATCH:
            return
        last = found[-1].id


def keep(uow: UnitOfWork, file: WantedFile, sha256: str, size: int) -> None:
    """Write down that the file is kept, in place of what was kept under its name.

    Its bytes are in the storage, and the lock of its blob is held.
    """
    former = uow.db.execute(
        select(UpstreamFile.id, UpstreamFile.sha256).where(
            _is(file.upstream, file.project, file.filename)
        )
    ).one_or_none()
    if former is not None:
        uow.db.execute(delete(UpstreamFile).where(UpstreamFile.id == former.id))
        if former.sha256 != sha256:
            # Its lock cannot be taken now, after the other one: housekeeping comes for the bytes.
            released_blobs.note(uow, former.sha256)
    uow.db.add(
        UpstreamFile(
            upstream=file.upstream,
            project=file.project,
            filename=file.filename,
            url=file.url,
            said=file.said,
            sha256=sha256,
            size=size,
            is_verified=bool(file.strong),
            fetched=uow.now,
            used=uow.now,
        )
    )
    uow.db.flush()


# Letting go


def fits(services: Services, size: int) -> bool:
    """Whether a file of so many bytes is kept at all."""
    return size <= services.settings.upstream_cache_size


def make_room(services: Services, needed: int = 0, *, most: int | None = None) -> Usage:
    """Let go of files, those first that nobody has asked for the longest, until all others fit.

    Args:
        services: where.
        needed: so many bytes are to come.
        most: so many bytes may be kept; as many as the setting says where it is None.

    Returns:
        What was let go of.
    """
    most = services.settings.upstream_cache_size if most is None else most
    gone, freed = 0, 0
    while True:
        with services.reading() as uow:
            over = usage(uow.db).size + needed - most
            if over <= 0:
                return Usage(gone, freed)
            oldest = _KEPT.order_by(UpstreamFile.used, UpstreamFile.id).limit(_BATCH)
            batch = [KeptFile(*row) for row in uow.db.execute(oldest)]
        if not batch:
            return Usage(gone, freed)
        for kept in batch:
            if over <= 0:
                break
            if let_go(services, kept, unless_used=True):
                gone, freed = gone + 1, freed + kept.size
            over -= kept.size


def let_go(services: Services, kept: KeptFile, *, unless_used: bool = False) -> bool:
    """Let go of a file, and of its bytes unless something else has the same.

    Args:
        services: where.
        kept: which.
        unless_used: keep it where somebody has asked for it since it was looked up.

    Returns:
        False: it was gone already, or is kept.
    """
    with services.writing() as uow:
        uow.lock(f"blob:{kept.sha256}")
        which = [UpstreamFile.id == kept.id, UpstreamFile.sha256 == kept.sha256]
        if unless_used:
            which.append(UpstreamFile.used == kept.used)
        found = uow.db.scalar(select(UpstreamFile.id).where(*which))
        if found is None:
            return False
        uow.db.execute(delete(UpstreamFile).where(UpstreamFile.id == found))
        _remove_bytes(uow, kept.sha256)
    return True


def let_go_of_all(services: Services, project: str | None = None) -> Usage:
    """Let go of all files of a project, or of all that there are; give what that was."""
    gone, freed = 0, 0
    for kept in all_of(services, project):
        if let_go(services, kept):
            gone, freed = gone + 1, freed + kept.size
    return Usage(gone, freed)


def forget(uow: UnitOfWork, kept: KeptFile) -> None:
    """Forget a file whose bytes are not what they were; the lock of its blob is held."""
    uow.db.execute(
        delete(UpstreamFile).where(UpstreamFile.id == kept.id, UpstreamFile.sha256 == kept.sha256)
    )


def forget_missing(uow: UnitOfWork) -> None:
    """Forget the files whose bytes are not there: backups have none of them."""
    for kept in uow.db.execute(_KEPT).all():
        if uow.storage.size(kept.sha256) != kept.size:
            uow.db.execute(delete(UpstreamFile).where(UpstreamFile.id == kept.id))


def _remove_bytes(uow: UnitOfWork, sha256: str) -> None:
    """Remove the bytes, whose lock is held, unless somebody refers to them.

    They can be had again, so that they need not lie in the trash; but what was of this index, too,
    and was let go, is waited with as long as anything else.
    """
    if trash.referenced(uow.db, (sha256,)):
        return
    if released_blobs.among(uow.db, (sha256,)) or backup_holds.is_held(uow):
        uow.storage.move(sha256, Shelf.KEPT, Shelf.TRASH)
    else:
        uow.storage.delete(sha256)


# When files were asked for


class Uses:
    """Which files this process has sent, as far as that is not written down yet."""

    def __init__(self) -> None:
        """None."""
        self._pending: dict[int, datetime] = {}
        self._lock = threading.Lock()

    def note(self, kept: KeptFile, now: datetime) -> None:
        """Remember that the file was asked for; once an hour is enough."""
        if now - kept.used < _NOTED_EVERY:
            return
        with self._lock:
            if kept.id in self._pending or len(self._pending) < _MOST_PENDING:
                self._pending[kept.id] = now

    def write(self, services: Services) -> None:
        """Write down what is remembered.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: it was not, and is remembered.
        """
        with self._lock:
            pending, self._pending = self._pending, {}
        if not pending:
            return
        try:
            with services.writing() as uow:
                for number, moment in sorted(pending.items()):
                    uow.db.execute(
                        update(UpstreamFile)
                        .where(UpstreamFile.id == number, UpstreamFile.used < moment)
                        .values(used=moment)
                    )
        except BaseException:
            with self._lock:
                self._pending = {**pending, **self._pending}
            raise


PENDING = Uses()
"""Of this process."""


def _is(upstream: str, project: str, filename: str) -> ColumnElement[bool]:
    return (
        (UpstreamFile.upstream == upstream)
        & (UpstreamFile.project == project)
        & (UpstreamFile.filename == filename)
    )


_KEPT = select(
    UpstreamFile.id,
    UpstreamFile.upstream,
    UpstreamFile.project,
    UpstreamFile.filename,
    UpstreamFile.sha256,
    UpstreamFile.size,
    UpstreamFile.is_verified,
    UpstreamFile.fetched,
    UpstreamFile.used,
)
