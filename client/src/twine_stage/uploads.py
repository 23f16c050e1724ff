"""Upload 2.0 (PEP 694, draft of 29 July 2026): sessions and the files in them, from outside."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote, urljoin

from twine_stage.connection import Answer, Connection, printable, retry_after
from twine_stage.errors import Failure, Refused, Unreachable

HTTP_POST_BYTES = "http-post-bytes"
RESUMABLE = "vnd-greenroom-resumable-v1"
PRESIGNED = "vnd-greenroom-presigned-v1"

# States in which files can be added to a session.
EDITABLE = ("open", "error")
ENDED = ("published", "canceled")

_POLL_SECONDS = 2
_LONGEST_POLL = 30
_TRIES = 3
_REVIEW_PAUSE = 2

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file as its session lists it."""

    status: str
    link: str
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Session:
    """A publishing session, as the index describes it.

    Attributes:
        digest: names what is in it, where the index tells that (``content-digest``).
        size: of all files together, in bytes, where somebody looked for it.
        outcome: how it has ended, where the index tells (``outcome``).
    """

    url: str
    status: str
    expires: str
    links: Mapping[str, str]
    mechanisms: Sequence[str]
    files: Mapping[str, StagedFile]
    notices: Sequence[str] = ()
    digest: str | None = None
    size: int | None = None
    outcome: str | None = None

    @property
    def stage(self) -> str | None:
        """The simple index from which the files can be installed already."""
        return self.links.get("stage")

    def link(self, name: str) -> str:
        """The address of something that can be done to it.

        Raises:
            Failure: the index does not offer it.
        """
        if name not in self.links:
            where = next((f" {notice}" for notice in self.notices if name in notice.lower()), "")
            raise Failure(
                f"The index does not offer to {name} this session, which is {self.status}.{where}"
            )
        return self.links[name]


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a file, ``size`` from ``start`` on, that belong at an address of the storage."""

    number: int
    start: int
    size: int
    url: str


@dataclass(frozen=True, slots=True)
class FileUpload:
    """A file upload session, as the index describes it.

    Attributes:
        file_url: where the bytes go, if the index takes them itself.
        parts: where they go, if it does not.
        arrived: the numbers of parts that are there, as far as it says.
    """

    url: str
    status: str
    complete: str
    mechanism: str
    file_url: str
    parts: Sequence[Part] = ()
    arrived: frozenset[int] = frozenset()
    notices: Sequence[str] = ()


# Publishing sessions


def create(connection: Connection, root: str, name: str, version: str) -> tuple[Session, bool]:
    """The session of a project and version, and whether it was opened by this.

    Raises:
        Refused, Unreachable, Failure: there is none that can be used.
    """
    message = {"name": name, "version": version}
    try:
        return parse_session(connection.call("POST", root, message)), True
    except Refused as refused:
        if refused.status != 409 or refused.location is None:
            raise
        return status(connection, urljoin(root, refused.location)), False


def status(connection: Connection, url: str) -> Session:
    """The session at this address, as it stands now."""
    return parse_session(connection.call("GET", url), url)


def find(connection: Connection, base: str, project: str, version: str) -> Session:
    """The open session of a project and version, asked for by name.

    No part of PEP 694: this is how Greenroom answers it.

    Raises:
        Failure: there is none that the credentials may see.
    """
    url = f"{base}api/drafts/{quote(project, safe='')}/{quote(version, safe='')}"
    try:
        return parse_session(connection.call("GET", url), url)
    except Refused as refused:
        if refused.status != 404:
            raise
        raise _not_there(project, version) from refused


def _not_there(project: str, version: str) -> Failure:
    return Failure(
        f"There is no open session of {project} {version} that these credentials may see."
    )


def review_of(
    connection: Connection, base: str, release: tuple[str, str], against: str | None
) -> "Review":
    """The review of an open session.

    Args:
        connection: to the index.
        base: where the index begins.
        release: project and version.
        against: the version of the release that it is to be compared with.
    """
    project, version = (quote(name, safe="") for name in release)
    compared = f"&against={quote(against, safe='')}" if against is not None else ""
    there = f"{base}api/drafts/{project}/{version}/review"
    return Review(connection, there, compared, _not_there(*release))


class Review:
    """The review of what is staged. No part of PEP 694: this is how Greenroom answers it.

    Args:
        connection: to the index.
        url: where it is.
        asked: more of the query.
        not_there: what to say where the index has none.
    """

    def __init__(self, connection: Connection, url: str, asked: str, not_there: Failure) -> None:
        self._connection = connection
        self._not_there = not_there
        self._url = url
        self._asked_for = asked

    def body(self, told: Callable[[str], None], seconds: float) -> Mapping[str, Any]:
        """The review, for scripts, once the index has looked into all files.

        Args:
            told: is told how many it has looked into.
            seconds: for how long to wait for that; then it is given as it is.

        Raises:
            Failure: there is no such session that the credentials may see.
        """
        until = time.monotonic() + seconds
        while True:
            found = self._asked(lambda: self._connection.call("GET", self._address("json")).body)
            progress = found.get("progress")
            if not isinstance(progress, dict) or progress.get("analysed") == progress.get("of"):
                return found
            if time.monotonic() >= until:
                return found
            of = progress.get("of")
            told(f"{progress.get('analysed')} of {of} file{'' if of == 1 else 's'} analysed")
            self._connection.pause(_REVIEW_PAUSE)

    def text(self, form: str) -> str:
        """The review for people.

        Args:
            form: ``text`` or ``markdown``.

        Raises:
            Failure: there is no such session that the credentials may see.
        """
        return self._asked(lambda: self._connection.text(self._address(form)))

    def _address(self, form: str) -> str:
        return f"{self._url}?format={form}{self._asked_for}"

    def _asked(self, ask: Callable[[], _T]) -> _T:
        try:
            return ask()
        except Refused as refused:
            compared = refused.sentences and "to compare" in refused.sentences[0]
            if refused.status != 404 or compared:
                raise
            raise self._not_there from refused


def publish(connection: Connection, session: Session, digest: str | None = None) -> Session:
    """Publish it, and wait until that is decided.

    With ``digest`` only if that names what is in it; for indexes that tell digests.
    To publish what is published changes nothing. When the answer gets lost, the index is asked
    what became of it.

    Raises:
        Refused: it cannot be published; the sentence has every reason.
        Failure: a review refused it, or it was canceled.
    """
    known = session.notices
    for attempt in range(_TRIES):
        if session.status in ENDED or session.status == "processing":
            break
        try:
            message = {} if digest is None else {"content-digest": digest}
            answer = connection.call("POST", session.link("publish"), message)
            session = parse_session(answer, session.url)
            break
        except Unreachable:
            if attempt == _TRIES - 1:
                raise
            connection.pause(2**attempt)
            session = status(connection, session.url)
    while session.status == "processing":
        answer = connection.call("GET", session.url)
        session = parse_session(answer, session.url)
        if session.status == "processing":
            connection.pause(poll_pause(answer))
    if session.status != "published":
        reasons = [notice for notice in session.notices if notice not in known]
        raise Failure(
            " ".join(
                [f"The index did not publish the session, which is {session.status}:", *reasons]
            )
            if reasons
            else f"The index did not publish the session: it is {session.status}."
        )
    return session


def cancel(connection: Connection, session: Session) -> None:
    """Discard everything in it. To cancel what is canceled changes nothing.

    Raises:
        Refused: the index does not let go of it.
    """
    if session.status != "canceled":
        connection.call("DELETE", session.url)


def extend(connection: Connection, session: Session, seconds: int) -> Session:
    """Ask for more time; the session says how much there is now."""
    answer = connection.call("POST", session.link("extend"), {"extend-for": seconds})
    return parse_session(answer, session.url)


def outlasting(connection: Connection, session: Session, length: timedelta) -> Session:
    """The session with so much time left, if the index grants that.

    Raises:
        Refused: the session cannot be extended by these credentials.
    """
    try:
        left = datetime.fromisoformat(session.expires) - datetime.now(UTC)
    except (ValueError, TypeError):
        return session
    if left >= length or "extend" not in session.links:
        return session
    return extend(connection, session, int(length.total_seconds()))


def staged_digests(connection: Connection, session: Session, project: str) -> Mapping[str, str]:
    """The SHA-256 of each file that can be installed from the session, by file name."""
    return digests(connection, session.stage, project) if session.stage is not None else {}


def digests(connection: Connection, index: str, project: str) -> Mapping[str, str]:
    """The SHA-256 of each file that a simple index lists of the project, by file name."""
    found = {}
    for item in _listed(connection, index, project):
        match item:
            case {"filename": str(filename), "hashes": {"sha256": str(digest)}}:
                found[filename] = digest
    return found


def measured(connection: Connection, session: Session, project: str | None) -> Session:
    """The session with the size of its files, where its stage tells that of all of them."""
    if project is None or session.stage is None or not session.files:
        return session
    sizes: dict[str, int] = {}
    for item in _listed(connection, session.stage, project):
        match item:
            case {"filename": str(filename), "size": int(size)}:
                sizes[filename] = size
    names = [name for name, file in session.files.items() if file.status == "completed"]
    known = [sizes[name] for name in names if name in sizes]
    return replace(session, size=sum(known)) if len(known) == len(names) else session


def _listed(connection: Connection, index: str, project: str) -> list[object]:
    """What a simple index lists of the project; nothing where it is none."""
    files = connection.public_json(f"{index.rstrip('/')}/{quote(project, safe='')}/").get("files")
    return files if isinstance(files, list) else []


# Files


def announce(
    connection: Connection,
    session: Session,
    *,
    filename: str,
    size: int,
    sha256: str,
    mechanism: str,
) -> FileUpload:
    """Begin the upload of a file.

    Raises:
        Refused: the index will not have it; 409 also while it is being uploaded by somebody else.
    """
    message = {
        "filename": filename,
        "size": size,
        "hashes": {"sha256": sha256},
        "mechanism": mechanism,
    }
    return _parse_upload(connection.call("POST", session.link("upload"), message))


def upload_status(connection: Connection, url: str) -> tuple[FileUpload, float]:
    """The upload at this address, and in how many seconds to ask again."""
    answer = connection.call("GET", url)
    return _parse_upload(answer), poll_pause(answer)


def complete(connection: Connection, upload: FileUpload) -> FileUpload:
    """Ask the index to take the file, whose bytes it has."""
    return _parse_upload(connection.call("POST", upload.complete, {}))


def delete(connection: Connection, url: str) -> None:
    """Break an upload off, or take a file out of its session."""
    connection.call("DELETE", url)


def received(connection: Connection, file_url: str) -> int:
    """How many bytes have arrived (``vnd-greenroom-resumable-v1``)."""
    return offset_of(connection.call("HEAD", file_url))


def offset_of(answer: Answer) -> int:
    """The offset that an answer tells.

    Raises:
        Failure: it tells none.
    """
    text = answer.headers.get("Upload-Offset", "")
    if not (text.isascii() and text.isdecimal()):
        raise _unexpected("it does not say how many bytes have arrived")
    return int(text)


def poll_pause(answer: Answer) -> float:
    """How long to wait before asking again: what the index says, within reason."""
    return min(max(1, retry_after(answer.headers) or _POLL_SECONDS), _LONGEST_POLL)


# Reading


def parse_session(answer: Answer, url: str | None = None) -> Session:
    """The session that an answer describes.

    Raises:
        Failure: it describes none.
    """
    body = answer.body
    links = _texts(body.get("links"))
    digest, outcome = body.get("content-digest"), body.get("outcome")
    address = links.get("session") or answer.headers.get("Location") or url
    state = body.get("status")
    if address is None or not isinstance(state, str):
        raise _unexpected("it describes no session")
    mechanisms = body.get("mechanisms")
    files = body.get("files")
    return Session(
        url=address,
        status=printable(state),
        expires=printable(str(body.get("expires-at", ""))),
        links=links,
        mechanisms=[str(name) for name in mechanisms] if isinstance(mechanisms, list) else [],
        files={
            printable(name): StagedFile(
                printable(str(entry.get("status", ""))),
                str(entry.get("link", "")),
                _notices(entry),
            )
            for name, entry in (files.items() if isinstance(files, dict) else ())
            if isinstance(entry, dict)
        },
        notices=_notices(body),
        digest=printable(digest) if isinstance(digest, str) else None,
        outcome=outcome if isinstance(outcome, str) else None,
    )


def _parse_upload(answer: Answer) -> FileUpload:
    body = answer.body
    links = _texts(body.get("links"))
    mechanism = _texts(body.get("mechanism"))
    match body.get("status"), links, mechanism:
        case (
            str(state),
            {"file-upload-session": url, "complete": complete_url},
            {"identifier": identifier},
        ):
            return FileUpload(
                url=url,
                status=printable(state),
                complete=complete_url,
                mechanism=identifier,
                file_url=mechanism.get("file_url", ""),
                parts=_parts(body["mechanism"]),
                arrived=_numbers(body["mechanism"]),
                notices=_notices(body),
            )
    raise _unexpected("it describes no file upload")


def _parts(mechanism: Mapping[str, Any]) -> tuple[Part, ...]:
    parts = mechanism.get("parts")
    found = []
    for item in parts if isinstance(parts, list) else []:
        match item:
            case {"number": int(number), "start": int(start), "size": int(size), "url": str(url)}:
                found.append(Part(number, start, size, url))
            case _:
                raise _unexpected("it does not say where a part of the file belongs")
    return tuple(found)


def _numbers(mechanism: Mapping[str, Any]) -> frozenset[int]:
    arrived = mechanism.get("arrived")
    return frozenset(
        number for number in (arrived if isinstance(arrived, list) else []) if type(number) is int
    )


def _texts(value: object) -> dict[str, str]:
    """The pairs of an object whose values are text that is safe to print."""
    if not isinstance(value, dict):
        return {}
    return {
        str(key): text
        for key, text in value.items()
        if isinstance(text, str) and text.isprintable()
    }


def _notices(body: Mapping[str, Any]) -> tuple[str, ...]:
    notices = body.get("notices")
    if not isinstance(notices, list):
        return ()
    return tuple(printable(notice) for notice in notices if isinstance(notice, str))


def _unexpected(what: str) -> Failure:
    return Failure(f"The index answered something that is not Upload 2.0: {what}.")
