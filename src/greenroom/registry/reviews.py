"""Review of publications by a command of the operator's: a scanner, or somebody's approval.

With ``GREENROOM_REVIEW_COMMAND`` set, a request to publish is accepted and decided later. The
command is started in a folder of its own that has copies of the staged files, and reads on its
standard input what they are, in JSON. It accepts with exit status 0. With any other it refuses, and
so it does when it is killed or takes too long; what it prints are the reasons, a line each.
"""

import json
import os
import shlex
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

from msgspec import Struct
from sqlalchemy import select

from greenroom.models import Draft, File, Job, JobState
from greenroom.registry import (
    blob_digests,
    draft_contents,
    drafts,
    jobs,
    publishing,
    releases,
    verification,
)
from greenroom.registry.permissions import asked_for_review
from greenroom.registry.unit_of_work import Services
from greenroom.storage import BlobMissing, Storage
from greenroom.storage.disk import clone

_MOST_NOTICES = 20
_LONGEST_NOTICE = 500
_MOST_OUTPUT = 64 * 1024
# What a process that got away may still hold open is not waited for, in seconds.
_PARTING = 5


class Verdict(Struct, frozen=True):
    """What a review came to; the notices are for whoever asked."""

    passed: bool
    notices: tuple[str, ...]


def review_all(services: Services, progress: Callable[[str], None] = lambda line: None) -> int:
    """Decide on every publication that waits and that nobody else is at; says how many.

    Where the operator has no reviews any more, what waits is published by asking for it again.
    """
    if services.settings.review_command is None:
        return 0
    with services.reading() as uow:
        waiting = [draft.id for draft in publishing.in_review(uow)]
    return sum(_decide(services, draft_id, progress) for draft_id in waiting)


def review_draft(
    services: Services, draft_id: int, progress: Callable[[str], None] = lambda line: None
) -> None:
    """Decide on the publication of one draft, if it waits for that.

    Raises:
        jobs.Later: somebody is at it, who has decided by that moment or is gone.
    """
    if services.settings.review_command is None or _decide(services, draft_id, progress):
        return
    with services.reading() as uow:
        draft = uow.db.get(Draft, draft_id)
        if draft is not None and publishing.is_in_review(uow, draft):
            raise jobs.Later(draft.review_due or uow.now)


def enqueue_waiting(services: Services) -> None:
    """Write a job for every publication that waits for a review without one.

    Such were asked for before there were jobs, or before the operator took reviews up again.
    """
    if services.settings.review_command is None:
        return
    with services.writing() as uow:
        uow.lock("jobs:review")
        has_job = select(Job.payload).where(
            Job.kind == jobs.Kind.REVIEW, Job.state != JobState.DONE
        )
        known = {payload.get("draft") for payload in uow.db.scalars(has_job)}
        for draft in publishing.in_review(uow):
            if draft.id not in known:
                jobs.enqueue(uow, jobs.Kind.REVIEW, publishing.review_payload(draft))


def _decide(services: Services, draft_id: int, progress: Callable[[str], None]) -> bool:
    """Whether the caller was the one to decide."""
    with services.writing() as uow:
        draft = uow.db.get(Draft, draft_id)
        if draft is None or not publishing.take_review(uow, draft):
            return False
        what = f"{draft.project_name} {draft.version}"
    verdict = review(services, draft_id)

    def finish() -> None:
        with services.writing() as uow:
            draft = uow.db.get_one(Draft, draft_id)
            publishing.finish_review(uow, draft, passed=verdict.passed, notices=verdict.notices)

    releases.with_renderings(finish)
    progress(f"The review of {what} {'passed' if verdict.passed else 'did not pass'}.")
    return True


def review(services: Services, draft_id: int) -> Verdict:
    """Run the command for a draft, and wait for what it says."""
    command = shlex.split(services.settings.review_command or "")
    with ExitStack() as stack:
        # In the folder of the storage, where a copy may cost nothing.
        folder = Path(
            stack.enter_context(
                tempfile.TemporaryDirectory(prefix="review-", dir=services.storage.incoming)
            )
        )
        with services.reading() as uow:
            draft = uow.db.get_one(Draft, draft_id)
            files = drafts.files(uow.db, draft)
            staged_by = drafts.staged_by(uow.db, draft)
            request = {
                "project": draft.project_name,
                "version": draft.version,
                "content-digest": draft_contents.digest_of(draft, files),
                "requested-by": asked_for_review(draft).name,
                "files": [_described(file, staged_by.get(file.filename)) for file in files],
            }
        for file in files:
            try:
                _copy(services.storage, file, folder / file.filename)
            except BlobMissing:
                return _lost(file)
        timeout = services.settings.review_timeout.total_seconds()
        verdict = _run(command, folder, request, timeout)
    # The command runs as the index does, and could reach what the index keeps.
    for file in files if verdict.passed else ():
        if not blob_digests.is_there_intact(services.storage, file.sha256):
            verification.put_aside(services, file.sha256)
            return _lost(file)
    return verdict


def _described(file: File, staged_by: tuple[str, str | None] | None) -> dict[str, object]:
    """A file for the command: what it is, and who, or which run of which workflow, staged it."""
    by, means = staged_by or (None, None)
    return {
        "filename": file.filename,
        "size": file.size,
        "sha256": file.sha256,
        "staged-by": by,
        "workflow": means,
    }


def _copy(storage: Storage, file: File, target: Path) -> None:
    """Copy a file for the command to read."""
    with storage.local(file.sha256) as path:
        clone(path, target)
    target.chmod(0o400)


def _lost(file: File) -> Verdict:
    return Verdict(False, (f"The index has lost {file.filename}: upload it anew.",))


def _run(command: list[str], folder: Path, request: object, timeout: float) -> Verdict:
    with tempfile.TemporaryFile() as message:
        message.write(json.dumps(request).encode())
        message.seek(0)
        try:
            process = subprocess.Popen(  # noqa: S603 (the operator's own command)
                command,
                cwd=folder,
                env=_environment(),
                stdin=message,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            return Verdict(False, (f"The review could not be started: {error.strerror}.",))
    output = _Output(process.stdout)
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        return Verdict(False, (f"The review did not end within {timeout:.0f} seconds.",))
    finally:
        _kill(process)
        output.join(_PARTING)
    notices = _notices(bytes(output.beginning))
    if process.returncode == 0:
        return Verdict(True, notices)
    if process.returncode < 0:
        ended = f"The review was ended by signal {-process.returncode}."
        return Verdict(False, (*notices, ended))
    return Verdict(False, notices or (f"The review ended with status {process.returncode}.",))


class _Output(threading.Thread):
    """Reads all that the command prints, and keeps the beginning of it."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        super().__init__(daemon=True)
        self.beginning = bytearray()
        self._pipe = pipe
        self.start()

    def run(self) -> None:
        if self._pipe is None:
            return
        with self._pipe:
            while piece := os.read(self._pipe.fileno(), _MOST_OUTPUT):
                self.beginning += piece[: _MOST_OUTPUT - len(self.beginning)]


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the command and what it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _environment() -> dict[str, str]:
    """The command needs none of the index's secrets."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GREENROOM_", "AWS_"))
    }


def _notices(output: bytes) -> tuple[str, ...]:
    lines = output.decode("utf-8", "replace").splitlines()
    readable = ["".join(c if c.isprintable() else " " for c in line).strip() for line in lines]
    return tuple(line[:_LONGEST_NOTICE] for line in readable if line)[:_MOST_NOTICES]
