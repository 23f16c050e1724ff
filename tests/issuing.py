"""A real issuer of ID tokens on loopback: its configuration, its keys, and what it signs."""

import json
import socket
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

from joserfc import jws
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from greenroom.openid.issuers import Issuer

AUDIENCE = "index.example"
SigningKey = RSAKey | ECKey | OKPKey


@cache
def rsa_key(name: str) -> RSAKey:
    """A key of this name, made once: that takes a while."""
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig"})


@dataclass
class FakeCI:
    """An issuer, and the CI service that gives its jobs tokens. ``asked`` has the paths in turn.

    What it answers can be changed: ``answers`` has a status, headers and a body by path, where it
    is not what an issuer says.
    """

    port: int
    key: SigningKey
    published: list[SigningKey]
    path: str = ""
    keys_url: str | None = None
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    claims: dict[str, object] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Its ``iss``."""
        return f"http://127.0.0.1:{self.port}{self.path}"

    @property
    def issuer(self) -> Issuer:
        """As an operator names it."""
        return Issuer(self.url)

    @property
    def configuration(self) -> str:
        """The path of its configuration."""
        return f"{self.path}/.well-known/openid-configuration"

    def rotate(self, name: str) -> None:
        """Another key, and the old one is gone."""
        self.key = rsa_key(name)
        self.published = [self.key]

    def sign(
        self,
        changes: Mapping[str, object] | None = None,
        header: Mapping[str, object] | None = None,
        key: SigningKey | None = None,
        now: float | None = None,
    ) -> str:
        """A token; a claim that is changed to None is left out."""
        at = int(time.time() if now is None else now)
        claims = {
            "iss": self.url,
            "sub": "a job",
            "aud": AUDIENCE,
            "iat": at,
            "nbf": at,
            "exp": at + 300,
            "jti": str(uuid.uuid4()),
            **self.claims,
            **(changes or {}),
        }
        signing = key or self.key
        wanted = {"typ": "JWT", "alg": "RS256", "kid": signing.kid, **(header or {})}
        said = json.dumps({name: value for name, value in claims.items() if value is not None})
        return jws.serialize_compact(
            {name: value for name, value in wanted.items() if value is not None},
            said,
            signing,
            algorithms=[str(wanted["alg"])],
        )

    def take(self, form: Mapping[str, str], authorization: str) -> tuple[int, Mapping[str, object]]:
        """What is said to a form: nothing here."""
        return 404, {}

    def answer(self, target: str) -> tuple[int, dict[str, str], bytes]:
        """What is said to a GET of this target."""
        parts = urlsplit(target)
        self.asked.append(parts.path)
        if parts.path in self.answers:
            return self.answers[parts.path]
        found: Mapping[str, object]
        if parts.path == self.configuration:
            found = {"issuer": self.url, "jwks_uri": self.keys_url or f"{self.url}/keys"}
        elif parts.path == f"{self.path}/keys":
            found = {**KeySet(list(self.published)).as_dict(private=False)}
        elif parts.path == "/token":
            # What a job of GitHub Actions asks (ACTIONS_ID_TOKEN_REQUEST_URL).
            found = {"value": self.sign({"aud": parse_qs(parts.query)["audience"][0]})}
        else:
            return 404, {}, b""
        return 200, {"Content-Type": "application/json"}, json.dumps(found).encode()


@contextmanager
def issuing(path: str = "") -> Iterator[FakeCI]:
    """An issuer that answers on loopback."""
    key = rsa_key("first")
    found = FakeCI(0, key, [key], path)
    with answering(found):
        yield found


@contextmanager
def answering(found: FakeCI) -> Iterator[None]:
    """Let an issuer answer on loopback until the context ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(*found.answer(self.path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            status, said = found.take(form, self.headers.get("Authorization", ""))
            self._send(status, {"Content-Type": "application/json"}, json.dumps(said).encode())

        def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def closed_port() -> int:
    """A port at which nobody answers."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])
