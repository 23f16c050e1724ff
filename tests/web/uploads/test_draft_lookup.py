"""``GET /api/drafts/<project>/<version>``: what a script asks that has no slug."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from greenroom.models import RoleName
from greenroom.registry import drafts
from greenroom.registry.draft_contents import digest_of
from tests.artifacts import make_wheel
from tests.web.conftest import Site, authorization
from tests.web.standing import KINDS, StockedSite, fetch, stocked_site


@pytest.fixture(scope="module", params=KINDS)
def stocked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StockedSite]:
    with stocked_site(request, tmp_path_factory.mktemp("stocked"), request.param) as stocked:
        stocked.site.user("eve")
        stocked.site.user("mia")
        stocked.site.role("example", "mia", RoleName.MAINTAINER)
        stocked.site.user("root", administrator=True)
        yield stocked


def test_a_script_that_may_stage_gets_the_session_body(stocked: StockedSite) -> None:
    response = fetch(stocked.site, "/api/drafts/example/3.0", headers=authorization(stocked.token))

    slug = stocked.slugs["open"]
    draft = f"http://index.example/draft/{slug}/"
    assert response.status_int == 200
    assert response.headers["Content-Type"] == "application/vnd.pypi.upload.v2+json"
    assert response.headers["Cache-Control"] == "private, no-store"
    assert "Location" not in response.headers
    with stocked.site.services.reading() as uow:
        found = drafts.by_slug(uow.db, slug)
        assert found is not None
        session = f"http://index.example/upload/2.0/session/{found.key}/"
        digest = digest_of(found, drafts.files(uow.db, found))
    assert json.loads(response.body) == {
        "meta": {"api-version": "2.0"},
        "links": {
            "session": session,
            "upload": f"{session}upload",
            "publish": f"{session}publish",
            "extend": f"{session}extend",
            "stage": f"{draft}simple/",
            "join-set": f"{session}set",
        },
        "mechanisms": ["http-post-bytes", "vnd-greenroom-resumable-v1"],
        "session-token": slug,
        "expires-at": "2026-06-29T12:00:00Z",
        "content-digest": digest,
        "status": "open",
        "files": {
            name: {"status": "completed", "link": f"{draft}files/{name}"}
            for name in ("example-3.0.tar.gz", "example-3.0-py3-none-any.whl")
        },
        "notices": [
            f"Draft of Example 3.0: {draft}",
            "Try it: pip install --index-url http://index.example/simple/ "
            f"--extra-index-url {draft}simple/ Example==3.0",
            f"Or with one index: pip install --index-url {draft}full/simple/ Example==3.0",
            "It expires on 2026-06-29 at 12:00 UTC.",
            f"The digest of its content is {digest}.",
            "Publish it: http://index.example/manage/project/Example/draft/3.0/",
        ],
    }


@pytest.mark.parametrize(
    ("project", "version"),
    [
        ("Example", "3.0"),
        ("EXAMPLE", "3"),
        ("example", "3.0.0"),
        ("example", "v3"),
        ("hidden", "1"),
    ],
)
def test_any_spelling_finds_it(stocked: StockedSite, project: str, version: str) -> None:
    response = fetch(
        stocked.site, f"/api/drafts/{project}/{version}", headers=authorization(stocked.token)
    )

    assert response.status_int == 200


def test_head_says_what_get_would_say(stocked: StockedSite) -> None:
    headers = authorization(stocked.token)
    get = fetch(stocked.site, "/api/drafts/example/3.0", headers=headers)
    head = fetch(stocked.site, "/api/drafts/example/3.0", method="HEAD", headers=headers)

    assert (head.status_int, head.body) == (200, b"")
    assert sorted(head.headers.items()) == sorted(get.headers.items())


@pytest.mark.parametrize(
    "path",
    [
        "example/1.0",
        "example/2.0rc1",
        "example/9.9",
        "example/nonsense",
        "example/" + "1" * 5000,
        "released/1.0",
        "discarded/1.0",
        "expired/1.0",
        "swept/1.0",
        "nothing/1.0",
        "example/%00",
        "%00/1.0",
        "example/%D9%A1",
        "example",
        "example/",
        "",
        "example/3.0/more",
    ],
)
def test_where_there_is_no_live_draft_it_says_404(stocked: StockedSite, path: str) -> None:
    response = fetch(stocked.site, f"/api/drafts/{path}", headers=authorization(stocked.token))

    assert response.status_int == 404
    assert response.content_type == "text/plain"


@pytest.mark.parametrize("path", ["example/3.0", "hidden/1.0"])
@pytest.mark.parametrize(
    "who", ["nobody", "eve", "another project's token", "a token without stage"]
)
def test_who_may_not_stage_cannot_tell_whether_there_is_one(
    stocked: StockedSite, path: str, who: str
) -> None:
    site = stocked.site
    headers = {} if who == "nobody" else authorization(token_of(site, who))

    there = fetch(site, f"/api/drafts/{path}", headers=headers)
    not_there = fetch(site, "/api/drafts/never-heard-of/1.0", headers=headers)

    assert there.status_int == 404
    assert there.body == not_there.body
    assert dict(there.headers) == dict(not_there.headers)


def token_of(site: Site, who: str) -> str:
    if who == "eve":
        return site.token("eve")
    if who == "another project's token":
        return site.token("ada", project="released")
    return site.token("ada", permissions=["publish", "discard", "manage"])


def test_a_maintainer_and_a_token_of_the_project_may_ask(stocked: StockedSite) -> None:
    mia = stocked.site.token("mia", permissions=["stage"])
    limited = stocked.site.token("ada", project="example", permissions=["stage"])

    for token in (mia, limited):
        for scheme in (authorization(token), {"Authorization": f"Bearer {token}"}):
            assert fetch(stocked.site, "/api/drafts/example/3.0", headers=scheme).status_int == 200


def test_a_browser_in_which_somebody_is_signed_in_may_ask(stocked: StockedSite) -> None:
    for username, status in (("ada", 200), ("root", 200), ("eve", 404)):
        browser = stocked.site.sign_in(username)
        assert browser.get("/api/drafts/example/3.0", status=status)


def test_no_token_carries_the_powers_of_an_administrator(stocked: StockedSite) -> None:
    token = stocked.site.token("root", permissions=["stage", "publish", "discard", "manage"])

    response = fetch(stocked.site, "/api/drafts/example/3.0", headers=authorization(token))

    assert response.status_int == 404


@pytest.mark.parametrize("value", ["Bearer gr_wrong", "Basic x", "Negotiate x", ""])
def test_wrong_credentials_are_401_also_where_a_session_would_do(
    stocked: StockedSite, value: str
) -> None:
    browser = stocked.site.sign_in("ada")

    response = browser.get("/api/drafts/example/3.0", headers={"Authorization": value}, status=401)

    challenge = 'Basic realm="greenroom", Bearer realm="greenroom"'
    assert response.headers["WWW-Authenticate"] == challenge
    assert "authentication information" in response.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_can_only_be_asked(stocked: StockedSite, method: str) -> None:
    response = fetch(
        stocked.site, "/api/drafts/example/3.0", method=method, headers=authorization(stocked.token)
    )

    assert response.status_int == 405
    assert set(response.allow or ()) == {"GET", "HEAD"}


def test_the_answer_ends_with_the_draft(site: Site, tmp_path: Path) -> None:
    site.user()
    token = site.token()
    site.upload(make_wheel(tmp_path), token, staged=True)
    site.clock.advance(timedelta(days=14) - timedelta(microseconds=1))
    assert fetch(site, "/api/drafts/example/1.0", headers=authorization(token)).status_int == 200

    site.clock.advance(timedelta(microseconds=1))

    assert fetch(site, "/api/drafts/example/1.0", headers=authorization(token)).status_int == 404
