"""``twine stage``: a session for each release, its files in parallel, and order after an end."""

import contextlib
import enum
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from twine_stage import sets, uploads
from twine_stage.connection import Connection
from twine_stage.dists import Dist, Release
from twine_stage.errors import Failure, Refused, Stopped, Unreachable
from twine_stage.interrupts import to_its_end
from twine_stage.legacy import LegacyStaging
from twine_stage.memory import Memory, Record, session_id
from twine_stage.progress import Progress
from twine_stage.target import Target
from twine_stage.transfer import Destination, Transfer
from twine_stage.uploads import Session

# How an index says that there is nothing, or nothing of version 2, at an address.
NO_UPLOAD_2 = (404, 405, 406)

# How long threads may take to notice that the command was interrupted.
_PARTING_SECONDS = 3.0

# A session has to last so long for an upload to begin; else it is asked for as much again.
_AT_LEAST = timedelta(hours=2)


class Arrival(enum.Enum):
    """What became of a file that is where it should be."""

    UPLOADED = enum.auto()
    UNCHANGED = enum.auto()
    PUBLISHED = enum.auto()


@dataclass
class Place:
    """The session of a release, and what is remembered of it.

    Attributes:
        opened: whether this run opened the session.
    """

    record: Record
    session: Session
    opened: bool


@dataclass
class Staged:
    """What became of one release.

    Attributes:
        place: where it is staged; nowhere where the index has all of it in public already, and
            where no file got into an index without Upload 2.0.
        outcomes: by file name, what became of it: uploaded, in the session already, in public
            already with the same content, or why it is not there.
    """

    release: Release
    place: Place | None = None
    outcomes: dict[str, Arrival | Failure] = field(default_factory=dict)

    @property
    def failures(self) -> dict[str, Failure]:
        """Why files are missing, by name."""
        return {
            name: outcome for name, outcome in self.outcomes.items() if isinstance(outcome, Failure)
        }

    @property
    def unpublished(self) -> list[Dist]:
        """The files that are not in public already."""
        return [
            dist
            for dist in self.release.dists
            if self.outcomes.get(dist.filename) is not Arrival.PUBLISHED
        ]

    def named(self, arrival: Arrival) -> list[str]:
        """The files that this became of, sorted."""
        return sorted(name for name, outcome in self.outcomes.items() if outcome is arrival)


class Staging:
    """Stages releases at one index.

    Args:
        target: the index.
        memory: where sessions are remembered.
        progress: shows what is going on.
        jobs: how many files at a time.
        replace_unfinished: whether uploads that others began and did not finish may be deleted.
        release_set: the set that the sessions are to be in.
    """

    def __init__(
        self,
        target: Target,
        memory: Memory,
        progress: Progress,
        *,
        jobs: int = 4,
        replace_unfinished: bool = False,
        release_set: str | None = None,
    ) -> None:
        self.target = target
        self.memory = memory
        self.progress = progress
        self.jobs = jobs
        self.replace_unfinished = replace_unfinished
        self.release_set = release_set
        self.stop = threading.Event()
        self.staged: list[Staged] = []
        self._transfers: list[Transfer] = []
        self._threads: list[threading.Thread] = []

    def run(self, releases: Sequence[Release]) -> list[Staged]:
        """Have every file in the session of its release.

        What is published already with the same content is left out, and no session is opened for
        a release of which nothing is left. What went wrong with single files is in the outcomes.
        A session that this opened, and that no file got into because the index wants none of
        them, is canceled again.

        Raises:
            Failure: sessions cannot be opened; those that this opened are canceled again.
            KeyboardInterrupt: sessions that this opened are canceled, and in others what this was
                uploading.
        """
        connection = self.target.connect(self.stop)
        self.staged = [Staged(release) for release in releases]
        try:
            self._leave_out_published(connection, self.staged)
            wanted = [staged for staged in self.staged if staged.unpublished]
            if wanted:
                self._stage(connection, wanted)
        except KeyboardInterrupt:
            self._break_off()
            raise
        for staged in self.staged:
            if staged.place is not None and staged.place.opened and _unwanted(staged):
                self._cancel(connection, staged, staged.place)
        return self.staged

    def _leave_out_published(self, connection: Connection, staged: Sequence[Staged]) -> None:
        """Note which files are in public with the very content that they have here."""
        for one in staged:
            public = uploads.digests(connection, self.target.simple, one.release.project)
            for dist in one.release.dists:
                if public.get(dist.filename) == dist.sha256:
                    one.outcomes[dist.filename] = Arrival.PUBLISHED

    def _stage(self, connection: Connection, wanted: Sequence[Staged]) -> None:
        """Upload what is not public yet."""
        try:
            if self._open(connection, wanted):
                self._upload(connection, wanted)
            else:
                self._upload_legacy(wanted)
        except Failure:
            if not any(set(staged.outcomes.values()) - {Arrival.PUBLISHED} for staged in wanted):
                self._cancel_opened(connection)
            raise
        for staged in wanted:
            if staged.place is not None:
                staged.place.session = uploads.measured(
                    connection, staged.place.session, staged.release.project
                )

    # Opening

    def _open(self, connection: Connection, wanted: Sequence[Staged]) -> bool:
        """Open or join a session for each release; False where there is no Upload 2.0."""
        if self.target.root is None:
            return False
        for number, staged in enumerate(wanted):
            release = staged.release
            # An interruption that fell between request and answer would leave a session behind.
            with to_its_end():
                try:
                    session, opened = uploads.create(
                        connection, self.target.root, release.project, release.version
                    )
                except Refused as refused:
                    if refused.status in NO_UPLOAD_2 and not number:
                        return False
                    raise
                place = self._note(release, session, opened=opened, legacy=False)
                staged.place = place
            if session.status not in uploads.EDITABLE:
                raise Failure(
                    f"The session of {release.project} {release.version} is {session.status}, and "
                    "takes no files."
                )
            if self.release_set is not None:
                session = place.session = sets.join(connection, session, self.release_set)
            with contextlib.suppress(Refused):
                place.session = uploads.outlasting(connection, session, _AT_LEAST)
        return True

    def _note(self, release: Release, session: Session, *, opened: bool, legacy: bool) -> Place:
        record = Record(
            id=session_id(release.project, release.version, session.url),
            project=release.project,
            version=release.version,
            name=self.target.name,
            repository=self.target.repository,
            root=self.target.root,
            session=session.url,
            legacy=legacy,
            status=session.status,
            changed="",
        )
        if not self.memory.remember(record):
            self.progress.say(
                f"This session cannot be remembered in {self.memory.folder}; its address is "
                f"{session.url}"
            )
        self.progress.say(
            f"{'Opened a' if opened else 'Joined the open'} session of {release.project} "
            f"{release.version}: {record.id}"
        )
        return Place(record, session, opened)

    # Uploading

    def _upload(self, connection: Connection, wanted: Sequence[Staged]) -> None:
        jobs: list[_Job] = []
        places = [(staged, staged.place) for staged in wanted if staged.place is not None]
        for staged, place in places:
            destination = self._destination(connection, staged.release, place)
            for dist in staged.unpublished:
                sent = self.progress.file(dist.filename, dist.size)
                transfer = Transfer(connection, self.memory, destination, dist, sent)
                jobs.append(_Job(staged, dist, transfer))
        self._transfers = [job.transfer for job in jobs]
        with self.progress:
            self._work(jobs, self.jobs)
            # An index need not take several files at a time, and says 409 then.
            again = [job for job in jobs if _is_conflict(job.outcome)]
            if again and len(jobs) > 1 and self.jobs > 1:
                self._work(again, 1)
        for job in jobs:
            job.staged.outcomes[job.dist.filename] = job.outcome
        # Somebody may have published meanwhile what was refused just now.
        self._leave_out_published(
            connection, [job.staged for job in jobs if _is_conflict(job.outcome)]
        )
        for _, place in places:
            with contextlib.suppress(Unreachable):
                place.session = uploads.status(connection, place.session.url)

    def _destination(self, connection: Connection, release: Release, place: Place) -> Destination:
        digests: dict[str, str] = {}
        if place.session.files:
            digests = dict(uploads.staged_digests(connection, place.session, release.project))
        return Destination(place.session, place.record.id, digests, self.replace_unfinished)

    def _work(self, jobs: Sequence["_Job"], number: int) -> None:
        """Run the jobs in so many threads; returns when all are done."""
        waiting: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        for job in jobs:
            waiting.put(job)
        # Daemons, so that one which hangs in a dead connection does not keep the command alive.
        threads = [
            threading.Thread(target=self._run_jobs, args=(waiting,), daemon=True)
            for _ in range(min(number, len(jobs)))
        ]
        self._threads = threads
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.1)

    def _run_jobs(self, waiting: "queue.SimpleQueue[_Job]") -> None:
        while not self.stop.is_set():
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                job.outcome = Arrival.UPLOADED if job.transfer.run() else Arrival.UNCHANGED
            except Failure as failure:
                job.outcome = failure
            except Stopped:
                return
            except Exception as error:
                job.outcome = Failure(f"{type(error).__name__}: {error}")
            self.progress.done(job.dist.filename)

    def _upload_legacy(self, wanted: Sequence[Staged]) -> None:
        legacy = LegacyStaging(self.target, self.release_set)
        legacy.check()
        for staged in wanted:
            outcomes: dict[str, Arrival | Failure] = {}
            for dist in staged.unpublished:
                try:
                    answer = legacy.stage(dist)
                except (Refused, Unreachable) as failure:
                    outcomes[dist.filename] = failure
                    continue
                if answer is None:
                    outcomes[dist.filename] = Arrival.PUBLISHED
                    continue
                outcomes[dist.filename] = Arrival.UPLOADED
                session, opened = answer
                if staged.place is None:
                    staged.place = self._note(staged.release, session, opened=opened, legacy=True)
                staged.place.session = session
            staged.outcomes |= outcomes

    # Ending

    def _break_off(self) -> None:
        """After an interruption: nothing of this run is left that was not there before it."""
        self.stop.set()
        self.progress.say("Interrupted: canceling what this began.")
        until = time.monotonic() + _PARTING_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        # One that hangs in a request keeps its connection: this needs another.
        connection = self.target.connect(threading.Event())
        for transfer in self._transfers:
            transfer.connection = connection
            if transfer.destination.id not in [place.record.id for _, place in self._opened()]:
                transfer.withdraw()
        self._cancel_opened(connection)

    def _cancel_opened(self, connection: Connection) -> None:
        for staged, place in self._opened():
            self._cancel(connection, staged, place)

    def _opened(self) -> list[tuple[Staged, Place]]:
        """The sessions that this run opened."""
        places = [(staged, staged.place) for staged in self.staged]
        return [(staged, place) for staged, place in places if place is not None and place.opened]

    def _cancel(self, connection: Connection, staged: Staged, place: Place) -> None:
        what = f"the session of {staged.release.project} {staged.release.version}"
        try:
            uploads.cancel(connection, place.session)
        except Failure as failure:
            self.progress.say(
                f"Could not cancel {what}, {place.record.id}, which is left: {failure}"
            )
            return
        place.session = replace(place.session, status="canceled", links={}, files={})
        self.memory.forget(place.record.id)
        self.progress.say(f"Canceled {what} again.")


@dataclass
class _Job:
    staged: Staged
    dist: Dist
    transfer: Transfer
    outcome: Arrival | Failure = field(
        default_factory=lambda: Failure("it was not begun, because the command ended.")
    )


def _is_conflict(outcome: Arrival | Failure) -> bool:
    return isinstance(outcome, Refused) and outcome.status == 409


def _unwanted(staged: Staged) -> bool:
    """Whether no file got into the session, because the index wants none of them."""
    return (
        staged.place is not None
        and not staged.place.session.files
        and all(
            outcome is Arrival.PUBLISHED or isinstance(outcome, Refused)
            for outcome in staged.outcomes.values()
        )
    )
