"""Mending an index from another one, or from a folder, over HTTP."""

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from greenroom.models import File
from greenroom.registry import storage_identity
from greenroom.registry.unit_of_work import Services
from greenroom.registry.verification import verify
from greenroom.registry.web_copies import WebCopy
from greenroom.storage import BlobMissing, StorageUnavailable
from greenroom.storage.local import blob_path
from tests import factories
from tests.artifacts import make_sdist, make_wheel

Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def web(answer: Callable[[str, dict[str, str]], Answer]) -> Iterator[str]:
    """A server that answers so; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answer(self.path, dict(self.headers))
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):  # nobody reads more than there may be
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def pages(site: dict[str, tuple[str, bytes]]) -> Callable[[str, dict[str, str]], Answer]:
    def answer(path: str, headers: dict[str, str]) -> Answer:
        if path not in site:
            return 404, {}, b""
        kind, body = site[path]
        return 200, {"Content-Type": kind}, body

    return answer


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


HTML, JSON, BYTES = "text/html", "application/vnd.pypi.simple.v1+json", "application/octet-stream"


@pytest.fixture
def contents(services: Services, tmp_path: Path) -> dict[str, bytes]:
    """What there was, by name, in an index that has lost it all."""
    with services.writing() as uow:
        ada = factories.make_user(uow)
        factories.release(uow, ada, make_wheel(tmp_path), make_sdist(tmp_path))
        found = {}
        for file in uow.db.query(File).all():
            for digest, name in (
                (file.sha256, file.filename),
                (file.metadata_sha256, f"{file.filename}.metadata"),
            ):
                path = blob_path(Path(services.storage.address), digest)
                found[name] = path.read_bytes()
    storage_identity.check(services)
    for digest in list(services.storage.digests()):
        services.storage.delete(digest)
    return found


def index_in_json(contents: dict[str, bytes]) -> dict[str, tuple[str, bytes]]:
    files = [
        {"filename": name, "url": f"../../files/{number}", "hashes": {"sha256": sha256(content)}}
        for number, (name, content) in enumerate(contents.items())
        if not name.endswith(".metadata")
    ]
    names = list(contents)
    site = {"/simple/example/": (JSON, json.dumps({"files": [*files, {"url": 1}, 2]}).encode())}
    for name, content in contents.items():
        of = names.index(name.removesuffix(".metadata"))
        suffix = ".metadata" if name.endswith(".metadata") else ""
        site[f"/files/{of}{suffix}"] = (BYTES, content)
    # A name is not a content.
    site["/simple/"] = (HTML, b"<a href='//['>x</a><a>y</a><a href='ftp://index.example/z'>z</a>")
    return site


def index_in_html(contents: dict[str, bytes]) -> dict[str, tuple[str, bytes]]:
    links = "".join(
        f'<a href="/f/{name}#sha256={sha256(content)}">{name}</a>'
        for name, content in contents.items()
        if not name.endswith(".metadata")
    )
    site = {f"/f/{name}": (BYTES, content) for name, content in contents.items()}
    return site | {"/simple/example/": (HTML, links.encode())}


def folder(contents: dict[str, bytes]) -> dict[str, tuple[str, bytes]]:
    links = "".join(f"<a href='{name}'>{name}</a>" for name in contents)
    site = {f"/simple/{name}": (BYTES, content) for name, content in contents.items()}
    return site | {"/simple/": (HTML, links.encode())}


@pytest.mark.parametrize("make", [index_in_json, index_in_html, folder])
def test_an_index_is_mended_from_what_is_on_the_web(
    services: Services,
    contents: dict[str, bytes],
    make: Callable[[dict[str, bytes]], dict[str, tuple[str, bytes]]],
) -> None:
    with web(pages(make(contents))) as address:
        findings = verify(services, source=WebCopy(f"{address}/simple"))
    assert len(findings.damages) == 4
    assert findings.unrepaired == []
    assert set(services.storage.digests()) == {sha256(content) for content in contents.values()}


def test_what_has_other_bytes_than_it_says_is_not_taken(
    services: Services, contents: dict[str, bytes]
) -> None:
    site = index_in_json(contents)
    for path in site:
        if path.startswith("/files/"):
            site[path] = (BYTES, b"x" * 10_000_000)
    with web(pages(site)) as address:
        findings = verify(services, source=WebCopy(f"{address}/simple/"))
    assert len(findings.unrepaired) == 4
    assert list(services.storage.digests()) == []
    assert list(services.storage.incoming.iterdir()) == []


def test_the_password_goes_to_that_server_alone(contents: dict[str, bytes]) -> None:
    seen: dict[str, list[str | None]] = {"one": [], "two": []}
    digest = sha256(b"content")

    def elsewhere(path: str, headers: dict[str, str]) -> Answer:
        seen["two"].append(headers.get("Authorization"))
        return 200, {}, b"content"

    with web(elsewhere) as other:

        def here(path: str, headers: dict[str, str]) -> Answer:
            seen["one"].append(headers.get("Authorization"))
            if path == "/a/":
                link = f"<a href='/moved#sha256={digest}'>x</a>"
                return 200, {"Content-Type": HTML}, link.encode()
            return 302, {"Location": f"{other}/x"}, b""

        with web(here) as address:
            copy = WebCopy(address.replace("//", "//us%40r:p%3A@"))
            with copy.open(digest, "a-1.0.tar.gz") as blob:
                assert b"".join(blob) == b"content"
    assert seen == {"one": ["Basic dXNAcjpwOg=="] * 2, "two": [None]}


def test_a_server_that_answers_otherwise_is_an_outage() -> None:
    answers: dict[str, Answer] = {
        "status 302": (302, {"Location": "ftp://index.example/"}, b""),
        "status 500": (500, {}, b""),
        "status 401": (401, {}, b""),
        "cannot be read": (200, {"Content-Length": "20"}, b"cut off"),
    }
    for sentence, answer in answers.items():

        def always(path: str, headers: dict[str, str], answer: Answer = answer) -> Answer:
            return answer

        with web(always) as address, pytest.raises(StorageUnavailable, match=re.escape(sentence)):
            WebCopy(address).open("0" * 64, "a-1.0.tar.gz")
    with pytest.raises(StorageUnavailable, match="cannot be read"):
        WebCopy(address).open("0" * 64, "a-1.0.tar.gz")
    with web(pages({"/": (HTML, b"\xff<a href=")})) as address, pytest.raises(BlobMissing):
        WebCopy(address).open("0" * 64, "a-1.0.tar.gz")
    for wrong in ("ftp://index.example/", "https:///x", "file:///etc"):
        with pytest.raises(ValueError, match="is no http:// or https:// address"):
            WebCopy(wrong)
