"""One file on its way into a session: announce, send, complete; go on where a connection broke."""

from collections.abc import Callable
from dataclasses import dataclass

from twine_stage import uploads
from twine_stage.connection import Answer, Connection, FileBody, Sent
from twine_stage.dists import Dist
from twine_stage.errors import Failure, Refused, StorageFailure, Unreachable
from twine_stage.memory import Memory, PendingUpload
from twine_stage.uploads import (
    HTTP_POST_BYTES,
    PRESIGNED,
    RESUMABLE,
    FileUpload,
    Part,
    Session,
)

# So often in a row may a connection break without a byte of progress.
_TRIES = 5
_FIRST_TRIES = 2
_AGAIN = (429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Destination:
    """The session that files go into, and what is in it already.

    Attributes:
        session: as it was when this began.
        id: what it is called here.
        digests: SHA-256 by name of the files that are staged in it.
        replace_unfinished: whether uploads that others began and did not finish may be deleted.
    """

    session: Session
    id: str
    digests: dict[str, str]
    replace_unfinished: bool = False


class Transfer:
    """Sends one file.

    Args:
        connection: to the index.
        memory: where uploads that are under way are noted.
        destination: where the file goes.
        dist: the file.
        sent: counts what has left.
    """

    def __init__(
        self,
        connection: Connection,
        memory: Memory,
        destination: Destination,
        dist: Dist,
        sent: Sent,
    ) -> None:
        self.connection = connection
        self.memory = memory
        self.destination = destination
        self.dist = dist
        self.sent = sent
        self.began: FileUpload | None = None
        self._by_storage = True

    def run(self) -> bool:
        """Have the file in the session. False when it was there already.

        Raises:
            Refused: the index will not have it. Nothing of it is left in the session.
            Unreachable: the connection broke again and again. Another run can go on.
            Stopped: the command was interrupted.
        """
        if self.destination.digests.get(self.dist.filename) == self.dist.sha256:
            return False
        upload = self._former() or self._announced()
        self.began = upload
        try:
            if upload.status == "pending":
                upload = self._completed(self._sent(upload))
            self._settled(upload)
        except Refused:
            self._withdraw(upload)
            raise
        self.began = None
        self.memory.forget_upload(self.destination.id, self.dist.filename)
        return True

    def withdraw(self) -> None:
        """Take back what is under way, so that it is in nobody's way."""
        if self.began is not None:
            self._withdraw(self.began)

    # Beginning

    def _former(self) -> FileUpload | None:
        """The upload of this very file that a former run began."""
        noted = self.memory.pending_upload(self.destination.id, self.dist.filename)
        if noted is None:
            return None
        try:
            upload, _ = uploads.upload_status(self.connection, noted.url)
        except Refused:
            upload = None
        if upload is not None and upload.status in ("pending", "processing"):
            if noted.sha256 == self.dist.sha256:
                return upload
            uploads.delete(self.connection, upload.url)
        self.memory.forget_upload(self.destination.id, self.dist.filename)
        return None

    def _announced(self) -> FileUpload:
        listed = self.destination.session.files.get(self.dist.filename)
        in_the_way = ("error", "pending") if self.destination.replace_unfinished else ("error",)
        if listed is not None and listed.status in in_the_way:
            uploads.delete(self.connection, listed.link)
        upload = self._announce()
        self.memory.remember_upload(
            self.destination.id, self.dist.filename, PendingUpload(upload.url, self.dist.sha256)
        )
        return upload

    def _announce(self) -> FileUpload:
        """Announce the file; when an answer was lost, what it announced is deleted first."""
        lost = False
        attempt = 0
        while True:
            attempt += 1
            try:
                return uploads.announce(
                    self.connection,
                    self.destination.session,
                    filename=self.dist.filename,
                    size=self.dist.size,
                    sha256=self.dist.sha256,
                    mechanism=self._mechanism(),
                )
            except Unreachable:
                if attempt == _TRIES:
                    raise
                lost = True
                self.connection.pause(_backoff(attempt))
            except Refused as refused:
                if refused.status != 409 or not lost:
                    raise
                lost = False
                self._delete_own()

    def _delete_own(self) -> None:
        now = uploads.status(self.connection, self.destination.session.url)
        listed = now.files.get(self.dist.filename)
        if listed is not None and listed.status == "pending":
            uploads.delete(self.connection, listed.link)

    def _mechanism(self) -> str:
        offered = self.destination.session.mechanisms
        may_work = self._by_storage and self.connection.storage_works is not False
        if PRESIGNED in offered and may_work:
            return PRESIGNED
        return RESUMABLE if RESUMABLE in offered else HTTP_POST_BYTES

    # Sending

    def _sent(self, upload: FileUpload) -> FileUpload:
        """The upload when all bytes are there; another one where the storage takes none."""
        try:
            self._send(upload)
        except StorageFailure:
            self._by_storage = False
            if not self.connection.storage_works:
                self.connection.storage_works = False
            uploads.delete(self.connection, upload.url)
            self.began = None
            upload = self.began = self._announced()
            self._send(upload)
        return upload

    def _send(self, upload: FileUpload) -> None:
        senders: dict[str, Callable[[FileUpload], None]] = {
            PRESIGNED: self._put,
            RESUMABLE: self._append,
            HTTP_POST_BYTES: self._post,
        }
        if upload.mechanism not in senders:
            raise Failure(
                f"The index wants the file by {upload.mechanism}, which is not known here."
            )
        senders[upload.mechanism](upload)

    def _put(self, upload: FileUpload) -> None:
        """Put what has not arrived, one part after the other.

        After a failure ask for new URLs: those at hand may have expired, earlier than was said.
        """
        failures = 0
        while missing := [part for part in upload.parts if part.number not in upload.arrived]:
            try:
                for part in missing:
                    self._put_part(part)
                    failures = 0
                return
            except StorageFailure:
                failures += 1
                # One that never took anything is likely out of reach, and there is another way.
                if failures == (_TRIES if self.connection.storage_works else _FIRST_TRIES):
                    raise
                self.connection.pause(_backoff(failures))
            upload, _ = uploads.upload_status(self.connection, upload.url)

    def _put_part(self, part: Part) -> None:
        self.sent.restart(part.start)
        with self.dist.path.open("rb") as file:
            file.seek(part.start)
            body = FileBody(file, part.size, self.sent, self.connection.stop)
            self.connection.put(part.url, body)

    def _append(self, upload: FileUpload) -> None:
        offset = -1
        failures = 0
        while offset < self.dist.size:
            try:
                arrived = uploads.received(self.connection, upload.file_url)
                if arrived > offset:
                    failures = 0
                offset = arrived
                self.sent.restart(offset)
                if offset < self.dist.size:
                    answer = self._send_from(
                        "PATCH", upload, offset, {"Upload-Offset": str(offset)}
                    )
                    offset = uploads.offset_of(answer)
            except (Unreachable, Refused) as error:
                failures += 1
                self._check_retry(error, failures, again=(409, *_AGAIN))

    def _post(self, upload: FileUpload) -> None:
        failures = 0
        while True:
            self.sent.restart(0)
            try:
                self._send_from("POST", upload, 0, {})
                return
            except (Unreachable, Refused) as error:
                failures += 1
                self._check_retry(error, failures, again=_AGAIN)

    def _send_from(
        self, method: str, upload: FileUpload, offset: int, headers: dict[str, str]
    ) -> Answer:
        with self.dist.path.open("rb") as file:
            file.seek(offset)
            body = FileBody(file, self.dist.size - offset, self.sent, self.connection.stop)
            return self.connection.send(method, upload.file_url, body, headers)

    def _check_retry(
        self, error: Unreachable | Refused, failures: int, *, again: tuple[int, ...]
    ) -> None:
        if failures == _TRIES or (isinstance(error, Refused) and error.status not in again):
            raise error
        self.connection.pause(_backoff(failures))

    # Completing

    def _completed(self, upload: FileUpload) -> FileUpload:
        for attempt in range(1, _TRIES + 1):
            try:
                return uploads.complete(self.connection, upload)
            except Unreachable:
                if attempt == _TRIES:
                    raise
                self.connection.pause(_backoff(attempt))
                upload, _ = uploads.upload_status(self.connection, upload.url)
                if upload.status != "pending":
                    return upload
        return upload

    def _settled(self, upload: FileUpload) -> None:
        pause = 1.0
        while upload.status == "processing":
            self.connection.pause(pause)
            upload, pause = uploads.upload_status(self.connection, upload.url)
        if upload.status != "completed":
            reason = " ".join(upload.notices) or f"the upload is {upload.status}."
            raise Refused(400, [reason])

    def _withdraw(self, upload: FileUpload) -> None:
        try:
            now, _ = uploads.upload_status(self.connection, upload.url)
            if now.status in ("pending", "error"):
                uploads.delete(self.connection, upload.url)
        except Failure:
            return
        self.memory.forget_upload(self.destination.id, self.dist.filename)


def _backoff(failures: int) -> float:
    return float(0.25 * 2**failures)
