"""Invitations, links that set passwords, the end of an account, and what administrators do."""

import re
from pathlib import Path

import pytest
import webtest

from greenroom.models import LinkKind, RoleName
from greenroom.registry import account_links, account_states, accounts, audit_reading, signing_in
from greenroom.registry.audit_reading import Wanted
from greenroom.registry.permissions import OPERATOR
from tests import factories
from tests.artifacts import make_wheel
from tests.factories import HOME, PASSWORD
from tests.web.conftest import Site, authorization
from tests.web.reading import attribute, commands, heading, links, text, the

NEW_PASSWORD = "a better horse, a bigger battery"
REASON = "They asked for it."


@pytest.fixture
def root(site: Site) -> webtest.TestApp:
    """The browser of an administrator."""
    site.user("root", administrator=True)
    return site.sign_in("root")


def made_link(page: webtest.TestResponse) -> str:
    """The link that the page shows, as a path."""
    assert page.headers["Cache-Control"] == "private, no-store"
    [link] = commands(page)
    return link.removeprefix("http://index.example")


def act(browser: webtest.TestApp, path: str, **fields: str) -> webtest.TestResponse:
    form = browser.get(path).forms["act"]
    form["reason"] = REASON
    for name, value in fields.items():
        form[name] = value
    return form.submit(status="*")


def audited(site: Site) -> list[tuple[str, str, str | None, str]]:
    """Act, who, about whom and detail of every line, the newest first."""
    with site.services.reading() as uow:
        page = audit_reading.everything(uow, OPERATOR, Wanted(), None, 1000)
    return [(line.act, line.by, line.about, line.detail) for line in page.lines]


# Links


def test_who_is_invited_chooses_a_name_and_a_password(site: Site, root: webtest.TestApp) -> None:
    form = root.get("/admin/invitations/").forms["invite"]
    form["email"], form["reason"] = "eve@index.example", REASON
    link = made_link(form.submit(status=200))
    assert audited(site)[0] == ("user-invite", "root", None, f"{REASON}; for eve@index.example")
    assert link.split("=")[1] not in str(audited(site))

    for _ in range(2):  # to open it uses nothing up
        page = site.app.get(link)
        assert page.headers["Referrer-Policy"] == "same-origin"
        assert page.headers["Cache-Control"] == "private, no-store"
        assert "root invites eve@index.example" in text(page)
    form = page.forms["accept"]
    form["username"], form["password"] = "root", "short"
    assert "at least 10 characters" in text(form.submit(status=400))
    form["password"] = PASSWORD
    assert "is taken" in text(form.submit(status=400))
    form["username"] = "eve"
    account = form.submit().follow()

    assert heading(account) == "eve"
    assert "eve@index.example" in text(account)
    assert audited(site)[0] == ("user-create", "eve", "eve", "invited by root")
    assert "This link cannot be used" in text(site.browser().get(link, status=404))
    form["csrf_token"] = token_of(site.app)
    assert "This link cannot be used" in text(form.submit(status=404))


def test_a_link_sets_another_password_and_begins_no_session(
    site: Site, root: webtest.TestApp, account: str
) -> None:
    before = site.sign_in()
    link = made_link(act(root, "/admin/users/ada/password-link"))
    assert audited(site)[0] == ("password-link", "root", "ada", REASON)
    form = site.app.get(link).forms["reset"]
    form["password"] = "short"
    assert "at least 10 characters" in text(form.submit(status=400))

    form["password"] = NEW_PASSWORD
    page = form.submit(status=200)

    assert heading(page) == "The password is set"
    assert audited(site)[0] == ("password-reset", "ada", "ada", "with a link of root")
    for browser in (site.app, before):
        assert browser.get("/account/", status="*").status_int == 303
    assert signing_in.sign_in(site.services, "ada", PASSWORD, HOME) is None
    assert signing_in.sign_in(site.services, "ada", NEW_PASSWORD, HOME) is not None
    site.browser().get(link, status=404)


def test_who_changes_the_password_ends_the_links_that_would(
    site: Site, root: webtest.TestApp, account: str
) -> None:
    link = made_link(act(root, "/admin/users/ada/password-link"))
    form = site.sign_in().get("/account/").forms["password-form"]
    form["current"], form["new"] = PASSWORD, NEW_PASSWORD
    form.submit().follow()
    site.app.get(link, status=404)


@pytest.mark.parametrize("kind", ["invitation", "password-reset"])
@pytest.mark.parametrize("query", ["", "?key=", "?key=x", "?key=%C3%A9", "?key=%00"])
def test_nobody_guesses_a_link(site: Site, kind: str, query: str) -> None:
    with site.services.writing() as uow:
        user = factories.make_user(uow, "ada")
        account_links.make(uow, LinkKind(kind), by=OPERATOR, user=user)
    assert site.app.get(f"/account/{kind}{query}", status="4*").status_int in (400, 404)


# The end of an account


def test_who_deletes_the_account_types_its_name(site: Site, account: str, tmp_path: Path) -> None:
    site.release(make_wheel(tmp_path))
    browser = site.sign_in()
    assert "/account/delete" in links(browser.get("/account/"))
    page = browser.get("/account/delete")
    assert "/manage/project/example/" in links(page)
    form = page.forms["delete"]
    form["typed"] = "eve"
    assert "That is not ada" in text(form.submit(status=422))
    form["typed"] = "Ada"
    assert "'ada' is the last owner of 'example'" in text(form.submit(status=400))
    site.user("eve")
    site.role("example", "eve", RoleName.OWNER)

    gone = browser.get("/account/delete").forms["delete"]
    gone["typed"] = "ada"
    answer = gone.submit(status=200)

    assert heading(answer) == "Your account is deleted"
    assert answer.html.select("header a[href='/account/login']")
    assert audited(site)[0][:3] == ("user-delete", "ada", "ada")
    assert browser.get("/account/", status="*").status_int == 303
    site.app.get("/user/ada/", status=404)
    assert site.app.get("/project/example/").status_int == 200


# What is disabled


def test_who_is_disabled_is_told_so_everywhere_and_nobody_else(
    site: Site, account: str, tmp_path: Path
) -> None:
    token, browser = site.token(), site.sign_in()
    with site.services.writing() as uow:
        account_states.disable(uow, OPERATOR, "ada", "She left.")
    sentence = "The account 'ada' is disabled"

    assert browser.get("/account/", status="*").status_int == 303
    form = site.app.get("/account/login").forms["login"]
    form["username"], form["password"] = "ada", PASSWORD
    assert sentence in text(form.submit(status=403))
    form["password"] = NEW_PASSWORD
    assert "are wrong" in text(form.submit(status=403))
    for staged in (False, True):
        upload = site.upload(make_wheel(tmp_path), token, staged=staged, status=403)
        assert sentence in upload.status
    answer = site.app.post("/upload/2.0/", headers=authorization(token), status=403)
    assert sentence in answer.json["detail"]


# What administrators do


def test_administrators_find_accounts_and_look_at_one(
    site: Site, root: webtest.TestApp, tmp_path: Path
) -> None:
    site.user("ada")
    site.user("newcomer", verified=False)
    site.release(make_wheel(tmp_path))
    site.token(project="example")
    for query, names in {
        "": ["newcomer", "ada", "root"],
        "?q=NEW": ["newcomer"],
        "?q=ADA%40INDEX": ["ada"],
        "?q=_": [],
        "?q=%25": [],
        "?state=unverified": ["newcomer"],
        "?state=administrator": ["root"],
        "?state=disabled": [],
        "?state=enabled&q=a": ["ada"],
    }.items():
        found = root.get(f"/admin/users/{query}").html.select("td.file a")
        shown = [each.get_text() for each in found]
        if query.endswith("q=a"):
            assert "ada" in shown
        else:
            assert shown == names, query
    root.get("/admin/users/?state=x", status=404)
    root.get("/admin/users/?page=2", status=404)
    root.get("/admin/users/nobody/", status=404)
    assert "/admin/users/ada/" in str(root.get("/admin/users/ADA/").location)

    page = root.get("/admin/users/ada/")

    assert "ada@index.example" in text(page)
    assert "/manage/project/example/" in links(page)
    revoke = attribute(the("#tokens a.danger", page), "href")
    assert "is revoked." in text(act(root, revoke).follow())
    name, by, about, detail = audited(site)[0]
    assert (name, by, about) == ("token-revoke", "root", "ada")
    assert re.fullmatch(rf"gr_\w+ \(.*\): {REASON}", detail)
    root.get(revoke, status=404)
    ada = site.sign_in()
    page = root.get("/admin/users/ada/")
    [end] = [link for link in links(page) if "end-session?" in link]
    assert "has ended." in text(act(root, end).follow())
    assert audited(site)[0][:3] == ("session-end", "root", "ada")
    assert audited(site)[0][3].endswith(REASON)
    assert ada.get("/account/", status="*").status_int == 303
    root.get(end, status=404)
    for _ in range(2):
        site.sign_in()
    answer = act(root, "/admin/users/ada/end-sessions").follow()
    assert "Sessions of ada that have ended: 2." in text(answer)
    assert audited(site)[0] == ("session-end", "root", "ada", f"all: 2; {REASON}")


CHANGES = [
    ("verify", "user-verify", {}),
    ("make-administrator", "administrator-give", {}),
    ("take-administrator", "administrator-take", {}),
    ("disable", "user-disable", {}),
    ("enable", "user-enable", {}),
    ("delete", "user-delete", {"typed": "NEWCOMER"}),
]


def test_administrators_change_an_account_from_its_page_with_a_reason(
    site: Site, root: webtest.TestApp
) -> None:
    site.user("newcomer", verified=False)
    for name, kind, fields in CHANGES:
        page = root.get("/admin/users/newcomer/")
        path = f"/admin/users/newcomer/{name}"
        assert path in links(page), name
        form = root.get(path).forms["act"]
        for field, value in fields.items():
            form[field] = value
        assert "Give a reason." in text(form.submit(status=422))
        answer = act(root, path, **fields).follow()
        assert heading(answer).startswith("newcomer"), name
        assert "newcomer is" in text(answer)
        assert audited(site)[0][:3] == (kind, "root", "newcomer")
        assert audited(site)[0][3].startswith(REASON)
    assert "Deleted" in heading(root.get("/admin/users/newcomer/"))
    assert not root.get("/admin/users/newcomer/").html.select("main a[role=button]")
    for name, _, fields in CHANGES:
        if name != "verify":
            root.post(
                f"/admin/users/newcomer/{name}",
                {"reason": REASON, "csrf_token": token_of(root)} | fields,
                status=404,
            )


def token_of(browser: webtest.TestApp) -> str:
    return str(browser.get("/account/").forms["logout"]["csrf_token"].value)


def test_what_administrators_do_not_do_to_themselves(site: Site, root: webtest.TestApp) -> None:
    offered = links(root.get("/admin/users/root/"))
    for name in ("disable", "delete"):
        assert f"/admin/users/root/{name}" not in offered
    assert "Another administrator" in text(act(root, "/admin/users/root/disable"))
    refused = act(root, "/admin/users/root/take-administrator")
    assert "'root' is the last administrator" in text(refused)
    assert refused.status_int == 400


def test_for_everybody_else_there_are_no_such_pages(site: Site, root: webtest.TestApp) -> None:
    site.user("ada")
    ada = site.sign_in()
    nothing = ada.get("/nothing/", status=404).body
    fields = {"reason": REASON, "typed": "root", "email": "x@index.example"}
    names = [name for name, _, _ in CHANGES] + ["password-link", "revoke", "end-session", ""]
    paths = [f"/admin/users/root/{name}" for name in names]
    paths += ["/admin/users/", "/admin/invitations/"]
    paths += ["/admin/users/nobody/", "/admin/users/nobody/disable"]
    before = audited(site)
    for path in paths:
        assert ada.get(path, status=404).body == nothing, path
        ada.post(path, fields | {"csrf_token": token_of(ada)}, status=404)
        anonymous = site.app.get(path, status=303)
        assert str(anonymous.location).startswith("http://index.example/account/login?next=")
    assert audited(site) == before
    with site.services.writing() as uow:
        root_row = accounts.get_user(uow.db, "root")
        assert root_row.is_administrator
