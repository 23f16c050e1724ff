"""Files that go past the index, into its S3-compatible storage (``vnd-greenroom-presigned-v1``)."""

import http.client
import io
import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest import mock
from urllib.parse import urlsplit

import pytest
import requests

from tests.artifacts import make_wheel
from tests.clients.twine_stage.conftest import Uploader, make_uploader, public_files
from tests.s3_server import S3Server, s3_server
from tests.serving import Server, as_new, serving
from twine_stage.connection import Connection, FileBody, Sent
from twine_stage.errors import Failure

PART = 64 * 1024 * 1024
UNREACHABLE = "http://127.0.0.1:9"


@dataclass
class Store:
    """A storage as clients see it: passes on what they put, and does what a test asks for.

    Attributes:
        puts: what arrived whole: the number of the part, and how many bytes.
        credentials: the Authorization headers that came with it.
        refusals: so many requests are answered 403.
        breaks_after: a connection breaks when so many bytes of a part have come. Once.
        holds: the part that is held back, whose beginning is told by ``held``.
    """

    url: str = ""
    puts: list[tuple[int, int]] = field(default_factory=list)
    credentials: list[str] = field(default_factory=list)
    refusals: int = 0
    breaks_after: int | None = None
    holds: int | None = None
    held: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def begin_anew(self) -> None:
        """Let go of what is held, and know nothing of what was put."""
        self.released.set()
        self.puts, self.credentials = [], []
        self.refusals, self.breaks_after, self.holds = 0, None, None
        self.held, self.released = threading.Event(), threading.Event()


@contextmanager
def running_store(endpoint: str) -> Iterator[Store]:
    store = Store()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            number = int(urlsplit(self.path).path.rpartition("/")[2])
            length = int(self.headers["Content-Length"])
            if store.breaks_after is not None:
                self.rfile.read(store.breaks_after)
                store.breaks_after = None
                # Whoever is in the middle of sending learns of it.
                self.connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                self.close_connection = True
                return
            body = self.rfile.read(length)
            if len(body) < length:
                self.close_connection = True
                return
            store.credentials += self.headers.get_all("Authorization", [])
            if store.holds == number:
                store.held.set()
                store.released.wait(60)
                self.close_connection = True
                return
            if store.refusals > 0:
                store.refusals -= 1
                self._answer(403)
                return
            connection = http.client.HTTPConnection(urlsplit(endpoint).netloc)
            connection.request("PUT", self.path, body)
            response = connection.getresponse()
            response.read()
            connection.close()
            store.puts.append((number, len(body)))
            self._answer(response.status)

        def _answer(self, status: int) -> None:
            self.send_response_only(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    store.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield store
    finally:
        store.released.set()
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture(scope="module")
def shared_store(s3: S3Server) -> Iterator[Store]:
    with running_store(s3.endpoint) as store:
        yield store


@pytest.fixture
def store(shared_store: Store) -> Store:
    """One into which nothing has been put."""
    shared_store.begin_anew()
    return shared_store


@contextmanager
def serving_from(s3: S3Server, folder: Path, public: str) -> Iterator[Server]:
    """An index that keeps files in the bucket, which clients find at ``public``."""
    settings = {
        "GREENROOM_STORAGE_URL": f"{s3.url}/{folder.name}",
        "GREENROOM_S3_ENDPOINT": s3.endpoint,
        "GREENROOM_S3_PUBLIC_ENDPOINT": public,
        **s3.environment,
    }
    with serving(folder, settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def shared_server(
    s3: S3Server, shared_store: Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    with serving_from(s3, tmp_path_factory.mktemp("index"), shared_store.url) as server:
        yield server


@pytest.fixture
def server(s3: S3Server, shared_server: Server, store: Store, tmp_path: Path) -> Server:
    """An index in which nobody has done anything."""
    with mock.patch.dict(os.environ, s3.environment):
        return as_new(shared_server, tmp_path / "home")


@pytest.fixture
def two_parts(tmp_path: Path) -> Path:
    """A wheel that goes in two parts."""
    return make_wheel(tmp_path / "large", "thing", payload=os.urandom(PART + 1024))


def test_files_go_into_the_storage_without_credentials(
    server: Server, uploader: Uploader, store: Store, release: list[Path]
) -> None:
    session = uploader.stage(*release)
    uploader.run("session", "publish", session["id"])

    assert sorted(store.puts) == sorted((1, path.stat().st_size) for path in release)
    assert store.credentials == []
    assert public_files(server, "thing") == sorted(path.name for path in release)


def test_a_large_file_goes_in_parts(uploader: Uploader, store: Store, two_parts: Path) -> None:
    session = uploader.stage(two_parts)

    assert store.puts == [(1, PART), (2, two_parts.stat().st_size - PART)]
    assert session["uploaded"] == [two_parts.name]


def test_new_addresses_are_asked_for_when_those_at_hand_have_expired(
    uploader: Uploader, store: Store, large_wheel: Path
) -> None:
    store.refusals = 1

    session = uploader.stage(large_wheel)

    assert store.puts == [(1, large_wheel.stat().st_size)]
    assert session["uploaded"] == [large_wheel.name]


def test_a_part_whose_connection_broke_is_put_again(
    uploader: Uploader, store: Store, large_wheel: Path
) -> None:
    store.breaks_after = 5 * 1024 * 1024

    session = uploader.stage(large_wheel)

    assert store.breaks_after is None
    assert store.puts == [(1, large_wheel.stat().st_size)]
    assert session["uploaded"] == [large_wheel.name]


def test_parts_that_have_arrived_are_not_sent_by_the_next_run(
    uploader: Uploader, store: Store, two_parts: Path
) -> None:
    store.holds = 2
    command = uploader.start("stage", two_parts)
    assert store.held.wait(60), command.communicate(timeout=10)
    command.kill()
    command.communicate()
    store.holds = None

    session = uploader.stage(two_parts)

    assert store.puts == [(1, PART), (2, two_parts.stat().st_size - PART)]
    assert session["uploaded"] == [two_parts.name]


def test_where_the_storage_is_out_of_reach_files_go_through_the_index(
    s3: S3Server, tmp_path: Path, release: list[Path]
) -> None:
    with serving_from(s3, tmp_path, UNREACHABLE) as server:
        session = make_uploader(server, "ada", tmp_path).stage(*release)

    assert sorted(session["uploaded"]) == sorted(path.name for path in release)
    assert {file["status"] for file in session["files"]} == {"completed"}


def test_where_the_storage_takes_nothing_files_go_through_the_index(
    server: Server, uploader: Uploader, store: Store, release: list[Path]
) -> None:
    store.refusals = 1000

    session = uploader.stage(*release)

    assert store.puts == []
    assert sorted(session["uploaded"]) == sorted(path.name for path in release)


@pytest.mark.parametrize("url", ["http://store.example/1?secret", "ftp://store.example/1", "1"])
def test_bytes_go_to_no_address_that_is_worse_protected_than_the_index(url: str) -> None:
    connection = Connection(requests.Session(), "https://index.example/", threading.Event())
    body = FileBody(io.BytesIO(b"x"), 1, Sent(), connection.stop)

    with pytest.raises(Failure, match="which is not https") as failure:
        connection.put(url, body)

    assert "secret" not in str(failure.value)


def test_of_a_file_that_grows_no_more_is_sent_than_was_said() -> None:
    body = FileBody(io.BytesIO(b"0123456789"), 4, Sent(), threading.Event())

    assert len(body) == 4
    assert [body.read(3), body.read(3), body.read(-1)] == [b"012", b"3", b""]
