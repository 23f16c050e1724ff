"""A line for each request, by which it can be found again, and nothing secret in any."""

import contextlib
import hashlib
import json
import re
import socket
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from greenroom.web.http.urls import Urls
from tests.artifacts import make_wheel
from tests.factories import PASSWORD
from tests.serving import Server, serving
from tests.web.conftest import form_fields

Line = dict[str, Any]
FIELDS = {
    *("event", "level", "timestamp", "request_id", "method", "path", "status", "bytes", "ms"),
    *("address", "who", "kept"),
}


@dataclass(frozen=True)
class File:
    filename: str
    sha256: str


class Index:
    """A server with a draft, and its log."""

    def __init__(self, server: Server, log: Path, wheel: Path) -> None:
        self.server = server
        self._log = log
        self.token = server.token(server.user("ada"))
        self.slug = re.findall(r"/draft/(\w{22})/", self.upload(wheel, "?staged=true"))[0]

    def upload(self, wheel: Path, query: str = "") -> str:
        answer = requests.post(
            f"{self.server.url}/legacy/{query}",
            data=form_fields(wheel),
            files={"content": (wheel.name, wheel.read_bytes())},
            auth=("__token__", self.token),
            timeout=30,
        )
        answer.raise_for_status()
        return answer.text

    def lost_file(self, wheel: Path) -> str:
        """The path of a published file that is not in the storage any more."""
        self.upload(wheel)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        with self.server.services() as services:
            services.storage.delete(digest)
        return urllib.parse.urlsplit(Urls("").published_file(File(wheel.name, digest))).path

    def raw(self, head: str) -> tuple[int, dict[str, str], str]:
        """What comes of a request that is sent as it is: status, headers, and what follows."""
        address = urllib.parse.urlsplit(self.server.url)
        with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
            connection.sendall(head.replace("\n", "\r\n").encode("latin-1"))
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode("latin-1")
        start, _, rest = answer.partition("\r\n\r\n")
        status, *lines = start.split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        return int(status.split()[1]), headers, rest

    def log(self) -> str:
        return self._log.read_text()

    def lines(self) -> list[Line]:
        return [json.loads(line) for line in self.log().splitlines()]


@contextlib.contextmanager
def index(folder: Path, **settings: str) -> Iterator[Index]:
    with serving(folder, workers=1, settings=settings) as server:
        yield Index(server, folder / "serve.log", make_wheel(folder))


def asked(index: Index, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
    fields = "".join(f"{name}: {value}\n" for name, value in headers.items())
    return index.raw(f"GET {path} HTTP/1.1\nHost: index.example\nConnection: close\n{fields}\n")


@pytest.fixture(scope="module")
def log_of_a_day(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Line], Index, Line]:
    """Everything that is asked in these tests, once; the log is read when the server has ended."""
    folder = tmp_path_factory.mktemp("index")
    told: Line = {}
    with index(folder, GREENROOM_TRUSTED_PROXIES="127.0.0.0/8") as it:
        for name, path, headers in (
            ("cold", "/simple/", {}),
            ("kept", "/simple/", {}),
            ("query", f"/search/?q=secret&next=/draft/{it.slug}/&{it.slug}", {}),
            ("draft", f"/draft/{it.slug}/simple/", {"Referer": f"http://x/draft/{it.slug}/"}),
            ("quoted", f"/%64raft/{it.slug[:3]}%{ord(it.slug[3]):x}{it.slug[4:]}/", {}),
            ("missing", f"/nothing/{it.token}/", {}),
            ("given", "/simple/", {"X-Request-Id": "lb-1.2:3/4", "X-Forwarded-For": "192.0.2.7"}),
            ("forged", "/simple/", {"X-Request-Id": 'no"quotes', "X-Forwarded-For": "nobody"}),
            ("long", "/simple/", {"X-Request-Id": "a" * 65}),
            ("secret", "/simple/", {"X-Request-Id": it.slug}),
            ("token", "/upload/2.0/session/x/", {"Authorization": f"Bearer {it.token}"}),
            ("expectation", "/nothing/", {"Expect": "miracles"}),
        ):
            told[name] = asked(it, path, **headers)
        told["304"] = asked(it, "/simple/", **{"If-None-Match": told["cold"][1]["etag"]})
        told["invalid"] = it.raw(f"GET /draft/{it.slug}/ HTTP/1.1\nbad header: {it.token}\n\n")
        told["method"] = it.raw(f"{it.slug} / HTTP/1.1\nHost: x\nConnection: close\n\n")
        told["head"] = it.raw(f"GET /{'a' * 9000} HTTP/1.1\n\n")
        told["lost"] = asked(it, it.lost_file(make_wheel(folder, name="lost")))
        sign_in(it)
    return it.lines(), it, told


def sign_in(it: Index) -> None:
    """As a person does: a wrong password, then the right one, and a page."""
    session = requests.Session()
    page = session.get(f"{it.server.url}/account/login/", timeout=30).text
    for password in ("never this one", PASSWORD):
        token = re.findall(r'name="csrf_token"[^>]* value="([^"]+)"', page)[0]
        form = {"username": "ada", "password": password, "csrf_token": token}
        answer = session.post(f"{it.server.url}/account/login/", data=form, timeout=30)
        page = answer.text
    session.get(f"{it.server.url}/manage/", timeout=30).raise_for_status()


def test_every_answer_has_an_id_that_finds_its_line(
    log_of_a_day: tuple[list[Line], Index, Line],
) -> None:
    lines, _, told = log_of_a_day
    of = {line["request_id"]: line for line in lines if line["event"] == "request"}

    for name, (status, headers, _) in told.items():
        line = of[headers["x-request-id"]]
        assert line.keys() - {"cut"} == FIELDS, name
        assert line["status"] == status
        assert line["ms"] >= 0
        assert line["bytes"] > 100
    assert len({headers["x-request-id"] for _, headers, _ in told.values()}) == len(told)


def test_a_line_says_what_was_asked_by_whom(log_of_a_day: tuple[list[Line], Index, Line]) -> None:
    lines, it, told = log_of_a_day
    of = {line["request_id"]: line for line in lines if line["event"] == "request"}

    def line(name: str) -> Line:
        return of[told[name][1]["x-request-id"]]

    assert (line("cold")["kept"], line("kept")["kept"]) == (False, True)
    assert line("kept") | {"path": "/simple/", "method": "GET", "who": None} == line("kept")
    assert (line("304")["status"], line("304")["kept"]) == (304, True)
    assert line("query")["path"] == "/search/?q=…&next=…&…"
    for name in ("draft", "quoted"):
        assert line(name)["path"].startswith(f"/draft/{it.slug[:4]}…/")
    assert told["given"][1]["x-request-id"] == "lb-1.2:3/4"
    assert line("given")["address"] == "192.0.2.7"
    for name in ("forged", "long", "secret"):
        assert re.fullmatch(r"[0-9a-f]{16}", line(name)["request_id"])
        assert line(name)["address"] == "127.0.0.1"
    (upload,) = [line for line in lines if line.get("path") == "/legacy/?staged=…"]
    assert (upload["who"], upload["method"]) == (it.token[:11], "POST")
    assert (line("invalid")["status"], line("invalid")["path"]) == (400, "")
    assert (line("head")["status"], line("expectation")["status"]) == (414, 417)
    assert {line["who"] for line in lines if line.get("path") == "/manage/"} == {"ada"}


def test_no_line_has_a_secret(log_of_a_day: tuple[list[Line], Index, Line]) -> None:
    _, it, _ = log_of_a_day

    for secret in (it.slug, it.token, PASSWORD, "never this one", "secret&next", "ada@"):
        assert secret not in it.log()


def test_what_is_logged_during_a_request_has_its_id(
    log_of_a_day: tuple[list[Line], Index, Line],
) -> None:
    lines, _, told = log_of_a_day

    status, headers, _ = told["lost"]
    assert status == 503
    (line,) = [line for line in lines if line["event"] == "a file is damaged"]
    assert line["request_id"] == headers["x-request-id"]


def test_a_refusal_says_which_request_it_was(log_of_a_day: tuple[list[Line], Index, Line]) -> None:
    _, _, told = log_of_a_day

    _, headers, page = told["missing"]
    assert f"<code>{headers['x-request-id']}</code>" in page
    _, headers, problem = told["token"]
    assert json.loads(problem)["request-id"] == headers["x-request-id"]


@pytest.mark.parametrize("mode", ["errors", "off"])
def test_less_can_be_logged(mode: str, tmp_path: Path) -> None:
    with index(tmp_path, GREENROOM_ACCESS_LOG=mode, GREENROOM_LOG_FORMAT="text") as it:
        fine, refused = asked(it, "/simple/"), asked(it, "/nothing/", Accept="text/html")
        invalid = it.raw("nonsense\n\n")
        (it.server.home.parent / "data" / "greenroom.sqlite").unlink()
        broken = asked(it, f"/draft/{it.slug}/")

    for _, headers, _ in (fine, refused, invalid):
        assert re.fullmatch(r"[0-9a-f]{16}", headers["x-request-id"])
    ids = re.findall(r"(?m)^\S+Z \[\w+\] request request_id=(\w+) ", it.log())
    expected = [each[1]["x-request-id"] for each in (refused, invalid)]
    assert [each for each in ids if each != broken[1]["x-request-id"]] == (
        expected if mode == "errors" else []
    )
    assert it.slug not in it.log()
