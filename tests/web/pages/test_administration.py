"""The pages of administrators besides those of accounts, and reports, which come there."""

from pathlib import Path

import pytest
import webtest

from greenroom.models import RoleName
from greenroom.registry import audit_reading, jobs, projects
from greenroom.registry.audit_reading import Wanted
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.reports import PER_ADDRESS
from tests.artifacts import make_wheel
from tests.conftest import SECRET_KEY
from tests.web.conftest import Site
from tests.web.pages.test_account_life import act, audited, token_of
from tests.web.reading import heading, links, text
from tests.web.test_queries import statements

PAGES = ("", "users", "projects", "names", "reports", "drafts", "jobs", "storage", "settings")


@pytest.fixture
def root(site: Site) -> webtest.TestApp:
    """The browser of an administrator; `example` is Ada's."""
    site.user("root", administrator=True)
    return site.sign_in("root")


@pytest.fixture
def project(site: Site, tmp_path: Path) -> str:
    """The address of a project of Ada's, for administrators."""
    site.user("ada")
    site.user("eve")
    site.release(make_wheel(tmp_path))
    return "/admin/projects/example/"


def names(page: webtest.TestResponse) -> list[str]:
    return [each.get_text() for each in page.html.select("td.file strong")]


def test_the_pages_lead_to_each_other_and_are_no_others(
    site: Site, root: webtest.TestApp, project: str
) -> None:
    ada = site.sign_in("ada")
    nothing = ada.get("/nothing/", status=404).body
    for name in (*PAGES, "health"):
        path = f"/admin/{name}/" if name else "/admin/"
        page = root.get(path)
        assert page.headers["Cache-Control"] == "private, no-store"
        [here] = page.html.select("nav.ways a[aria-current=page]")
        assert here["href"] == path
        assert {f"/admin/{other}/" for other in (*PAGES, "health") if other} <= set(links(page))
        assert ada.get(path, status=404).body == nothing
        assert site.app.get(path, status=303).location
    forms = ("names/", "names/remove", "jobs/1/retry", "reports/1/", "projects/example/quota")
    before = audited(site)
    for path in (*forms, "projects/example/transfer", "projects/example/quarantine"):
        fields = {"reason": "x", "name": "x", "username": "ada", "csrf_token": token_of(ada)}
        assert ada.get(f"/admin/{path}", status=404).body == nothing, path
        ada.post(f"/admin/{path}", fields, status=404)
    assert audited(site) == before
    for path in ("nothing/", "jobs/x/", "reports/0/", "reports/1/", "projects/nothing/"):
        root.get(f"/admin/{path}", status=404)
    for path in ("jobs/?kind=x", "jobs/?state=x", "projects/?state=x", "reports/?state=x"):
        root.get(f"/admin/{path}", status=404)
    for path in ("names", "drafts", "jobs", "projects", "reports", "settings"):
        root.get(f"/admin/{path}/?page=9", status=404)
        assert root.get(f"/admin/{path}/?q=%01").status_int == 200


def test_what_is_done_to_a_project(site: Site, root: webtest.TestApp, project: str) -> None:
    assert names(root.get("/admin/projects/?q=EXAM&state=active")) == ["example"]
    page = root.get(project)
    assert "/admin/users/ada/" in links(page)

    assert "no such" not in text(act(root, f"{project}quota", quota="1 MiB").follow())
    assert audited(site)[0] == (
        *("project-quota", "root", None),
        "1048576 bytes; They asked for it.",
    )
    assert "of 1.0 MiB" in text(root.get(project))
    assert root.get(f"{project}quota").forms["act"]["quota"].value == "1048576"
    for wrong in ("much", "-1", "1e9", "9" * 39):
        assert act(root, f"{project}quota", quota=wrong).status_int == 400
    act(root, f"{project}quota", quota="").follow()
    assert "as the setting of the index says" in text(root.get(project))

    for typed, username, status in (("x", "eve", 422), ("example", "nobody", 404)):
        answer = act(root, f"{project}transfer", typed=typed, username=username)
        assert answer.status_int == status
    answer = act(root, f"{project}transfer", typed="Example", username="eve").follow()
    assert "eve owns example." in text(answer)
    assert audited(site)[0] == ("project-transfer", "root", "eve", "They asked for it.")

    act(root, f"{project}quarantine", typed="example").follow()
    assert "Quarantined" in heading(root.get(project))
    assert names(root.get("/admin/projects/?state=quarantined")) == ["example"]
    act(root, f"{project}lift-quarantine").follow()
    assert audited(site)[0][0] == "project-unquarantine"
    assert audited(site)[0][3] == "They asked for it."


def test_a_draft_is_discarded_for_a_reason(
    site: Site, root: webtest.TestApp, project: str, tmp_path: Path
) -> None:
    site.stage(make_wheel(tmp_path, version="2.0"))
    [discard] = [link for link in links(root.get("/admin/drafts/")) if "discard" in link]
    assert act(root, discard, typed="other").status_int == 422
    answer = act(root, discard, typed="Example").follow()
    assert "The draft of example 2.0 is discarded." in text(answer)
    assert audited(site)[0] == ("draft-discard", "root", None, "They asked for it.")
    root.get(discard, status=404)
    root.get("/admin/drafts/discard?project=example&version=x", status=404)


def test_names_are_prohibited_and_allowed(
    site: Site, root: webtest.TestApp, tmp_path: Path
) -> None:
    form = root.get("/admin/names/").forms["prohibit"]
    assert "Give a reason." in text(form.submit(status=422))
    form["name"], form["reason"] = "Acme-*", "Ours."
    assert "Nobody may register acme-*." in text(form.submit().follow())
    assert "is prohibited, as before" in text(form.submit(status=400))
    form["name"] = "*"
    form.submit(status=400)
    assert audited(site)[0] == ("name-prohibit", "root", None, "acme-*: Ours.")
    site.user("ada")
    refused = site.upload(make_wheel(tmp_path, "acme-core"), site.token(), status=400)
    assert "isn't allowed on this index" in refused.status
    assert names(root.get("/admin/names/?q=ACME")) == ["acme-*"]
    assert names(root.get("/admin/names/?q=%25")) == []
    [allow] = [link for link in links(root.get("/admin/names/")) if "remove" in link]
    assert "is not prohibited any more" in text(act(root, allow).follow())
    site.upload(make_wheel(tmp_path, "acme-core"), site.token(), status=200)
    assert act(root, allow).status_int == 404


def test_a_project_is_reported_and_the_report_is_handled(
    site: Site, root: webtest.TestApp, project: str, tmp_path: Path
) -> None:
    site.stage(make_wheel(tmp_path, "hidden"))
    public = "/project/example/report"
    assert public in links(site.app.get("/project/example/"))
    nothing = site.app.get("/project/nothing/report", status=404).body
    ada = site.sign_in("ada")
    assert site.app.get("/project/hidden/report", status=404).body == nothing
    for browser in (ada, root):
        browser.get("/project/hidden/report", status=404)
        fields = {"kind": "spam", "text": "x", "csrf_token": token_of(browser)}
        browser.post("/project/hidden/report", fields, status=404)
    page = site.app.get(public)
    assert page.headers["Cache-Control"] == "private, no-store"
    form = page.forms["report"]
    form.submit(status=422)
    form["kind"], form["text"] = "malware", "It mines.\n<b>See setup.py.</b>"
    assert "have your report of example" in text(form.submit(status=200))
    form["text"] = "x" * 2001
    form.submit(status=422)
    form["kind"], form["text"] = "other", "Again."
    for _ in range(PER_ADDRESS - 1):
        form.submit(status=200)
    assert "wait before you report more" in text(form.submit(status=429))
    mine = ada.get(public).forms["report"]
    mine["kind"], mine["text"] = "other", "I cannot sign in."
    mine.submit(status=200)

    assert "6 reports" in text(root.get("/admin/"))
    assert len(names(root.get("/admin/reports/?q=Example"))) == 6
    assert names(root.get("/admin/reports/?q=nothing")) == []
    assert names(root.get("/admin/reports/?kind=malware")) == ["example"]
    report = root.get("/admin/reports/1/")
    assert "<b>See setup.py.</b>" in text(report)
    assert project in links(report)
    form = report.forms["handle"]
    form.submit(status=422)
    form["reason"] = "Quarantined."
    assert "The report 1 is handled." in text(form.submit().follow())
    assert audited(site)[0] == (
        *("report-handle", "root", None),
        "report 1 of example: Quarantined.",
    )
    assert "root handled it" in text(root.get("/admin/reports/1/"))
    assert "has handled this report" in text(form.submit(status=400))
    assert len(names(root.get("/admin/reports/?state=handled"))) == 1
    with site.services.reading() as uow:
        page_ = audit_reading.everything(uow, OPERATOR, Wanted(), None, 100)
        reported = [line for line in page_.lines if line.act == "project-report"]
    assert {line.by for line in reported} == {"anonymous", "ada"}
    assert all("mines" not in line.detail for line in page_.lines)


def test_what_the_index_does_and_has(
    site: Site, root: webtest.TestApp, project: str, tmp_path: Path
) -> None:
    site.stage(make_wheel(tmp_path, version="2.0"))
    site.role("example", "eve", RoleName.MAINTAINER)
    assert "/manage/project/example/draft/2.0/" in links(root.get("/admin/drafts/?q=example+2"))
    assert names(root.get("/admin/drafts/?q=3.0")) == []
    with site.services.writing() as uow:
        job = jobs.enqueue(uow, jobs.Kind.VERIFY, {}).id
    assert names(root.get("/admin/jobs/?kind=verify&state=waiting")) == [str(job)]
    assert names(root.get("/admin/jobs/?kind=verify&state=troubled")) == []
    assert "is tried again now" in text(act(root, f"/admin/jobs/{job}/retry").follow())
    assert audited(site)[0][3] == f"job {job}: verify; They asked for it."
    with site.services.reading() as uow:
        size = projects.total_size(uow)
    assert size
    assert "Blobs in the trash 0" in text(root.get("/admin/storage/"))
    shown = root.get("/admin/settings/?q=greenroom_")
    assert "GREENROOM_MAX_FILE_SIZE" in text(shown)
    for page in range(1, 3):
        every = root.get(f"/admin/settings/?page={page}", status="*")
        assert SECRET_KEY not in every.text
    assert names(root.get("/admin/settings/?q=nothing-like-it")) == []
    health = text(root.get("/admin/health/"))
    assert "Database: In order" in health
    assert "Jobs that wait" in health


def test_lists_take_as_many_queries_for_many_as_for_few(
    site: Site, root: webtest.TestApp, project: str, tmp_path: Path
) -> None:
    def counted() -> dict[str, int]:
        found = {}
        for name in (*PAGES, "health", "projects/example", "users/ada"):
            path = f"/admin/{name}/" if name else "/admin/"
            with statements(site.services.database) as seen:
                root.get(path)
            found[path] = len(seen)
        return found

    site.stage(make_wheel(tmp_path, version="2.0"))
    counted()  # the storage is looked at for the first time
    few = counted()
    for number in range(4):
        site.release(make_wheel(tmp_path, f"project-{number}"))
        site.stage(make_wheel(tmp_path, f"project-{number}", "2.0"))
        site.token()
        site.user(f"user-{number}")
        form = root.get("/project/example/report").forms["report"]
        form["text"] = "Spam."
        form.submit(status=200)
    assert counted() == few
