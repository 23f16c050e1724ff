"""Facts about files, which are found once for each of them when it is staged, by a job.

A draft is reviewed beside the release that it follows, so that the files of that one are looked
into as well, once, if they never were; then each file is compared with the one that it follows
(:mod:`greenroom.registry.member_comparisons`). Nothing of it stands in the way of an upload.
"""

import random
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import timedelta

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session

from greenroom.distributions import facts as looking
from greenroom.distributions.contents import Member
from greenroom.distributions.facts import ANALYSIS, Facts
from greenroom.models import Draft, File, FileFacts, Job, JobState
from greenroom.models.base import JSONObject
from greenroom.registry import (
    blob_digests,
    catalogue,
    draft_sides,
    jobs,
    live_drafts,
    member_comparisons,
)
from greenroom.registry.catalogue import HasId
from greenroom.registry.draft_sides import Choose, Sides, is_known
from greenroom.registry.member_comparisons import Pair
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.storage import BlobMissing, Storage

KEPT = timedelta(days=7)
"""Facts of files that have gone: the same bytes may come again."""

_NO_BYTES = 0
_LATELY = timedelta(hours=1)


def want(uow: UnitOfWork, draft: HasId) -> None:
    """Have the files of a draft looked into once this unit of work is committed."""
    jobs.enqueue_once(uow, jobs.Kind.ANALYSE, {"drafts": [str(draft.id)]})


def want_missing(uow: UnitOfWork, draft_ids: Collection[int], release: HasId | None = None) -> None:
    """Have what is not known of drafts, and of what they are compared with, found out.

    Where a job waits for that already, nothing is done.

    Args:
        uow: in which the job is written.
        draft_ids: the numbers of the drafts.
        release: with which they are compared besides the one that each follows.
    """
    if not draft_ids:
        return
    waiting, numbers = list(uow.db.scalars(_WAITING)), [str(number) for number in draft_ids]
    if release is not None:
        payload: JSONObject = {"drafts": numbers, "releases": [str(release.id)]}
        if payload not in waiting:
            jobs.enqueue(uow, jobs.Kind.ANALYSE, payload)
        return
    waited_for = {text for payload in waiting for text in jobs.texts(payload, "drafts")}
    if wanted := [number for number in numbers if number not in waited_for]:
        jobs.enqueue(uow, jobs.Kind.ANALYSE, {"drafts": wanted})


_WAITING = select(Job.payload).where(Job.kind == jobs.Kind.ANALYSE, Job.state == JobState.WAITING)


def want_of_projects(uow: UnitOfWork, projects: Iterable[HasId]) -> None:
    """Have the open drafts of these projects compared anew: they may follow another release now."""
    numbers = [project.id for project in projects]
    others = select(Draft.id).where(Draft.project_id.in_(numbers), live_drafts.is_live(uow))
    want_missing(uow, uow.db.scalars(others.order_by(Draft.id)).all())


def want_of_open(uow: UnitOfWork, *, most: int = 500) -> int:
    """Have the files of open drafts looked into that nobody has looked into; say of how many.

    Those are drafts from before this index looked into anything, and such of which the job has
    failed. What was staged of late has a job of its own. No more than ``most`` at a time.
    """
    known = exists().where(FileFacts.file_id == File.id)
    of_files = (
        select(File.draft_id)
        .where(
            File.draft_id.is_not(None),
            draft_sides.can_be_known(),
            File.created <= uow.now - _LATELY,
            ~known,
        )
        .distinct()
    )
    due = select(Draft.id).where(Draft.id.in_(of_files), live_drafts.is_live(uow))
    found = uow.db.scalars(due.order_by(Draft.id).limit(most)).all()
    want_missing(uow, found)
    return len(found)


def of_sides(db: Session, sides: Collection[Sides]) -> dict[int, Facts]:
    """What is known of the files of these sides, by their numbers, with one query."""
    rows = db.execute(
        select(FileFacts.file_id, FileFacts.said).where(
            FileFacts.file_id.in_(select(File.id).where(draft_sides.are_of(sides)))
        )
    )
    return {number: Facts.from_json(said) for number, said in rows if number is not None}


class Contents:
    """The members of files, of which each is unpacked when it is asked for.

    Args:
        db: where they are.
        files: which may be asked for.
    """

    def __init__(self, db: Session, files: Iterable[HasId]) -> None:
        numbers = [file.id for file in files]
        rows = db.execute(
            select(FileFacts.file_id, FileFacts.members).where(FileFacts.file_id.in_(numbers))
        )
        self._packed = {number: packed for number, packed in rows if number is not None}

    def of(self, file: HasId) -> tuple[Member, ...]:
        """The members of a file; none where it was not looked into."""
        packed = self._packed.get(file.id)
        return looking.unpack(packed) if packed else ()


def forget_old(uow: UnitOfWork) -> None:
    """Forget what was found in files that have gone some time ago."""
    member_comparisons.forget_old(uow)
    uow.db.execute(
        delete(FileFacts).where(FileFacts.file_id.is_(None), FileFacts.found <= uow.now - KEPT)
    )


# What the job does


def analyse(
    services: Services,
    draft_ids: Collection[int],
    release_ids: Collection[int] = (),
    progress: Callable[[str], None] = lambda filename: None,
) -> int:
    """Look into all files of live drafts, of what they follow, and of these releases.

    Then compare what was not compared yet: the drafts with what they follow, and with these
    releases. What has been looked into is left alone. Each file is read once, and nothing is locked
    meanwhile. What cannot be read is a fact as well.

    Returns:
        How many were looked into.

    Raises:
        greenroom.storage.StorageUnavailable: the storage does not answer.
    """
    missing, pairs = _left(services, draft_ids, release_ids)
    random.shuffle(missing)  # several that work on the same draft do not do the same
    count = 0
    for file in missing:
        with services.reading() as uow:
            if not _missing(uow.db, [file]):
                continue
        if not _adopt(services, file):
            facts, members, analysis = _look_into(services.storage, file)
            _write(services, file, facts, members, analysis)
            count += 1
            progress(file.filename)
    if missing:
        _, pairs = _left(services, draft_ids, release_ids)
    member_comparisons.make(services, pairs)
    return count


def _left(
    services: Services, drafts: Collection[int], releases: Collection[int]
) -> tuple[list[File], list[Pair]]:
    """The files that are to be looked into still, and those of the others to be compared still."""
    with services.reading() as uow:
        sides = _sides(uow, drafts, releases)
        wanted = [file for each in sides for file in (*each.now, *each.before)]
        missing = _missing(uow.db, [*wanted, *_of_releases(uow, releases)])
        return missing, member_comparisons.missing(uow.db, sides, _read(uow.db, sides))


def _read(db: Session, sides: Collection[Sides]) -> set[int]:
    """The numbers of the files of these sides that were looked into, and can be read."""
    of_file = FileFacts.file_id.in_(select(File.id).where(draft_sides.are_of(sides)))
    problem = FileFacts.said["problem"].as_string()
    numbers = db.scalars(select(FileFacts.file_id).where(of_file, problem.is_(None)))
    return {number for number in numbers if number is not None}


def _sides(uow: UnitOfWork, drafts: Collection[int], releases: Collection[int]) -> list[Sides]:
    """The drafts beside the releases that they follow, and beside each of these releases."""
    found = uow.db.scalars(select(Draft).where(Draft.id.in_(drafts)).order_by(Draft.id)).all()
    sides = draft_sides.of_drafts(uow.db, found, draft_sides.following)
    for number in releases:
        beside = draft_sides.of_drafts(uow.db, found, _only(number))
        sides += [each for each in beside if each.followed is not None]
    return sides


def _only(number: int) -> Choose:
    """Chooses the release of this number, where it is of the project."""
    return lambda choices, draft: next((each for each in choices if each.id == number), None)


def _of_releases(uow: UnitOfWork, numbers: Collection[int]) -> list[File]:
    found = catalogue.files_of(uow.db, catalogue.releases_by_id(uow.db, list(numbers)))
    return [file for files in found.values() for file in files]


def _missing(db: Session, files: Sequence[File]) -> list[File]:
    """Those of the files that were not looked into in the way of today."""
    known = {file.id: file for file in files if is_known(file)}
    done = set(
        db.scalars(
            select(FileFacts.file_id).where(
                FileFacts.file_id.in_(known), FileFacts.analysis == ANALYSIS
            )
        )
    )
    return [file for number, file in known.items() if number not in done]


def _adopt(services: Services, file: File) -> bool:
    """Take over what was found in the same bytes under the same name, if anything was."""
    same = (
        FileFacts.sha256 == file.sha256,
        FileFacts.filename == file.filename,
        FileFacts.analysis == ANALYSIS,
        FileFacts.file_id.is_(None),
    )
    with services.reading() as uow:
        if uow.db.scalar(select(FileFacts.id).where(*same).limit(1)) is None:
            return False
    with services.writing() as uow:
        uow.lock(f"facts:{file.id}")
        number = uow.db.scalar(select(FileFacts.id).where(*same).limit(1))
        if number is None or not _is_there(uow, file):
            return number is not None
        uow.db.execute(delete(FileFacts).where(FileFacts.file_id == file.id))
        member_comparisons.forget(uow.db, file.id)
        uow.db.execute(
            update(FileFacts).where(FileFacts.id == number).values(file_id=file.id, found=uow.now)
        )
    return True


def _look_into(storage: Storage, file: File) -> tuple[Facts, tuple[Member, ...], int]:
    """The facts of a file, its members, and by which way of looking they were found."""
    try:
        with storage.local(file.sha256) as path:
            facts, members = looking.analyse(path, file.filename)
    except BlobMissing:
        lost = looking.unreadable(f"The index has lost {file.filename}.")
        return lost, (), _NO_BYTES
    if facts.problem and not blob_digests.is_there_intact(storage, file.sha256):
        damaged = looking.unreadable(f"The index has {file.filename} with damaged bytes.")
        return damaged, (), _NO_BYTES
    return facts, members, ANALYSIS


def _write(
    services: Services, file: File, facts: Facts, members: tuple[Member, ...], analysis: int
) -> None:
    said, packed = facts.to_json(), looking.pack(members)
    with services.writing() as uow:
        uow.lock(f"facts:{file.id}")
        if not _is_there(uow, file):
            return
        uow.db.execute(delete(FileFacts).where(FileFacts.file_id == file.id))
        member_comparisons.forget(uow.db, file.id)
        uow.db.add(
            FileFacts(
                file_id=file.id,
                filename=file.filename,
                sha256=file.sha256,
                analysis=analysis,
                found=uow.now,
                said=said,
                members=packed,
            )
        )


def _is_there(uow: UnitOfWork, file: File) -> bool:
    """Whether the file was not deleted meanwhile; it stays until this is committed."""
    there = select(File.id).where(File.id == file.id).with_for_update(read=True)
    return uow.db.scalar(there) is not None
