"""The index that stands behind ours in tests: it does what its faults say."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
import requests

from tests.artifacts import make_sdist, make_wheel
from tests.upstream_server import (
    EVERYTHING,
    JSON,
    CutOff,
    Drops,
    Endless,
    Held,
    OtherBytes,
    Redirects,
    Says,
    Slow,
    Status,
    UpstreamServer,
    upstream_running,
)

WHEEL, SDIST = "thing-1.0-py3-none-any.whl", "thing-1.0.tar.gz"


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[UpstreamServer]:
    with upstream_running([make_wheel(tmp_path, "thing"), make_sdist(tmp_path, "thing")]) as made:
        yield made


def get(upstream: UpstreamServer, path: str, **headers: str) -> requests.Response:
    return requests.get(
        f"{upstream.origin}{path}",
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        timeout=30,
        allow_redirects=False,
    )


def test_it_has_pages_and_files(upstream: UpstreamServer, tmp_path: Path) -> None:
    upstream.add(tmp_path / WHEEL, yanked="Breaks.", requires_python=">=3.8")
    page = get(upstream, upstream.page("Thing"), Accept=JSON)
    text = get(upstream, upstream.page("thing"), Accept="text/html").text

    sdist, wheel = page.json()["files"]
    assert (sdist["yanked"], wheel["yanked"]) == (False, "Breaks.")
    assert wheel["requires-python"] == ">=3.8"
    assert 'data-requires-python="&gt;=3.8" data-yanked="Breaks."' in text
    path = upstream.file(WHEEL)
    assert wheel["url"] == f"../..{path}"
    assert f'href="../..{path}#sha256={wheel["hashes"]["sha256"]}"' in text
    metadata = get(upstream, f"{path}.metadata").content
    assert wheel["core-metadata"] == {"sha256": hashlib.sha256(metadata).hexdigest()}
    assert get(upstream, path).content == (tmp_path / WHEEL).read_bytes()
    again = get(upstream, upstream.page("thing"), Accept=JSON, If_None_Match=page.headers["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    assert get(upstream, "/simple/none/").status_code == 404
    assert get(upstream, "/simple/Thing").headers["Location"] == "/simple/thing/"
    assert upstream.asked(upstream.page("thing")) == 3


def test_it_sends_parts_of_files(upstream: UpstreamServer, tmp_path: Path) -> None:
    path, content = upstream.file(SDIST), (tmp_path / SDIST).read_bytes()
    for wanted, part in (("10-", content[10:]), ("0-9", content[:10]), ("-5", content[-5:])):
        answer = get(upstream, path, Range=f"bytes={wanted}")
        assert (answer.status_code, answer.content) == (206, part)
    assert get(upstream, path, Range="bytes=999999-").status_code == 416
    assert get(upstream, path, Range="bytes=10-", If_Range='"x"').content == content
    upstream.has_ranges = False
    assert get(upstream, path, Range="bytes=10-").status_code == 200


def test_its_faults(upstream: UpstreamServer, tmp_path: Path) -> None:
    path, page = upstream.file(WHEEL), upstream.page("thing")
    content = (tmp_path / WHEEL).read_bytes()
    upstream.fail(path, CutOff(10), times=1)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        get(upstream, path)
    assert get(upstream, path).content == content

    upstream.fail(path, OtherBytes())
    other = get(upstream, path).content
    assert (len(other), other != content) == (len(content), True)
    upstream.fail(EVERYTHING, Status(429, retry_after=7))
    assert get(upstream, page).headers["Retry-After"] == "7"
    assert get(upstream, path).content == other
    upstream.heal()
    upstream.fail(page, Says(b"<p>", "text/plain"))
    assert (get(upstream, page).text, get(upstream, path).content) == ("<p>", content)
    upstream.fail(page, Redirects("http://elsewhere.example/"))
    assert get(upstream, page).headers["Location"] == "http://elsewhere.example/"
    upstream.fail(page, Slow(1_000_000))
    assert get(upstream, page).status_code == 200
    upstream.fail(page, Drops())
    with pytest.raises(requests.ConnectionError):
        get(upstream, page)
    upstream.fail(page, Endless())
    with requests.get(f"{upstream.origin}{page}", stream=True, timeout=30) as endless:
        assert len(next(endless.iter_content(1_000_000))) > 100_000


def test_it_is_gone_and_back(upstream: UpstreamServer) -> None:
    page = upstream.page("thing")
    with requests.Session() as session:
        assert session.get(f"{upstream.origin}{page}", timeout=30).status_code == 200
        assert upstream.connections == 1
        upstream.go_away()
        with pytest.raises(requests.ConnectionError):
            session.get(f"{upstream.origin}{page}", timeout=30)
        upstream.come_back()
        assert session.get(f"{upstream.origin}{page}", timeout=30).status_code == 200
    assert upstream.asked() == 2


def test_it_holds_answers_until_they_are_released(upstream: UpstreamServer) -> None:
    page, held, got = upstream.page("thing"), Held(after=5), list[int]()
    upstream.fail(page, held)
    threads = [Thread(target=lambda: got.append(get(upstream, page).status_code)) for _ in range(3)]
    for thread in threads:
        thread.start()
    held.wait(askers=3)
    assert (got, upstream.most_connections) == ([], 3)
    held.release()
    for thread in threads:
        thread.join()
    assert got == [200] * 3


def test_it_asks_who_reads(upstream: UpstreamServer) -> None:
    upstream.credentials = ("user", "secret")
    assert get(upstream, "/simple/").status_code == 401
    url = upstream.url.replace("://", "://user:secret@")
    assert requests.get(url, timeout=30).status_code == 200
