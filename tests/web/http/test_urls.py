"""Addresses: written in one way, answered in every one that means the same."""

import json
from pathlib import Path

import pytest

from greenroom.registry import accounts, drafts
from greenroom.web.http.urls import Urls, draft_file_path, published_file_path
from tests import factories
from tests.artifacts import make_wheel
from tests.web.conftest import Site, authorization
from tests.web.standing import fetch, with_settings

ODD = "1!2.0+cu121.1"
QUOTED = str.maketrans({"!": "%21", "+": "%2B"})
JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}
V2 = {"Accept": "application/vnd.pypi.upload.v2+json"}


@pytest.fixture
def private(site: Site, account: str) -> Site:
    """An index where versions may have local parts."""
    return with_settings(site, policy="private")


def quoted(path: str) -> str:
    return path.translate(QUOTED)


def test_what_an_address_may_have_is_not_quoted() -> None:
    name = f"example-{ODD}-py3-none-any.whl"
    assert published_file_path("ab" * 32, name).endswith(f"/{name}")
    assert draft_file_path(name) == f"../../files/{name}"
    assert published_file_path("ab" * 32, "a b%#?é").endswith("/a%20b%25%23%3F%C3%A9")


def test_all_that_names_a_published_file_names_it_so(private: Site, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, version=ODD)
    private.release(wheel)
    page = fetch(private, "/simple/example/")
    (listed,) = fetch(private, "/simple/example/", headers=JSON).json["files"]
    project = fetch(private, "/pypi/example/json").json

    path = listed["url"].removeprefix("../..")

    assert path.endswith(f"/{wheel.name}")
    assert f'href="../..{path}#' in page.text
    assert project["urls"][0]["url"] == f"http://index.example{path}"
    assert project["releases"][ODD][0]["url"] == f"http://index.example{path}"
    assert project["info"]["release_url"] == f"http://index.example/project/example/{ODD}/"
    assert f'href="{path}"' in fetch(private, f"/project/example/{ODD}/").text
    for spelling in (path, quoted(path), path.replace("!", "%21")):
        assert fetch(private, spelling).body == wheel.read_bytes()
        assert fetch(private, f"{spelling}.metadata").status_int == 200


def test_all_that_names_a_staged_file_names_it_so(private: Site, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, version=ODD)
    slug = private.stage(wheel)
    token = private.token()
    index = fetch(private, f"/draft/{slug}/simple/example/", headers=JSON)
    body = fetch(private, f"/api/drafts/example/{ODD}", headers=authorization(token)).json
    with private.services.reading() as uow:
        draft = drafts.by_slug(uow.db, slug)
        assert draft is not None
        session = Urls("").publishing_session(draft)
    status = json.loads(fetch(private, session, headers=authorization(token) | V2).body)

    assert index.json["files"][0]["url"] == f"../../files/{wheel.name}"
    path = f"/draft/{slug}/files/{wheel.name}"
    for found in (body, status):
        assert found["files"][wheel.name]["link"] == f"http://index.example{path}"
        assert quoted(wheel.name) not in json.dumps(found)
    assert path in fetch(private, f"/draft/{slug}/").text
    for spelling in (path, quoted(path)):
        assert fetch(private, spelling).body == wheel.read_bytes()


def test_a_page_of_such_a_version_has_one_address_that_is_written_so(
    private: Site, tmp_path: Path
) -> None:
    with private.services.writing() as uow:
        factories.release(uow, accounts.get_user(uow.db, "ada"), make_wheel(tmp_path, version=ODD))
    page = Urls("").project_named("example") + f"{ODD}/"
    for spelling in (page, quoted(page)):
        assert fetch(private, spelling).status_int == 200
    moved = fetch(private, "/project/Example/1!2.0%2BCU121.1/")
    assert moved.headers["Location"] == f"http://index.example{page}"
