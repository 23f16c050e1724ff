"""HTTP as the suite speaks it: nothing is followed, retried or hidden, everything is kept."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

import requests

from conformance.verdicts import NotArranged, of_kind

CONTENT_TYPE = "application/vnd.pypi.upload.v2+json"
OCTETS = "application/octet-stream"
META = {"api-version": "2.0"}

# What stands for "no body" where an empty one would be one.
_ABSENT: Any = object()


@dataclass(frozen=True)
class Answer:
    """A request and what came back."""

    method: str
    url: str
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def ok(self) -> bool:
        """Whether it was a success (2xx)."""
        return 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        """Whether the client was told that it cannot have that (4xx)."""
        return 400 <= self.status < 500

    @property
    def location(self) -> str | None:
        """The Location header, which may be relative to the request (RFC 9110)."""
        location = self.headers.get("Location")
        return urljoin(self.url, location) if location is not None else None

    @property
    def media_type(self) -> str:
        """The Content-Type without parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object that came.

        Raises:
            Violation: something else came.
        """
        return of_kind(self._parsed(), dict, f"the body of {self}")

    def mapping(self, key: str) -> dict[str, Any]:
        """What the body has under a key, if that is a mapping; else an empty one."""
        parsed = self._parsed()
        found = parsed.get(key) if isinstance(parsed, dict) else None
        return found if isinstance(found, dict) else {}

    def text(self, key: str) -> str:
        """What the body has under a key, if that is a string; else nothing."""
        parsed = self._parsed()
        found = parsed.get(key) if isinstance(parsed, dict) else None
        return found if isinstance(found, str) else ""

    def arranged(self) -> "Answer":
        """This answer, which must be a success for the case to go on.

        Raises:
            NotArranged: it is none.
        """
        if not self.ok:
            raise NotArranged(f"{self}: {self.content[:300].decode('utf-8', 'replace')}")
        return self

    def _parsed(self) -> object:
        try:
            return json.loads(self.content)
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.method} {self.url} → {self.status}"


def basic(token: str, user: str = "__token__") -> str:
    """The Authorization header of the Basic scheme."""
    return "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()


def bearer(token: str) -> str:
    """The Authorization header of the Bearer scheme."""
    return f"Bearer {token}"


@dataclass
class Client:
    """Somebody with credentials, or, without ``authorization``, nobody."""

    session: requests.Session
    authorization: str | None
    timeout: float
    heard: Callable[[Answer], None] = field(default=lambda answer: None)

    def api(
        self,
        method: str,
        url: str,
        message: object = _ABSENT,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A request of the API, whose body and answer are JSON."""
        content = b"" if message is _ABSENT else json.dumps(message).encode()
        # The text wants the header on all requests, and so also where there is no body.
        sent = {"Content-Type": CONTENT_TYPE, "Accept": f"{CONTENT_TYPE}, */*;q=0.1"}
        answer = self.send(method, url, content, sent | dict(headers or {}))
        self.heard(answer)
        return answer

    def post_bytes(self, url: str, content: bytes) -> Answer:
        """``http-post-bytes``."""
        answer = self.send("POST", url, content, {"Content-Type": OCTETS})
        # Its successes are not in the form of the API, its errors are.
        if not answer.ok:
            self.heard(answer)
        return answer

    def get(self, url: str, accept: str = "*/*") -> Answer:
        """A page or a file, as an installer gets it."""
        return self.send("GET", url, b"", {"Accept": accept}, follow=True)

    def send(
        self,
        method: str,
        url: str,
        content: bytes,
        headers: Mapping[str, str],
        *,
        follow: bool = False,
    ) -> Answer:
        """Any request."""
        response = self.session.request(
            method,
            url,
            data=content or None,
            headers=dict(headers),
            auth=self._authorize,
            allow_redirects=follow,
            timeout=self.timeout,
        )
        return Answer(method, url, response.status_code, response.headers, response.content)

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Our credentials and no others: requests would look for some in a .netrc file."""
        if self.authorization is not None:
            request.headers["Authorization"] = self.authorization
        return request
