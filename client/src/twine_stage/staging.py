"""``twine stage``: a session for each release, its files in parallel, and order after an end."""

import contextlib
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from twine_stage import uploads
from twine_stage.connection import Connection
from twine_stage.dists import Dist, Release
from twine_stage.errors import Failure, Refused, Stopped, Unreachable
from twine_stage.interrupts import to_its_end
from twine_stage.legacy import LegacyStaging
from twine_stage.memory import Memory, Record, session_id
from twine_stage.progress import Progress
from twine_stage.target import Target
from twine_stage.transfer import Place, Transfer
from twine_stage.uploads import Session

# How an index says that there is nothing, or nothing of version 2, at an address.
NO_UPLOAD_2 = (404, 405, 406)

# How long threads may take to notice that the command was interrupted.
_PARTING_SECONDS = 3.0

# A session has to last so long for an upload to begin; else it is asked for as much again.
_AT_LEAST = timedelta(hours=2)


@dataclass
class Staged:
    """What became of one release.

    Attributes:
        opened: whether this run opened the session.
        outcomes: by file name, True where it was uploaded, False where it was there already, or
            why it is not there.
    """

    release: Release
    record: Record
    session: Session
    opened: bool
    outcomes: dict[str, bool | Failure] = field(default_factory=dict)

    @property
    def failures(self) -> dict[str, Failure]:
        """Why files are missing, by name."""
        return {
            name: outcome for name, outcome in self.outcomes.items() if isinstance(outcome, Failure)
        }


class Staging:
    """Stages releases at one index.

    Args:
        target: the index.
        memory: where sessions are remembered.
        progress: shows what is going on.
        jobs: how many files at a time.
        replace_unfinished: whether uploads that others began and did not finish may be deleted.
    """

    def __init__(
        self,
        target: Target,
        memory: Memory,
        progress: Progress,
        *,
        jobs: int = 4,
        replace_unfinished: bool = False,
    ) -> None:
        self.target = target
        self.memory = memory
        self.progress = progress
        self.jobs = jobs
        self.replace_unfinished = replace_unfinished
        self.stop = threading.Event()
        self.staged: list[Staged] = []
        self._transfers: list[Transfer] = []
        self._threads: list[threading.Thread] = []

    def run(self, releases: Sequence[Release]) -> list[Staged]:
        """Have every file in the session of its release.

        What went wrong with single files is in the outcomes. A session that this opened, and that
        no file got into because the index wants none of them, is canceled again.

        Raises:
            Failure: sessions cannot be opened; those that this opened are canceled again.
            KeyboardInterrupt: sessions that this opened are canceled, and in others what this was
                uploading.
        """
        connection = self.target.connect(self.stop)
        try:
            if self._open(connection, releases):
                self._upload(connection)
            else:
                self._upload_legacy(releases)
        except KeyboardInterrupt:
            self._break_off()
            raise
        except Failure:
            if not any(staged.outcomes for staged in self.staged):
                self._cancel_opened(connection)
            raise
        for staged in self.staged:
            if staged.opened and _unwanted(staged):
                self._cancel(connection, staged)
        return self.staged

    # Opening

    def _open(self, connection: Connection, releases: Sequence[Release]) -> bool:
        """Open or join a session for each release; False where there is no Upload 2.0."""
        if self.target.root is None:
            return False
        for release in releases:
            # An interruption that fell between request and answer would leave a session behind.
            with to_its_end():
                try:
                    session, opened = uploads.create(
                        connection, self.target.root, release.project, release.version
                    )
                except Refused as refused:
                    if refused.status in NO_UPLOAD_2 and not self.staged:
                        return False
                    raise
                staged = self._note(release, session, opened=opened, legacy=False)
                self.staged.append(staged)
            if session.status not in uploads.EDITABLE:
                raise Failure(
                    f"The session of {release.project} {release.version} is {session.status}, and "
                    "takes no files."
                )
            with contextlib.suppress(Refused):
                staged.session = uploads.outlasting(connection, session, _AT_LEAST)
        return True

    def _note(self, release: Release, session: Session, *, opened: bool, legacy: bool) -> Staged:
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
        return Staged(release, record, session, opened)

    # Uploading

    def _upload(self, connection: Connection) -> None:
        jobs: list[_Job] = []
        for staged in self.staged:
            place = self._place(connection, staged)
            for dist in staged.release.dists:
                sent = self.progress.file(dist.filename, dist.size)
                transfer = Transfer(connection, self.memory, place, dist, sent)
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
        for staged in self.staged:
            with contextlib.suppress(Unreachable):
                staged.session = uploads.status(connection, staged.session.url)

    def _place(self, connection: Connection, staged: Staged) -> Place:
        digests: dict[str, str] = {}
        if staged.session.files:
            digests = dict(
                uploads.staged_digests(connection, staged.session, staged.release.project)
            )
        return Place(staged.session, staged.record.id, digests, self.replace_unfinished)

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
                job.outcome = job.transfer.run()
            except Failure as failure:
                job.outcome = failure
            except Stopped:
                return
            except Exception as error:
                job.outcome = Failure(f"{type(error).__name__}: {error}")
            self.progress.done(job.dist.filename)

    def _upload_legacy(self, releases: Sequence[Release]) -> None:
        legacy = LegacyStaging(self.target)
        legacy.check()
        for release in releases:
            staged: Staged | None = None
            outcomes: dict[str, bool | Failure] = {}
            for dist in release.dists:
                try:
                    session, opened = legacy.stage(release, dist)
                except (Refused, Unreachable) as failure:
                    outcomes[dist.filename] = failure
                    continue
                outcomes[dist.filename] = True
                if staged is None:
                    staged = self._note(release, session, opened=opened, legacy=True)
                    self.staged.append(staged)
                staged.session = session
            if staged is None:
                reasons = dict.fromkeys(str(outcome) for outcome in outcomes.values())
                raise Failure(
                    f"Nothing of {release.project} {release.version} was staged: "
                    + " ".join(reasons)
                )
            staged.outcomes = outcomes

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
            if not any(
                staged.opened and staged.record.id == transfer.place.id for staged in self.staged
            ):
                transfer.withdraw()
        self._cancel_opened(connection)

    def _cancel_opened(self, connection: Connection) -> None:
        for staged in self.staged:
            if staged.opened:
                self._cancel(connection, staged)

    def _cancel(self, connection: Connection, staged: Staged) -> None:
        what = f"the session of {staged.release.project} {staged.release.version}"
        try:
            uploads.cancel(connection, staged.session)
        except Failure as failure:
            self.progress.say(
                f"Could not cancel {what}, {staged.record.id}, which is left: {failure}"
            )
            return
        staged.session = replace(staged.session, status="canceled", links={}, files={})
        self.memory.forget(staged.record.id)
        self.progress.say(f"Canceled {what} again.")


@dataclass
class _Job:
    staged: Staged
    dist: Dist
    transfer: Transfer
    outcome: bool | Failure = field(
        default_factory=lambda: Failure("it was not begun, because the command ended.")
    )


def _is_conflict(outcome: bool | Failure) -> bool:
    return isinstance(outcome, Refused) and outcome.status == 409


def _unwanted(staged: Staged) -> bool:
    """Whether the index refused every file, and nobody else has brought any."""
    outcomes = staged.outcomes.values()
    return all(isinstance(outcome, Refused) for outcome in outcomes) and not staged.session.files
