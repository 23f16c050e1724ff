"""Tokens for ID tokens over HTTP: as twine and uv ask, and as PEP 807 says."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from greenroom.openid.provider import Providers
from greenroom.registry import projects, trusted_publishers
from greenroom.registry.permissions import OPERATOR
from greenroom.settings import Settings
from tests import factories
from tests.artifacts import make_wheel
from tests.issuing import AUDIENCE, FakeCI, issuing
from tests.registry.test_trusted_publishers import CLAIMS, RUN, VALUES
from tests.web.conftest import Response, Site, authorization

MEDIA_TYPE = "application/vnd.pypi.pytp.v1+json"
MINT, BURN = "/_/oidc/mint-token", "/_/oidc/burn-token"


@pytest.fixture(scope="module")
def running() -> Iterator[FakeCI]:
    with issuing() as ci:
        ci.claims = CLAIMS
        yield ci


@pytest.fixture
def ci(running: FakeCI) -> FakeCI:
    running.answers.clear()
    return running


@pytest.fixture
def settings(settings: Settings, running: FakeCI) -> Settings:
    return factories.configured(settings, trusted_issuers=f"github={running.url}")


@pytest.fixture
def site(site: Site, tmp_path: Path) -> Site:
    site.user()
    site.release(make_wheel(tmp_path, version="0.9"))
    with site.services.writing() as uow:
        service = trusted_publishers.service_named(uow.settings, "github")
        project = projects.get(uow, "example")
        trusted_publishers.add(uow, OPERATOR, project, service, VALUES, may_publish=False)
    return site


def mint(site: Site, ci: FakeCI, status: int = 200, **changes: object) -> Response:
    token = ci.sign(changes, now=site.clock.now.timestamp())
    return site.app.post_json(MINT, {"token": token}, status=status)


def test_the_exchange(site: Site, ci: FakeCI, tmp_path: Path) -> None:
    assert site.app.get("/_/oidc/audience").json == {"audience": AUDIENCE}
    minted = mint(site, ci)
    assert minted.json["success"] is True
    assert minted.json["expires"] == int(site.clock.now.timestamp()) + 900
    assert minted.headers["Cache-Control"] == "no-store"
    text = minted.json["token"]
    opened = site.upload(make_wheel(tmp_path), text, staged=True, status=201)
    assert opened.json["status"] == "open"
    site.upload(make_wheel(tmp_path, version="2.0"), text, status=403)
    # What the API for scripts and the draft's page say of who staged it.
    page = site.sign_in().get("/manage/project/example/draft/1.0/")
    assert "github:ada/example" in page.text
    assert RUN in page.text
    published = site.sign_in().get("/manage/project/example/draft/1.0/publish")
    assert "Staged by workflows" in published
    assert RUN in published
    assert site.app.post_json(BURN, {"token": text}, status=202).json == {"success": True}
    assert site.app.post_json(BURN, {"token": text}, status=202).json == {"success": True}
    site.upload(make_wheel(tmp_path, version="1.1"), text, staged=True, status=403)
    site.app.get("/api/drafts/example/1.0", headers=authorization(text), status=401)


def test_discovery(site: Site) -> None:
    for path in ("/legacy/", "/upload/2.0/", "/legacy"):
        key = hashlib.sha256(path.encode()).hexdigest()
        found = site.app.get(f"/.well-known/pytp/{key}", headers={"Accept": MEDIA_TYPE})
        assert found.content_type == MEDIA_TYPE
        assert found.json == {
            "audience-endpoint": "http://index.example/_/oidc/audience",
            "mint-token-endpoint": "http://index.example/_/oidc/mint-token",
        }
    other = hashlib.sha256(b"/simple/").hexdigest()
    for name in (other, "", "x", "%00", "%ff", f"{other}/x"):
        site.app.get(f"/.well-known/pytp/{name}", status=404)
    site.app.get("/.well-known/security.txt", status=404)
    # The example of the PEP, whose key has the end of a line in it.
    example = "af030c06750716b1b35852298fe852b90def13dcbd012a5fe5148470f1206bfc"
    assert site.app.get(f"/.well-known/pytp/{example}").json


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        (MEDIA_TYPE, MEDIA_TYPE),
        (f"text/html, {MEDIA_TYPE};q=0.1", MEDIA_TYPE),
        (f"application/json;q=0.5, {MEDIA_TYPE}", MEDIA_TYPE),
        ("text/html", None),
        (f"{MEDIA_TYPE};q=0", None),
        ("no, such; thing", MEDIA_TYPE),
    ],
)
def test_what_is_accepted(site: Site, accept: str | None, media_type: str | None) -> None:
    headers = {"Accept": accept} if accept is not None else {}
    status = 200 if media_type is not None else 406
    found = site.app.get("/_/oidc/audience", headers=headers, status=status)
    if media_type is not None:
        assert found.content_type == media_type
        return
    assert found.json["errors"][0]["code"] == "not-acceptable"
    assert site.app.post(MINT, "{}", headers=headers, status=406).json["errors"]


@pytest.mark.parametrize(
    ("changes", "code", "sentence"),
    [
        ({"aud": "other.example"}, "invalid-token", f"its audience ('aud') has to be {AUDIENCE!r}"),
        ({"iss": "https://other.example"}, "invalid-token", "which this index does not trust"),
        ({"exp": 1}, "invalid-token", "has expired"),
        ({"repository": "eve/example"}, "invalid-publisher", "github:eve/example"),
    ],
)
def test_refusals_are_as_clients_print_them(
    site: Site, ci: FakeCI, changes: dict[str, object], code: str, sentence: str
) -> None:
    refused = mint(site, ci, 403, **changes).json
    assert isinstance(refused["message"], str)
    (error,) = refused["errors"]
    assert error["code"] == code
    assert sentence in error["description"]


def test_a_reused_token(site: Site, ci: FakeCI) -> None:
    mint(site, ci, jti="one")
    refused = mint(site, ci, 403, jti="one").json
    assert "exchanged before" in refused["errors"][0]["description"]


@pytest.mark.parametrize("address", [MINT, BURN])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        *((body, 400) for body in ("", "{", "[]", "7", "\udcff", "[" * 50_000, "{}", "é")),
        *((body, 400) for body in ('{"token": null}', '{"token": ""}', '{"token": ["x"]}')),
        ('{"token": "' + "x" * 70_000 + '"}', 413),
    ],
)
def test_bodies_that_are_none(site: Site, address: str, body: str, status: int) -> None:
    refused = site.app.request(
        address, method="POST", body=body.encode("utf-8", "surrogateescape"), status=status
    )
    assert refused.json["errors"][0]["description"]


@pytest.mark.parametrize("text", ["x", "a.b.c", "\ud800", "\0", "é.é.é", "gr_\0", "." * 40_000])
def test_texts_that_are_no_token(site: Site, text: str) -> None:
    body = json.dumps({"token": text})
    refused = site.app.post(MINT, body, status=403)
    assert refused.json["errors"][0]["code"] == "invalid-token"
    assert site.app.post(BURN, body, status=202).json == {"success": True}


def test_an_issuer_that_is_away(site: Site, ci: FakeCI) -> None:
    site = Site(replace(site.services, providers=Providers()), site.clock)
    ci.answers[ci.configuration] = (500, {}, b"")
    refused = mint(site, ci, 503)
    assert refused.headers["Retry-After"] == "60"
    assert "try again in a minute" in refused.json["errors"][0]["description"]


def test_too_many(site: Site, ci: FakeCI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trusted_publishers, "TOKENS_PER_HOUR", 1)
    mint(site, ci)
    assert mint(site, ci, 429).headers["Retry-After"] == "3600"


def test_other_methods_and_addresses(site: Site) -> None:
    for address in (MINT, BURN):
        assert site.app.get(address, status=405).headers["Allow"] == "POST"
    assert "GET" in site.app.post("/_/oidc/audience", status=405).headers["Allow"]
    for address in ("/_/", "/_/oidc/", "/_/oidc/other", "/_/other"):
        site.app.get(address, status=404)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_where_no_issuer_is_trusted(site: Site, ci: FakeCI) -> None:
    without = replace(site.services.settings, trusted_issuers=())
    site = Site(replace(site.services, settings=without), site.clock)
    key = hashlib.sha256(b"/legacy/").hexdigest()
    site.app.get(f"/.well-known/pytp/{key}", status=404)
    refused = site.app.get("/_/oidc/audience", status=404).json
    assert "its operator names the issuers" in refused["errors"][0]["description"]
    mint(site, ci, 404)
