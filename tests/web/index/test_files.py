"""``/packages/…`` and ``/draft/<slug>/files/…``: the bytes, whole and in pieces."""

import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenroom.storage import LocalStorage, Storage
from greenroom.storage.local import blob_path
from tests.web.standing import StockedSite, fetch

WHEEL = "example-1.0-py3-none-any.whl"
SDIST = "example-1.0.tar.gz"
STAGED_WHEEL = "example-3.0-py3-none-any.whl"
STAGED_SDIST = "example-3.0.tar.gz"
METADATA = ".metadata"
ALL = [WHEEL, SDIST, WHEEL + METADATA, STAGED_WHEEL, STAGED_SDIST, STAGED_WHEEL + METADATA]
PUBLISHED, STAGED = ALL[:3], ALL[3:]


def address(stocked: StockedSite, name: str) -> str:
    if name in STAGED:
        return f"/draft/{stocked.slugs['open']}/files/{name}"
    digest = hashlib.sha256(stocked.files[name.removesuffix(METADATA)].read_bytes()).hexdigest()
    return f"/packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{name}"


def content(stocked: StockedSite, name: str) -> bytes:
    path = stocked.files[name.removesuffix(METADATA)]
    if not name.endswith(METADATA):
        return path.read_bytes()
    with zipfile.ZipFile(path) as wheel:
        (member,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
        return wheel.read(member)


@pytest.mark.parametrize("name", ALL)
def test_the_bytes_are_those_that_were_uploaded(stocked: StockedSite, name: str) -> None:
    response = fetch(stocked.site, address(stocked, name))

    expected = content(stocked, name)
    assert response.status_int == 200
    assert response.body == expected
    assert response.headers["Content-Length"] == str(len(expected))
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["ETag"] == f'"{hashlib.sha256(expected).hexdigest()}"'
    assert "Content-Encoding" not in response.headers
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        (WHEEL, "application/octet-stream"),
        (SDIST, "application/gzip"),
        (WHEEL + METADATA, "text/plain; charset=utf-8"),
        (STAGED_WHEEL, "application/octet-stream"),
        (STAGED_SDIST, "application/gzip"),
        (STAGED_WHEEL + METADATA, "text/plain; charset=utf-8"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_nothing_is_shown_by_a_browser(
    stocked: StockedSite, name: str, content_type: str, method: str
) -> None:
    headers = fetch(stocked.site, address(stocked, name), method=method).headers

    assert headers["Content-Type"] == content_type
    assert headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_files_never_change(stocked: StockedSite, name: str) -> None:
    whole = fetch(stocked.site, address(stocked, name))
    part = fetch(stocked.site, address(stocked, name), headers={"Range": "bytes=0-0"})
    same = fetch(
        stocked.site, address(stocked, name), headers={"If-None-Match": whole.headers["ETag"]}
    )

    assert [r.status_int for r in (whole, part, same)] == [200, 206, 304]
    for response in (whole, part, same):
        kept = response.headers["Cache-Control"]
        assert kept == ("public, max-age=365000000, s-maxage=259200, immutable, stale-if-error=300")
        assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("name", STAGED)
def test_nobody_keeps_a_staged_file(stocked: StockedSite, name: str) -> None:
    for headers in ({}, {"Range": "bytes=0-0"}, {"Range": "bytes=999999-"}):
        response = fetch(stocked.site, address(stocked, name), headers=headers)
        assert response.headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("name", ALL)
def test_head_says_what_get_would_say(stocked: StockedSite, name: str) -> None:
    get = fetch(stocked.site, address(stocked, name))
    head = fetch(stocked.site, address(stocked, name), method="HEAD")

    assert head.status_int == 200
    assert head.body == b""
    assert sorted(head.headers.items()) == sorted(get.headers.items())


@pytest.mark.parametrize("name", [WHEEL, STAGED_SDIST, WHEEL + METADATA])
@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-9", 0, 10),
        ("bytes=10-", 10, None),
        ("bytes=-7", -7, None),
        ("bytes=0-999999999", 0, None),
        ("bytes=5-99999999999999999", 5, None),
        ("bytes=-999999999", 0, None),
        ("BYTES=1-2", 1, 3),
        ("bytes = 1 - 2", 1, 3),
    ],
)
def test_a_range_is_that_part_of_the_file(
    stocked: StockedSite, name: str, wanted: str, start: int, end: int | None
) -> None:
    response = fetch(stocked.site, address(stocked, name), headers={"Range": wanted})

    whole = content(stocked, name)
    part = whole[start:end]
    first = start if start >= 0 else len(whole) + start
    assert response.status_int == 206
    assert response.body == part
    assert response.headers["Content-Range"] == (
        f"bytes {first}-{first + len(part) - 1}/{len(whole)}"
    )
    assert response.headers["Content-Length"] == str(len(part))
    assert response.headers["ETag"] == f'"{hashlib.sha256(whole).hexdigest()}"'


@pytest.mark.parametrize("name", [WHEEL, STAGED_SDIST, WHEEL + METADATA])
@pytest.mark.parametrize("wanted", ["bytes=999999-", "bytes=999999-9999999", "bytes=-0"])
def test_a_range_behind_the_end_cannot_be_had(stocked: StockedSite, name: str, wanted: str) -> None:
    response = fetch(stocked.site, address(stocked, name), headers={"Range": wanted})

    assert response.status_int == 416
    assert response.headers["Content-Range"] == f"bytes */{len(content(stocked, name))}"
    assert "immutable" not in response.headers.get("Cache-Control", "")


@pytest.mark.parametrize("name", [WHEEL, STAGED_SDIST])
@pytest.mark.parametrize(
    "wanted",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=x-y",
        "bytes=5-2",
        "bytes=0-1,4-5",
        "bytes=0-1, -1",
        "bytes=0-1garbage",
        "bytes=--1",
        "bytes=1-2-3",
        "lines=0-1",
        "bytes=" + "9" * 5000 + "-",
        "bytes=-" + "9" * 5000,
        "bytes=0-" + "9" * 5000,
        "bytes=\u00b2-\u00b3",
    ],
)
def test_what_is_no_single_range_gets_the_whole(
    stocked: StockedSite, name: str, wanted: str
) -> None:
    response = fetch(stocked.site, address(stocked, name), headers={"Range": wanted})

    assert response.status_int == 200
    assert response.body == content(stocked, name)
    assert "Content-Range" not in response.headers


def test_a_range_of_a_head_is_ignored(stocked: StockedSite) -> None:
    response = fetch(
        stocked.site, address(stocked, WHEEL), method="HEAD", headers={"Range": "bytes=0-1"}
    )

    assert response.status_int == 200
    assert response.headers["Content-Length"] == str(len(content(stocked, WHEEL)))


@pytest.mark.parametrize(
    ("if_range", "status"),
    [
        ("{etag}", 206),
        ('"other"', 200),
        ("W/{etag}", 200),
        ("Mon, 01 Jun 2026 12:00:00 GMT", 200),
        ("Mon, garbage GMT", 200),
        ("garbage", 200),
    ],
)
def test_a_download_goes_on_only_where_the_file_is_the_same(
    stocked: StockedSite, if_range: str, status: int
) -> None:
    etag = fetch(stocked.site, address(stocked, WHEEL)).headers["ETag"]

    response = fetch(
        stocked.site,
        address(stocked, WHEEL),
        headers={"Range": "bytes=5-", "If-Range": if_range.format(etag=etag)},
    )

    assert response.status_int == status
    assert response.body == content(stocked, WHEEL)[5 if status == 206 else 0 :]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("given", ["{etag}", "W/{etag}", '"other", {etag}', "*"])
def test_what_the_client_has_is_not_sent_again(
    stocked: StockedSite, name: str, method: str, given: str
) -> None:
    etag = fetch(stocked.site, address(stocked, name)).headers["ETag"]

    response = fetch(
        stocked.site,
        address(stocked, name),
        method=method,
        headers={"If-None-Match": given.format(etag=etag), "Range": "bytes=0-1"},
    )

    assert response.status_int == 304
    assert response.body == b""
    assert response.headers["ETag"] == etag


@pytest.mark.parametrize("given", ['"other"', "garbage", '"', "W/"])
def test_what_the_client_has_of_another_file_does_not_count(
    stocked: StockedSite, given: str
) -> None:
    response = fetch(stocked.site, address(stocked, WHEEL), headers={"If-None-Match": given})

    assert response.status_int == 200


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_files_are_only_read(stocked: StockedSite, name: str, method: str) -> None:
    response = fetch(stocked.site, address(stocked, name), method=method)

    if name in STAGED and method == "DELETE":
        assert response.status_int == 401  # it takes credentials to take a file out of a draft
    else:
        assert response.status_int == 405
        assert {"GET", "HEAD"} <= set(response.allow or ()) <= {"GET", "HEAD", "DELETE"}


@pytest.mark.parametrize("name", [SDIST + METADATA, WHEEL + METADATA + METADATA, METADATA, "x.whl"])
def test_there_is_nothing_else_beside_a_published_file(stocked: StockedSite, name: str) -> None:
    folder = address(stocked, WHEEL).rpartition("/")[0]
    own_folder = address(stocked, SDIST).rpartition("/")[0]

    assert fetch(stocked.site, f"{folder}/{name}").status_int == 404
    assert fetch(stocked.site, f"{own_folder}/{name}").status_int == 404


@pytest.mark.parametrize("name", [STAGED_SDIST + METADATA, STAGED_WHEEL + METADATA * 2, METADATA])
def test_there_is_nothing_else_beside_a_staged_file(stocked: StockedSite, name: str) -> None:
    assert fetch(stocked.site, f"/draft/{stocked.slugs['open']}/files/{name}").status_int == 404


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.replace(WHEEL, SDIST),
        lambda path: path.replace(WHEEL, WHEEL.upper()),
        lambda path: path.upper().replace(WHEEL.upper(), WHEEL).replace("/PACKAGES", "/packages"),
        lambda path: path.replace("/packages/", "/packages/0/"),
        lambda path: path.rpartition("/")[0] + "/",
        lambda path: "/packages/" + path.split("/")[2] + "/",
        lambda path: "/packages/",
        lambda path: f"{path}/more",
    ],
)
def test_a_published_file_has_one_address(stocked: StockedSite, damage: object) -> None:
    assert callable(damage)
    response = fetch(stocked.site, damage(address(stocked, WHEEL)))

    assert response.status_int == 404
    assert response.content_type == "text/plain"
    assert "immutable" not in response.headers.get("Cache-Control", "")


def test_digits_may_not_be_grouped_otherwise(stocked: StockedSite) -> None:
    _, _, two, more, rest, name = address(stocked, WHEEL).split("/")

    assert fetch(stocked.site, f"/packages/{two}{more}/{rest}/{name}").status_int == 404
    assert fetch(stocked.site, f"/packages/{two}{more}{rest}/{name}").status_int == 404
    assert fetch(stocked.site, f"/packages/{two}/{more}{rest}/{name}").status_int == 404


def test_a_staged_file_is_not_among_the_published_ones(stocked: StockedSite) -> None:
    staged = hashlib.sha256(content(stocked, STAGED_WHEEL)).hexdigest()

    path = f"/packages/{staged[:2]}/{staged[2:4]}/{staged[4:]}/{STAGED_WHEEL}"
    assert fetch(stocked.site, path).status_int == 404


def test_a_published_file_is_not_in_a_draft(stocked: StockedSite) -> None:
    assert fetch(stocked.site, f"/draft/{stocked.slugs['open']}/files/{WHEEL}").status_int == 404


def test_a_server_may_send_a_file_by_itself(stocked: StockedSite) -> None:
    class Sent:
        """What a server does that hands the file to the kernel: it stops at the content length."""

        def __init__(self, file: object, block: int) -> None:
            self.file = file

        def __iter__(self) -> Iterator[bytes]:
            yield self.file.read(4)  # type: ignore[attr-defined]

        def close(self) -> None:
            self.file.close()  # type: ignore[attr-defined]

    response = fetch(
        stocked.site,
        address(stocked, WHEEL),
        headers={"Range": "bytes=3-6"},
        environ={"wsgi.file_wrapper": Sent},
    )

    assert response.status_int == 206
    assert response.body == content(stocked, WHEEL)[3:7]


@pytest.mark.parametrize("left", [None, b"", b"half of it"])
@pytest.mark.parametrize("name", [SDIST, STAGED_WHEEL])
def test_bytes_that_are_lost_are_not_available_until_they_are_put_again(
    stocked: StockedSite, name: str, left: bytes | None
) -> None:
    storage = stocked.site.services.storage
    digest = hashlib.sha256(content(stocked, name)).hexdigest()
    lose(storage, digest, left)
    try:
        whole = fetch(stocked.site, address(stocked, name))
        part = fetch(stocked.site, address(stocked, name), headers={"Range": "bytes=0-1"})
    finally:
        storage.put(stocked.files[name], digest)
    again = fetch(stocked.site, address(stocked, name))

    for response in (whole, part):
        assert response.status_int == 503
        assert int(response.headers["Retry-After"]) > 0
        assert response.text == (
            "The storage of this index has lost this file: its operator can see that. Try later.\n"
        )
        assert "immutable" not in response.headers.get("Cache-Control", "")
    assert (again.status_int, again.body) == (200, content(stocked, name))


def lose(storage: Storage, digest: str, left: bytes | None) -> None:
    """Have nothing, or something else, where the bytes were."""
    assert isinstance(storage, LocalStorage)
    path = blob_path(Path(storage.address), digest)
    path.unlink()
    if left is not None:
        path.write_bytes(left)
