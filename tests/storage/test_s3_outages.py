"""A service that refuses, fails, is slow, or is not there, for a while."""

import http.client
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import structlog

from greenroom.registry import housekeeping, readiness, storage_identity, verification
from greenroom.services import open_services
from greenroom.settings import Settings
from greenroom.storage import StorageUnavailable
from tests.artifacts import make_wheel
from tests.conftest import SECRET_KEY, FakeClock
from tests.s3_server import S3Server
from tests.storage.keeping import unused_prefix
from tests.web.conftest import Site

NO_STORAGE = "The storage of this index does not answer"


class Front(BaseHTTPRequestHandler):
    """Hands each request on to the service, or fails in its place."""

    endpoint = ""
    behind = ""
    fails_with: int | str | None = None

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Any request."""
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        failure = type(self).fails_with
        if failure == "gone":
            return
        if isinstance(failure, int):
            code = {403: "AccessDenied", 507: "Odd"}.get(failure, "InternalError")
            self._answer(failure, {}, f"<Error><Code>{code}</Code></Error>".encode())
            return
        if failure == "slow":
            time.sleep(0.2)
        connection = http.client.HTTPConnection(type(self).behind, timeout=30)
        connection.request(self.command, self.path, content, dict(self.headers))
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if failure == "stops" and self.command == "GET" and len(body) > 200:
            type(self).fails_with = "gone"  # the driver asks for the rest
            body, headers = body[:200], {"Content-Length": str(len(body)), **answer.headers}
            self._answer(answer.status, headers, body)
            return
        self._answer(answer.status, dict(answer.headers), body)

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815 - called so

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        length = headers.get("Content-Length", str(len(body)))
        for name, value in (headers | {"Content-Length": length}).items():
            if name.lower() not in ("connection", "transfer-encoding", "date", "server"):
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@pytest.fixture
def front(signed_in: S3Server) -> Iterator[type[Front]]:
    """What stands before the service."""
    Front.behind, Front.fails_with = urlsplit(signed_in.endpoint).netloc, None
    server = ThreadingHTTPServer(("127.0.0.1", 0), Front)
    Front.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield Front
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def site(
    front: type[Front], server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """An index that reaches the service through it."""
    monkeypatch.setattr(readiness, "_KEPT_WHEN_WELL", 0)
    monkeypatch.setattr(readiness, "_KEPT_WHEN_NOT", 0)
    monkeypatch.setattr(readiness, "PATIENCE", 30)
    settings = Settings(
        data=tmp_path / "data",
        storage_url=f"{server.url}/{unused_prefix()}",
        s3_endpoint=front.endpoint,
        secret_key=SECRET_KEY,
        url="http://index.example",
    )
    clock = FakeClock()
    services = open_services(settings, clock)
    services.database.upgrade()
    storage_identity.check(services)
    site = Site(services, clock)
    site.user("ada")
    yield site
    services.database.close()


@pytest.mark.parametrize(
    ("failure", "status", "sentence"),
    [
        (403, 503, NO_STORAGE),
        (507, 507, "The index has no space left"),
        ("gone", 503, NO_STORAGE),
    ],
    ids=str,
)
def test_an_index_whose_service_fails_for_a_while(
    front: type[Front], site: Site, tmp_path: Path, failure: int | str, status: int, sentence: str
) -> None:
    token = site.token("ada")
    assert site.upload(make_wheel(tmp_path), token).status_int == 200
    [file] = files(site)
    front.fails_with = failure

    refused = site.upload(make_wheel(tmp_path, version="2.0"), token)
    assert (refused.status_int, refused.status.startswith(f"{status} {sentence}")) == (status, True)
    unread = site.app.get(file, status=status)
    for answer in (refused, unread):
        assert sentence in answer.text
        assert int(answer.headers["Retry-After"]) > 0
    assert site.app.get("/_ready", status=503).text.startswith(f"storage: {sentence}")
    with pytest.raises(StorageUnavailable):
        housekeeping.keep_house(site.services)
    assert files(site) == [file]

    front.fails_with = "slow"
    assert site.app.get("/_ready").text == "ok\n"
    front.fails_with = None
    assert site.upload(make_wheel(tmp_path, version="2.0"), token).status_int == 200
    assert [site.app.get(each).status_int for each in files(site)] == [200, 200]
    housekeeping.keep_house(site.services)
    assert verification.verify(site.services).damages == []


def test_a_service_that_stops_in_the_middle(front: type[Front], site: Site, tmp_path: Path) -> None:
    site.upload(make_wheel(tmp_path), site.token("ada"))
    [file] = files(site)
    front.fails_with = "stops"
    with (
        structlog.testing.capture_logs() as logs,
        pytest.raises(ConnectionAbortedError, match="stopped sending"),
    ):
        site.app.get(file)
    assert [line["event"] for line in logs] == ["a file could not be sent to its end"]


def files(site: Site) -> list[str]:
    return re.findall(r'href="[^"]*(/packages/[^"#]*)', str(site.app.get("/simple/example/").text))
