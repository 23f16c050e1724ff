"""Where the cases work: clients, throw-away names, sessions that are cleaned up, and scenes.

A *scene* is a short story that is played once (open a session, send a file, complete it …), of
which several cases look at different answers. A scene goes on as long as it can: what the answers
are like is for the cases.
"""

import contextlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urljoin

import requests

from conformance.client import META, Answer, Client
from conformance.distributions import Distribution, sdist, wheel
from conformance.register import Need
from conformance.verdicts import NotApplicable, NotArranged, Violation

HTTP_POST_BYTES = "http-post-bytes"
_ENDED = ("published", "canceled")

T = TypeVar("T")


@dataclass(frozen=True)
class Choices:
    """What the suite is run with.

    ``authorization`` and the like are whole Authorization headers. ``grant`` and ``revoke`` are
    called with a project's name, and give the second account the right to upload to it, and take
    it again. ``patience`` is for how many seconds a deferred decision is waited for, and
    ``longest_pause`` how many pass at most between two looks, whatever Retry-After says.
    """

    root: str
    authorization: str
    second: str | None = None
    stage_only: str | None = None
    index: str | None = None
    name_prefix: str = "conformance"
    publishing: bool = True
    refused_version: str | None = None
    grant: Callable[[str], None] | None = None
    revoke: Callable[[str], None] | None = None
    timeout: float = 60.0
    patience: float = 60.0
    longest_pause: float = 5.0
    transport: Callable[[], requests.Session] = requests.Session


@dataclass
class Upload:
    """A file upload session: the answer that created it, and the file."""

    laboratory: "Laboratory"
    session: "Session"
    file: Distribution
    created: Answer

    def link(self, name: str) -> str:
        """One of its links."""
        return self.laboratory.link(self.created, name)

    @property
    def file_url(self) -> str:
        """Where ``http-post-bytes`` sends the bytes."""
        url = self.created.mapping("mechanism").get("file_url")
        if not isinstance(url, str):
            raise NotArranged("the mechanism of a file upload has no file_url")
        return urljoin(self.laboratory.choices.root, url)

    def status(self) -> Answer:
        """A look at it."""
        return self.laboratory.owner.api("GET", self.link("file-upload-session"))

    def send(self, content: bytes | None = None) -> Answer:
        """The bytes, or others."""
        sent = self.file.content if content is None else content
        return self.laboratory.owner.post_bytes(self.file_url, sent)

    def complete(self) -> Answer:
        """The request to complete it."""
        return self.laboratory.owner.api("POST", self.link("complete"), {"meta": META})

    def delete(self) -> Answer:
        """The request to cancel it, or to delete the file."""
        return self.laboratory.owner.api("DELETE", self.link("file-upload-session"))

    def settled(self) -> Answer:
        """Its status, once nothing is being decided."""
        return self.laboratory.wait(self.status)

    def completed(self) -> Answer:
        """Send the bytes and complete it; gives the answer to the completion."""
        self.send().arranged()
        answer = self.complete().arranged()
        if (state := self.settled().text("status")) != "completed":
            raise NotArranged(f"a good file did not become completed, but {state or 'nothing'}")
        return answer


@dataclass
class Session:
    """A publishing session: the answer that created it."""

    laboratory: "Laboratory"
    name: str
    version: str
    created: Answer

    def link(self, name: str) -> str:
        """One of its links."""
        return self.laboratory.link(self.created, name)

    def has_link(self, name: str) -> bool:
        """Whether there is this one, of those that are optional."""
        return name in self.created.mapping("links")

    def status(self, client: Client | None = None) -> Answer:
        """A look at it."""
        return (client or self.laboratory.owner).api("GET", self.link("session"))

    def delete(self) -> Answer:
        """The request to cancel it."""
        return self.laboratory.owner.api("DELETE", self.link("session"))

    def publish(self, client: Client | None = None) -> Answer:
        """The request to publish it."""
        client = client or self.laboratory.owner
        answer = client.api("POST", self.link("publish"), {"meta": META})
        if answer.ok:
            self.laboratory.note_published(self)
        return answer

    def extend(self, seconds: int) -> Answer:
        """The request for more time."""
        message = {"meta": META, "extend-for": seconds}
        return self.laboratory.owner.api("POST", self.link("extend"), message)

    def announce(
        self, file: Distribution, client: Client | None = None, /, **changes: object
    ) -> Answer:
        """The request for a file upload session; None as a change leaves a key out."""
        message = announcement(file) | changes
        message = {key: value for key, value in message.items() if value is not None}
        return (client or self.laboratory.owner).api("POST", self.link("upload"), message)

    def upload(self, file: Distribution, **changes: object) -> Upload:
        """A file upload session."""
        answer = self.announce(file, **changes).arranged()
        return Upload(self.laboratory, self, file, answer)

    def wheel(self, tag: str = "py3-none-any") -> Distribution:
        """A wheel that belongs into it."""
        return wheel(self.name, self.version, tag)

    def sdist(self) -> Distribution:
        """The source distribution that belongs into it."""
        return sdist(self.name, self.version)

    def failed(self, tag: str = "py3-none-any") -> tuple[Upload, Answer]:
        """An upload that failed, as its bytes have another digest; and the answer that said so."""
        file = self.wheel(tag)
        hashes = {"sha256": "0" * 64}
        upload = self.upload(file, hashes=hashes)
        # Some servers refuse here already; then there is nothing to complete.
        upload.send()
        return upload, upload.complete()

    def settled(self) -> Answer:
        """Its status, once nothing is being decided."""
        return self.laboratory.wait(self.status)

    def published(self, *, once_more: bool = False) -> Answer:
        """Publish it; gives the answer to the request.

        Raises:
            NotApplicable: the project has had a publication, and a person gives the next one.
        """
        asked = self.publish()
        if once_more and asked.status == HTTPStatus.FORBIDDEN:
            raise NotApplicable("the index does not let this token publish in the project again")
        answer = asked.arranged()
        if (state := self.settled().text("status")) != "published":
            raise NotArranged(f"a session was not published, but is {state or 'nothing'}")
        return answer


def announcement(file: Distribution) -> dict[str, Any]:
    """What a client says of a file before it sends it."""
    return {
        "meta": META,
        "filename": file.filename,
        "size": file.size,
        "hashes": file.hashes("sha256"),
        "mechanism": HTTP_POST_BYTES,
    }


@dataclass
class Laboratory:
    """Everything that a case needs."""

    choices: Choices
    answers: list[Answer] = field(default_factory=list)
    published: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    _open: list[tuple[Client, str]] = field(default_factory=list)
    _scenes: dict[str, Any] = field(default_factory=dict)
    _versions: int = 0

    def scene(self, play: Callable[["Laboratory"], T]) -> T:
        """What a scene came to. It is played once; if it could not be, that is remembered too."""
        if play.__name__ not in self._scenes:
            try:
                self._scenes[play.__name__] = play(self)
            except (NotArranged, NotApplicable, Violation) as reason:
                self._scenes[play.__name__] = reason
        outcome: T | Exception = self._scenes[play.__name__]
        if isinstance(outcome, Violation):
            raise NotArranged(str(outcome))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    # Clients

    @cached_property
    def owner(self) -> Client:
        """Whose names the throw-away projects are."""
        return self._client(self.choices.authorization)

    @cached_property
    def nobody(self) -> Client:
        """Without credentials."""
        return self._client(None)

    @cached_property
    def second(self) -> Client:
        """Another account, without any right in the projects of the owner."""
        return self._client(self._given(self.choices.second, Need.SECOND))

    @cached_property
    def stage_only(self) -> Client:
        """Credentials of the owner that may stage and not publish."""
        return self._client(self._given(self.choices.stage_only, Need.STAGE_ONLY))

    def with_authorization(self, authorization: str) -> Client:
        """Somebody else."""
        return self._client(authorization)

    @property
    def refused_version(self) -> str:
        """A version that the index's review refuses."""
        version: str = self._given(self.choices.refused_version, Need.REVIEW)
        return version

    def grant(self, project: str) -> None:
        """Let the second account upload to a project."""
        self._roles(self.choices.grant)(project)

    def revoke(self, project: str) -> None:
        """Take that right again."""
        self._roles(self.choices.revoke)(project)

    def _roles(self, act: Callable[[str], None] | None) -> Callable[[str], None]:
        given: Callable[[str], None] = self._given(act, Need.ROLES)
        return given

    def _given(self, value: Any, need: Need) -> Any:
        if value is None:
            raise NotApplicable(f"needs {need}")
        return value

    def _client(self, authorization: str | None) -> Client:
        session = self.choices.transport()
        return Client(session, authorization, self.choices.timeout, self._hear)

    def _hear(self, answer: Answer) -> None:
        self.answers.append(answer)

    # Names and sessions

    @cached_property
    def project(self) -> str:
        """The project of all that is never published."""
        return self.new_name("staged")

    def new_name(self, what: str) -> str:
        """A name that nobody has."""
        return f"{self.choices.name_prefix}-{what}-{secrets.token_hex(4)}"

    def new_version(self) -> str:
        """A version that was not used in this run."""
        self._versions += 1
        return f"0.{self._versions}"

    def request_session(
        self, client: Client, name: str, version: str, /, **changes: object
    ) -> Answer:
        """The request for a session, which is canceled in the end if it is granted."""
        message = {"meta": META, "name": name, "version": version} | changes
        message = {key: value for key, value in message.items() if value is not None}
        answer = client.api("POST", self.choices.root, message)
        self._will_cancel(answer, client)
        return answer

    def note(self, answer: Answer, client: Client) -> None:
        """Take note of an answer of the root endpoint to a request that was no message."""
        self._hear(answer)
        self._will_cancel(answer, client)

    def open(self, name: str | None = None, version: str | None = None) -> Session:
        """A session, of a version that has none."""
        name, version = name or self.project, version or self.new_version()
        answer = self.request_session(self.owner, name, version).arranged()
        return Session(self, name, version, answer)

    def link(self, answer: Answer, name: str) -> str:
        """A link of a body, which the case needs to go on."""
        url = answer.mapping("links").get(name)
        if not isinstance(url, str):
            raise NotArranged(f"{answer} has no links.{name}")
        return urljoin(self.choices.root, url)

    def arrive(self, announced: Answer, content: bytes) -> Answer:
        """Send and complete a file; gives the first refusal, or what it came to.

        A completion that fails later is a refusal too, of status 400.
        """
        url = announced.mapping("mechanism").get("file_url")
        if not isinstance(url, str):
            raise NotArranged(f"the mechanism in {announced} has no file_url")
        sent = self.owner.post_bytes(urljoin(self.choices.root, url), content)
        if not sent.ok:
            return sent
        answer = self.owner.api("POST", self.link(announced, "complete"), {"meta": META})
        if not answer.ok:
            return answer
        look = partial(self.owner.api, "GET", self.link(announced, "file-upload-session"))
        status = self.wait(look)
        return status if status.text("status") == "completed" else replace(status, status=400)

    def wait(self, look: Callable[[], Answer]) -> Answer:
        """The answer of a status URL, once it is not ``processing``."""
        deadline = time.monotonic() + self.choices.patience
        while (answer := look()).text("status") == "processing":
            if time.monotonic() > deadline:
                raise NotArranged(f"{answer.url} was processing for {self.choices.patience:.0f} s")
            time.sleep(min(_pause(answer.headers), self.choices.longest_pause))
        return answer

    def note_published(self, session: Session) -> None:
        """A session was published, or will be unless that is refused: it is there to stay."""
        if (release := f"{session.name} {session.version}") not in self.published:
            self.published.append(release)

    def _will_cancel(self, answer: Answer, client: Client) -> None:
        url = answer.mapping("links").get("session") or answer.headers.get("Location")
        if answer.ok and isinstance(url, str):
            self._open.append((client, urljoin(self.choices.root, url)))

    def clean_up(self) -> None:
        """Cancel whatever is still open; what cannot be is in ``left``."""
        # The last first: with it a name may go back to whoever had it before.
        for client, url in reversed(self._open):
            with contextlib.suppress(requests.RequestException, NotArranged):
                status = self.wait(partial(client.api, "GET", url))
                if status.status in (404, 410) or status.text("status") in _ENDED:
                    continue
                if (deletion := client.api("DELETE", url)).ok:
                    continue
                url = f"{deletion}, {status.text('status') or status.status}"
            self.left.append(url)
        self._open.clear()


def _pause(headers: Mapping[str, str]) -> float:
    """How long to wait before the next look, in seconds."""
    asked = headers.get("Retry-After", "")
    return float(asked) if asked.isdecimal() else 1.0
