"""Projects of an upstream, on pages: their own, the search, those of drafts; and adopting them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from msgspec.structs import replace

from greenroom.models import AuditEntry
from greenroom.registry import accounts, projects, publishing, upstream_names
from greenroom.registry.housekeeping import keep_house
from greenroom.registry.permissions import Person
from greenroom.settings import Settings
from greenroom.upstream_settings import Upstream
from tests import factories, jobs
from tests.artifacts import make_sdist, make_wheel
from tests.upstream_server import Held, UpstreamServer, upstream_running
from tests.web.conftest import Site, authorization
from tests.web.reading import heading, links, text
from tests.web.standing import with_settings

EXISTS = "thing exists upstream (up): from publication on this index answers for it alone."
EXISTS_NOW = "thing exists upstream (up): from now on this index answers for it alone."
EXISTED = "thing existed upstream (up) when its name was taken here."
UNKNOWN = "Whether thing exists upstream is not known"


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[UpstreamServer]:
    with upstream_running() as running:
        running.add(make_wheel(tmp_path / "up", "thing", "1.0"))
        running.add(make_sdist(tmp_path / "up", "thing", "1.0"))
        running.add(make_wheel(tmp_path / "up", "thing", "2.0"), yanked="Broken.")
        yield running


@pytest.fixture
def settings(settings: Settings, upstream: UpstreamServer) -> Settings:
    return replace(
        settings,
        upstreams=(Upstream("up", upstream.url),),
        upstream_networks=(ip_network("127.0.0.0/8"),),
        claimed_names=("acme-*",),
    )


def test_a_project_of_an_upstream_has_a_plain_page(site: Site, upstream: UpstreamServer) -> None:
    upstream.project("thing").status = "archived"
    upstream.project("thing").status_reason = "It is <b>finished</b>."

    page = site.app.get("/project/thing/")

    assert heading(page).split() == ["thing", "1.0", "Upstream"]
    said = text(page)
    assert "thing is not a project of this index." in said
    assert "called up here" in said
    assert "The reason: It is <b>finished</b>." in said
    assert "2 versions with 3 files, as up says" in said
    assert "pip install --index-url http://index.example/simple/ thing" in said
    assert [row.get_text(" ", strip=True).split()[0] for row in page.html.select("tbody tr")] == [
        "2.0",
        "1.0",
    ]
    assert "Yanked" in said
    assert not any("adopt" in link for link in links(page))
    assert page.headers["Surrogate-Key"] == "project/thing"
    assert (
        site.app.get("/project/Thing/", status=301).headers["Location"].endswith("/project/thing/")
    )
    for address in ("/project/nothing/", "/project/thing/1.0/", "/pypi/thing/json"):
        site.app.get(address, status=404)


def test_who_may_not_read_learns_nothing_of_it(site: Site, upstream: UpstreamServer) -> None:
    for read in ("members", "projects"):
        closed = with_settings(site, read=read)
        for name in ("thing", "nothing"):
            asked = closed.app.get(f"/project/{name}/", status=303)
            assert "/account/login" in asked.headers["Location"]
        assert upstream.asked() == 0
        member = closed.sign_in(closed.user(f"member-of-{read}"))
        assert "is not a project of this index" in text(member.get("/project/thing/"))
        upstream.forget()


def seen(site: Site, name: str) -> list[tuple[str, str, bytes]]:
    """What everybody sees of a name, in every spelling."""
    paths = [
        f"/{part}/{spelling}{end}"
        for part in ("simple", "project")
        for spelling in (name, name.upper())
        for end in ("/", "")
    ]
    answers = [site.app.get(path, status="*") for path in paths]
    return [(answer.status, answer.headers.get("Location", ""), answer.body) for answer in answers]


def test_a_name_that_a_draft_keeps_is_like_one_that_no_upstream_has(
    site: Site, tmp_path: Path
) -> None:
    site.user("ada")

    before = seen(site, "neverheard")
    with site.services.writing() as uow:
        ada = accounts.get_user(uow.db, "ada")
        factories.stage(uow, ada, make_sdist(tmp_path, "neverheard", "1.0"))
    assert seen(site, "neverheard") == before


def test_the_search_says_that_others_may_come_from_upstream(
    site: Site, account: str, upstream: UpstreamServer, tmp_path: Path
) -> None:
    site.release(make_wheel(tmp_path, "own-thing"), by=account)
    upstream.forget()

    found = site.app.get("/search/?q=Thing")
    assert "/project/own-thing/" in links(found)
    assert "/project/thing/" in links(found)
    assert "Other projects may come from upstream (up)" in text(found)
    for query in ("own-thing", "acme-thing", "some+words", ""):
        page = site.app.get(f"/search/?q={query}")
        assert "Other projects may come from upstream (up)" in text(page)
        assert "look there for" not in text(page)
    assert upstream.asked() == 0


def test_who_stages_what_an_upstream_has_is_told(
    site: Site, account: str, upstream: UpstreamServer, tmp_path: Path
) -> None:
    token = site.token(account)
    staged = site.upload(make_wheel(tmp_path, "thing", "9.0"), token, staged=True, status=201)
    assert staged.json["notices"][0] == EXISTS
    assert not any("--extra-index-url" in notice for notice in staged.json["notices"])

    opened = site.app.post_json(
        "/upload/2.0/",
        {"meta": {"api-version": "2.0"}, "name": "thing", "version": "10.0"},
        headers=authorization(token) | {"Accept": "application/vnd.pypi.upload.v2+json"},
        content_type="application/vnd.pypi.upload.v2+json",
        status=201,
    )
    assert EXISTS in opened.json["notices"]

    slug = staged.json["session-token"]
    assert EXISTS in text(site.app.get(f"/draft/{slug}/"))
    browser = site.sign_in(account)
    assert EXISTS in text(browser.get("/manage/project/thing/draft/9.0/"))
    assert EXISTS in text(browser.get("/manage/project/thing/draft/9.0/review"))
    review = site.app.get("/api/drafts/thing/9.0/review", headers=authorization(token)).json
    [finding] = [each for each in review["findings"] if each["code"] == "exists-upstream"]
    assert (finding["severity"], finding["detail"]) == ("look", EXISTS)
    plain = site.app.get(
        "/api/drafts/thing/9.0/review", headers=authorization(token) | {"Accept": "text/plain"}
    )
    assert EXISTS in " ".join(plain.text.split())
    # Everybody else sees what the upstream has.
    assert "is not a project of this index" in text(site.app.get("/project/thing/"))
    assert upstream.asked(upstream.page("thing")) == 1


def test_who_stages_what_nobody_knows_of_is_told_so(
    site: Site, account: str, upstream: UpstreamServer, tmp_path: Path
) -> None:
    upstream.go_away()
    staged = site.upload(
        make_wheel(tmp_path, "thing", "9.0"), site.token(account), staged=True, status=201
    )
    assert staged.json["notices"][0].startswith(UNKNOWN)
    upstream.come_back()
    site.app.get("/simple/thing/", status=404)
    other = site.upload(
        make_wheel(tmp_path, "other", "1.0"), site.token(account), staged=True, status=201
    )
    assert not any("upstream" in notice for notice in other.json["notices"])


def test_what_was_not_known_when_it_was_staged_is_found_out_meanwhile(
    site: Site, account: str, upstream: UpstreamServer, tmp_path: Path
) -> None:
    token = site.token(account)
    upstream.go_away()
    slug = site.upload(make_wheel(tmp_path, "thing", "9.0"), token, staged=True).json[
        "session-token"
    ]
    other = site.upload(make_wheel(tmp_path, "other", "9.0"), token, staged=True).json[
        "session-token"
    ]
    before = seen(site, "thing")
    keep_house(site.services)
    assert UNKNOWN in text(site.app.get(f"/draft/{slug}/"))

    upstream.come_back()
    site.clock.advance(timedelta(minutes=2))
    keep_house(site.services)
    keep_house(site.services)
    assert upstream.asked(upstream.page("thing")) == upstream.asked(upstream.page("other")) == 1

    browser = site.sign_in(account)
    for path in (
        *(f"/draft/{slug}/", "/manage/project/thing/draft/9.0/"),
        "/manage/project/thing/draft/9.0/review",
    ):
        assert EXISTS in text(browser.get(path))
        assert UNKNOWN not in text(browser.get(path))
    assert "upstream" not in text(browser.get(f"/draft/{other}/"))
    # It is seen by nobody else, and offered as before.
    assert seen(site, "thing") == before
    assert before[0][0] == "404 Not Found"
    with site.services.reading() as uow:
        assert projects.get(uow, "thing").found_upstream is None

    with site.services.writing() as uow:
        draft = factories.find_draft(uow, "thing", "9.0")
        assert draft is not None
        publishing.publish(uow, Person(accounts.get_user(uow.db, account)), draft)
    assert EXISTED in text(browser.get("/manage/project/thing/"))


def test_who_registers_what_an_upstream_has_is_told(
    site: Site, account: str, upstream: UpstreamServer, tmp_path: Path
) -> None:
    token = site.token(account)
    answer = site.upload(make_wheel(tmp_path, "thing", "9.0"), token, status=200)
    assert answer.text == f"{EXISTS_NOW}\n"
    for made in (make_sdist(tmp_path, "thing", "9.0"), make_wheel(tmp_path, "other", "1.0")):
        assert site.upload(made, token, status=200).text == ""
    assert upstream.asked(upstream.page("thing")) == 1

    browser = site.sign_in(account)
    assert EXISTED in text(browser.get("/manage/project/thing/"))
    assert "upstream" not in text(browser.get("/manage/project/other/"))
    root = site.sign_in(site.user("root", administrator=True))
    overview = root.get("/admin/upstream/")
    assert "/project/thing/" in links(overview)
    assert "/project/other/" not in links(overview)
    assert "Names that an upstream had 1" in text(overview)
    with site.services.reading() as uow:
        details = [line.detail for line in uow.db.query(AuditEntry) if line.act == "file-upload"]
    assert [EXISTS_NOW in detail for detail in details] == [True, False, False]


def test_who_registers_what_nobody_knows_of_is_told_so(
    site: Site, account: str, upstream: UpstreamServer, tmp_path: Path
) -> None:
    upstream.go_away()
    answer = site.upload(make_wheel(tmp_path, "thing", "9.0"), site.token(account), status=200)
    assert answer.text == (
        f"{UNKNOWN}: nobody could be asked. From now on this index answers for it alone.\n"
    )


@pytest.mark.parametrize("staged", [True, False])
def test_nobody_waits_for_who_waits_for_an_upstream(
    site: Site,
    account: str,
    upstream: UpstreamServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    staged: bool,
) -> None:
    monkeypatch.setattr(upstream_names, "LONGEST_WAIT", 120.0)
    held = Held()
    upstream.fail(upstream.page("thing"), held)
    token, made = site.token(account), make_wheel(tmp_path, "thing", "9.0")
    with ThreadPoolExecutor(1) as pool:
        uploading = pool.submit(site.upload, made, token, staged=staged)
        held.wait()
        # Neither the lock of the database nor that of the name is held.
        with site.services.writing() as uow:
            projects.lock(uow, "thing")
            assert projects.find(uow, "thing") is None
        held.release()
        assert "exists upstream (up)" in uploading.result(120).text


def test_what_a_draft_has_reserved_can_be_registered_by_an_upload(
    site: Site, account: str, upstream: UpstreamServer, tmp_path: Path
) -> None:
    token = site.token(account)
    site.upload(make_wheel(tmp_path, "thing", "9.0"), token, staged=True, status=201)
    with site.services.writing() as uow:
        projects.get(uow, "thing").auto_publish_releases = True
    answer = site.upload(make_wheel(tmp_path, "thing", "10.0"), token, status=200)
    assert answer.text == f"{EXISTS_NOW}\n"
    assert upstream.asked(upstream.page("thing")) == 1


def test_a_claimed_name_is_refused_with_a_sentence(
    site: Site, account: str, tmp_path: Path
) -> None:
    refused = site.upload(make_wheel(tmp_path, "acme-tools"), site.token(account), status=403)

    assert "'acme-tools' is one of those that this index keeps for its own (acme-*)" in refused.text


def test_an_administrator_adopts_a_release(site: Site, upstream: UpstreamServer) -> None:
    browser = site.sign_in(site.user("root", administrator=True))
    page = browser.get("/project/thing/")
    page = page.click(href=r"adopt\?project=thing&version=1.0")
    form = page.forms["act"]
    assert form["owner"].value == "root"
    form["reason"] = "It must not vanish."
    form["typed"] = "thing 2.0"
    assert "That is not thing 1.0" in text(form.submit(status=422))
    form["owner"] = "nobody"
    form["typed"] = "thing 1.0"
    assert "There is no user" in text(form.submit(status="*"))
    form["owner"] = "root"
    assert "is being adopted" in text(form.submit().follow())
    assert jobs.do_due(site.services)

    public = site.app.get("/project/thing/")
    assert "Adopted from up" in text(public)
    assert upstream.origin + upstream.file("thing-1.0.tar.gz") in links(public)
    origins = site.app.get("/pypi/thing/json").json["adopted_from"]
    assert [(each["filename"], each["by"]) for each in origins] == [
        ("thing-1.0-py3-none-any.whl", "root"),
        ("thing-1.0.tar.gz", "root"),
    ]
    simple = site.app.get("/simple/thing/").text
    assert "thing-1.0" in simple
    assert "thing-2.0" not in simple
    site.sign_in(site.user()).get("/admin/upstream/adopt?project=thing&version=2.0", status=404)
    browser.get("/admin/upstream/adopt?project=thing&version=no", status=404)
