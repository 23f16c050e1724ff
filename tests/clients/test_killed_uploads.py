"""A server is killed in the middle of things, and started again: it goes on, or tells the truth."""

import hashlib
import http.client
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from greenroom.database import Database
from greenroom.models import Draft, File, UploadPart, UploadSession, UploadState
from greenroom.registry import housekeeping
from greenroom.registry.announced import COMPLETION_LEASE
from greenroom.registry.unit_of_work import Services, utc_now
from greenroom.settings import Settings
from greenroom.storage import open_storage
from tests import factories
from tests.artifacts import make_wheel
from tests.serving import Server, greenroom, new_database, plain_environment, serving

JSON = "application/vnd.pypi.upload.v2+json"
META = {"meta": {"api-version": "2.0"}}
ROOT = "/upload/2.0/"
RESUMABLE = "vnd-greenroom-resumable-v1"
WHEEL = "example-1.0-py3-none-any.whl"
MIB = 1024 * 1024


class Place:
    """Where an index lies, whose servers come and go."""

    def __init__(self, folder: Path, database_url: str | None) -> None:
        self.folder = folder
        self.database_url = database_url
        settings = Settings(data=folder / "data", database_url=database_url)
        database = Database(settings.sqlalchemy_url)
        self.services = Services(database, open_storage(None, settings.files), settings)
        self.token = ""

    @contextmanager
    def served(self) -> Iterator[Server]:
        with serving(self.folder, self.database_url) as server:
            if not self.token:
                server.user("ada")
                self.token = server.token("ada")
            yield server

    def ask(
        self, server: Server, method: str, url: str, body: object = None, **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        """Status, headers and body; the body may be bytes or what JSON can say."""
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=120)
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body else None
        sent = {"Authorization": f"Bearer {self.token}", "Content-Type": JSON} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        try:
            connection.request(method, urlsplit(url).path, data, sent)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        got = json.loads(text) if text else None
        return response.status, {n.lower(): v for n, v in response.getheaders()}, got

    def session(self, server: Server) -> dict[str, Any]:
        asked = META | {"name": "example", "version": "1.0"}
        status, _, body = self.ask(server, "POST", ROOT, asked)
        assert status == 201
        created: dict[str, Any] = body
        return created

    def announce(self, server: Server, session: dict[str, Any], path: Path) -> dict[str, Any]:
        content = path.read_bytes()
        said = META | {
            "filename": path.name,
            "size": len(content),
            "hashes": {"sha256": hashlib.sha256(content).hexdigest()},
            "mechanism": RESUMABLE,
        }
        status, _, body = self.ask(server, "POST", session["links"]["upload"], said)
        assert status == 202
        upload: dict[str, Any] = body
        return upload

    def patch(self, server: Server, upload: dict[str, Any], offset: int, content: bytes) -> None:
        url = upload["mechanism"]["file_url"]
        status, _, _ = self.ask(server, "PATCH", url, content, Upload_Offset=str(offset))
        assert status == 204

    def check_nothing_leaks(self) -> None:
        """After housekeeping there is what is referred to, and nothing else.

        What was just arriving goes a day later, which is now for this test.
        """
        greenroom(
            plain_environment(self.folder / "home")
            | {"GREENROOM_DATA": str(self.folder / "data")}
            | ({"GREENROOM_DATABASE_URL": self.database_url} if self.database_url else {}),
            "housekeeping",
        )
        with self.services.reading() as uow:
            files = uow.db.scalars(select(File)).all()
            parts = uow.db.scalars(select(UploadPart.sha256)).all()
            referenced = {d for f in files for d in (f.sha256, f.metadata_sha256)} | set(parts)
        assert set(self.services.storage.digests()) == referenced
        self.services.storage.remove_stale_incoming(timedelta(0))
        assert list(self.services.storage.incoming.iterdir()) == []


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path, new_database(request, request.param))
    yield made
    made.services.database.close()


def kill(server: Server) -> None:
    """As by the machine when it runs out of memory: the server and all its workers, at once."""
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait()


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("it did not happen")


def test_bytes_that_were_acknowledged_are_there(place: Place, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "dist", payload=b"x" * 2 * MIB)
    content = wheel.read_bytes()
    with place.served() as server:
        session = place.session(server)
        upload = place.announce(server, session, wheel)
        place.patch(server, upload, 0, content[:MIB])
        url = urlsplit(upload["mechanism"]["file_url"])
        with socket.create_connection((urlsplit(server.url).hostname or "", url.port or 80)) as s:
            s.sendall(
                (
                    f"PATCH {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\n"
                    f"Authorization: Bearer {place.token}\r\nUpload-Offset: {MIB}\r\n"
                    f"Content-Length: {len(content) - MIB}\r\n\r\n"
                ).encode()
                + content[MIB:-1]
            )
            incoming = place.services.storage.incoming
            wait_until(lambda: any(p.stat().st_size > 0 for p in incoming.iterdir()))
            kill(server)

    with place.served() as server:
        status, headers, _ = place.ask(server, "HEAD", upload["mechanism"]["file_url"])
        assert (status, headers["upload-offset"]) == (204, str(MIB))
        place.patch(server, upload, MIB, content[MIB:])
        assert place.ask(server, "POST", upload["links"]["complete"], META)[0] == 201
        status, _, body = place.ask(server, "POST", session["links"]["publish"], META)
        assert (status, body["status"]) == (201, "published")
        assert WHEEL.encode() in server.get("/simple/example/").body
    place.check_nothing_leaks()


def test_a_completion_that_was_interrupted_has_failed_after_its_time(
    place: Place, tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path / "dist", payload=b"x" * 96 * MIB)
    content = wheel.read_bytes()

    def state() -> str:
        with place.services.reading() as uow:
            return uow.db.scalars(select(UploadSession.state)).one()

    with place.served() as server:
        session = place.session(server)
        upload = place.announce(server, session, wheel)
        place.patch(server, upload, 0, content[:MIB])
        place.patch(server, upload, MIB, content[MIB:])
        completing = asking(place, server, upload["links"]["complete"])
        wait_until(lambda: state() != UploadState.PENDING)
        kill(server)
        completing.join()
    assert state() == UploadState.PROCESSING

    here, file = session["links"], upload["links"]["file-upload-session"]
    with place.served() as server:
        assert place.ask(server, "GET", file)[2]["status"] == "processing"
        assert place.ask(server, "GET", here["session"])[2]["status"] == "open"
        assert place.ask(server, "DELETE", file)[0] == 409
        assert place.ask(server, "POST", here["publish"], META)[0] == 409
        assert server.get("/simple/example/").status == 404

        later = replace(place.services, clock=lambda: utc_now() + COMPLETION_LEASE)
        housekeeping.keep_house(later)
        body = place.ask(server, "GET", file)[2]
        assert (body["status"], len(body["notices"])) == ("error", 1)
        assert place.ask(server, "DELETE", file)[0] == 204
        place.check_nothing_leaks()
        assert list(place.services.storage.digests()) == []

        upload = place.announce(server, session, wheel)
        place.patch(server, upload, 0, content)
        assert place.ask(server, "POST", upload["links"]["complete"], META)[0] == 201
        assert place.ask(server, "DELETE", here["session"])[0] == 204
    place.check_nothing_leaks()
    assert list(place.services.storage.digests()) == []


def test_a_publication_that_was_interrupted_has_happened_whole_or_not_at_all(
    place: Place,
) -> None:
    files = 400
    with place.served() as server:
        session = place.session(server)
    with place.services.writing() as uow:
        factories.add_staged_rows(uow, uow.db.scalars(select(Draft)).one(), files)

    def public() -> int:
        with place.services.reading() as uow:
            return len(factories.public_filenames(uow, "example"))

    seen = []
    for delay in (0.05, 0.3):
        with place.served() as server:
            # Imports and connections are made now, so that the moment is one of the publication.
            assert place.ask(server, "GET", session["links"]["session"])[0] == 200
            publishing = asking(place, server, session["links"]["publish"])
            time.sleep(delay)
            kill(server)
            publishing.join()
        seen.append(public())
    assert set(seen) <= {0, files}
    assert seen == sorted(seen)

    with place.served() as server:
        status = place.ask(server, "GET", session["links"]["session"])[2]["status"]
        assert status == ("published" if seen[-1] else "open")
        code, _, body = place.ask(server, "POST", session["links"]["publish"], META)
        assert (code, body["status"]) == (201, "published")
    assert public() == files


def asking(place: Place, server: Server, url: str) -> threading.Thread:
    """A request on its way, of which no answer is expected any more."""

    def ask() -> None:
        with suppress(OSError, http.client.HTTPException):
            place.ask(server, "POST", url, META)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread
