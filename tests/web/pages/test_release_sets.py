"""Release sets in a browser, and at their secret address as installers see them."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
import webtest
from sqlalchemy import update

from greenroom.models import Project, ReleaseSet, RoleName
from greenroom.registry import accounts, projects, publishing, release_sets
from greenroom.registry.permissions import OPERATOR, Person
from greenroom.registry.release_sets import Reference
from tests import factories, jobs
from tests.artifacts import make_sdist, make_wheel
from tests.web.conftest import Site, authorization
from tests.web.pages.test_approvals import show_factor
from tests.web.pages.test_second_factors import add_app
from tests.web.reading import commands, text
from tests.web.standing import fetch, with_settings
from tests.web.uploads.test_pep694 import Client

JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}
HEADERS = {
    "Cache-Control": "private, no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
}

pytestmark = pytest.mark.usefixtures("account")


def gather(site: Site, *names: str) -> ReleaseSet:
    """A set of ada's in which the drafts of these projects are."""
    with site.services.writing() as uow:
        who = Person(accounts.get_user(uow.db, "ada"))
        for name in names:
            draft = factories.find_draft(uow, name, "1.0")
            assert draft is not None
            made = release_sets.add(uow, who, draft, Reference("2026.11"))
        uow.db.expunge(made)
        return made


@pytest.fixture
def release_set(site: Site, tmp_path: Path) -> ReleaseSet:
    """A set of ada's with a library and what needs it."""
    site.stage(make_wheel(tmp_path, "library"), make_sdist(tmp_path, "library"))
    site.stage(make_wheel(tmp_path, "needs-it"))
    return gather(site, "library", "needs-it")


def test_its_address_is_an_index_of_all_its_projects(
    site: Site, release_set: ReleaseSet, tmp_path: Path
) -> None:
    top = f"/draft/{release_set.slug}/"
    listed = fetch(site, f"{top}simple/", headers=JSON)
    assert [each["name"] for each in json.loads(listed.body)["projects"]] == ["library", "needs-it"]
    page = json.loads(fetch(site, f"{top}simple/library/", headers=JSON).body)
    assert page["versions"] == ["1.0"]
    names = [file["filename"] for file in page["files"]]
    assert names == ["library-1.0-py3-none-any.whl", "library-1.0.tar.gz"]
    assert [file["url"] for file in page["files"]] == [f"../../files/{name}" for name in names]
    full = json.loads(fetch(site, f"{top}full/simple/", headers=JSON).body)
    assert [each["name"] for each in full["projects"]] == ["library", "needs-it"]
    page = json.loads(fetch(site, f"{top}full/simple/library/", headers=JSON).body)
    assert [file["url"] for file in page["files"]] == [f"../../../files/{name}" for name in names]
    wheel = tmp_path / names[0]
    for path in ("", "simple/", "simple/library/", f"files/{wheel.name}"):
        answer = fetch(site, top + path)
        assert answer.status_int == 200
        assert HEADERS.items() <= dict(answer.headers).items()
        for moved in {path.removesuffix("/"), path.upper().replace("SIMPLE", "simple")} - {path}:
            assert fetch(site, top + moved).status_int in (301, 308, 404)
    assert fetch(site, f"{top}files/{wheel.name}").body == wheel.read_bytes()
    assert b"Metadata-Version" in fetch(site, f"{top}files/{wheel.name}.metadata").body
    for nothing in (
        *("simple/nothing/", "files/nothing-1.0.tar.gz", "files/library-1.0.tar.gz.metadata"),
        *("nothing/", "files/", "simple/library/x", "files/%00"),
    ):
        answer = fetch(site, top + nothing)
        assert answer.status_int == 404, nothing
        assert HEADERS.items() <= dict(answer.headers).items()
    delete = fetch(site, f"{top}files/{wheel.name}", method="DELETE")
    assert delete.status_int in (404, 405)
    # The drafts' own addresses are other secrets.
    shown = fetch(site, top).text
    with site.services.reading() as uow:
        draft = factories.find_draft(uow, "library", "1.0")
        assert draft is not None
        assert draft.slug not in shown
    assert "library==1.0 needs-it==1.0" in shown


def test_it_shows_what_lives_and_says_how_it_ended(site: Site, release_set: ReleaseSet) -> None:
    top = f"/draft/{release_set.slug}/"
    with site.services.writing() as uow:
        draft = factories.find_draft(uow, "library", "1.0")
        assert draft is not None
        assert draft.project is not None
        draft.project.quarantined = True
    assert json.loads(fetch(site, f"{top}simple/library/", headers=JSON).body)["files"] == []
    assert fetch(site, f"{top}files/library-1.0.tar.gz").status_int == 404
    with site.services.writing() as uow:
        draft = factories.find_draft(uow, "library", "1.0")
        assert draft is not None
        assert draft.project is not None
        draft.project.quarantined = False
    members = with_settings(site, read="members", draft_links="members")
    assert fetch(members, top).status_int == 303
    assert fetch(members, f"{top}simple/").status_int == 401
    with site.services.writing() as uow:
        known = uow.db.get_one(ReleaseSet, release_set.id)
        publishing.publish_set(uow, Person(accounts.get_user(uow.db, "ada")), known)
    for path in ("", "simple/", "simple/library/", "files/library-1.0.tar.gz", "what/ever"):
        answer = fetch(site, top + path)
        assert answer.status_int == 410
        assert HEADERS.items() <= dict(answer.headers).items()
        assert "This release set was published." in answer.text
    assert fetch(site, "/draft/AAAAAAAAAAAAAAAAAAAAAA/").status_int == 404


def test_expired_drafts_are_gone_from_it(site: Site, release_set: ReleaseSet) -> None:
    site.clock.advance(site.services.settings.draft_lifetime + timedelta(seconds=1))
    top = f"/draft/{release_set.slug}/"
    assert json.loads(fetch(site, f"{top}simple/", headers=JSON).body)["projects"] == []
    assert fetch(site, f"{top}files/library-1.0.tar.gz").status_int == 404
    assert "no drafts yet" in fetch(site, top).text


def submit(page: webtest.TestResponse, form: str, **fields: str) -> webtest.TestResponse:
    filled = page.forms[form]
    for name, value in fields.items():
        filled[name] = value
    answer = filled.submit(expect_errors=True)
    return answer.follow() if answer.status_int == 303 else answer


def test_a_set_is_made_filled_and_published_in_a_browser(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path, "one"))
    site.stage(make_wheel(tmp_path, "two"))
    browser = site.sign_in()
    page = browser.get("/manage/").click("Your release sets")
    assert "no release sets" in text(page)
    assert "has 1 to 60" in text(submit(page, "new-set", name="not a name"))
    page = submit(page, "new-set", name="2026.11")
    assert "has no drafts" in text(page)
    again = submit(browser.get("/manage/sets/"), "new-set", name="2026.11")
    assert again.status_int == 409
    page = submit(page, "add-draft", draft="one==1.0")
    draft = browser.get("/manage/project/two/draft/1.0/")
    page = submit(draft, "to-set", release_set="2026.11")
    assert "one 1.0" in text(page)
    assert "two 1.0" in text(page)
    assert "ada/2026.11" in text(browser.get("/manage/project/two/draft/1.0/"))
    old = commands(page)
    page = submit(page.click("Change the address…"), "rotate")
    assert "has a new address" in page.text
    assert commands(page) != old
    page = submit(page, "change-set", name="spring", only_together="y")
    assert "published together only" in text(page)
    refused = submit(browser.get("/manage/project/two/draft/1.0/publish"), "publish")
    assert "'ada/spring'" in text(refused)
    page = submit(page, "invite-project", project="Of Others")
    assert page.status_int == 400
    page = submit(page, "invite-project", project="of_others")
    assert "of-others" in text(page)
    page = submit(page, "uninvite-of-others")
    confirm = page.click("Publish…")
    assert "2 drafts" in text(confirm)
    page = submit(page.click("Take out", index=1), "remove")
    assert "two 1.0 is not in the set any more" in page.text
    stale = submit(confirm, "publish")
    assert stale.status_int == 409
    assert "Nothing was published." in text(stale)
    page = submit(stale, "publish")
    assert "is published" in page.text
    assert "This release set was published." in text(page)
    assert (page.html.select(".amber, .stage"), len(page.html.select("h1 .green"))) == ([], 1)
    assert page.click("<strong>one</strong>").status_int == 200
    assert [r.status_int for r in [browser.get("/project/two/", status=404)]] == [404]
    assert "Published" in text(browser.get("/manage/sets/"))


def test_reasons_stand_at_each_draft_and_a_set_is_discarded(
    site: Site, release_set: ReleaseSet, tmp_path: Path
) -> None:
    browser = site.sign_in()
    with site.services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        empty = factories.open_new(uow, ada, "empty")
        release_sets.add(uow, ada, empty, Reference("2026.11"))
    address = f"/manage/sets/{release_set.key}/"
    assert "It has no files: upload one first." in text(browser.get(address))
    page = submit(browser.get(f"{address}publish"), "publish")
    assert page.status_int == 409
    assert "empty 1.0" in text(page)
    assert "It has no files" in text(page)
    page = browser.get(f"{address}discard")
    assert "why" not in page.forms["confirm"].fields  # of administrators alone
    assert submit(page, "confirm", typed="something").status_int == 422
    page = submit(page, "confirm", typed="2026.11", with_drafts="y")
    assert "is discarded, with 3 drafts" in page.text
    browser.get("/manage/project/library/draft/1.0/", status=404)
    assert "This release set was discarded." in text(browser.get(address))


def test_an_administrator_says_why_they_discard_a_set(site: Site, release_set: ReleaseSet) -> None:
    site.user("root", administrator=True)
    root = site.sign_in("root")
    page = root.get(f"/manage/sets/{release_set.key}/discard")
    assert "give a reason" in submit(page, "confirm", typed="2026.11").text
    page = submit(page, "confirm", typed="2026.11", why="it was abandoned")
    assert "is discarded." in page.text


def test_the_people_of_two_projects_publish_one_set(
    site: Site, release_set: ReleaseSet, tmp_path: Path
) -> None:
    site.user("eve")
    site.stage(make_wheel(tmp_path, "eves"), by="eve")
    address = f"/manage/sets/{release_set.key}/"
    ada, eve = site.sign_in(), site.sign_in("eve")
    eve.get(address, status=404)
    submit(ada.get(address), "invite-project", project="eves")
    assert "2026.11" in text(eve.get("/manage/sets/"))
    draft = eve.get("/manage/project/eves/draft/1.0/")
    assert submit(draft, "to-set", release_set="someone/2026.11").status_int == 404
    page = submit(draft, "to-set", release_set="ada/2026.11")
    assert not re.search("change-set", page.text)
    assert "/manage/project/library/" not in page.text
    refused = submit(ada.get(f"{address}publish"), "publish")
    assert "Nobody who may publish eves has said go" in text(refused)
    page = submit(eve.get(f"{address}publish"), "go")
    assert "You have said go for eves 1.0." in page.text
    page = submit(ada.get(f"{address}publish"), "publish")
    assert "is published" in page.text
    assert "This release set was published." in text(eve.get(address))
    site.user("bob")
    site.sign_in("bob").get(address, status=404)
    site.role("eves", "bob", RoleName.MAINTAINER)
    site.sign_in("bob").get(address)


def test_one_review_tells_what_all_of_it_would_make_public(
    site: Site, release_set: ReleaseSet, tmp_path: Path
) -> None:
    site.stage(make_wheel(tmp_path, "planted", extra_files={"planted.pth": b"import os\n"}))
    site.user("eve")
    site.stage(make_wheel(tmp_path, "eves"), by="eve")
    gather(site, "planted")
    address = f"/manage/sets/{release_set.key}/"
    browser = site.sign_in()
    submit(browser.get(address), "invite-project", project="eves")
    eve = site.sign_in("eve")
    submit(eve.get("/manage/project/eves/draft/1.0/"), "to-set", release_set="ada/2026.11")
    page = browser.get(address).click("^Review$")
    assert "0 of 4 files analysed" in text(page)
    jobs.do_due(site.services)
    page = browser.get(f"{address}review")
    shown = text(page)
    assert "Publishing makes 4 drafts public together: 5 files" in shown
    assert "Publish would be refused now:" in shown
    assert "Nobody who may publish eves has said go" in shown
    assert "pth-file" in shown
    assert "Their people review them: eves 1.0." in shown
    assert "/manage/project/eves/" not in page.text
    assert "Review of planted" in page.click("The whole review of planted 1.0").text

    there, token = f"/api/sets/{release_set.key}/review", site.token()
    body = json.loads(fetch(site, there, headers=authorization(token)).body)
    verdict = body["verdict"]
    assert (verdict["draft-count"], verdict["hidden"], verdict["new"]) == (4, 1, 3)
    assert [each["project"] for each in body["drafts"]] == ["library", "needs-it", "planted"]
    assert verdict["obstacles"] == [
        {
            "project": None,
            "version": None,
            "reasons": ["Something stands in the way of 1 draft of other projects."],
        }
    ]
    assert verdict["findings"]["look"] == sum(
        each["verdict"]["findings"]["look"] for each in body["drafts"]
    )
    for form in ("text", "markdown"):
        told = fetch(site, f"{there}?format={form}", headers=authorization(token)).text
        assert verdict["sentences"][0] in told
        assert "pth-file" in told
        assert "eves" not in told
    assert fetch(site, f"{there}?format=x", headers=authorization(token)).status_int == 400
    assert fetch(site, there).status_int == 404
    site.user("bob")
    assert fetch(site, there, headers=authorization(site.token("bob"))).status_int == 404
    site.sign_in("bob").get(f"{address}review", status=404)
    hooks = browser.get(address).click("Webhooks of the set")
    made = hooks.forms["new-webhook"]
    made["label"], made["url"] = "CI", "https://hooks.example/"
    assert "Copy it now" in made.submit().text
    assert "CI" in text(browser.get(hooks.request.path))
    assert "/admin/" not in hooks.forms["new-webhook"].action
    assert eve.get(hooks.request.path, status=403)
    submit(browser.get(f"{address}discard"), "confirm", typed="2026.11")
    assert "new-webhook" not in browser.get(hooks.request.path).forms
    assert fetch(site, there, headers=authorization(token)).status_int == 410
    assert str(browser.get(f"{address}review", status=303).location).endswith(address)


@pytest.mark.parametrize("field", ["query", "form"])
def test_legacy_uploads_say_which_set(site: Site, tmp_path: Path, field: str) -> None:
    token = site.token()
    more: dict[str, str | list[str] | None] = {"set": "2026.11"} if field == "form" else {}
    query = "?staged=true" + ("&set=2026.11" if field == "query" else "")

    def upload(path: Path, query: str) -> webtest.TestResponse:
        fields = more if "set=" not in query else None
        return site.upload(path, token, url=f"/legacy/{query}", fields=fields)

    assert upload(make_wheel(tmp_path, "one"), query).status_int == 201
    assert upload(make_sdist(tmp_path, "one"), query).status_int == 200
    assert upload(make_wheel(tmp_path, "two"), query).status_int == 201
    with site.services.reading() as uow:
        [found] = release_sets.all_open(uow)
        assert (found.title, found.draft_count) == ("ada/2026.11", 2)
    other = upload(make_wheel(tmp_path, "two", tag="py2-none-any"), "?staged=true&set=x")
    assert other.status_int == 409
    assert "'ada/2026.11'" in other.text
    before = fetch(site, "/simple/").body
    direct = upload(make_wheel(tmp_path, "three"), "?set=2026.11")
    assert direct.status_int == 400
    assert "does not say that it is staged" in direct.text
    for wrong in ("", "a%20b", "nobody/2026.11", "x&set=y", "%00", "%ed%a0%80"):
        answer = upload(make_wheel(tmp_path, "three"), f"?staged=true&set={wrong}")
        assert answer.status_int == 400, wrong
        assert "takes no uploads" not in answer.status + answer.text, wrong
    for name in ("SET", "sets", "release-set", "set_name"):
        answer = upload(make_wheel(tmp_path, "three"), f"?staged=true&{name}=2026.11")
        assert answer.status_int == 400
        assert "&set=NAME" in answer.text
    assert fetch(site, "/simple/").body == before


def test_its_pages_hear_that_something_has_changed(
    site: Site, release_set: ReleaseSet, tmp_path: Path
) -> None:
    browser, address = site.sign_in(), f"/manage/sets/{release_set.key}/"
    for page in (browser.get(address), browser.get(f"{address}review")):
        mark = re.findall(r'data-mark="(\w+)"', page.text)[0]
        assert f'data-events="{address}events"' in page.text
    said = browser.get(f"{address}events?since={mark}")
    assert (said.content_type, said.text) == (
        "text/event-stream",
        "retry: 30000\n: as it was\n\n",
    )
    jobs.do_due(site.services)  # the files are looked into
    assert "event: change" in browser.get(f"{address}events?since={mark}").text
    page = browser.get("/manage/project/library/draft/1.0/review")
    assert "/manage/project/library/draft/1.0/events" in page.text
    submit(browser.get(f"{address}discard"), "confirm", typed="2026.11")
    ended = browser.get(f"{address}events?since={mark}").text
    mark = re.findall(r"id: (\w+)", ended)[0]
    assert browser.get(f"{address}events?since={mark}").status_int == 204
    assert "data-events" not in browser.get(address).text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # of pages alone
def test_a_person_publishes_it_with_a_second_factor_that_is_shown_now(
    site: Site, tmp_path: Path
) -> None:
    site.release(make_wheel(tmp_path, "library", version="0.9"))
    site.stage(make_wheel(tmp_path, "library"))
    release_set = gather(site, "library")
    with site.services.writing() as uow:
        uow.db.execute(update(Project).values(auto_publish_releases=False))
    address = f"/manage/sets/{release_set.key}/publish"
    browser = site.sign_in()
    page = browser.get(address, status=200)  # as the page of the draft alone says it
    assert "You cannot publish it as yet." in text(page)
    assert page.forms.keys().isdisjoint({"publish", "go"})
    discard = browser.get(f"/manage/sets/{release_set.key}/discard").forms["confirm"]
    with site.services.reading() as uow:
        digest = release_sets.details(uow, OPERATOR, release_set).content_digest
    sent = {"csrf_token": discard["csrf_token"].value, "content_digest": digest}
    assert "second factor" in text(browser.post(address, sent, status=403))
    app, _ = add_app(browser, site)
    site.clock.advance(timedelta(minutes=6))  # who one is, is known for longer
    page = show_factor(browser.get(address, status=303), app, site)
    site.clock.advance(timedelta(minutes=6))
    page = show_factor(page.forms["publish"].submit(status=303), app, site)
    assert "is published" in page.forms["publish"].submit(status=303).follow().text


def test_a_time_is_set_and_taken_back_on_its_page(
    site: Site, release_set: ReleaseSet, tmp_path: Path
) -> None:
    site.user("eve")
    site.stage(make_wheel(tmp_path, "eves"), by="eve")
    address, before = f"/manage/sets/{release_set.key}/", f"/draft/{release_set.slug}/"
    ada, eve = site.sign_in(), site.sign_in("eve")
    submit(ada.get(address), "invite-project", project="eves")
    submit(eve.get("/manage/project/eves/draft/1.0/"), "to-set", release_set="ada/2026.11")
    page = ada.get(address)
    assert "Drafts of projects that you may not publish keep theirs." in text(page)
    assert submit(page, "set-time", at="2020-01-01T00:00").status_int == 400
    page = submit(page, "set-time", at="2026-06-03T09:30", is_embargoed="y")
    assert "It is published on 3 Jun 2026, 09:30 UTC." in page.text
    assert "as ada has set" in text(page)
    assert "Not as it stands" in text(page)
    doubts = page.html.select_one("#doubts[role=note]")
    assert doubts is not None
    assert "eves 1.0: Nobody who may publish eves has said go" in doubts.get_text()
    site.app.get(before, status=404)
    link = page.html.select_one('a[href^="/draft/"]')
    assert link is not None
    assert "/account/login" in str(site.app.get(str(link["href"]), status=303).location)

    draft = eve.get("/manage/project/eves/draft/1.0/")
    assert "All of it is to be published by itself at" in text(draft)
    assert "to be published at" in text(ada.get("/manage/sets/"))
    session = Client(site, site.token(username="eve"))
    found = session.ask("GET", "/upload/2.0/set/?name=ada/2026.11", status=200).json
    assert found["schedule"]["at"] == "2026-06-03T09:30:00Z"
    assert (found["schedule"]["by"], found["schedule"]["void"]) == ("ada", False)
    assert "Nobody who may publish eves" in str(found["schedule"]["doubts"])
    assert "It is to be published by itself on 2026-06-03 at 09:30 UTC." in found["notices"]

    site.stage(make_wheel(tmp_path, "eves", tag="py2-none-any"), by="eve")
    page = ada.get(address)
    assert "The time that was set is void. The release set has changed since" in text(page)
    page = submit(eve.get(address), "unschedule")
    assert "not published by itself any more" in page.text
    assert "schedule" not in session.ask("GET", "/upload/2.0/set/?name=ada/2026.11").json
    submit(page, "set-time", at="2026-06-03T09:30")
    site.clock.advance(timedelta(days=4))
    jobs.do_due(site.services)
    assert "It was not published at" in text(ada.get(address))


def test_what_an_operators_review_found_stands_at_each_draft(
    site: Site, release_set: ReleaseSet
) -> None:
    address = f"/manage/sets/{release_set.key}/"
    strict = with_settings(site, review_command="true")
    browser = strict.sign_in()
    page = submit(browser.get(f"{address}publish"), "publish")
    assert "Its publication is being reviewed." in text(page)
    with strict.services.writing() as uow:  # while they are being reviewed
        for name in ("library", "needs-it"):
            projects.get(uow, name).archived = True
    jobs.do_due(strict.services)
    page = browser.get(address)
    assert text(page).count("Review: ") == 2
    for name in ("library", "needs-it"):
        draft = text(browser.get(f"/manage/project/{name}/draft/1.0/"))
        assert "The review did not pass." in draft
        assert "archived" in draft
        assert ("needs-it" if name == "library" else "library") not in draft
