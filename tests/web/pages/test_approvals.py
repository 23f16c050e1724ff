"""A person publishes, people approve, and everybody can read who it was."""

from datetime import timedelta
from pathlib import Path

import pyotp
import webtest
from sqlalchemy import select

from greenroom.models import AuditEntry, Project, RoleName
from greenroom.registry import approvals, projects
from greenroom.registry.approvals import Rules
from greenroom.registry.permissions import OPERATOR
from tests.artifacts import make_wheel
from tests.jobs import do_due
from tests.web.conftest import Site, authorization
from tests.web.pages.test_second_factors import add_app
from tests.web.reading import text

PROJECT = "/manage/project/example/"
DRAFT = f"{PROJECT}draft/2.0/"
APPROVAL = "/api/releases/example/1.0/approval"


def show_factor(page: webtest.TestResponse, app: pyotp.TOTP, site: Site) -> webtest.TestResponse:
    """The page where one comes back to from the question for a second factor."""
    form = page.follow().forms["confirm"]
    site.clock.advance(timedelta(minutes=1))  # a code is taken once
    form["code"] = app.at(site.clock.now)
    return form.submit(status=303).follow()


def protect(site: Site, tmp_path: Path) -> None:
    """A public project, in which a person publishes, with a draft that a token has staged."""
    site.release(make_wheel(tmp_path))
    site.role("example", "eve", RoleName.MAINTAINER)
    with site.services.writing() as uow:
        project = uow.db.scalars(select(Project)).one()
        project.auto_publish_releases = False
    site.upload(make_wheel(tmp_path, version="2.0"), site.token(), staged=True, status=201)


def test_a_person_publishes_with_a_second_factor_and_no_token_does(
    site: Site, account: str, tmp_path: Path
) -> None:
    site.user("eve")
    protect(site, tmp_path)
    token = authorization(site.token(permissions=("stage", "publish", "discard", "manage", "read")))
    refused = site.upload(make_wheel(tmp_path, version="3.0"), site.token(), status=400)
    for word in ("publishes through drafts only", "?staged=true", "sign in and publish the draft"):
        assert word in refused.status
        assert word in refused.text
    session = site.app.get("/api/drafts/example/2.0", headers=token).json
    publish = session["links"]["publish"].removeprefix("http://index.example")
    api = {"meta": {"api-version": "2.0"}}
    denied = site.app.post_json(
        publish,
        api,
        headers=token,
        content_type="application/vnd.pypi.upload.v2+json",
        status=403,
    )
    assert "sign in and publish the draft on its page" in denied.text

    browser = site.sign_in()
    page = browser.get(f"{DRAFT}publish", status=200)
    assert "add one to your account" in text(page)
    assert "publish" not in page.forms
    asked = browser.get("/account/confirm?next=/manage/&fresh=1", status=303)
    assert "takes a second factor: add one" in text(asked.follow())
    digest = session["content-digest"]
    csrf = browser.get(DRAFT).forms["extend"]["csrf_token"].value
    form = {"content_digest": digest, "csrf_token": csrf}
    late = browser.post(f"{DRAFT}publish", form, status=403)
    assert "add one to your account" in text(late)

    app, _ = add_app(browser, site)
    asked = browser.get(f"{DRAFT}publish", status=303)
    assert "fresh=1" in str(asked.location)
    page = show_factor(asked, app, site)
    site.clock.advance(timedelta(minutes=5))
    stale = page.forms["publish"].submit(status=303)
    assert "Nothing was done" in text(stale.follow())
    page = show_factor(stale, app, site)
    assert "is published." in text(page.forms["publish"].submit().follow())
    site.app.get("/api/releases/example/2.0/approval", status=404)


def test_approvals_from_the_settings_to_the_public(
    site: Site, account: str, tmp_path: Path
) -> None:
    site.user("eve")
    protect(site, tmp_path)
    ada, eve = site.sign_in(), site.sign_in("eve")
    apps = {name: add_app(browser, site)[0] for name, browser in (("ada", ada), ("eve", eve))}
    rules = ada.get(PROJECT).forms["approval-rules"]
    rules["needed"] = "1"
    rules["by_others"] = True
    assert ada.get(PROJECT).forms["approval-rules"]["needed"].value == "0"
    saved = rules.submit(status=303).follow().forms["approval-rules"]
    assert (saved["needed"].value, saved["by_others"].checked) == ("1", True)
    saved["needed"] = "many"
    saved.submit(status=400)

    page = ada.get(DRAFT)
    assert "1 missing" in text(page)
    assert "You cannot approve of it: ada has staged some of the files" in text(page)
    asked = ada.get(f"{DRAFT}publish", status=303)
    assert "It takes 1 approval" in text(show_factor(asked, apps["ada"], site))
    asked = eve.get(DRAFT).forms["approve"].submit(status=303)
    page = show_factor(asked, apps["eve"], site)
    page = page.forms["approve"].submit(status=303).follow()
    assert "You have approved" in text(page)
    page = page.forms["withdraw"].submit(status=303).follow()
    assert "Withdrawn" in text(page)
    page.forms["approve"].submit(status=303)
    site.upload(make_wheel(tmp_path, version="2.0", tag="py2-none-any"), site.token(), staged=True)
    stale = page.forms["approve"].submit(status=409)
    assert "has changed since" in text(stale)
    page = eve.get(DRAFT)
    assert "For other files" in text(page)
    page.forms["approve"].submit(status=303)
    assert "after review" not in text(site.app.get("/project/example/1.0/"))
    for version in ("1.0", "2.0"):
        site.app.get(f"/api/releases/example/{version}/approval", status=404)

    site.clock.advance(timedelta(minutes=6))
    asked = ada.get(f"{DRAFT}publish", status=303)
    page = show_factor(asked, apps["ada"], site)
    assert "is published." in text(page.forms["publish"].submit().follow())
    public = site.app.get("/api/releases/Example/2.0.0/approval", status=301).follow()
    assert public.headers["Access-Control-Allow-Origin"] == "*"
    (publication,) = public.json["publications"]
    assert (public.json["project"], public.json["version"]) == ("example", "2.0")
    (approval,) = publication["approvals"]
    assert (approval["by"], approval["second-factor"]) == ("eve", "authenticator app")
    assert approval["files"] == 2
    assert "Published after review by eve" in " ".join(
        text(site.app.get("/project/example/")).split()
    )
    site.app.options("/api/releases/example/2.0/approval", status=204)
    for path in (APPROVAL, "/api/releases/example/9/approval", "/api/releases/no/1/approval"):
        site.app.get(path, status=404)
    with site.services.reading() as uow:
        acts = list(uow.db.scalars(select(AuditEntry.act).order_by(AuditEntry.id)))
    assert [act for act in acts if act in ("draft-approve", "draft-withdraw", "draft-publish")] == [
        *("draft-approve", "draft-withdraw", "draft-approve", "draft-approve", "draft-publish"),
    ]


def test_to_switch_direct_uploads_on_again_is_confirmed_and_told(
    site: Site, account: str, tmp_path: Path
) -> None:
    site.user("eve")
    protect(site, tmp_path)
    browser = site.sign_in()
    form = browser.get(PROJECT).forms["change-settings"]
    assert not form["auto_publish_releases"].checked
    form["auto_publish_releases"] = True
    site.clock.advance(timedelta(hours=1))
    assert "/account/confirm" in str(form.submit(status=303).location)
    question = browser.get("/account/confirm?next=/manage/").forms["confirm"]
    question["password"] = "correct horse battery staple"
    question.submit(status=303)
    form = browser.get(PROJECT).forms["change-settings"]
    form["auto_publish_releases"] = True
    assert "The settings are saved." in text(form.submit().follow())
    with site.services.reading() as uow:
        lines = uow.db.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
        assert lines is not None
        assert (lines.act, lines.detail) == ("project-unprotect", "auto_publish_releases on")


def test_a_time_is_set_and_taken_back_on_the_page(site: Site, account: str, tmp_path: Path) -> None:
    site.release(make_wheel(tmp_path))
    site.stage(make_wheel(tmp_path, version="2.0"))
    token = authorization(site.token())
    browser = site.sign_in()
    page = browser.get(DRAFT)
    before = page.html.select_one('a[href^="/draft/"]')
    form = page.forms["set-time"]
    for wrong in ("", "tomorrow", "2026-13-01T10:00", "2020-01-01T00:00", "9999-12-31T23:59"):
        form["at"] = wrong
        form.submit(status=400)
    form["at"], form["is_embargoed"] = "2026-06-03T09:30", True
    page = form.submit(status=303).follow()
    assert "It is published on 3 Jun 2026, 09:30 UTC." in text(page)
    link = page.html.select_one('a[href^="/draft/"]')
    assert link is not None
    assert before is not None
    assert link["href"] != before["href"]
    session = site.app.get("/api/drafts/example/2.0", headers=token).json
    assert session["notices"][-1] == ("It is to be published by itself on 2026-06-03 at 09:30 UTC.")

    address = str(link["href"])
    assert "/account/login" in str(site.app.get(address, status=303).location)
    assert "no-store" in site.app.get(address, status=303).headers["Cache-Control"]
    refused = site.app.get(f"{address}simple/example/", status=401)
    assert "WWW-Authenticate" in refused.headers
    browser.get(address, status=200)
    site.app.get(f"{address}simple/example/", headers=token, status=200)
    site.app.get(str(before["href"]), status=404)

    site.stage(make_wheel(tmp_path, version="2.0", tag="py2-none-any"))
    page = browser.get(DRAFT)
    assert "The time that was set is void." in text(page)
    page = page.forms["unschedule"].submit(status=303).follow()
    assert "not published by itself any more" in text(page)
    page = page.forms["open-address"].submit(status=303).follow()
    site.app.get(address, status=200)
    form = page.forms["set-time"]
    form["at"] = "2026-06-03T09:30:00"
    form.submit(status=303)
    with site.services.writing() as uow:
        projects.get(uow, "example").archived = True
    site.clock.advance(timedelta(days=4))
    do_due(site.services)
    page = browser.get(DRAFT)
    assert "It was not published at" in text(page)
    assert "archived" in text(page)


def test_one_factor_approves_of_a_whole_set(site: Site, account: str, tmp_path: Path) -> None:
    site.user("eve")
    protect(site, tmp_path)
    site.stage(make_wheel(tmp_path, "second"))
    site.role("second", "eve", RoleName.MAINTAINER)
    ada, eve = site.sign_in(), site.sign_in("eve")
    there = "/manage/project/second/draft/1.0/"
    for address in (DRAFT, there):
        form = ada.get(address).forms["to-set"]
        form["release_set"] = "both"
        page = form.submit(status=303).follow()
    rules = ada.get("/manage/project/second/").forms["approval-rules"]
    rules["needed"] = "1"
    rules.submit(status=303)
    app = add_app(eve, site)[0]
    site.clock.advance(timedelta(minutes=6))
    own = page.request.path
    assert "0 of 1 approval" in text(eve.get(own))
    asked = eve.get(own).forms["approve"].submit(status=303)
    page = show_factor(asked, app, site)
    page = page.forms["approve"].submit(status=303).follow()
    assert "You have approved of example 2.0, second 1.0." in text(page)
    assert "1 of 1 approval one is yours" in text(page)
    assert "approve" not in page.forms
    assert "eve approved second 1.0" in text(page)


def test_an_approval_that_came_with_a_time_ends_with_it(
    site: Site, account: str, tmp_path: Path
) -> None:
    site.user("eve")
    protect(site, tmp_path)
    with site.services.writing() as uow:
        approvals.change_rules(uow, OPERATOR, projects.get(uow, "example"), Rules(2))
    browser = site.sign_in()
    app, _ = add_app(browser, site)
    form = browser.get(DRAFT).forms["set-time"]
    form["at"] = "2026-06-03T09:30"
    page = show_factor(form.submit(status=303), app, site)
    page = page.forms["set-time"].submit(status=303).follow()
    assert "Given by setting a time, and ends with it." in text(page)
    doubts = page.html.select_one("#doubts")
    assert doubts is not None
    assert "It takes 2 approvals, and has 1" in " ".join(doubts.get_text().split())
    assert "Not as it stands" in text(page)
    token = authorization(site.token())
    session = site.app.get("/api/drafts/example/2.0", headers=token).json
    assert session["schedule"]["doubts"] != []
    page = page.forms["unschedule"].submit(status=303).follow()
    assert "Because it was given by setting a time, which was taken back or is over." in text(page)
    assert "ended the approval" in text(page)
    assert "schedule" not in site.app.get("/api/drafts/example/2.0", headers=token).json

    form = page.forms["set-time"]
    form["at"] = "2026-06-03T09:30"
    page = form.submit(status=303).follow()
    page = page.forms["approve"].submit(status=303).follow()  # by hand as well
    assert "approve" not in page.forms
    page = page.forms["unschedule"].submit(status=303).follow()
    assert "1 missing" in text(page)
