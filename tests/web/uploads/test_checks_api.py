"""``/api/drafts/<project>/<version>/checks``: results of checks, by API token."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from greenroom.models import RoleName
from greenroom.registry import drafts
from greenroom.web.uploads.draft_lookup.checks import PostCheck
from greenroom.web.uploads.draft_lookup.resources import ApiDraft
from tests.artifacts import make_sdist, make_wheel
from tests.registry.test_draft_checks import PIP, SAID
from tests.web.conftest import Response, Site, authorization

CHECKS = "/api/drafts/example/1.0/checks"


@pytest.fixture
def slug(site: Site, tmp_path: Path) -> str:
    site.user("ada")
    return site.stage(make_sdist(tmp_path), make_wheel(tmp_path))


def post(site: Site, token: str, body: object, **headers: str) -> Response:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    sending = {**authorization(token), "Content-Type": "application/json", **headers}
    return site.app.request(CHECKS, method="POST", body=sent, headers=sending, status="*")


def read(site: Site, token: str) -> dict[str, Any]:
    response = site.app.get(CHECKS, headers=authorization(token))
    assert response.headers["Cache-Control"] == "private, no-store"
    return dict(response.json)


def test_ci_posts_and_reads_results(site: Site, slug: str) -> None:
    token = site.token(permissions=["stage"])
    digest = site.app.get("/api/drafts/example/1.0", headers=authorization(token)).json[
        "content-digest"
    ]
    body = {
        "name": "tests",
        "status": "success",
        "link": "https://ci.index.example/7",
        "summary": None,
        "content-digest": digest,
    }
    result = {
        "name": "tests",
        "status": "passed",
        "link": "https://ci.index.example/7",
        "summary": "",
        "content-digest": digest,
        "is-current": True,
        "at": "2026-06-01T12:00:00Z",
        "by": "ada",
    }
    for status in (201, 200):  # the second time it is there
        response = post(site, token, body)
        assert (response.status_int, response.json) == (status, result)
        assert response.headers["Content-Type"] == "application/json"
    browser = site.sign_in()
    required = browser.get("/manage/project/example/").forms["require-checks"]
    required["required"] = "tests\r\n\r\nindex:installed\r\n"
    required.submit().follow()
    found = read(site, token)
    assert found["checks"] == [result]
    assert found["required"] == ["index:installed", "tests"]
    assert found["content-digest"] == digest
    (missing,) = found["missing"]
    assert "installed from its address" in missing


def test_the_index_notes_who_installs_and_nobody_else(site: Site, slug: str) -> None:
    token = site.token(permissions=["stage"])
    address = f"/draft/{slug}/files/example-1.0-py3-none-any.whl"
    agent = {"User-Agent": PIP}
    site.app.get(address)
    site.app.head(address, headers=agent)
    site.app.get(f"{address}.metadata", headers=agent)
    site.app.get(address, headers={**agent, "Range": "bytes=0-9"}, status=206)
    site.app.get(f"/draft/{slug}/simple/example/", headers=agent)
    assert read(site, token)["installations"] == []
    got = site.app.get(address, headers=agent)
    site.app.get(address, headers={**agent, "If-None-Match": got.headers["ETag"]}, status=304)
    noted = {
        "client": SAID,
        "filename": "example-1.0-py3-none-any.whl",
        "is-current": True,
        "last": "2026-06-01T12:00:00Z",
        "count": 1,
    }
    assert read(site, token)["installations"] == [noted]
    with site.services.reading() as uow:
        assert drafts.by_slug(uow.db, slug) is not None


NONSENSE: dict[bytes, int] = {
    b"": 400,
    b"\xff": 400,
    b"[]": 400,
    b"null": 400,
    b"{}": 400,
    b'{"name": "tests"}': 400,
    b'{"name": 1, "status": "passed"}': 400,
    b'{"name": "tests", "status": true}': 400,
    b'{"name": "tests", "status": "passed", "sumary": "misspelt"}': 400,
    b'{"name": "tests", "status": "passed", "\\ud800": 1}': 400,
    b'{"name": "\\ud800", "status": "passed"}': 400,
    b'{"name": "a\\u0000b", "status": "passed"}': 400,
    b'{"name": "index:installed", "status": "passed"}': 400,
    b'{"name": "tests", "status": "passed", "content-digest": "1"}': 400,
    b'{"name": "tests", "status": "passed", "content-digest": "sha256:%s"}' % (b"0" * 64): 409,
    b'{"name": "tests", "status": "passed", "summary": "%s"}' % (b"x" * 70_000): 400,
    b"[" * 60_000: 400,
    b'{"name": "tests", "status": %s}' % (b"9" * 5000): 400,
}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # nothing is written
def test_nonsense_is_refused_in_a_sentence(site: Site, slug: str) -> None:
    token = site.token(permissions=["stage"])
    for body, status in NONSENSE.items():
        response = post(site, token, body)
        assert (body[:60], response.status_int) == (body[:60], status)
        assert response.headers["Content-Type"].startswith("text/plain")
    good = {"name": "tests", "status": "passed"}
    assert post(site, token, good, **{"Content-Type": "text/plain"}).status_int == 415
    assert post(site, token, good, **{"Content-Encoding": "gzip"}).status_int == 415
    assert read(site, token)["checks"] == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # which has no part in it
def test_all_that_is_wrong_is_named(site: Site, slug: str) -> None:
    answer = post(site, site.token(permissions=["stage"]), {"name": 1, "sumary": "secret"})

    assert answer.status_int == 400
    assert answer.text.splitlines() == [
        "name: Expected `str`, got `int`.",
        "status: This key is missing.",
        "sumary: This key is not known.",
    ]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # which has no part in it
def test_who_may_not_posts_nothing_and_learns_nothing(site: Site, slug: str) -> None:
    good = json.dumps({"name": "tests", "status": "passed"})
    sending = {"Content-Type": "application/json"}
    for name in ("eve", "mia"):
        site.user(name)
    site.role("example", "mia", RoleName.MAINTAINER)
    unheard_of = site.app.get("/api/drafts/example/9.9/checks", status=404)
    for headers in (
        {},
        authorization(site.token("eve")),
        authorization(site.token("ada", permissions=["publish", "manage"])),
    ):
        for response in (
            site.app.get(CHECKS, headers=headers, status=404),
            site.app.post(CHECKS, good, headers={**headers, **sending}, status=404),
        ):
            assert response.body == unheard_of.body
    browser = site.sign_in()  # a page of another site could make it send something
    browser.post(CHECKS, good, headers=sending, status=401)
    browser.get(CHECKS)
    token = site.token("mia", permissions=["stage"])
    assert post(site, token, {"name": "tests", "status": "passed"}).status_int == 201
    assert [each["by"] for each in read(site, token)["checks"]] == ["mia"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # which has no part in it
def test_what_is_described_is_what_there_is(site: Site, slug: str) -> None:
    described = site.app.get("/api/openapi.json")
    OpenAPIV31SpecValidator(described.json).validate()
    views = [
        entry["introspectable"]
        for entry in site.wsgi.router.registry.introspector.get_category("views")
        if entry["introspectable"]["context"] is ApiDraft
    ]
    there = {(view["name"], str(view["request_methods"]).lower()) for view in views}
    paths = described.json["paths"]
    assert there == {
        (path.removeprefix("/drafts/{project}/{version}").lstrip("/"), method)
        for path, methods in paths.items()
        for method in methods
        if method != "parameters" and path.startswith("/drafts/")
    }
    token = site.token(permissions=["stage"])
    result = post(site, token, {"name": "tests", "status": "passed"})
    kept = described.json["components"]["schemas"]
    assert set(result.json) == set(kept["CheckBody"]["required"])
    assert set(read(site, token)) == set(kept["ChecksBody"]["required"])
    assert set(kept["PostCheck"]["properties"]) == {
        field.encode_name for field in msgspec.structs.fields(PostCheck)
    }
