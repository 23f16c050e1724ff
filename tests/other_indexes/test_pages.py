"""Pages of other indexes, read: all that a page may say, and what is none."""

import json

import pytest
from msgspec.structs import replace

from greenroom.other_indexes import pages
from greenroom.other_indexes.pages import NotAPage, Page, PageFile, ProjectPage, project_page

URL = "https://up.example/simple/thing/"
DIGEST = "ab" * 32
JSON = "application/vnd.pypi.simple.v1+json"
WHOLE = PageFile(
    filename="thing-1.0-py3-none-any.whl",
    url="https://up.example/files/thing-1.0-py3-none-any.whl",
    hashes={"sha256": DIGEST},
    size=7,
    upload_time="2026-01-02T03:04:05.678900Z",
    requires_python=">=3.9,<4",
    yanked="Broken & <bad>",
    core_metadata={"sha256": DIGEST},
    provenance="https://up.example/provenance/1",
    has_signature=True,
)
SPELLED = {
    "filename": WHOLE.filename,
    "url": "../../files/thing-1.0-py3-none-any.whl#egg=x",
    "hashes": {"SHA256": DIGEST.upper(), "made-up": "ab", "shake_128": "ab", "md5": "no hex"},
    "size": 7,
    "upload-time": "2026-01-02T03:04:05.678900Z",
    "requires-python": ">=3.9,<4",
    "yanked": "Broken & <bad>",
    "core-metadata": {"sha256": DIGEST},
    "provenance": "/provenance/1",
    "gpg-sig": True,
}


def in_json(*files: object, **more: object) -> Page:
    content = {"meta": {"api-version": "1.4"}, "name": "thing", "files": files} | more
    return Page(URL, f"{JSON}; charset=utf-8", json.dumps(content).encode())


def in_html(text: str, content_type: str = "text/html") -> Page:
    return Page(URL, content_type, f"<title>Links for thing</title>{text}".encode())


def test_a_page_in_json_keeps_everything() -> None:
    page = in_json(
        SPELLED,
        versions=["1.0", 3],
        **{"project-status": {"status": "deprecated", "reason": "Old."}},
    )
    assert project_page(page, "thing") == ProjectPage(
        "thing", (WHOLE,), ("1.0",), "deprecated", "Old."
    )


def test_a_page_in_html_keeps_everything_that_html_says() -> None:
    page = in_html(
        '<meta name="pypi:repository-version" content="1.4">'
        '<meta name="pypi:project-status" content="archived">'
        f'<a href="../../files/{WHOLE.filename}#sha256={DIGEST}" data-gpg-sig="true"'
        ' data-requires-python="&gt;=3.9,&lt;4" data-yanked="Broken &amp; &lt;bad&gt;"'
        f' data-core-metadata="sha256={DIGEST}" data-provenance="/provenance/1">x</a>'
        '<a href="../">up</a><a href="/login.php">in</a><a href="mailto:a@b.example">w</a>'
    )
    said = replace(WHOLE, size=None, upload_time=None)
    assert project_page(page, "thing") == ProjectPage("thing", (said,), ("1.0",), "archived")


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"yanked": True}, {"yanked": ""}),
        ({"yanked": False}, {"yanked": None}),
        ({"core-metadata": True}, {"core_metadata": {}}),
        ({"core-metadata": False}, {"core_metadata": None}),
        ({"size": -1}, {"size": None}),
        ({"size": True}, {"size": None}),
        ({"size": 10**30}, {"size": None}),
        ({"upload-time": "yesterday"}, {"upload_time": None}),
        ({"upload-time": "2026-13-02T03:04:05Z"}, {"upload_time": None}),
        (
            {"upload-time": "2026-01-02T05:04:05+02:00"},
            {"upload_time": "2026-01-02T03:04:05.000000Z"},
        ),
        ({"requires-python": 3}, {"requires_python": None}),
        ({"requires-python": ""}, {"requires_python": None}),
        ({"provenance": None}, {"provenance": None}),
        ({"gpg-sig": "yes"}, {"has_signature": None}),
        ({"hashes": None}, {"hashes": {}}),
    ],
)
def test_what_has_no_sense_is_left_out(said: dict[str, object], found: dict[str, object]) -> None:
    (file,) = project_page(in_json(SPELLED | said), "thing").files
    assert file == replace(WHOLE, **found)


MANY = [f"https://a.example/{number}/thing/" for number in range(1000)]


@pytest.mark.parametrize(
    ("listed", "tracks", "alternates"),
    [
        (["../../o/Thing"], ["https://up.example/o/Thing"], ["https://up.example/o/Thing"]),
        (["https://a.example/th%69ng"] * 2, *[["https://a.example/th%69ng"]] * 2),
        # The page of another project is not one of the same project.
        (["https://a.example/simple/"], [], ["https://a.example/simple/"]),
        (["ftp://a.example/thing/", "javascript:thing", "http://[::1/thing/", ""], [], []),
        (["https://u:p@a.example/thing/", "https://a.example:0/thing/"], [], []),
        ([f"https://a.example/{'x' * 1000}/thing/", "https://a.example/\u202e/thing/"], [], []),
        ([7, None, []], [], []),
        ("https://a.example/thing/", [], []),
        ({"https://a.example/thing/": 1}, [], []),
        (MANY, MANY[:20], MANY[:20]),
    ],
    ids=range(10),
)
def test_where_else_a_project_is_is_known_as_far_as_it_has_sense(
    listed: object, tracks: list[str], alternates: list[str]
) -> None:
    said = in_json(
        SPELLED, meta={"api-version": "1.4", "tracks": listed}, **{"alternate-locations": listed}
    )
    urls = [url for url in listed if isinstance(url, str)] if isinstance(listed, list) else []
    metas = [
        f'<meta name="pypi:{name}" content="{url}">'
        for name in ("tracks", "alternate-locations")
        for url in urls
    ]
    shown = in_html(f'<meta name="pypi:tracks"><meta content="x">{"".join(metas)}')
    for page in (said, shown):
        found = project_page(page, "thing")
        assert (list(found.tracks), list(found.alternates)) == (tracks, alternates)
        assert pages.from_text(pages.to_text(found), "thing") == found


@pytest.mark.parametrize("key", ["core-metadata", "dist-info-metadata", "data-dist-info-metadata"])
def test_metadata_files_are_known_by_all_their_names(key: str) -> None:
    said = {name: value for name, value in SPELLED.items() if name != "core-metadata"}
    (file,) = project_page(in_json(said | {key: {"sha256": DIGEST}}), "thing").files
    assert file == WHOLE


@pytest.mark.parametrize(
    "said",
    [
        {"filename": "a/b.whl"}, {"filename": ""}, {"filename": 1}, {"filename": "a\nb.whl"},
        {"url": "javascript:alert(1)"}, {"url": "file:///etc/passwd"}, {"url": "http://[::1/"},
        {"url": ""}, {"url": "https://up.example:0/x"}, {"url": "https://up.example/\u202e"},
    ],
)  # fmt: skip
def test_files_that_are_none_are_not_there(said: dict[str, object]) -> None:
    assert project_page(in_json(SPELLED | said, 1, None), "thing").files == ()


def test_of_two_files_of_one_name_the_first_counts() -> None:
    other = SPELLED | {"url": "https://up.example/other.whl"}
    assert project_page(in_json(SPELLED, other), "thing").files == (WHOLE,)


@pytest.mark.parametrize(
    "page",
    [
        Page(URL, JSON, b""),
        Page(URL, JSON, b'{"files": ['),
        Page(URL, JSON, b"[]"),
        Page(URL, JSON, b'{"files": {}}'),
        Page(URL, JSON, b"[" * 100_000),
        in_json(meta={"api-version": "2.0"}),
        Page(URL, "text/html", b"Welcome to this hotel."),
        Page(URL, "text/html", b'<h1>Hotel</h1><a href="/login.php">Pay</a>'),
        Page(URL, "text/html", b'<meta name="pypi:repository-version" content="2.0">'),
        Page(URL, "text/plain", b"<a href=thing-1.0.tar.gz>thing</a>"),
        Page(URL, "application/octet-stream", b"x"),
        Page(URL, "", b"x"),
    ],
    ids=range(12),
)
def test_what_is_no_page_is_refused(page: Page) -> None:
    with pytest.raises(NotAPage):
        project_page(page, "thing")


@pytest.mark.parametrize(
    "body",
    [
        "<title>Links for thing</title>",
        "<h1>Index of /simple/Thing/</h1><a href='../'>../</a>",
        "<title>Directory listing for /simple/thing/</title>",
        '<meta name="pypi:repository-version" content="1.0">',
    ],
)
def test_a_project_may_have_no_files(body: str) -> None:
    assert project_page(Page(URL, "text/html", body.encode()), "thing") == ProjectPage("thing", ())


def test_a_page_is_kept_as_it_is() -> None:
    page = project_page(in_json(SPELLED, versions=["1.0"]), "thing")
    assert pages.from_text(pages.to_text(page), "thing") == page
    for text in ("", "[]", '[99,[],"","",[],[],[]]', '{"a": 1}', "[2,[],1,1,[],[],[[1]]]"):
        with pytest.raises(NotAPage):
            pages.from_text(text, "thing")


def test_what_no_database_takes_is_not_kept() -> None:
    page = project_page(in_json(SPELLED | {"yanked": "a\ud800b", "requires-python": "\0"}), "thing")
    assert (page.files[0].yanked, page.files[0].requires_python) == ("ab", None)
    pages.to_text(page).encode()
