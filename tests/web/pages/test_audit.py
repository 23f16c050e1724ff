"""The audit log on pages: who sees what of it, and what is chosen there."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from webtest import TestApp

from greenroom.models import RoleName
from greenroom.registry import audit
from greenroom.registry.audit import Kind
from greenroom.registry.permissions import OPERATOR
from tests import factories
from tests.artifacts import make_wheel
from tests.web.conftest import Response, Site, authorization
from tests.web.standing import fetch, with_settings

ACCOUNT = "/account/audit"
ADMIN = "/admin/audit"
PROJECT = "/manage/project/example/audit"


def rows(page: Response) -> list[str]:
    """The lines in words, the newest first."""
    cells = [row.select("td") for row in page.html.select("tbody tr")]
    return [" ".join(" ".join(cell.get_text().split()) for cell in row) for row in cells]


def acts(page: Response) -> list[str]:
    return [row.partition(".")[0] for row in rows(page)]


@pytest.fixture
def people(site: Site, tmp_path: Path) -> dict[str, TestApp]:
    """Browsers of who has a part in ``example``, whose draft Ada opened; ``root`` keeps order."""
    for name in ("ada", "grace", "eve"):
        site.user(name)
    site.user("root", administrator=True)
    slug = site.stage(make_wheel(tmp_path))
    site.role("example", "grace", RoleName.MAINTAINER)
    assert slug
    with site.services.writing() as uow:
        factories.publish_directly(uow, "example")
    return {name: site.sign_in(name) for name in ("ada", "grace", "eve", "root")}


def test_who_sees_which_part_of_it(site: Site, people: dict[str, TestApp]) -> None:
    statuses = {
        name: [browser.get(page, status="*").status_int for page in (ACCOUNT, PROJECT, ADMIN)]
        for name, browser in people.items()
    }
    assert statuses == {
        "ada": [200, 200, 404],
        "grace": [200, 403, 404],
        "eve": [200, 404, 404],
        "root": [200, 200, 200],
    }
    for address in (ACCOUNT, PROJECT, ADMIN):
        asked = site.app.get(address)
        assert asked.status_int == 303
        assert "/account/login" in str(asked.location)
    links = {name: page_links(browser) for name, browser in people.items() if name != "eve"}
    assert [PROJECT in found for found in links.values()] == [True, False, True]

    assert acts(people["ada"].get(PROJECT)) == [
        "Gave a person a role",
        "Uploaded a file into a draft",
    ]
    assert acts(people["grace"].get(ACCOUNT)) == [
        *("Signed in", "Gave a person a role", "Created an account"),
    ]
    assert len(acts(people["root"].get(ADMIN))) == 10
    people["ada"].get("/manage/")
    page = people["ada"].post("/account/logout", {"csrf_token": token_of(people["ada"])})
    assert page.status_int == 303
    assert acts(people["root"].get(ADMIN))[0] == "Signed out"


def page_links(browser: TestApp) -> list[str]:
    page = browser.get("/manage/project/example/")
    return [str(link["href"]) for link in page.html.select("a[href]")]


def token_of(browser: TestApp) -> str:
    field = browser.get("/account/").html.select_one("input[name=csrf_token]")
    assert field is not None
    return str(field["value"])


def test_an_owner_reads_it_while_the_project_is_in_quarantine(
    site: Site, people: dict[str, TestApp], tmp_path: Path
) -> None:
    site.release(make_wheel(tmp_path, version="0.5"))
    form = people["root"].get("/manage/project/example/quarantine").forms["confirm"]
    form["reason"], form["typed"] = "malware", "example"
    form.submit()

    seen = rows(people["ada"].get(PROJECT))
    assert seen[0].startswith("Put a project in quarantine. example malware root")


def test_it_says_from_where_and_with_what(
    site: Site, people: dict[str, TestApp], tmp_path: Path
) -> None:
    behind = with_settings(site, trusted_proxies="192.0.2.0/24")
    text = site.token("ada")
    behind.app.extra_environ["REMOTE_ADDR"] = "192.0.2.1"
    behind.app.extra_environ["greenroom.request_id"] = "abc"
    for address in ("198.51.100.7", "2001:db8::9"):
        path = make_wheel(tmp_path, version="1.0", salt=f"again {address}")
        behind.upload(path, text, staged=True, headers={"X-Forwarded-For": address})
    seen = rows(people["root"].get(f"{ADMIN}?project=Example&act=draft-replace"))
    assert len(seen) == 2
    assert seen[0].endswith(f"2001:db8::9 token {text[:11]} (test)")
    assert seen[1].endswith(f"198.51.100.7 token {text[:11]} (test)")
    [new] = rows(people["ada"].get(f"{ACCOUNT}?act=token-new-address"))
    assert "2001:db8::9" in new
    page = people["root"].get(ADMIN)
    assert text not in page.text
    signed = [row for row in rows(people["ada"].get(ACCOUNT)) if row.startswith("Gave")]
    assert signed == []
    about_grace = [row for row in rows(people["grace"].get(ACCOUNT)) if row.startswith("Gave")]
    assert "command line" not in about_grace[0]


def test_failures_to_sign_in_are_seen_by_whose_account_it_is(
    site: Site, people: dict[str, TestApp]
) -> None:
    form = site.browser().get("/account/login").forms["login"]
    form["username"], form["password"] = "ADA", "not the password"
    assert form.submit(status="*").status_int == 403

    [seen] = rows(people["ada"].get(f"{ACCOUNT}?act=sign-in-failed"))
    assert seen.startswith("Failed to sign in. ada anonymous")
    assert rows(people["grace"].get(f"{ACCOUNT}?act=sign-in-failed")) == []
    assert "not the password" not in people["root"].get(ADMIN).text


def test_it_is_chosen_and_paged(site: Site, people: dict[str, TestApp]) -> None:
    day = site.clock.now.date()
    for number in range(120):
        site.clock.advance(timedelta(minutes=number % 3))
        with site.services.writing() as uow:
            audit.write(uow, Kind.JOB_RETRY, OPERATOR, detail=f"job {number}: <b>")
    root = people["root"]
    asked = {"act": "job-retry", "person": "operator", "since": str(day), "until": str(day)}
    page = root.get(f"{ADMIN}?{urlencode(asked)}")
    form = page.forms["audit-filter"]
    assert {name: form[name].value for name in asked} == asked
    found = rows(page)
    while older := page.html.select_one("a[rel=next]"):
        page = root.get(str(older["href"]))
        found += rows(page)
    assert [f"job {number}: <b>" in row for number, row in enumerate(reversed(found))] == [
        True
    ] * 120
    assert rows(page.click("Newest")) == found[:50]
    day_after = day + timedelta(days=1)
    assert rows(root.get(f"{ADMIN}?act=job-retry&since={day_after}")) == []
    assert "Nothing is recorded that fits" in root.get(f"{ADMIN}?person=nobody").text
    page = root.get(ADMIN)
    page.forms["audit-filter"]["project"] = "example"
    assert len(rows(page.forms["audit-filter"].submit())) == 2


def test_what_cannot_be_asked_for_is_a_sentence(site: Site, people: dict[str, TestApp]) -> None:
    for query in (
        *("act=nothing", "act=sign-in&act=sign-in", "person=%00", "person=%ff"),
        *("since=yesterday", "since=2026-02-30", "until=9999-12-31", "until=0000-01-01"),
        *("before=1", "before=1-99999", "before=999999999999999999-1", f"person={'x' * 300}"),
    ):
        page = people["root"].get(f"{ADMIN}?{query}", status="*")
        assert page.status_int == 400, query
        assert page.html.select_one("h1") is not None
    assert rows(people["root"].get(f"{ADMIN}?before=0-9999")) == []


def test_a_page_takes_the_same_queries_however_long_the_log_is(
    site: Site, people: dict[str, TestApp]
) -> None:
    from tests.web.test_queries import statements

    taken = []
    for count in (1, 60):
        with site.services.writing() as uow:
            for _ in range(count):
                audit.write(uow, Kind.JOB_RETRY, OPERATOR)
        with statements(site.services.database) as seen:
            people["root"].get(f"{ADMIN}?person=operator")
        taken.append(len(seen))
    assert taken[0] == taken[1]


def test_a_token_opens_none_of_it(site: Site, people: dict[str, TestApp]) -> None:
    headers = authorization(site.token("root"))
    for address in (ACCOUNT, PROJECT, ADMIN):
        assert fetch(site, address, headers=headers).status_int in (302, 303)
