"""Varnish and nginx in front of the index: what they keep, what they forget, what they never have.

Each test works on projects of its own, as the index and the cache are the same for all.
"""

import gzip
import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import pytest
import requests

from bench.asking import Account, address_of, connect, upload
from bench.wheels import MIB, Wheel, make_wheel
from greenroom.registry import projects, removal
from greenroom.registry.permissions import OPERATOR
from tests.factories import PASSWORD
from tests.operations.fronts import FRONTS, Front, Varnish, in_front_of, running

HTML = "text/html"
HTML_V1 = "application/vnd.pypi.simple.v1+html"
JSON_V1 = "application/vnd.pypi.simple.v1+json"
PIP = f"{JSON_V1}, {HTML_V1}; q=0.1, {HTML}; q=0.01"
UV = f"{JSON_V1}, {HTML_V1};q=0.2, {HTML};q=0.01"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
PURGED_WITHIN = 60

_numbers = count()


@pytest.fixture(scope="module", params=FRONTS, ids=lambda kind: kind.name)
def front(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    kind: type[Front] = request.param
    with running(kind, tmp_path_factory.mktemp(kind.name)) as front:
        yield front


@pytest.fixture(scope="module")
def varnish(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with running(Varnish, tmp_path_factory.mktemp("varnish")) as front:
        yield front


@pytest.fixture(scope="module")
def account(front: Front) -> Account:
    return account_of(front)


def account_of(front: Front) -> Account:
    name = f"user-{next(_numbers)}"
    return Account("/legacy/", "__token__", front.backend.token(front.backend.user(name)))


@pytest.fixture
def project() -> str:
    return f"thing-{next(_numbers)}"


def publish(front: Front, account: Account, folder: Path, project: str, version: str) -> Wheel:
    """Upload a wheel through the cache, which publishes it."""
    wheel = make_wheel(folder, project, version)
    send(front, account, wheel)
    return wheel


def send(front: Front, account: Account, wheel: Wheel) -> None:
    with closing(connect(front.url)) as connection:
        upload(connection, account, wheel)


def page_of(project: str) -> str:
    return f"/simple/{project}/"


# --- an index that fails -----------------------------------------------------------------------


class Failing(BaseHTTPRequestHandler):
    """Answers with a page that may be kept for a second; or fails."""

    status = 200
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Any page."""
        status = type(self).status
        body = b"The database does not answer." if status == 503 else self.path.encode()
        kept = "public, max-age=0, s-maxage=1, stale-if-error=300"
        control = "no-store" if status == 503 else kept
        self.send_response(status)
        self.send_header("Cache-Control", control)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.mark.parametrize("kind", FRONTS, ids=lambda kind: kind.name)
def test_what_was_kept_is_shown_while_the_index_fails(kind: type[Front], tmp_path: Path) -> None:
    index = ThreadingHTTPServer(("127.0.0.1", 0), Failing)
    threading.Thread(target=index.serve_forever, kwargs={"poll_interval": 0.05}).start()
    try:
        with in_front_of(kind, tmp_path, f"http://127.0.0.1:{index.server_address[1]}") as front:
            Failing.status = 200
            for path in ("/simple/kept/", "/project/kept/"):
                assert front.get(path).status == 200
            Failing.status = 503
            time.sleep(2.1)  # what was kept is over
            for path in ("/simple/kept/", "/project/kept/") * 2:
                kept = front.get(path)
                assert (kept.status, kept.body) == (200, path.encode()), path
            for path, headers in (
                ("/simple/other/", {}),
                ("/project/kept/", {"Cookie": "greenroom=x"}),
                ("/simple/kept/", {"Authorization": "Bearer x"}),
            ):
                failed = front.get(path, **headers)
                assert (failed.status, b"database" in failed.body) == (503, True), path
            index.shutdown()
            index.server_close()
            assert front.get("/simple/kept/").body == b"/simple/kept/"
    finally:
        index.shutdown()
        index.server_close()


# --- what is kept -------------------------------------------------------------------------------


def test_installers_are_answered_by_the_cache(
    front: Front, account: Account, tmp_path: Path
) -> None:
    needed = [f"part-{next(_numbers)}" for _ in range(3)]
    for name in needed:
        publish(front, account, tmp_path, name, "1.0")
    application = f"application-{next(_numbers)}"
    send(front, account, make_wheel(tmp_path, application, "1.0", requires=needed))
    index = ("--index-url", f"{front.url}/simple/", application)
    pip = [sys.executable, "-m", "pip", "install", "--no-cache-dir", "--target"]
    uv = ["uv", "pip", "install", "--no-cache", "--python", sys.executable, "--target"]

    front.server.run(*pip, str(tmp_path / "first"), *index)
    front.server.run(*uv, str(tmp_path / "second"), *index)
    seen = len(front.log())
    front.server.run(*uv, str(tmp_path / "third"), *index)
    front.server.run(*pip, str(tmp_path / "fourth"), *index)

    assert len(list((tmp_path / "fourth").glob("*.dist-info"))) == 4
    later = front.log()[seen:]
    assert len(later) >= 16
    assert [asked for asked in later if not asked.hit] == []


def test_pip_and_uv_share_what_is_kept(
    front: Front, account: Account, tmp_path: Path, project: str
) -> None:
    publish(front, account, tmp_path, project, "1.0")
    front.get(page_of(project), Accept=PIP, Accept_Encoding="gzip, deflate")

    assert front.is_hit(page_of(project), Accept=UV, Accept_Encoding="gzip, br, zstd")


@pytest.mark.parametrize(
    "accept",
    [
        *(PIP, UV, BROWSER, HTML, HTML_V1, JSON_V1, "*/*", "text/*", "application/*"),
        f"{HTML},{JSON_V1}",
        f"{JSON_V1},{HTML}",
        f"{HTML};q=0.5, {JSON_V1};q=0.4",
        f"{JSON_V1};q=0.1, {HTML_V1}",
        "*/*, text/html;q=0.1",
        "text/html, */*",
        f"text/html,application/xhtml+xml,{JSON_V1}",
        "application/vnd.pypi.simple.latest+json",
    ],
)
def test_everybody_gets_the_form_that_the_index_chooses(
    front: Front, account: Account, tmp_path: Path, accept: str
) -> None:
    publish(front, account, tmp_path, "forms", f"1.{next(_numbers)}")
    direct = front.backend.get(page_of("forms"), accept)

    for _ in range(2):
        through = front.get(page_of("forms"), Accept=accept)
        assert through.status == 200
        assert dict(through.headers)["Content-Type"] == dict(direct.headers)["Content-Type"]


@pytest.mark.parametrize("coding", ["gzip", "gzip, deflate", "identity", "gzip;q=0", ""])
def test_nobody_gets_a_coding_that_they_do_not_take(
    front: Front, account: Account, tmp_path: Path, project: str, coding: str
) -> None:
    publish(front, account, tmp_path, project, "1.0")
    first = front.get(page_of(project), Accept=JSON_V1, Accept_Encoding="gzip")
    plain = front.get(page_of(project), Accept=JSON_V1, Accept_Encoding="identity")

    answer = front.get(page_of(project), Accept=JSON_V1, Accept_Encoding=coding)

    coded = dict(answer.headers).get("Content-Encoding")
    assert coded in ((None, "gzip") if coding in ("gzip", "gzip, deflate") else (None,))
    bodies = {
        gzip.decompress(each.body) if dict(each.headers).get("Content-Encoding") else each.body
        for each in (first, plain, answer)
    }
    assert len(bodies) == 1


def test_who_has_a_page_is_told_so(
    front: Front, account: Account, tmp_path: Path, project: str
) -> None:
    publish(front, account, tmp_path, project, "1.0")
    wait_for_purges(front)
    etag = dict(front.get(page_of(project), Accept=PIP).headers)["ETag"]

    for known, status in ((etag, 304), ('"other"', 200)):
        answer = front.get(page_of(project), Accept=PIP, If_None_Match=known)
        assert (answer.status, dict(answer.headers)["X-Cache"]) == (status, "HIT")


def test_keys_are_for_the_cache_alone(
    front: Front, account: Account, tmp_path: Path, project: str
) -> None:
    publish(front, account, tmp_path, project, "1.0")

    names = {name.lower() for name, _ in front.get(page_of(project)).headers}

    assert "x-cache" in names
    assert names.isdisjoint({"surrogate-key", "xkey"})


# --- what is forgotten --------------------------------------------------------------------------


def test_a_publication_purges_its_keys_and_nothing_else(varnish: Front, tmp_path: Path) -> None:
    account = account_of(varnish)
    project, other = f"thing-{next(_numbers)}", f"thing-{next(_numbers)}"
    wheel = publish(varnish, account, tmp_path, project, "1.0")
    publish(varnish, account, tmp_path, other, "1.0")
    wait_for_purges(varnish)
    file = address_of(varnish.url, page_of(project), wheel.path.name)
    kept = [page_of(other), file]
    forgotten = [page_of(project), "/simple/", "/rss/updates.xml"]
    for path in kept + forgotten:
        varnish.get(path)
        assert varnish.is_hit(path), path

    second = publish(varnish, account, tmp_path, project, "2.0")
    wait_for_purges(varnish)

    page = varnish.get(page_of(project))
    assert second.path.name.encode() in page.body
    assert dict(page.headers)["X-Cache"] == "MISS"
    assert [path for path in forgotten[1:] if varnish.is_hit(path)] == []
    assert [path for path in kept if not varnish.is_hit(path)] == []


def test_a_file_that_is_taken_away_is_purged(varnish: Front, tmp_path: Path) -> None:
    account, project = account_of(varnish), f"thing-{next(_numbers)}"
    wheel = publish(varnish, account, tmp_path, project, "1.0")
    file = address_of(varnish.url, page_of(project), wheel.path.name)
    varnish.get(file)
    assert varnish.is_hit(file)

    delete_release(varnish, project)
    wait_for_purges(varnish)

    assert varnish.get(file).status in (404, 410)


@pytest.mark.parametrize("secret", ["", "Bearer ", "Bearer replace-this-token"])
def test_nobody_else_purges(varnish: Front, secret: str) -> None:
    varnish.get("/simple/")
    headers = {"Surrogate-Key": "all-projects", "Authorization": secret}

    answer = requests.post(f"{varnish.url}/.purge", headers=headers, timeout=30)

    assert answer.status_code == 403
    assert varnish.is_hit("/simple/")


def delete_release(front: Front, project: str) -> None:
    with front.backend.services() as services, services.writing() as uow:
        found = projects.find(uow, project)
        assert found is not None
        removal.remove_release(uow, OPERATOR, found, "1.0")


def wait_for_purges(front: Front) -> None:
    """Wait until every job that purges is done: from then on every read has to be right."""
    deadline = time.monotonic() + PURGED_WITHIN
    while '"purge"' in front.backend.greenroom("jobs", "list", "--json"):
        assert time.monotonic() < deadline
        time.sleep(0.1)


# --- what is never kept -------------------------------------------------------------------------


def test_drafts_are_never_kept(
    front: Front, account: Account, tmp_path: Path, project: str
) -> None:
    publish(front, account, tmp_path, project, "1.0")
    front.get(page_of(project))
    wheel = make_wheel(tmp_path, project, "2.0")
    send(front, Account("/legacy/?staged=true", account.username, account.password), wheel)
    (draft,) = [
        draft
        for draft in json.loads(front.backend.greenroom("draft", "list", "--json"))
        if draft["project"] == project
    ]
    secret = f"/draft/{draft['slug']}"

    page = f"{secret}/simple/{project}/"
    file = address_of(front.url, page, wheel.path.name)
    assert [front.is_hit(path) for path in (page, page, file, file)] == [False] * 4
    assert wheel.path.name.encode() not in front.get(page_of(project)).body

    front.backend.greenroom("draft", "discard", draft["slug"])
    assert front.get(page).status in (404, 410)
    assert front.get(file).status in (404, 410)


def test_what_signed_in_people_see_is_never_kept(
    front: Front, account: Account, tmp_path: Path, project: str
) -> None:
    publish(front, account, tmp_path, project, "1.0")
    path = f"/project/{project}/"
    name = front.backend.user(f"person-{next(_numbers)}")
    with signed_in(front, name) as session:
        for address in (path, "/account/", path):
            answer = session.get(front.url + address, timeout=60)
            assert name in answer.text
            assert answer.headers["X-Cache"] != "HIT"
            assert name not in front.get(address).body.decode()
        assert front.is_hit(path)
        assert name in session.get(front.url + path, timeout=60).text


def test_answers_to_credentials_are_never_kept(
    front: Front, account: Account, tmp_path: Path, project: str
) -> None:
    publish(front, account, tmp_path, project, "1.0")
    path = f"/api/drafts/{project}/1.0"

    for _ in range(2):
        assert not front.is_hit(path, Authorization=account.authorization)
        assert not front.is_hit(page_of(project), Authorization=account.authorization)
    assert not front.is_hit(path)


@contextmanager
def signed_in(front: Front, name: str) -> Iterator[requests.Session]:
    login = f"{front.url}/account/login"
    with requests.Session() as session:
        session.trust_env = False
        page = session.get(login, timeout=60)
        token = re.search(r'name="csrf_token" value="([^"]+)', page.text)
        assert token is not None
        fields = {"csrf_token": token[1], "username": name, "password": PASSWORD}
        answer = session.post(login, data=fields, headers={"Referer": login}, timeout=60)
        assert answer.status_code == 200, answer.text
        yield session


# --- uploads ------------------------------------------------------------------------------------


def test_a_large_file_comes_through_whole(
    front: Front, account: Account, tmp_path: Path, project: str
) -> None:
    wheel = make_wheel(tmp_path, project, "1.0", noise=20 * MIB)
    send(front, account, wheel)

    file = address_of(front.url, page_of(project), wheel.path.name)

    for _ in range(2):
        assert front.get(file).body == wheel.path.read_bytes()
    part = front.get(file, Range="bytes=100-199")
    assert (part.status, part.body) == (206, wheel.path.read_bytes()[100:200])


def test_the_sentence_of_a_refusal_comes_through(
    front: Front, account: Account, tmp_path: Path, project: str
) -> None:
    publish(front, account, tmp_path, project, "1.0")
    other = make_wheel(tmp_path / "other", project, "1.0", noise=20 * MIB)

    with pytest.raises(SystemExit, match="exists") as refusal:
        send(front, account, other)
    assert "400" in str(refusal.value)
