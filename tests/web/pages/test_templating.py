"""What all pages have in common: their frame, errors, static files, and what machines ask."""

import re
from collections.abc import Iterator

import pytest
import webtest

from greenroom import paths
from greenroom.storage import LocalStorage
from greenroom.web.http.coming_back import is_local
from greenroom.web.pages.templating import STATIC
from tests import factories
from tests.artifacts import make_wheel
from tests.web.conftest import Site
from tests.web.reading import attribute, heading, text, the
from tests.web.standing import KINDS, standing_site

ANONYMOUS = ["/", "/account/login", "/user/ada/", "/project/example/", "/nothing/"]
ANONYMOUS += ["/search/", "/search/?q=example"]
SIGNED_IN = [
    "/account/",
    "/account/tokens/",
    "/account/sessions/",
    "/account/second-factors/",
    "/manage/",
    "/manage/project/example/",
    "/manage/project/example/people",
    "/manage/project/example/remove-role?user=ada",
    "/manage/project/example/hand-over",
    "/account/teams/",
    "/manage/project/example/draft/2.0/",
    "/manage/project/example/draft/2.0/discard",
    "/manage/project/example/draft/2.0/publish",
    "/project/example/2.0/",
    "/admin/",
]


@pytest.fixture(scope="module", params=KINDS)
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """An index with an administrator, a release and a draft, which no test here changes."""
    folder = tmp_path_factory.mktemp("stocked")
    with standing_site(request, folder, request.param) as site:
        with site.services.writing() as uow:
            ada = factories.make_user(uow, administrator=True)
            factories.release(uow, ada, make_wheel(folder))
            factories.stage(uow, ada, make_wheel(folder, version="2.0"))
        yield site


@pytest.fixture(scope="module")
def administrator(shared: Site) -> webtest.TestApp:
    """The administrator's browser."""
    return shared.sign_in()


@pytest.mark.parametrize("address", [*ANONYMOUS, *SIGNED_IN])
def test_every_page_can_be_read_by_everybody(
    shared: Site, administrator: webtest.TestApp, address: str
) -> None:
    browser = administrator if address in SIGNED_IN else shared.app

    page = browser.get(address, status="*")
    html = page.html

    assert the("html", page)["lang"] == "en"
    assert the("title", page).get_text().endswith("· Greenroom")
    assert [len(html.find_all(name)) for name in ("header", "main", "footer")] == [1, 1, 1]
    assert len(the("main", page).find_all("h1", class_=lambda name: name is None)) == 1
    assert the("a.skip", page)["href"] == "#content"
    assert the("main", page)["id"] == "content"
    ids = [tag["id"] for tag in html.find_all(id=True)]
    assert len(ids) == len(set(ids))
    labelled = {label["for"] for label in html.find_all("label")}
    for field in html.select("input:not([type=hidden], [aria-hidden=true]), select"):
        assert field["id"] in labelled
    for tag in html.find_all(True):
        for name in ("aria-labelledby", "aria-describedby"):
            assert set(str(tag.get(name, "")).split()) <= set(ids)


@pytest.mark.parametrize("address", [*ANONYMOUS, *SIGNED_IN])
def test_no_page_needs_more_than_its_policy_allows(
    shared: Site, administrator: webtest.TestApp, address: str
) -> None:
    browser = administrator if address in SIGNED_IN else shared.app

    answer = browser.get(address, status="*")

    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "unsafe" not in policy
    assert not answer.html.find_all("style")
    assert not answer.html.find_all(style=True)
    assert all(script.get("src") for script in answer.html.find_all("script"))


@pytest.mark.parametrize("address", SIGNED_IN[:-1])
def test_what_belongs_to_a_person_is_kept_by_nobody(
    administrator: webtest.TestApp, address: str
) -> None:
    assert administrator.get(address).headers["Cache-Control"] == "private, no-store"


def test_what_is_not_there_has_a_page(site: Site) -> None:
    answer = site.app.get("/nothing/", status=404)

    assert heading(answer) == "Not found"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("address", ["/account/logout", "/account/login"])
def test_a_form_without_its_token_is_refused(site: Site, address: str) -> None:
    answer = site.app.post(address, {"username": "ada", "password": "x"}, status="4*")

    assert answer.status_int in (400, 404)


@pytest.mark.parametrize(
    ("content_type", "body", "sentence"),
    [
        ("application/x-www-form-urlencoded", b"username=%ff", "not encoded in UTF-8"),
        ("application/x-www-form-urlencoded", b"username=\xff", "not encoded as forms are"),
        ("application/x-www-form-urlencoded", b"username=a%00b", "NUL"),
        ("application/x-www-form-urlencoded", b"a=1&a=2", "more than once"),
        ("application/x-www-form-urlencoded", b"a=" + b"b" * 5000, "more than 4096 characters"),
        ("application/x-www-form-urlencoded", b"a=" + b"b" * 70_000, "larger than"),
        ("application/x-www-form-urlencoded", b"a&" * 500, "too many fields"),
        ("application/x-www-form-urlencoded; charset=latin-1", b"a=b", "in UTF-8"),
        ("application/x-www-form-urlencoded; charset=nonsense", b"a=b", "in UTF-8"),
        ("multipart/form-data; boundary=x", b"--x--", "A form is sent as"),
        ("application/json", b"{}", "A form is sent as"),
    ],
)
def test_a_form_that_no_page_of_ours_sends_is_refused_with_a_reason(
    site: Site, content_type: str, body: bytes, sentence: str
) -> None:
    answer = site.app.post(
        "/account/login",
        body,  # type: ignore[arg-type] # WebTest takes bytes, too
        headers={"Content-Type": content_type},
        status=400,
    )

    assert sentence in text(answer)


def test_static_files_may_be_kept_as_their_address_changes_with_them(site: Site) -> None:
    links = site.app.get("/").html.select("link[rel=stylesheet]")
    sheets = [attribute(link, "href") for link in links]

    assert all("?v=" in sheet for sheet in sheets)
    for sheet in sheets:
        answer = site.app.get(sheet)
        assert answer.content_type == "text/css"
        assert "max-age=31536000" in answer.headers["Cache-Control"]


def test_what_is_served_names_no_other_host() -> None:
    namespace = "http://www.w3.org/2000/svg"
    files = [*STATIC.iterdir(), *paths.TEMPLATES.rglob("*.jinja2")]

    for file in files:
        found = re.findall(r"https?://|//[a-z]+\.", file.read_text().replace(namespace, ""))
        assert not found, file.name


def test_robots_may_look_and_are_told_of_no_draft(site: Site) -> None:
    answer = site.app.get("/robots.txt")

    assert answer.content_type == "text/plain"
    assert "User-agent: *" in answer.text
    assert "draft" not in answer.text


def test_the_index_is_alive_and_ready(site: Site) -> None:
    for path in ("/_health", "/_ready"):
        answer = site.app.get(path)

        assert answer.text == "ok\n"
        assert answer.headers["Cache-Control"] == "no-store"
    assert site.app.get("/_ready", headers={"Accept": "application/json"}).json == {
        "ready": True,
        "checks": dict.fromkeys(["database", "schema", "storage", "identity", "space"], "ok"),
    }


def test_many_who_ask_whether_the_index_is_ready_cost_one_look(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    check_writable = LocalStorage.check_writable

    def counted(storage: LocalStorage) -> None:
        nonlocal looks
        looks += 1
        check_writable(storage)

    monkeypatch.setattr(LocalStorage, "check_writable", counted)
    for _ in range(5):
        site.app.get("/_ready")
    assert looks == 1


@pytest.mark.parametrize("path", ["/", "/manage/?page=2", "/project/a%20b/"])
def test_a_path_leads_to_this_site(path: str) -> None:
    assert is_local(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "x",
        "/é",
    ],
)
def test_anything_else_may_lead_elsewhere(path: str) -> None:
    assert not is_local(path)
