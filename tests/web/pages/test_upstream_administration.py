"""``/admin/upstream/``, and what its rules do to pages of upstreams."""

import json
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
import webtest
from msgspec.structs import replace

from greenroom.models import RuleKind
from greenroom.registry import upstream_rules
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.upstream_policy import Refused, Why
from greenroom.registry.upstream_usage import PENDING, Who
from greenroom.settings import Settings, load_settings
from greenroom.upstream_settings import Upstream
from tests.artifacts import make_sdist, make_wheel
from tests.upstream_server import EVERYTHING, Status, UpstreamServer, upstream_running
from tests.web.conftest import Site
from tests.web.pages.test_account_life import act, audited, token_of
from tests.web.reading import links, text
from tests.web.standing import with_settings
from tests.web.test_queries import statements

JSON = {"Accept": "application/vnd.pypi.simple.v1+json"}
PAGES = ("", "projects/", "refusals/", "rules/")


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[UpstreamServer]:
    with upstream_running() as running:
        running.add(make_wheel(tmp_path, "thing", "1.0"))
        running.add(make_sdist(tmp_path, "thing", "2.0"))
        yield running


@pytest.fixture
def settings(settings: Settings, upstream: UpstreamServer) -> Settings:
    behind = Upstream("up", upstream.url.replace("://", "://ada:secret@"))
    denied = load_settings({"GREENROOM_UPSTREAM_DENY": "bad"}).upstream_deny
    return replace(
        settings,
        upstreams=(behind,),
        upstream_networks=(ip_network("127.0.0.0/8"),),
        upstream_deny=denied,
    )


@pytest.fixture(autouse=True)
def _nothing_is_noted() -> Iterator[None]:
    """What is noted is of the process, not of a test."""
    PENDING.forget()
    yield
    PENDING.forget()


@pytest.fixture
def root(site: Site) -> webtest.TestApp:
    site.user("root", administrator=True)
    return site.sign_in("root")


def refuse(site: Site, filename: str, why: Why, project: str = "thing") -> None:
    refused = Refused(why, f"{filename} is refused.")
    PENDING.note_refusal("up", project, filename, refused, Who(), site.clock())
    PENDING.write(site.services)


def yanked(site: Site) -> dict[str, str | bool]:
    page = json.loads(site.app.get("/simple/thing/", headers=JSON).body)
    return {file["filename"]: file["yanked"] for file in page["files"]}


def test_the_pages_are_for_administrators_alone(site: Site, root: webtest.TestApp) -> None:
    site.user("ada")
    ada = site.sign_in("ada")
    nothing = ada.get("/nothing/", status=404).body
    refuse(site, "thing-1.0.tar.gz", Why.AGE)
    for path in (*PAGES, "refusals/1/allow", "rules/1/remove"):
        assert ada.get(f"/admin/upstream/{path}", status=404).body == nothing, path
        fields = {"reason": "x", "about": "x", "kind": "deny", "csrf_token": token_of(ada)}
        ada.post(f"/admin/upstream/{path}", fields, status=404)
    for path in PAGES:
        page = root.get(f"/admin/upstream/{path}")
        assert page.headers["Cache-Control"] == "private, no-store"
        assert {f"/admin/upstream/{other}" for other in PAGES} <= set(links(page))
        assert "secret" not in page.text
    assert "/admin/upstream/" in links(root.get("/admin/"))
    for path in ("x/", "rules/1/remove", "rules/x/", "refusals/9/allow", "refusals/?why=x"):
        root.get(f"/admin/upstream/{path}", status=404)
    for path in ("projects", "refusals", "rules"):
        root.get(f"/admin/upstream/{path}/?page=9", status=404)
        assert root.get(f"/admin/upstream/{path}/?q=%01").status_int == 200


def test_an_index_without_upstreams_says_so(site: Site) -> None:
    site.user("root", administrator=True)
    root = with_settings(site, upstreams=()).sign_in("root")
    assert "/admin/upstream/" not in links(root.get("/admin/"))
    assert "There is no upstream." in text(root.get("/admin/upstream/"))


def test_how_the_upstreams_are_doing(
    site: Site, root: webtest.TestApp, upstream: UpstreamServer
) -> None:
    assert "Not asked yet" in text(root.get("/admin/upstream/"))
    site.app.get("/simple/thing/")
    site.app.get("/simple/nothing/", status=404)
    PENDING.write(site.services)
    page = text(root.get("/admin/upstream/"))
    assert "Answers" in page
    assert "1 and 1 name that it has not" in page
    assert "0 of 1 0 %" in page

    upstream.fail(EVERYTHING, Status(503))
    site.clock.advance(timedelta(minutes=1))
    site.app.get("/simple/other/", status=503)
    PENDING.write(site.services)
    page = text(root.get("/admin/upstream/"))
    assert "Away" in page
    assert "answers with status 503" in page


def test_who_uses_what(site: Site, root: webtest.TestApp) -> None:
    site.user("ada")
    token = site.token(permissions=["read"])
    site.app.get("/simple/thing/")
    site.app.get("/simple/thing/", headers={"Authorization": f"Bearer {token}"})
    site.app.get("/simple/thing/", headers={"Authorization": "Bearer gr_nothing"})
    PENDING.write(site.services)
    page = text(root.get("/admin/upstream/projects/?q=THI"))
    assert "thing up" in page
    assert "2 of 3 66 %" in page
    assert "ada " + token[:10] in page
    assert "anybody" in page
    assert "No such project" in text(root.get("/admin/upstream/projects/?q=x"))


def test_rules_are_made_and_removed(site: Site, root: webtest.TestApp) -> None:
    form = root.get("/admin/upstream/rules/").forms["make"]
    form["kind"], form["about"] = "deny", "Thing<2"
    assert "Give a reason." in text(form.submit(status=422))
    form["reason"], form["until"] = "It has a hole.", "2026-06-01"
    answer = form.submit()
    assert "A rule denies thing<2." in text(answer.follow())
    assert audited(site)[0] == (
        *("upstream-deny", "root", None),
        "thing<2 until 2026-06-01: It has a hole.",
    )
    assert "remove it first" in text(form.submit(status=400))
    form["about"] = "no name at all"
    assert "chooses nothing" in text(form.submit(status=400))
    for name, wrong in (("until", "soon"), ("kind", "x")):
        other = root.get("/admin/upstream/rules/").forms["make"]
        other["about"], other["reason"] = "x", "x"
        other[name].force_value(wrong)
        other.submit(status=422)

    said = yanked(site)
    assert said["thing-1.0-py3-none-any.whl"] == (
        "thing 1.0 is not let in here until 2026-06-01: It has a hole. "
        "Ask the administrators of this index."
    )
    assert said["thing-2.0.tar.gz"] is False
    site.clock.advance(timedelta(days=1))
    assert yanked(site)["thing-1.0-py3-none-any.whl"] is False
    page = root.get("/admin/upstream/rules/?q=thing")
    assert "Over" in text(page)
    [remove] = [link for link in links(page) if "remove" in link]
    assert "The rule that denies thing<2 is removed." in text(act(root, remove).follow())
    assert audited(site)[0][0] == "upstream-rule-remove"
    root.get(remove, status=404)


def test_where_all_is_refused_installers_may_try(site: Site, root: webtest.TestApp) -> None:
    form = root.get("/admin/upstream/rules/").forms["make"]
    form["kind"], form["about"], form["reason"] = "deny", "*", "Closed."
    form.submit().follow()
    page = json.loads(site.app.get("/simple/thing/", headers=JSON).body)
    assert [file["yanked"] for file in page["files"]] == [False, False]
    assert all("/upstream/up/" in file["url"] for file in page["files"])


def test_what_was_refused_is_let_in_for_a_reason(site: Site, root: webtest.TestApp) -> None:
    refuse(site, "thing-1.0.tar.gz", Why.AGE)
    refuse(site, "thing-1.0-py3-none-any.whl", Why.AGE)
    refuse(site, "bad-1.0.tar.gz", Why.SETTING, "bad")
    refuse(site, "thing.egg", Why.NO_WHEEL)
    page = root.get("/admin/upstream/refusals/?why=age&q=whl")
    assert "thing-1.0-py3-none-any.whl is refused." in text(page)
    assert "thing.egg" not in text(page)
    [allow] = [link for link in links(page) if "allow" in link]
    asked = root.get(allow)
    assert "A rule lets in early thing==1.0" in text(asked).replace("a rule", "A rule")
    assert "Give a reason." in text(asked.forms["act"].submit(status=422))
    answer = act(root, allow).follow()
    assert "A rule lets in early thing==1.0." in text(answer)
    assert audited(site)[0] == (
        *("upstream-allow", "root", None),
        "thing==1.0 early: They asked for it.",
    )
    page = root.get("/admin/upstream/refusals/")
    assert "thing-1.0.tar.gz" not in text(page)
    [egg] = [link for link in links(page) if "allow" in link]
    assert "It is about all" in text(root.get(egg)).replace("it is about", "It is about")
    act(root, egg).follow()
    page = root.get("/admin/upstream/refusals/")
    assert [link for link in links(page) if "allow" in link] == []
    assert act(root, "/admin/upstream/refusals/3/allow").status_int == 400


def test_many_cost_as_many_queries_as_one(site: Site, root: webtest.TestApp) -> None:
    def counts() -> list[int]:
        found = []
        for path in PAGES:
            with statements(site.services.database) as seen:
                root.get(f"/admin/upstream/{path}")
            found.append(len(seen))
        return found

    def fill(first: int, last: int) -> None:
        for number in range(first, last):
            PENDING.note_page("up", f"p{number}", Who("root"), site.clock(), was_kept=True)
            refuse(site, f"p{number}-1.0.tar.gz", Why.AGE, f"p{number}")
            with site.services.writing() as uow:
                upstream_rules.make(uow, OPERATOR, RuleKind.DENY, f"p{number}")

    fill(0, 1)
    counts()  # so that the session was used just before
    before = counts()
    fill(1, 20)
    assert counts() == before
