"""Files on their way into a draft in several requests: announce, receive, complete, cancel.

PEP 694 calls each of them a file upload session. What has arrived is kept as blobs, not as files of
one machine, so that any server of the index may take the next part, and a server that is killed
loses nothing that it has acknowledged.

An entry point calls :func:`announce`; then for each part :func:`check_part` (in a unit of work
that reads) and :func:`take_part`, or it tells the client where to put the file's parts itself
(:func:`presigned_parts`); then :func:`complete_upload`.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

from msgspec import Struct
from packaging.utils import canonicalize_name
from packaging.version import Version
from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from greenroom.distributions.errors import InvalidDistribution
from greenroom.distributions.filenames import DistributionName, parse_filename
from greenroom.distributions.inspect import Distribution
from greenroom.models import PRESIGNED, Draft, File, Project, UploadPart, UploadSession, UploadState
from greenroom.outages import outage_of
from greenroom.registry import (
    announced,
    drafts,
    file_rules,
    jobs,
    projects,
    released_blobs,
    releases,
    upload_states,
    uploads,
)
from greenroom.registry.artifacts import Artifact, Claims, Received, Receiver
from greenroom.registry.errors import (
    Ended,
    FileExists,
    InvalidFile,
    InvalidRequest,
    NotFound,
    OutOfSpace,
    Refusal,
    UnknownMechanism,
    UploadConflict,
    WrongDigest,
    WrongOffset,
)
from greenroom.registry.permissions import Act, Actor
from greenroom.registry.random_text import may_be_random_text, random_text
from greenroom.registry.unit_of_work import AT_ONCE, Services, UnitOfWork
from greenroom.registry.uploads import Authenticate
from greenroom.settings import Settings
from greenroom.storage import Blob, PartMissing, Storage

HTTP_POST_BYTES = "http-post-bytes"
RESUMABLE = "vnd-greenroom-resumable-v1"


KEY_LENGTH = 22
# How long a file may take to arrive, unless its client asks for more.
LIFETIME = timedelta(days=1)

# Each piece that is appended is a blob and a row. A broken connection leaves one, too.
MOST_PIECES = 5000

# What a client puts into the storage at once, unless the file would be of too many such parts.
PART_SIZE = 64 * 1024**2
MOST_PARTS = 200
# What the storage allows; a client asks for new URLs when these have expired.
LONGEST_URL = timedelta(days=7)

_INTERRUPTED = "The index could not look into the file: delete it, then upload it anew."

_INSECURE = frozenset({"md5", "sha1"})


class Announcement(Struct, frozen=True):
    """What a client says of a file before it sends it; ``size`` in bytes, ``digests`` in hex."""

    filename: str
    size: int
    digests: Mapping[str, str]
    mechanism: str


class Place(Struct, frozen=True):
    """Which upload: its key, and that of its draft."""

    draft_key: str
    key: str


class ArrivedPart(Struct, frozen=True):
    """Bytes of a file that are kept as a blob; ``size`` in bytes, ``digests`` in hex, by name."""

    size: int
    sha256: str
    digests: Mapping[str, str]


class Arrived(Struct, frozen=True):
    """What has arrived of a file whose upload is being completed, and what it should be."""

    key: str
    filename: str
    size: int
    digests: Mapping[str, str]
    mechanism: str
    parts: tuple[ArrivedPart, ...]


def arrived(upload: UploadSession) -> Arrived:
    """What has arrived of the file, as a value that outlives the unit of work."""
    return Arrived(
        key=upload.key,
        filename=upload.filename,
        size=upload.size,
        digests=dict(upload.digests),
        mechanism=upload.mechanism,
        parts=tuple(
            ArrivedPart(part.size, part.sha256, dict(part.digests)) for part in upload.parts
        ),
    )


# Finding


def by_key(db: Session, draft: Draft, key: str) -> UploadSession | None:
    """The upload of this draft that has this key, whatever became of it."""
    if not may_be_random_text(key, KEY_LENGTH):
        return None
    return db.scalar(
        select(UploadSession).where(UploadSession.key == key, UploadSession.draft_id == draft.id)
    )


def get(uow: UnitOfWork, place: Place) -> tuple[Draft, UploadSession]:
    """The upload, and the draft that it goes into.

    Raises:
        NotFound: there is no such upload (any more).
    """
    draft = drafts.by_key(uow.db, place.draft_key)
    upload = by_key(uow.db, draft, place.key) if draft is not None else None
    if draft is None or upload is None:
        raise NotFound("There is no such upload.")
    return draft, upload


def find(uow: UnitOfWork, draft: Draft, filename: str) -> UploadSession | File | None:
    """What goes by this name in the draft: an upload under way or failed, or else a staged file."""
    under_way = _under_way(uow, draft, filename)
    if under_way is not None and upload_states.state(uow, under_way) is not UploadState.CANCELED:
        return under_way
    return drafts.find_file(uow.db, draft, filename)


def received(upload: UploadSession) -> int:
    """How many bytes have arrived, from the beginning on."""
    return sum(part.size for part in upload.parts)


# Announcing


def announce(
    uow: UnitOfWork,
    actor: Actor,
    draft: Draft,
    announcement: Announcement,
    mechanisms: tuple[str, ...],
) -> UploadSession:
    """Take note that a file will come, after all that can be checked without it.

    Raises:
        NotAllowed, Ended, BeingReviewed: the actor may not add to the draft, or not now.
        UnknownMechanism: it is to come in a way that this index does not know.
        InvalidFile, InvalidRequest: the name or a digest cannot be right.
        FileExists: the name is published, or was.
        TooLarge: the file, or the project with it, is larger than the index takes.
        UploadConflict: the file is under way, or failed and was not deleted.
        ProjectClosed, ReleaseClosed, SecondSdist, TooMany: it could not be accepted.
    """
    drafts.begin(uow, actor, Act.STAGE, draft)
    project, release = draft.project, draft.release
    if project is None or release is None:
        raise Ended(drafts.ended_sentence(uow, draft))
    if announcement.mechanism not in mechanisms:
        raise UnknownMechanism(
            f"This index does not know the upload mechanism {announcement.mechanism[:60]!r}: use "
            + " or ".join(mechanisms)
            + "."
        )
    named = _named(uow.settings, draft, announcement.filename)
    digests = checked_digests(announcement.digests)
    uploads.check_actor(uow, actor, draft.project_name, staged=True)
    _settle(uow, draft)
    _check_not_under_way(uow, draft, named.filename)
    if announcement.size < 1:
        raise InvalidRequest("The file is empty.")
    former = drafts.find_file(uow.db, draft, named.filename)
    file_rules.check_file_size(uow, announcement.size)
    given_back = former.size if former is not None else 0
    file_rules.check_project_size(
        uow, project, announcement.size - given_back + _announced(uow, project)
    )
    file_rules.check_quotas(
        uow,
        actor.account_for(project.name, project),
        project,
        announcement.size - given_back,
        is_arriving=True,
    )
    file_rules.check_not_published(uow, named.filename, digests.get("sha256", ""))
    file_rules.check_release_open(uow, release)
    if named.packagetype == "sdist":
        file_rules.check_single_sdist(uow, release, named.filename)
    upload = UploadSession(
        key=random_text(KEY_LENGTH),
        draft=draft,
        filename=named.filename,
        size=announcement.size,
        digests=digests,
        mechanism=announcement.mechanism,
        problems=[],
        created=uow.now,
        changed=uow.now,
        expires=min(uow.now + LIFETIME, draft.expires),
    )
    uow.db.add(upload)
    uow.db.flush()
    return upload


def checked_digests(digests: Mapping[str, str]) -> dict[str, str]:
    """The digests in lower case, one of them at least of a function that nobody can forge.

    Raises:
        InvalidRequest: a function is unknown, a digest is not one of it, or all are too weak.
    """
    checked = {name: text.lower() for name, text in digests.items()}
    for name, text in checked.items():
        if name not in hashlib.algorithms_guaranteed or name.startswith("shake"):
            raise InvalidRequest(f"{name[:60]!r} is no hash function that this index knows.")
        length = hashlib.new(name, usedforsecurity=False).digest_size * 2
        if len(text) != length or any(c not in "0123456789abcdef" for c in text):
            raise InvalidRequest(
                f"The {name} digest is not what it should be: {length} hexadecimal digits."
            )
    if not set(checked) - _INSECURE:
        raise InvalidRequest("At least one digest has to be of a secure function, such as sha256.")
    return checked


def _named(settings: Settings, draft: Draft, filename: str) -> DistributionName:
    """What the file name says, which must be of the draft's project and version."""
    try:
        named = parse_filename(filename, private=settings.private)
    except InvalidDistribution as error:
        raise InvalidFile("Invalid file name. " + " ".join(error.reasons), error.reasons) from None
    if canonicalize_name(named.name) != canonicalize_name(draft.project_name):
        raise InvalidFile(
            f"The file {filename!r} is not of the project {draft.project_name!r}, which this "
            "session is of."
        )
    if named.version != Version(draft.version):
        raise InvalidFile(
            f"The file {filename!r} is not of the version {draft.version}, which this session is "
            "of."
        )
    return named


def _check_not_under_way(uow: UnitOfWork, draft: Draft, filename: str) -> None:
    found = _under_way(uow, draft, filename)
    if found is None:
        return
    if found.state == UploadState.ERROR:
        raise UploadConflict(
            f"The upload of {filename!r} has failed: delete it, then upload the file anew."
        )
    raise UploadConflict(
        f"The file {filename!r} is being uploaded: wait until that is complete, or cancel it."
    )


def _under_way(uow: UnitOfWork, draft: Draft, filename: str) -> UploadSession | None:
    return uow.db.scalar(
        select(UploadSession).where(
            UploadSession.draft_id == draft.id,
            UploadSession.filename == filename,
            upload_states.is_unfinished(),
        )
    )


def _announced(uow: UnitOfWork, project: Project) -> int:
    """The bytes that are on their way into any of the project's drafts."""
    total = uow.db.scalar(
        select(func.sum(UploadSession.size))
        .join(Draft, Draft.id == UploadSession.draft_id)
        .where(Draft.project_id == project.id, announced.is_under_way(uow))
    )
    return int(total or 0)


def _settle(uow: UnitOfWork, draft: Draft) -> None:
    """Write down what became of uploads by the passing of time."""
    for upload in uow.db.scalars(
        select(UploadSession).where(
            UploadSession.draft_id == draft.id, upload_states.is_unfinished()
        )
    ):
        _settle_one(uow, upload)


def _settle_one(uow: UnitOfWork, upload: UploadSession) -> bool:
    now = upload_states.state(uow, upload)
    if now == upload.state:
        return False
    _set(uow, upload, now, [upload_states.INTERRUPTED])
    return True


def _set(
    uow: UnitOfWork, upload: UploadSession, state: UploadState, problems: list[str] | None = None
) -> None:
    upload.state = state
    upload.changed = uow.now
    if state is UploadState.ERROR:
        upload.problems = list(problems or [])
    if state in (UploadState.ERROR, UploadState.CANCELED, UploadState.COMPLETED):
        released_blobs.note_parts(uow, UploadPart.upload_id == upload.id)
        upload.parts.clear()
        if upload.mechanism == PRESIGNED:
            jobs.collect(uow, jobs.Kind.REMOVE_PARTS, "uploads", [upload.key])
    uow.db.flush()


# Receiving


def check_part(
    uow: UnitOfWork, actor: Actor, draft: Draft, upload: UploadSession, mechanism: str, start: int
) -> None:
    """Raise a refusal unless bytes from ``start`` on may be sent now.

    Raises:
        NotAllowed, Ended, BeingReviewed: the actor may not add to the draft, or not now.
        UploadConflict: the upload is over, came another way, or waits for other bytes.
    """
    drafts.check_change(uow, actor, Act.STAGE, draft)
    now = upload_states.state(uow, upload)
    if now is not UploadState.PENDING:
        raise UploadConflict(
            f"The upload of {upload.filename!r} is {now}, and takes no bytes any more."
        )
    if upload.mechanism != mechanism:
        raise UploadConflict(
            f"The upload of {upload.filename!r} was announced to come by {upload.mechanism}."
        )
    if mechanism == RESUMABLE and start != received(upload):
        raise WrongOffset(
            f"{received(upload)} bytes of {upload.filename!r} have arrived: go on from there.",
            received(upload),
        )
    if mechanism == RESUMABLE and len(upload.parts) >= MOST_PIECES:
        raise UploadConflict(
            f"{upload.filename!r} has come in {MOST_PIECES} pieces, which is the most: delete "
            "the upload, and send larger ones."
        )


def keep_part(storage: Storage, part: Received) -> None:
    """Keep the bytes of a part. They are there, durably, when this returns."""
    storage.put_all({part.sha256: part.path})


def take_part(
    services: Services, authenticate: Authenticate, place: Place, start: int, part: Received
) -> UploadSession:
    """Keep bytes that have arrived, from ``start`` on, and note them.

    Raises:
        NotFound: there is no such upload (any more).
        As :func:`check_part`; the world may have changed while the bytes arrived.
    """
    keep_part(services.storage, part)
    with services.writing() as uow:
        draft, upload = get(uow, place)
        add_part(uow, authenticate(uow), draft, upload, start, part)
        return upload


def add_part(
    uow: UnitOfWork,
    actor: Actor,
    draft: Draft,
    upload: UploadSession,
    start: int,
    part: Received,
) -> None:
    """Take a part that was kept. What was sent whole before is replaced.

    Raises:
        As :func:`check_part`; the world may have changed while the bytes arrived.
    """
    drafts.begin(uow, actor, Act.STAGE, draft)
    uow.db.refresh(upload)
    check_part(uow, actor, draft, upload, upload.mechanism, start)
    uow.lock(f"blob:{part.sha256}")
    if part.sha256 not in uow.storage:
        keep_part(uow.storage, part)
    if upload.mechanism != RESUMABLE:
        released_blobs.note_parts(uow, UploadPart.upload_id == upload.id)
        upload.parts.clear()
        uow.db.flush()
    upload.parts.append(
        UploadPart(start=start, size=part.size, sha256=part.sha256, digests=dict(part.digests))
    )
    uow.db.flush()


# Receiving past the index


class PresignedPart(Struct, frozen=True):
    """Bytes of a file that its client puts at a URL of the storage, ``size`` from ``start`` on."""

    number: int
    start: int
    size: int
    url: str


def offers_presigned(storage: Storage) -> bool:
    """Whether clients may put files into the storage themselves."""
    return storage.parts is not None and storage.parts.offered


def part_size(size: int) -> int:
    """The size of all parts but the last of a file of ``size`` bytes."""
    return max(PART_SIZE, -(-size // MOST_PARTS))


def urls_expire(uow: UnitOfWork, upload: UploadSession) -> datetime:
    """Until when the URLs of :func:`presigned_parts` are good."""
    return min(upload.expires, uow.now + LONGEST_URL)


def presigned_parts(
    uow: UnitOfWork, actor: Actor, draft: Draft, upload: UploadSession
) -> list[PresignedPart]:
    """Where to put what of the file; nothing, if nothing may be sent now, or not by the actor."""
    parts = uow.storage.parts
    if parts is None or upload.mechanism != PRESIGNED:
        return []
    try:
        check_part(uow, actor, draft, upload, PRESIGNED, 0)
    except Refusal:
        return []
    lifetime = max(urls_expire(uow, upload) - uow.now, timedelta(seconds=1))
    found, start = [], 0
    for number, size in enumerate(_part_sizes(upload.size), 1):
        url = parts.url(upload.key, number, size=size, expires_in=lifetime)
        if url is not None:
            found.append(PresignedPart(number, start, size, url))
        start += size
    return found


def arrived_parts(uow: UnitOfWork, upload: UploadSession) -> list[int]:
    """The numbers of the parts that are there as a whole. This asks the storage."""
    if uow.storage.parts is None:
        return []
    arrived = uow.storage.parts.sizes(upload.key)
    sizes = enumerate(_part_sizes(upload.size), 1)
    return [number for number, size in sizes if arrived.get(number) == size]


def known(uow: UnitOfWork, keys: Iterable[str]) -> set[str]:
    """Those of the keys that are of uploads, whatever became of them."""
    wanted = UploadSession.key.in_(list(keys))
    return set(uow.db.scalars(select(UploadSession.key).where(wanted)))


def arriving(uow: UnitOfWork, keys: Iterable[str]) -> set[str]:
    """Those of the keys whose uploads may still take bytes, or are being completed."""
    wanted = UploadSession.key.in_(list(keys))
    return set(uow.db.scalars(select(UploadSession.key).where(wanted, announced.is_under_way(uow))))


def _part_sizes(size: int) -> list[int]:
    full = part_size(size)
    return [min(full, size - start) for start in range(0, size, full)]


def _check_put(storage: Storage, upload: Arrived) -> None:
    arrived = storage.parts.sizes(upload.key) if storage.parts is not None else {}
    sizes = _part_sizes(upload.size)
    problems = []
    for number, size in enumerate(sizes, 1):
        if number not in arrived:
            problems.append(f"Part {number} of {len(sizes)} has not arrived.")
        elif arrived[number] != size:
            problems.append(
                f"Part {number} of {len(sizes)} has {arrived[number]} bytes instead of {size}."
            )
    if problems:
        raise UploadConflict(
            f"Not all of {upload.filename!r} has arrived. " + " ".join(problems), problems
        )


def _put_parts(storage: Storage, upload: Arrived) -> Iterator[Blob]:
    """What the client has put, part after part. It may still put another in its place."""
    for number, size in enumerate(_part_sizes(upload.size), 1):
        try:
            if storage.parts is None:
                raise PartMissing(upload.key, number)
            blob = storage.parts.open(upload.key, number)
        except PartMissing:
            raise UploadConflict(f"Part {number} of {upload.filename!r} is gone.") from None
        if blob.size != size:
            blob.close()
            raise UploadConflict(
                f"Part {number} of {upload.filename!r} has {blob.size} bytes instead of {size}."
            )
        yield blob


# Completing


def complete_upload(services: Services, authenticate: Authenticate, place: Place) -> None:
    """Look into a file that has arrived, and take it into its draft, in place of its namesake.

    When that fails, the upload has failed, with the reasons; unless the storage, the database or a
    disk has, or there is no room: then it is pending as before, and may be completed later.

    Args:
        services: where the upload is.
        authenticate: who asks; asked again when the file is accepted, which may be much later.
        place: which upload.

    Raises:
        NotFound: there is no such upload (any more).
        NotAuthenticated, NotAllowed, Ended, BeingReviewed: the actor may not, or not now.
        UploadConflict: the upload is not pending.
        Refusal: of the kind that says why the file is not taken.
    """
    with services.writing() as uow:
        draft, upload = get(uow, place)
        begin_completion(uow, authenticate(uow), draft, upload)
        whole = arrived(upload)
    try:
        with assemble(services.settings, services.storage, whole) as assembled:

            def take() -> None:
                with services.writing() as uow:
                    draft, upload = get(uow, place)
                    complete(uow, authenticate(uow), draft, upload, assembled)

            releases.with_renderings(take)
    except Exception as error:
        why = error.details if isinstance(error, Refusal) else (_INTERRUPTED,)
        with services.writing() as uow:
            upload = get(uow, place)[1]
            if isinstance(error, OutOfSpace) or outage_of(error) is not None:
                wait_again(uow, upload)
            else:
                fail(uow, upload, why)
        raise


def begin_completion(uow: UnitOfWork, actor: Actor, draft: Draft, upload: UploadSession) -> None:
    """Let nothing more arrive, and nobody else complete it.

    Raises:
        NotAllowed, Ended, BeingReviewed: the actor may not add to the draft, or not now.
        UploadConflict: the upload is not pending.
    """
    drafts.begin(uow, actor, Act.STAGE, draft)
    uow.db.refresh(upload)
    now = upload_states.state(uow, upload)
    if now is not UploadState.PENDING:
        raise UploadConflict(f"The upload of {upload.filename!r} is {now}: it cannot be completed.")
    _set(uow, upload, UploadState.PROCESSING)


class Assembled(Struct, frozen=True):
    """A file that has arrived whole, and what is in it."""

    artifact: Artifact
    claims: Claims
    distribution: Distribution


@contextmanager
def assemble(settings: Settings, storage: Storage, upload: Arrived) -> Iterator[Assembled]:
    """The whole file, checked against what its client said, and its bytes kept under their digest.

    Raises:
        UploadConflict: bytes are missing.
        WrongDigest: they are not those that were announced.
        InvalidFile: it is no distribution that the index takes.
    """
    if upload.mechanism == PRESIGNED:
        _check_put(storage, upload)
    else:
        _check_arrived(upload)
    with _whole(storage, upload) as content:
        for name, digest in upload.digests.items():
            if content.digests[name] != digest:
                raise WrongDigest(
                    f"The {name} digest of {upload.filename!r} is not the one that was announced: "
                    "the file was damaged on the way, or the digest is another file's."
                )
        artifact = Artifact(upload.filename, content)
        named = parse_filename(upload.filename, private=settings.private)
        claims = Claims(
            name=named.name,
            version=named.version,
            packagetype=named.packagetype,
            digests={},
        )
        distribution = uploads.inspect_and_store(settings, storage, artifact, claims)
        yield Assembled(artifact, claims, distribution)


def _check_arrived(upload: Arrived) -> None:
    size = sum(part.size for part in upload.parts)
    if size != upload.size:
        raise UploadConflict(
            f"{size} of the {upload.size} bytes of {upload.filename!r} have arrived."
        )


@contextmanager
def _whole(storage: Storage, upload: Arrived) -> Iterator[Received]:
    """The parts as one file."""
    if len(upload.parts) == 1:
        [part] = upload.parts
        with storage.local(part.sha256) as path:
            yield Received(path, upload.size, part.digests)
        return
    # Whoever has a URL of the storage may put other bytes than were there a moment ago.
    with Receiver(
        storage.incoming, limit=upload.size, digests=upload.digests, share=None
    ) as receiver:
        for blob in _blobs(storage, upload):
            with blob:
                for piece in blob:
                    receiver.add(piece)
        yield receiver.received()


def _blobs(storage: Storage, upload: Arrived) -> Iterator[Blob]:
    if upload.mechanism == PRESIGNED:
        yield from _put_parts(storage, upload)
    for part in upload.parts:
        yield storage.open(part.sha256)


def complete(
    uow: UnitOfWork, actor: Actor, draft: Draft, upload: UploadSession, assembled: Assembled
) -> None:
    """Take the file into the draft, in place of one of the same name.

    Raises:
        Refusal: of the kind that says why; the caller writes it down with :func:`fail`.
    """
    drafts.begin(uow, actor, Act.STAGE, draft)
    uow.db.refresh(upload)
    now = upload_states.state(uow, upload)
    if now is not UploadState.PROCESSING:
        raise UploadConflict(f"The upload of {upload.filename!r} is {now} meanwhile: it took long.")
    accepted = uploads.accept(
        uow, actor, assembled.artifact, assembled.claims, assembled.distribution, staged=True
    )
    if accepted.published:
        raise FileExists(f"File already exists: {upload.filename!r} is published.")
    upload.file = drafts.find_file(uow.db, draft, upload.filename)
    uow.db.execute(
        update(UploadSession)
        .where(
            UploadSession.draft_id == draft.id,
            UploadSession.filename == upload.filename,
            UploadSession.state == UploadState.COMPLETED,
        )
        .values(state=UploadState.CANCELED, changed=uow.now)
    )
    _set(uow, upload, UploadState.COMPLETED)


def fail(uow: UnitOfWork, upload: UploadSession, problems: tuple[str, ...]) -> None:
    """Write down why a completion failed, which is final for this upload."""
    projects.lock(uow, upload.draft.project_name)
    uow.db.refresh(upload)
    if upload.state == UploadState.PROCESSING:
        _set(uow, upload, UploadState.ERROR, list(problems))


def wait_again(uow: UnitOfWork, upload: UploadSession) -> None:
    """Let an upload whose completion could not be tried be completed later."""
    projects.lock(uow, upload.draft.project_name)
    uow.db.refresh(upload)
    if upload.state == UploadState.PROCESSING:
        _set(uow, upload, UploadState.PENDING)


# Ending and prolonging


def cancel(uow: UnitOfWork, actor: Actor, draft: Draft, upload: UploadSession) -> None:
    """Break the upload off, or take the file that it brought out of the draft again.

    Raises:
        NotAllowed, Ended, BeingReviewed: the actor may not change the draft, or not now.
        UploadConflict: it is just being completed.
    """
    drafts.begin(uow, actor, Act.STAGE, draft)
    uow.db.refresh(upload)
    match upload_states.state(uow, upload):
        case UploadState.PROCESSING:
            raise UploadConflict(
                f"The upload of {upload.filename!r} is just being completed: wait for the outcome."
            )
        case UploadState.COMPLETED:
            drafts.remove_file(uow, actor, draft, upload.filename)
            uow.db.refresh(upload)
    if upload.state != UploadState.CANCELED:
        _set(uow, upload, UploadState.CANCELED)


def remove(uow: UnitOfWork, actor: Actor, draft: Draft, filename: str) -> None:
    """Break the upload of this name off, and else take the file of this name out of the draft.

    Raises:
        NotFound: there is neither.
        As :func:`cancel`.
    """
    drafts.begin(uow, actor, Act.STAGE, draft)
    found = find(uow, draft, filename)
    if isinstance(found, UploadSession):
        cancel(uow, actor, draft, found)
    else:
        drafts.remove_file(uow, actor, draft, filename)


def extend(
    uow: UnitOfWork, actor: Actor, draft: Draft, upload: UploadSession, length: timedelta
) -> None:
    """Give a pending upload ``length`` more time, but no more than the draft itself has left.

    Raises:
        NotAllowed, Ended, BeingReviewed: the actor may not change the draft, or not now.
    """
    drafts.begin(uow, actor, Act.STAGE, draft)
    uow.db.refresh(upload)
    if upload_states.state(uow, upload) is UploadState.PENDING:
        wanted = min(upload.expires + length, draft.expires)
        upload.expires = max(upload.expires, wanted)
        uow.db.flush()


def forget_ended(uow: UnitOfWork) -> None:
    """Delete the uploads of sessions that are not told of any more. Their files stay."""
    forgotten = select(Draft.id).where(Draft.ended <= uow.now - drafts.STATUS_KEPT)
    uow.db.execute(delete(UploadSession).where(UploadSession.draft_id.in_(forgotten)))


def due(uow: UnitOfWork) -> list[UploadSession]:
    """The uploads of which the passing of time has made something else than is written down."""
    return list(
        uow.db.scalars(
            select(UploadSession)
            .where(
                (UploadSession.state == UploadState.PENDING) & (UploadSession.expires <= uow.now)
                | (UploadSession.state == UploadState.PROCESSING)
                & or_(
                    UploadSession.changed <= uow.now - announced.COMPLETION_LEASE,
                    UploadSession.changed > uow.now + AT_ONCE,
                )
            )
            .order_by(UploadSession.id)
        )
    )


def settle(uow: UnitOfWork, upload: UploadSession) -> bool:
    """Write down what has become of an upload by the passing of time, and say whether it has."""
    projects.lock(uow, upload.draft.project_name)
    uow.db.refresh(upload)
    return _settle_one(uow, upload)
