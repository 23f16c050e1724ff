"""The pages of help: served from a fixed list, with links that lead somewhere."""

import re
from collections.abc import Iterator
from urllib.parse import urljoin

import pytest

from greenroom import paths
from greenroom.registry import errors
from greenroom.registry.errors import Refusal
from greenroom.web.http.urls import Urls
from greenroom.web.pages.help import markdown
from greenroom.web.uploads.legacy import forms
from tests.web.conftest import Site
from tests.web.reading import links, the
from tests.web.standing import fetch

NAMES = markdown.NAMES
# Codes of what is no refusal of the registry: of HTTP itself, and of what should not happen.
OF_HTTP = {
    "bad-request",
    "form-expired",
    "internal-error",
    "method-not-allowed",
    "not-acceptable",
    "not-available",
    "not-found",
    "unsupported-media-type",
}


def kinds(kind: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    """Every kind of refusal there is in the program."""
    for child in kind.__subclasses__():
        if child.__module__ in (errors.__name__, forms.__name__):
            yield child
        yield from kinds(child)


def codes() -> set[str]:
    return {kind.code for kind in kinds()}


def anchors(site: Site, path: str) -> set[str]:
    return set(re.findall(r' id="([^"]+)"', site.app.get(path).text))


def test_every_code_has_a_heading_and_there_is_no_other() -> None:
    text = (paths.DOCS / "errors.md").read_text()

    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) == codes() | OF_HTTP


def test_every_code_leads_to_its_section(site: Site) -> None:
    assert codes() | OF_HTTP <= set(anchors(site, Urls("").help("errors")))


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/upload/2.0/nothing", {}, 404),
        ("GET", "/upload/%ff", {}, 404),
        ("GET", "/upload/2.0/", {}, 405),
        ("POST", "/upload/2.0/", {}, 401),
        ("POST", "/upload/2.0/", {"Accept": "text/html"}, 406),
        ("POST", "/upload/2.0/", {"Content-Type": "text/plain"}, 415),
        ("POST", "/upload/2.0/", {"Content-Type": "application/vnd.pypi.upload.v2+json"}, 400),
    ],
)
def test_the_type_of_a_problem_is_the_address_of_its_section(
    site: Site, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    site.user()
    if status != 401:
        headers = headers | {"Authorization": f"Bearer {site.token()}"}

    problem = fetch(site, path, method=method, headers=headers, body=b"{}")

    page, _, code = problem.json_body["type"].partition("#")
    assert problem.status_int == status
    assert page == Urls("http://index.example").help("errors")
    assert code in anchors(site, Urls("").help("errors"))


@pytest.mark.parametrize("name", NAMES)
def test_links_of_a_page_lead_somewhere(site: Site, name: str) -> None:
    path = f"/help/{name}/"
    body = markdown.page(name).body

    links = re.findall(r'<a href="([^"]+)"', body)
    for link in links:
        if "://" not in link:
            target, _, fragment = urljoin(path, link).partition("#")
            assert site.app.get(target)
            assert not fragment or fragment in anchors(site, target), link
    assert "<img" not in body


def test_a_heading_is_reached_as_elsewhere() -> None:
    assert markdown.anchor("What is checked, in this order") == "what-is-checked-in-this-order"
    assert markdown.anchor("Upload 2.0") == "upload-20"


def test_the_list_has_every_page_and_every_page_its_title(site: Site) -> None:
    listed = site.app.get("/help/")

    for name in NAMES:
        page = markdown.page(name)
        assert f'href="/help/{name}/"' in listed.text
        assert the("h1", site.app.get(f"/help/{name}/")).text == page.title
    assert 'href="/help/"' in site.app.get("/").text


@pytest.mark.parametrize(
    "path",
    [
        "/help/nothing/",
        "/help/architecture/",
        "/help/errors.md",
        "/help/../docs/errors.md",
        "/help/%2e%2e%2fpyproject.toml/",
        "/help/..%2f..%2fpyproject.toml",
        "/help/errors/errors/",
        "/help/images/draft.png",
    ],
)
def test_nothing_else_is_served(site: Site, path: str) -> None:
    assert fetch(site, path).status_int == 404


def test_no_other_file_is_read() -> None:
    with pytest.raises(KeyError):
        markdown.page("../README")


def test_examples_are_about_this_index(site: Site) -> None:
    page = site.app.get("/help/start/").text

    assert "http://index.example/legacy/?staged=true" in page
    assert "https://index.example" not in page


def test_help_begins_with_where_to_start(site: Site) -> None:
    pages = [link for link in links(site.app.get("/help/")) if link.startswith("/help/")]
    assert next(link for link in pages if link != "/help/") == "/help/start/"


def test_tables_scroll_by_keyboard(site: Site) -> None:
    page = site.app.get("/help/errors/").text + site.app.get("/help/operating/").text

    assert page.count("<table>") == page.count(
        '<div class="scrolling" role="group" aria-label="Table" tabindex="0"><table>'
    )
    assert "<table>" in page
