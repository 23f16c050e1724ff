"""One index over HTTP: JSON both ways, refusals as sentences, credentials to nobody else."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import requests
from requests.exceptions import RequestException

from twine_stage.errors import Failure, Refused, Stopped, StorageFailure, Unreachable

CONTENT_TYPE = "application/vnd.pypi.upload.v2+json"
SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"
API_VERSION = "2.0"

# To connect, and between two bytes: an index may look into a large file before it answers.
_TIMEOUT = (15, 300)
_BUSY = (429, 503)
_LONGEST_PAUSE = 60
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What the index said: the status, the headers, and the body if it is a JSON object."""

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]


class Connection:
    """Requests to one index.

    Args:
        session: twine's own, which knows credentials and certificates.
        home: an address of the index. Credentials go to its origin only.
        stop: set when the command was interrupted.
    """

    def __init__(self, session: requests.Session, home: str, stop: threading.Event) -> None:
        self.session = session
        self.home = home
        self.stop = stop
        # Whether bytes were put into the index's storage, as far as that was tried.
        self.storage_works: bool | None = None

    def call(
        self,
        method: str,
        url: str,
        message: Mapping[str, object] | None = None,
        *,
        tries: int = _TRIES,
    ) -> Answer:
        """Send a message of the API, and give the answer; waits when the index is busy.

        Args:
            method: of HTTP.
            url: where to.
            message: what is sent, if anything.
            tries: how often an index is asked that is busy.

        Raises:
            Refused: the status is not 2xx.
            Unreachable: there is no answer.
            Failure: the address is not of this index.
        """
        body = {"meta": {"api-version": API_VERSION}, **message} if message is not None else None
        tried = 0
        while True:
            tried += 1
            headers = {"Content-Type": CONTENT_TYPE} if body is not None else {}
            try:
                return self._request(method, url, headers=headers, json=body)
            except Refused as refused:
                pause = refused.retry_after
                if refused.status not in _BUSY or tried == tries:
                    raise
                if pause is None or pause > _LONGEST_PAUSE:
                    raise
                self.pause(pause)

    def text(self, url: str) -> str:
        """What is at an address, as text.

        Raises:
            As :meth:`call`.
        """
        return self._response("GET", url, headers={}).text

    def send(self, method: str, url: str, body: "FileBody", headers: Mapping[str, str]) -> Answer:
        """Send bytes of a file.

        Raises:
            As :meth:`call`; and Stopped when the command was interrupted.
        """
        return self._request(
            method, url, headers={"Content-Type": "application/octet-stream", **headers}, data=body
        )

    def pause(self, seconds: float) -> None:
        """Wait.

        Raises:
            Stopped: the command was interrupted.
        """
        if self.stop.wait(seconds):
            raise Stopped

    def public_json(self, url: str) -> Mapping[str, Any]:
        """What anybody gets at an address, as JSON; empty when it is nothing of the kind.

        Goes without credentials, so that the address may be of any host.
        """
        with self._anonymous() as session:
            try:
                answer = session.get(
                    url, headers={"Accept": SIMPLE_JSON}, timeout=_TIMEOUT, auth=_nobody
                )
                body = answer.json() if answer.ok else {}
            except (RequestException, ValueError):
                return {}
        return body if isinstance(body, dict) else {}

    def put(self, url: str, body: "FileBody") -> None:
        """Put bytes of a file at an address of the index's storage, which is the credential itself.

        Raises:
            StorageFailure: there is no answer, or it is not 2xx.
            Failure: the address is not one that the bytes may go to.
            Stopped: the command was interrupted.
        """
        where = urlsplit(url)
        if where.scheme not in ("https", urlsplit(self.home).scheme) or not where.hostname:
            raise Failure(f"The index sends the file to {origin(url)}, which is not https.")
        with self._anonymous() as session:
            try:
                response = session.put(
                    url, data=body, timeout=_TIMEOUT, auth=_nobody, allow_redirects=False
                )
            except RequestException as error:
                cause = _cause(error)
                said = "it cannot be reached" if where.query and where.query in cause else cause
                raise StorageFailure(
                    f"{origin(url)}, the storage of the index, does not answer: {said}."
                ) from error
        if not 200 <= response.status_code < 300:
            raise StorageFailure(
                f"{origin(url)}, the storage of the index, answered {response.status_code}."
            )
        self.storage_works = True

    def _anonymous(self) -> requests.Session:
        """A session with the certificates and proxies of twine's own, and no credentials."""
        session = requests.Session()
        session.verify, session.trust_env = self.session.verify, self.session.trust_env
        return session

    def _request(self, method: str, url: str, **options: Any) -> Answer:
        response = self._response(method, url, **options)
        return Answer(response.status_code, response.headers, _object(response))

    def _response(self, method: str, url: str, **options: Any) -> requests.Response:
        check_origin(url, self.home)
        headers = {"Accept": CONTENT_TYPE, **options.pop("headers")}
        try:
            response = self.session.request(
                method, url, headers=headers, timeout=_TIMEOUT, allow_redirects=False, **options
            )
        except RequestException as error:
            raise Unreachable(f"{origin(url)} does not answer: {_cause(error)}.") from error
        if response.is_redirect:
            raise Failure(
                f"{origin(url)} redirects to {printable(response.headers['Location'])}: if you "
                "trust that address, use it as the repository URL."
            )
        if not response.ok:
            raise refusal(response)
        return response


class FileBody:
    """The bytes of a file from an offset on, as a request's body.

    Args:
        file: open for reading, at the offset.
        size: how many bytes from there on.
        sent: is told of each piece how large it is.
        stop: when it is set, reading ends.
    """

    def __init__(self, file: BinaryIO, size: int, sent: "Sent", stop: threading.Event) -> None:
        self.file = file
        self.size = size
        self.sent = sent
        self.stop = stop
        self._left = size

    def __len__(self) -> int:
        return self.size

    def read(self, size: int = -1) -> bytes:
        """The next bytes, for the HTTP library."""
        if self.stop.is_set():
            raise Stopped
        piece = self.file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(piece)
        self.sent(len(piece))
        return piece


class Sent:
    """Counts the bytes of one file that have left."""

    def __call__(self, size: int) -> None:
        """So many more."""

    def restart(self, offset: int) -> None:
        """As many altogether, whatever was counted before."""


def origin(url: str) -> str:
    """Scheme, host and port of an address, without credentials."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()


def check_origin(url: str, home: str) -> None:
    """Nothing, if the address is of the index that the credentials are for.

    Raises:
        Failure: it is of another host, port or scheme.
    """
    if origin(url) != origin(home):
        raise Failure(
            f"The address {printable(url)} is not of {origin(home)}, which your credentials are "
            "for: they go nowhere else."
        )


def printable(text: str) -> str:
    """Text from elsewhere on one line, without anything that a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text).strip()


def retry_after(headers: Mapping[str, str]) -> int | None:
    """In how many seconds to ask again, if the answer says so."""
    value = headers.get("Retry-After", "")
    if value.isascii() and value.isdecimal():
        return int(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0, int((moment.astimezone(UTC) - datetime.now(UTC)).total_seconds()))


def refusal(response: requests.Response) -> Refused:
    """What an answer of 4xx or 5xx says: problem details (RFC 9457), a line of text, the status."""
    body = _object(response)
    sentences = list(_sentences(body))
    if not sentences and response.headers.get("Content-Type", "").startswith("text/plain"):
        sentences = [printable(response.text.strip().partition("\n")[0])[:500]]
    if not any(sentences):
        reason = printable(response.reason or "")
        sentences = [f"{origin(response.url)} answered {response.status_code} {reason}".strip()]
    return Refused(
        response.status_code,
        sentences,
        response.headers.get("Location"),
        retry_after(response.headers),
        _codes(body),
    )


def _sentences(problem: Mapping[str, Any]) -> Iterable[str]:
    errors = problem.get("errors")
    messages = [
        printable(item["message"])
        for item in (errors if isinstance(errors, list) else [])
        if isinstance(item, dict) and isinstance(item.get("message"), str)
    ]
    if messages:
        return dict.fromkeys(messages)
    for key in ("detail", "details", "message", "title"):
        if isinstance(problem.get(key), str):
            return [printable(problem[key])]
    return []


def _codes(problem: Mapping[str, Any]) -> list[str]:
    """What the index calls its reasons, which is the end of the problem's type, too."""
    errors = problem.get("errors")
    sources = [
        item.get("source")
        for item in (errors if isinstance(errors, list) else [])
        if isinstance(item, dict)
    ]
    kind = str(problem.get("type", "")).replace("#", "/").rstrip("/").rpartition("/")[2]
    return [text for text in (problem.get("code"), kind, *sources) if isinstance(text, str)]


def _object(response: requests.Response) -> Mapping[str, Any]:
    """The body, if it is a JSON object; else nothing."""
    if "json" not in response.headers.get("Content-Type", ""):
        return {}
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _cause(error: BaseException) -> str:
    """The innermost reason, which is the one that helps."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return printable(str(error)) or type(error).__name__
