"""Where credentials go, what is fetched, and what is made of pages that nobody can trust."""

from urllib.parse import urlsplit

import pytest

from greenroom.importing import fetching
from greenroom.importing.candidates import SourceFailed
from greenroom.importing.fetching import Login, NotAnAddress, is_same_host, shown, split
from greenroom.other_indexes.pages import NotAPage, Page, project_files, project_names


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example/x", "https://a.example/y", True),
        ("https://a.example/", "https://A.example:443/", True),
        ("http://a.example/", "https://a.example/", True),
        ("https://a.example/", "http://a.example/", False),
        ("https://a.example/", "https://a.example:8443/", False),
        ("http://a.example:8080/", "https://a.example/", False),
        ("https://a.example/", "https://b.a.example/", False),
    ],
)
def test_credentials_stay_with_their_host(one: str, other: str, same: bool) -> None:
    assert is_same_host(urlsplit(one), urlsplit(other)) is same


def test_an_address_is_shown_without_what_is_secret_in_it() -> None:
    url = "https://ada:p%40ss@[::1]:8443/simple/x.whl?token=secret#sha256=1"
    assert split(url) == ("https://[::1]:8443/simple/x.whl?token=secret", Login("ada", "p@ss"))
    assert shown(url) == "https://[::1]:8443/simple/x.whl"
    assert "p@ss" not in repr(Login("ada", "p@ss"))


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://a.example/", "//a.example/", "https://", "http://a.example:x/",
     "gopher://a.example/", "http://a.example/\nHost: b", "http://[::1/"],
)  # fmt: skip
def test_nothing_else_is_fetched(url: str) -> None:
    with pytest.raises(NotAnAddress):
        split(url)
    assert shown(url) == "an address that is not http or https"


def test_a_redirect_leads_to_no_less_secure_address() -> None:
    here = "https://a.example/simple/"
    assert fetching._redirected(here, "../packages/x", True) == (
        "https://a.example/packages/x",
        True,
    )
    assert fetching._redirected(here, "https://b.example/x", True)[1] is False
    assert fetching._redirected("https://b.example/", here, False)[1] is False
    for target in ("http://a.example/", "file:///etc/passwd", "javascript:x"):
        with pytest.raises(SourceFailed):
            fetching._redirected(here, target, True)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"files": 1}', b"[" * 100_000, b"\xff"])
def test_json_that_is_no_page_is_refused(body: bytes) -> None:
    page = Page("https://a.example/simple/x/", "application/vnd.pypi.simple.v1+json", body)
    with pytest.raises(NotAPage):
        project_files(page)
    with pytest.raises(NotAPage):
        project_names(page)


def test_a_page_in_json_is_read_as_far_as_it_makes_sense() -> None:
    body = b"""{"files": [1, {"filename": "a/b.whl", "url": "x"}, {"filename": "c.whl"},
        {"filename": "d.whl", "url": "../d.whl#x", "hashes": {"SHA256": "AB", "odd": "1", "md5": 2},
         "yanked": true, "size": -1, "upload-time": "yesterday"}]}"""
    (link,) = project_files(Page("https://a.example/simple/x/", "application/json", body))
    assert (link.url, link.hashes, link.yanked) == (
        "https://a.example/simple/d.whl",
        {"sha256": "ab"},
        "",
    )
    assert (link.size, link.uploaded) == (None, None)


def test_names_are_those_of_folders_below_the_list() -> None:
    body = b"""<a href="../">up</a><a href="a/">a</a><a href=/simple/B>B</a><A HREF='c/'>c</A>
        <a href="/other/d/">d</a><a href="a/deep/">e</a><a>f</a><a href="http://[">g</a>
        <a href="?C=N">h</a><a href="%67/">g</a>"""
    page = Page("https://a.example/simple/", "text/html; charset=utf-8", body)
    assert project_names(page) == ["a", "B", "c", "g"]
