"""Templates get values, never rows. Every application of the tests sees to it: here, for all."""

from datetime import timedelta
from pathlib import Path

import pytest
import webtest
from msgspec import Struct

from greenroom import paths
from greenroom.models import Base, LinkKind, Project, RoleName
from greenroom.other_indexes.pages import PageFile, ProjectPage
from greenroom.registry import (
    account_links,
    accounts,
    draft_checks,
    invitations,
    projects,
    release_sets,
    second_factor_resets,
    upstream_pages,
)
from greenroom.registry.draft_checks import Posted
from greenroom.registry.permissions import CONFIRMED_FOR, OPERATOR, Person
from greenroom.registry.release_sets import Reference
from greenroom.registry.upstream_pages import Said
from tests import factories
from tests.artifacts import make_sdist
from tests.factories import PASSWORD
from tests.web.conftest import Site, rendered
from tests.web.pages.test_second_factors import add_app, first_step
from tests.web.reading import commands
from tests.web.rendered import rows_in
from tests.web.standing import stock, with_settings

PROJECT = "/manage/project/Example/"
RELEASE = f"{PROJECT}release/1.0/"
DRAFT = f"{PROJECT}draft/3.0/"
TEAM = "/account/teams/wool/"
WHEEL = "example-1.0-py3-none-any.whl"
ARRIVING = "example-3.0-py2-none-any.whl"
UPSTREAM = "https://up.example/simple/"

ADDRESSES = [
    "/",
    "/search/?q=example",
    "/project/Example/",
    "/project/Example/badge.svg",
    "/project/Example/1.0/",
    "/project/Example/3.0/",
    "/user/ada/",
    "/nothing/",
    "/help/",
    "/help/errors/",
    "/draft/{open}/",
    "/draft/{released}/",
    "/account/",
    "/account/tokens/",
    "/account/tokens/revoke?token=1",
    "/account/tokens/revoke-all",
    "/account/audit",
    "/account/sessions/",
    "/account/tokens/revoke-all",
    "/manage/project/Example/tokens",
    "/manage/project/Example/end-token?token=1",
    "/account/email",
    "/account/notifications/",
    "/account/publishers/",
    "/account/publishers/remove?publisher=1",
    "/admin/",
    "/admin/audit",
    "/admin/users/",
    "/admin/users/ada/",
    "/admin/users/ada/disable",
    "/admin/invitations/",
    "/admin/projects/",
    "/admin/projects/Example/",
    "/admin/projects/Example/transfer",
    "/admin/names/",
    "/admin/names/remove?name=acme",
    "/admin/drafts/",
    "/admin/jobs/",
    "/admin/jobs/1/retry",
    "/admin/storage/",
    "/admin/upstream/",
    "/admin/upstream/projects/",
    "/admin/upstream/refusals/",
    "/admin/upstream/rules/",
    "/admin/settings/",
    "/admin/health/",
    "/admin/reports/",
    "/admin/reports/1/",
    "/project/Example/report",
    "/manage/",
    PROJECT,
    f"{PROJECT}history/",
    f"{PROJECT}audit",
    f"{PROJECT}tokens",
    f"{PROJECT}end-token?token=1",
    f"{PROJECT}publishers/",
    f"{PROJECT}reviews",
    f"{PROJECT}publishers/remove?publisher=1",
    f"{PROJECT}webhooks/",
    f"{PROJECT}webhooks/1/",
    f"{PROJECT}webhooks/1/remove",
    "/admin/webhooks/",
    "/admin/webhooks/2/",
    f"{PROJECT}archive",
    f"{PROJECT}visibility",
    f"{PROJECT}quarantine",
    f"{PROJECT}delete",
    f"{PROJECT}people",
    f"{PROJECT}remove-role?user=ada",
    f"{PROJECT}remove-team?team=wool",
    f"{PROJECT}hand-over",
    "/account/invitations/",
    "/account/teams/",
    f"{TEAM}",
    f"{TEAM}remove?user=ada",
    f"{TEAM}leave-project?project=Example",
    f"{TEAM}delete",
    "/manage/project/released/draft/1.0/",
    RELEASE,
    f"{RELEASE}yank",
    f"{RELEASE}delete",
    f"{RELEASE}yank-file?filename={WHEEL}",
    f"{RELEASE}delete-file?filename={WHEEL}",
    DRAFT,
    f"{DRAFT}review",
    f"{DRAFT}contents/example-3.0.tar.gz/",
    f"{DRAFT}contents/example-3.0.tar.gz/?member=example-3.0/PKG-INFO",
    f"{DRAFT}contents/example-3.0.tar.gz/?member=example-3.0/PKG-INFO&against=1.0",
    f"{DRAFT}publish",
    f"{DRAFT}discard",
    f"{DRAFT}rotate",
    f"{DRAFT}edit-comment?comment=1",
    f"{DRAFT}delete-comment?comment=1",
    f"{DRAFT}remove?filename=example-3.0.tar.gz",
    f"{DRAFT}remove?filename={ARRIVING}",
    "/draft/{set}/",
    "/draft/{ended_set}/",
    "/manage/sets/",
    "/manage/sets/{set_key}/",
    "/manage/sets/{set_key}/review",
    "/manage/sets/{set_key}/webhooks/",
    "/manage/sets/{set_key}/publish",
    "/manage/sets/{set_key}/discard",
    "/manage/sets/{set_key}/rotate",
    "/manage/sets/{set_key}/remove?project=Example&version=3.0",
]
# What others extend, include and import.
PARTS = {
    "pages/layout.jinja2",
    "pages/manage/confirm.jinja2",
    "pages/manage/set_of_draft.jinja2",
    "pages/manage/approval_rules.jinja2",
    "pages/manage/review/checks.jinja2",
    "pages/manage/review/comments.jinja2",
    "pages/account/confirm.jinja2",
    "pages/account/confirm_team.jinja2",
    "pages/contents/layout.jinja2",
    *(
        f"pages/manage/review/{section}.jinja2"
        for section in (
            *("verdict", "changes", "completeness", "findings", "origin"),
            "approvals",
        )
    ),
}
# What takes an identity provider to be seen: it is given one address.
ELSEWHERE = {"pages/account/link_identity.jinja2"}


def names_of_templates() -> set[str]:
    """Every template that a view renders, but for those that are looked at elsewhere."""
    found = paths.TEMPLATES.rglob("*.jinja2")
    names = {path.relative_to(paths.TEMPLATES).as_posix() for path in found}
    return {
        name for name in names - PARTS - ELSEWHERE if not name.startswith(("pages/parts/", "mail/"))
    }


def _see_what_an_upstream_has(site: Site) -> None:
    behind = with_settings(site, upstreams=f"up={UPSTREAM}")
    file = PageFile("theirs-1.0.tar.gz", f"{UPSTREAM}theirs-1.0.tar.gz", {})
    said = Said(f"{UPSTREAM}theirs/", timedelta(days=1))
    with behind.services.writing() as uow:
        (upstream,) = uow.settings.upstreams
        page = ProjectPage("theirs", (file,), ("1.0",))
        upstream_pages.keep(uow, upstream, "theirs", page, said)
    behind.app.get("/project/theirs/")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # of pages alone
def test_no_page_is_made_of_rows(site: Site, tmp_path: Path) -> None:
    """A row that is handed to a template is an error of the page's, in all tests."""
    rendered.clear()
    key = factories.first_administrator_key(site.services)
    site.app.get(f"/account/first-administrator?key={key}")
    site.app.get("/account/login")
    with_settings(site, registration="open").app.get("/account/register")
    stocked = stock(site, tmp_path / "dist")
    with site.services.writing() as uow:
        ada = accounts.get_user(uow.db, "ada")
        ada.is_administrator = True
        draft = factories.find_draft(uow, "example", "3.0")
        assert draft is not None
        factories.comment(uow, Person(ada), draft)
        draft_checks.post(uow, Person(ada), draft, Posted("tests", "passed"))
        eve, example = factories.make_user(uow, "eve"), projects.get(uow, "example")
        factories.make_team(uow, ada, "wool", works_on=example)
        invitations.invite_to_team(
            uow, Person(eve), factories.make_team(uow, eve, "yarn"), "ada", owner=False
        )
        invitations.invite(uow, Person(ada), example, "eve", RoleName.OWNER)
        arriving = make_sdist(tmp_path, version="3.0").rename(tmp_path / ARRIVING)
        factories.announce(uow, ada, draft, arriving)
        made = release_sets.add(uow, Person(ada), draft, Reference("together"))
        ended = release_sets.create(uow, Person(ada), "ended")
        release_sets.discard(uow, Person(ada), ended)
        stocked.slugs.update(set=made.slug, set_key=made.key, ended_set=ended.slug)
        factories.trust_workflows(uow, ada, "example")
        factories.add_webhooks(uow, "example")
        link = account_links.make(uow, LinkKind.EMAIL_VERIFICATION, by=OPERATOR, user=ada)
    site.app.get(f"/account/email-verification?key={link.key}")
    mail = {"mail_url": "smtp://localhost", "mail_from": "greenroom@index.example"}
    with_settings(site, **mail).app.get("/account/forgotten-password")
    _see_what_an_upstream_has(site)
    browser = site.sign_in()

    for address in ADDRESSES:
        browser.get(address.format_map(stocked.slugs), status="*")
        if address == "/admin/reports/":  # of which there is one from here on
            report = browser.get("/project/Example/report").forms["report"]
            report["text"] = "Spam."
            report.submit(status=200)
    use_second_factors(site, browser)
    site.clock.advance(CONFIRMED_FOR)
    form = browser.get("/account/confirm").forms["confirm"]
    form["password"] = PASSWORD
    form.submit(status=303)
    form = browser.get("/account/tokens/").forms["new-token"]
    form["label"] = "laptop"
    form.set("permissions", True, 0)
    form.submit(status=200)
    browser.get(f"{PROJECT}webhooks/1/").forms["rotate"].submit(status=200)
    site.user("root", administrator=True)
    root = site.sign_in("root")
    form = root.get("/admin/users/ada/password-link").forms["act"]
    form["reason"] = "They asked."
    form = site.app.get(commands(form.submit(status=200))[0]).forms["reset"]
    form["password"] = PASSWORD
    form.submit(status=200)
    form = root.get("/admin/invitations/").forms["invite"]
    form["reason"], form["email"] = "They asked.", "grace@index.example"
    form = site.app.get(commands(form.submit(status=200))[0]).forms["accept"]
    form["username"], form["password"] = "grace", PASSWORD
    form.submit(status=303)
    form = site.app.get("/account/delete").forms["delete"]
    form["typed"] = "grace"
    form.submit(status=200)

    assert {name: rows for name, rows in rendered.items() if rows} == {}
    assert names_of_templates() - set(rendered) == set()


def use_second_factors(site: Site, browser: webtest.TestApp) -> None:
    """Look at every page that has to do with them, and have none in the end."""
    factors = "/account/second-factors/"
    browser.get("/admin/users/ada/reset-second-factors")
    browser.get(f"{factors}passkey")
    add_app(browser, site)
    for address in (factors, f"{factors}rename?factor=1", f"{factors}remove?factor=1"):
        browser.get(address, status=200)
    first_step(site)
    site.clock.advance(CONFIRMED_FOR)
    browser.get("/account/confirm", status=200)
    with site.services.writing() as uow:
        second_factor_resets.reset(uow, OPERATOR, "ada", "the end")
    form = browser.get("/account/login").forms["login"]
    form["username"], form["password"] = "ada", PASSWORD
    form.submit(status=303)


class Holder(Struct):
    held: object


@pytest.mark.parametrize(
    "value",
    [
        Project(),
        {"project": Project()},
        {Project(): 1},
        [(Project(),)],
        {"page": Holder([Project()])},
    ],
)
def test_rows_are_noticed(value: object) -> None:
    assert len(list(rows_in(value, "value"))) == 1


def test_nothing_else_is_taken_for_one() -> None:
    assert list(rows_in({"kind": Base, "holder": Holder("text"), "class": Holder}, "value")) == []
