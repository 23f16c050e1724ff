"""Manage pages of what is published: yanking, deleting, archiving, quarantine, history."""

from pathlib import Path

import pytest
import webtest
from sqlalchemy import select

from greenroom.models import AuditEntry, RoleName
from greenroom.registry import accounts, catalogue, projects
from greenroom.registry.catalogue import Listing
from greenroom.registry.permissions import OPERATOR
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.web.conftest import Site
from tests.web.reading import banner, counted_statements, heading, links, text
from tests.web.standing import state

PROJECT = "/manage/project/example/"
RELEASE = f"{PROJECT}release/1.0/"
SDIST = "example-1.0.tar.gz"
WHEEL = "example-1.0-py3-none-any.whl"

# Every act that is confirmed by typing: where it is asked, what has to be typed, and the notice.
TYPED = {
    "yank": (f"{RELEASE}yank", "1.0", "example 1.0 is yanked."),
    "yank-file": (f"{RELEASE}yank-file?filename={WHEEL}", WHEEL, f"{WHEEL} is yanked."),
    "delete-file": (f"{RELEASE}delete-file?filename={WHEEL}", WHEEL, f"{WHEEL} is deleted."),
    "delete-release": (f"{RELEASE}delete", "1.0", "example 1.0 is deleted."),
    "archive": (f"{PROJECT}archive", "example", "example is archived."),
    "visibility": (f"{PROJECT}visibility", "example", "example is private."),
    "quarantine": (f"{PROJECT}quarantine", "example", "example is in quarantine."),
    "delete-project": (f"{PROJECT}delete", "example", "example is deleted."),
}
# Those that take something back, and are done at once.
AT_ONCE = [
    f"{RELEASE}unyank",
    f"{RELEASE}unyank-file",
    f"{PROJECT}unarchive",
    f"{PROJECT}lift-quarantine",
]
OF_ADMINISTRATORS = ("quarantine",)


@pytest.fixture(autouse=True)
def example(site: Site, tmp_path: Path) -> None:
    """An example of ada's with a source distribution and a wheel of 1.0, and a wheel of 2.0."""
    site.user()
    site.user("root", administrator=True)
    site.release(make_sdist(tmp_path), make_wheel(tmp_path), make_wheel(tmp_path, version="2.0"))


def listing(site: Site) -> Listing | None:
    with site.services.reading() as uow:
        project = catalogue.project(uow.db, "example")
        return None if project is None else catalogue.listing(uow.db, project)


def csrf(browser: webtest.TestApp) -> dict[str, str]:
    return {"csrf_token": browser.get("/account/").forms["logout"]["csrf_token"].value}


def somebody_for(site: Site, act: str) -> webtest.TestApp:
    return site.sign_in("root" if act in OF_ADMINISTRATORS else "ada")


def confirm(
    browser: webtest.TestApp, act: str, typed: str | None = None, reason: str = ""
) -> webtest.TestResponse:
    path, expected, _ = TYPED[act]
    form = browser.get(path).forms["confirm"]
    form["typed"] = expected if typed is None else typed
    if "reason" in form.fields:
        form["reason"] = reason or ("Somebody asked." if act == "quarantine" else "")
    if "why" in form.fields:
        form["why"] = "Somebody asked."
    if "visibility" in form.fields:
        form["visibility"] = "private"
    return form.submit(status="*")


@pytest.mark.parametrize("act", TYPED)
def test_an_act_is_done_when_the_right_thing_is_typed(site: Site, act: str) -> None:
    before = state(site).tables

    page = confirm(somebody_for(site, act), act).follow()

    assert TYPED[act][2] in text(page)
    assert state(site).tables != before


def test_nothing_is_done_when_something_else_is_typed(site: Site) -> None:
    for act in TYPED:
        browser, before = somebody_for(site, act), state(site)
        for typed in ("", "something else", "x" * 300):
            page = confirm(browser, act, typed)

            assert page.status_int == 422, (act, typed)
            assert page.forms["confirm"]["typed"].value == typed, act
            assert state(site) == before, (act, typed)


def test_no_act_is_done_without_the_form_of_this_session(site: Site) -> None:
    for act, (path, typed, _) in TYPED.items():
        browser, before = somebody_for(site, act), state(site)

        page = browser.post(path.partition("?")[0], {"typed": typed, "filename": WHEEL}, status="*")

        assert page.status_int == 400, act
        assert "This form has expired" in text(page), act
        assert state(site) == before, act


def test_nothing_is_taken_back_without_the_form_of_this_session(site: Site) -> None:
    browser = site.sign_in()

    said = {path: browser.post(path, {"filename": WHEEL}, status="*").status for path in AT_ONCE}

    assert said == dict.fromkeys(AT_ONCE, "400 Bad Request")


def test_strangers_find_nothing_there(site: Site) -> None:
    site.user("eve")
    browser = site.sign_in("eve")

    for path in (f"{PROJECT}history/", RELEASE, *(path for path, *_ in TYPED.values())):
        there = browser.get(path, status="*")
        elsewhere = browser.get(path.replace("/example/", "/nothing/"), status=404)

        assert there.status_int == 404, path
        assert there.body == elsewhere.body, path


@pytest.mark.parametrize("who", ["eve", "grace", "ada"])
def test_only_those_who_may_can_act(site: Site, who: str) -> None:
    if who != "ada":
        site.user(who)
    if who == "grace":
        site.role("example", "grace", RoleName.MAINTAINER)
    browser = site.sign_in(who)
    before, token = state(site), csrf(browser)

    for path in (*(path for path, *_ in TYPED.values()), *AT_ONCE):
        act = path.partition("?")[0]
        answer = browser.post(act, {"typed": "nothing", "filename": WHEEL} | token, status="*")

        is_quarantine = "quarantine" in act
        done = {"eve": 404, "grace": 403, "ada": 403 if is_quarantine else answer.status_int}
        assert answer.status_int == done[who], path
        assert state(site) == before, path


# Yanking


def test_a_release_is_yanked_with_a_reason_and_taken_back(site: Site) -> None:
    browser = site.sign_in()

    page = confirm(browser, "yank", reason="breaks on Tuesdays").follow()

    assert "This release is yanked. The reason: breaks on Tuesdays" in banner(page)
    found = listing(site)
    assert found is not None
    assert {file.filename for file in found.files if file.yanked} == {SDIST, WHEEL}
    public = site.app.get("/project/example/1.0/")
    assert "The reason: breaks on Tuesdays" in banner(public)
    page = page.forms["unyank"].submit().follow()
    assert "example 1.0 is not yanked any more." in text(page)
    assert banner(page) == ""


def test_the_reason_is_changed_where_it_stands(site: Site) -> None:
    browser = site.sign_in()
    confirm(browser, "yank", reason="first")

    form = browser.get(f"{RELEASE}yank").forms["confirm"]

    assert form["reason"].value == "first"
    assert "Another reason for yanking example 1.0?" in heading(browser.get(f"{RELEASE}yank"))


def test_a_file_is_yanked_by_itself_and_taken_back(site: Site) -> None:
    browser = site.sign_in()

    page = confirm(browser, "yank-file", reason="wrong machine").follow()

    found = listing(site)
    assert found is not None
    assert [(f.filename, f.yanked_reason) for f in found.files if f.yanked] == [
        (WHEEL, "wrong machine")
    ]
    assert "Yanked: wrong machine" in text(site.app.get("/project/example/1.0/"))
    form = next(form for name, form in page.forms.items() if str(name).startswith("unyank-"))
    page = form.submit().follow()
    assert f"{WHEEL} is not yanked by itself any more." in text(page)


def test_a_reason_that_does_not_do_is_refused_on_the_page(site: Site) -> None:
    for act in ("yank", "yank-file", "archive", "quarantine"):
        browser, before = somebody_for(site, act), state(site)
        for reason in ("x" * 501, "two\tcolumns"):
            page = confirm(browser, act, reason=reason)

            assert page.status_int in (400, 422), (act, reason)
            assert page.forms["confirm"]["reason"].value == reason, act
            assert state(site) == before, (act, reason)


# Deleting


def test_a_deleted_release_leaves_the_list(site: Site) -> None:
    page = confirm(site.sign_in(), "delete-release").follow()

    assert heading(page) == "example"
    assert RELEASE not in links(page)
    site.app.get("/project/example/1.0/", status=404)


def test_a_release_with_a_draft_is_not_deleted_and_says_where_that_is(
    site: Site, tmp_path: Path
) -> None:
    site.stage(make_wheel(tmp_path, tag="py2-none-any"))
    browser = site.sign_in()

    question = browser.get(f"{RELEASE}delete")
    page = confirm(browser, "delete-release")

    assert "A draft of this release is open." in banner(question)
    assert f"{PROJECT}draft/1.0/" in links(question)
    assert page.status_int == 400
    assert "publish or discard it first" in text(page)


def test_a_deleted_project_is_nowhere(site: Site) -> None:
    page = confirm(site.sign_in(), "delete-project").follow()

    assert "You have no projects yet." in text(page)
    for path in ("/simple/example/", "/project/example/", "/project/example/1.0/"):
        site.app.get(path, status=404)


def test_a_file_of_no_or_another_release_is_not_found(site: Site) -> None:
    browser = site.sign_in()
    token = csrf(browser)
    for act in ("yank-file", "delete-file", "unyank-file"):
        for filename in ("", "nothing.whl", "example-2.0-py3-none-any.whl", "%00", "x" * 300):
            fields = {"filename": filename, "typed": filename} | token

            answer = browser.post(f"{RELEASE}{act}", fields, status="*")

            assert answer.status_int == 404, (act, filename)
            if act != "unyank-file":
                answer = browser.get(f"{RELEASE}{act}?filename={filename}", status="*")
                assert answer.status_int in (400, 404), (act, filename)


MANY = [f"cp3{minor}-cp3{minor}-win_amd64" for minor in range(11, 19)]


def test_many_files_of_a_release_are_grouped_counted_and_filtered(
    site: Site, tmp_path: Path
) -> None:
    site.release(*(make_wheel(tmp_path, tag=tag, salt=tag) for tag in MANY))
    browser = site.sign_in()

    page = browser.get(RELEASE)
    some = browser.get(f"{RELEASE}?files=3.12")

    titles = [row.get_text() for row in page.html.select(".files tr.group th")]
    assert titles[:3] == ["Source distribution", "Wheels for Python 3", "Wheels for CPython 3.11"]
    assert "10 files, " in text(page)
    assert "Windows" in text(page)
    assert f"{RELEASE}yank-file?filename={WHEEL}" in links(page)
    assert f"{RELEASE}delete-file?filename={WHEEL}" in links(page)
    assert "1 of 10 files, " in text(some)
    assert WHEEL not in text(some)


def test_long_lists_of_files_are_folded(site: Site, tmp_path: Path) -> None:
    site.release(*(make_wheel(tmp_path, tag=tag, salt=tag) for tag in MANY))
    site.stage(*(make_wheel(tmp_path, version="2.0", tag=tag, salt=tag) for tag in MANY))
    browser = site.sign_in()

    for path, count in ((f"{RELEASE}delete", 10), ("/project/example/2.0/", 8)):
        [folded] = browser.get(path).html.select("details.whole")
        [summary] = folded.select("summary")
        assert summary.get_text().startswith(f"{count} files, ")
        assert not folded.has_attr("open")
        assert len(folded.select("li")) == count
    assert browser.get(f"{PROJECT}release/2.0/delete").html.select("details.whole") == []


def test_there_is_no_page_of_what_is_not_published(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path, version="3.0"))
    browser = site.sign_in()

    for version in ("3.0", "no-version", "2.0rc1"):
        answer = browser.get(f"{PROJECT}release/{version}/", status="*")
        assert answer.status_int == 404, version


def test_a_version_has_one_spelling(site: Site) -> None:
    answer = site.sign_in().get(f"{PROJECT}release/v1/", status=301)

    assert answer.location == f"http://index.example{RELEASE}"


# Archiving and quarantine


def test_an_archived_project_says_so_everywhere(site: Site) -> None:
    browser = site.sign_in()

    page = confirm(browser, "archive", reason="use other").follow()

    assert "This project is archived." in banner(page)
    public = site.app.get("/project/example/")
    assert "This project is archived." in banner(public)
    assert "The reason: use other" in banner(public)
    simple = site.app.get("/simple/example/")
    assert '<meta name="pypi:project-status" content="archived">' in simple.text
    assert '<meta name="pypi:project-status-reason" content="use other">' in simple.text
    page = page.forms["unarchive"].submit().follow()
    assert "takes files again" in text(page)
    assert banner(site.app.get("/project/example/")) == ""


def test_a_quarantined_project_shows_why_and_gives_nothing(site: Site) -> None:
    wheel = next(
        link for link in links(site.app.get("/project/example/1.0/")) if link.endswith(".whl")
    )
    browser = site.sign_in("root")

    page = confirm(browser, "quarantine", reason="malware").follow()

    assert "This project is in quarantine." in banner(page)
    public = site.app.get("/project/example/1.0/")
    assert "The reason: malware" in banner(public)
    assert WHEEL not in public.text
    assert "pip install" not in text(public)
    assert "<a " not in site.app.get("/simple/example/").text
    site.app.get(wheel, status=404)
    site.app.get(f"{wheel}.metadata", status=404)
    assert "/project/example/1.0/" not in links(site.app.get("/"))
    page.forms["lift-quarantine"].submit(status=400)
    page.forms["lift-quarantine"]["why"] = "It was a mistake."
    page = page.forms["lift-quarantine"].submit().follow()
    assert "example is out of quarantine." in text(page)
    site.app.get(wheel, status=200)


def test_a_staged_file_of_a_quarantined_project_is_given_to_nobody(
    site: Site, tmp_path: Path
) -> None:
    slug = site.stage(make_wheel(tmp_path, version="3.0"))
    file = f"/draft/{slug}/files/example-3.0-py3-none-any.whl"
    site.app.get(file, status=200)

    confirm(site.sign_in("root"), "quarantine")

    site.app.get(file, status=404)
    assert "<a " not in site.app.get(f"/draft/{slug}/simple/example/").text


def test_in_quarantine_an_owner_is_offered_nothing_but_a_look(site: Site) -> None:
    confirm(site.sign_in("root"), "quarantine")
    ada = site.sign_in()

    page = ada.get(PROJECT)

    assert set(page.forms) & {"invite", "change-settings", "lift-quarantine"} == set()
    assert f"{PROJECT}delete" not in links(page)
    assert f"{RELEASE}delete" not in links(ada.get(RELEASE))
    answer = ada.get(f"{PROJECT}delete", status=403)
    assert "is in quarantine" in text(answer)


def test_an_administrator_without_a_role_is_asked_why(site: Site) -> None:
    with site.services.writing() as uow:
        factories.make_team(uow, accounts.get_user(uow.db, "ada"), "wool")
    root, ada = site.sign_in("root"), site.sign_in("ada")
    pages = [PROJECT, f"{PROJECT}people", RELEASE, "/account/teams/wool/"]
    pages += [path for path, _, _ in TYPED.values() if "quarantine" not in path]
    for path in pages:
        for browser, is_asked in ((root, True), (ada, False)):
            page = browser.get(path)
            forms = [form for name, form in page.forms.items() if isinstance(name, str)]
            changing = [form for form in forms if form.method.lower() == "post"]
            changing = [form for form in changing if form.id != "logout"]
            assert all(("why" in form.fields) == is_asked for form in changing), path
            assert changing or path == RELEASE, path

    form = root.get(f"{PROJECT}archive").forms["confirm"]
    form["typed"], form["reason"] = "example", "Kept"
    page = form.submit(status=400)
    assert "You do this as an administrator: give a reason" in text(page)
    assert page.forms["confirm"]["reason"].value == "Kept"
    page.forms["confirm"]["why"] = "They asked by mail."
    page.forms["confirm"].submit().follow()
    form = root.get("/account/teams/wool/delete").forms["confirm"]
    form["typed"], form["why"] = "wool", "Nobody is in it."
    form.submit().follow()
    with site.services.reading() as uow:
        lines = uow.db.scalars(select(AuditEntry.detail).order_by(AuditEntry.id.desc())).all()
    assert lines[0].endswith("Nobody is in it.")
    assert lines[1] == "Kept: They asked by mail."


def test_administrators_find_any_project_and_those_in_quarantine(site: Site) -> None:
    root = site.sign_in("root")
    assert "No project is in quarantine." in text(root.get("/admin/"))
    form = root.get("/admin/").forms["find-project"]
    form["project"] = "Example"
    assert heading(form.submit().follow()) == "example"
    form["project"] = "nothing"
    assert "There is no project of this name." in text(form.submit())

    confirm(root, "quarantine", reason="malware")

    assert "example malware" in text(root.get("/admin/"))


# History


def test_the_history_is_in_words_and_by_release_the_newest_first(site: Site) -> None:
    browser = site.sign_in()
    confirm(browser, "yank")

    page = browser.get(f"{PROJECT}history/")

    assert f"{PROJECT}history/" in links(browser.get(PROJECT))
    told = [" ".join(row.get_text(" ").split()) for row in page.html.select("h2, .history > li")]
    assert told[:2] == ["Release 1.0", "ada yanked the release 1 Jun 2026, 12:00 UTC · 8"]
    assert told[-1] == "ada registered the project 1 Jun 2026, 12:00 UTC · 1"
    assert [line for line in told if "add Owner" in line or "new release" in line] == []


def test_a_long_history_has_pages(site: Site) -> None:
    with site.services.writing() as uow:
        project = projects.get(uow, "example")
        for number in range(60):
            projects.archive(uow, OPERATOR, project, f"reason {number}")
    browser = site.sign_in()

    assert "registered the project" not in text(browser.get(f"{PROJECT}history/"))
    assert "registered the project" in text(browser.get(f"{PROJECT}history/?page=2"))
    browser.get(f"{PROJECT}history/?page=3", status=404)


@pytest.mark.parametrize("path", [RELEASE, f"{RELEASE}delete", f"{PROJECT}delete"])
def test_a_page_asks_the_database_as_often_for_many_files_as_for_few(
    site: Site, tmp_path: Path, path: str
) -> None:
    browser = site.sign_in()
    with counted_statements(site) as for_few:
        browser.get(path)
    tags = [f"py3-none-macosx_{number}_0_arm64" for number in range(11, 20)]
    site.release(*(make_wheel(tmp_path, tag=tag) for tag in tags))

    with counted_statements(site) as for_many:
        browser.get(path)

    assert len(for_many) == len(for_few)
