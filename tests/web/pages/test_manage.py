"""Your projects, a project's manage page, a draft and its acts, and what administrators see."""

import hashlib
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import webtest

from greenroom.models import Draft, RoleName
from greenroom.registry import (
    accounts,
    catalogue,
    draft_contents,
    drafts,
    jobs,
    projects,
    publishing,
)
from greenroom.registry.permissions import Person
from greenroom.web.pages.templating import filesize
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.factories import PASSWORD
from tests.web.conftest import Site
from tests.web.reading import banner, commands, counted_statements, heading, links, text
from tests.web.standing import state

PROJECT = "/manage/project/example/"
DRAFT = "/manage/project/example/draft/1.0/"


pytestmark = pytest.mark.usefixtures("account")


def do(site: Site, act: Callable[..., object], *arguments: object) -> None:
    """An act of ada's on the draft of example 1.0."""
    with site.services.writing() as uow:
        draft = factories.find_draft(uow, "example", "1.0")
        assert draft is not None
        act(uow, Person(accounts.get_user(uow.db, "ada")), draft, *arguments)


def draft_of(site: Site, version: str = "1.0") -> Draft | None:
    with site.services.reading() as uow:
        return factories.find_draft(uow, "example", version)


def staged(site: Site) -> list[str]:
    """What the draft of example 1.0 holds."""
    with site.services.reading() as uow:
        draft = factories.find_draft(uow, "example", "1.0")
        assert draft is not None
        return [file.filename for file in drafts.files(uow.db, draft)]


def public(site: Site) -> list[str]:
    with site.services.reading() as uow:
        return factories.public_filenames(uow, "example")


def csrf(browser: webtest.TestApp) -> dict[str, str]:
    return {"csrf_token": browser.get("/account/").forms["logout"]["csrf_token"].value}


# Your projects


def test_newcomers_are_told_how_to_begin(site: Site) -> None:
    page = site.sign_in().get("/manage/")

    assert "You have no projects yet." in text(page)
    assert commands(page) == [
        "twine upload --repository-url 'http://index.example/legacy/?staged=true' "
        "-u __token__ dist/*"
    ]
    assert "/account/tokens/" in links(page)


def test_drafts_stand_above_the_projects(site: Site, tmp_path: Path) -> None:
    site.release(make_wheel(tmp_path))
    site.stage(make_wheel(tmp_path, version="2.0"))

    page = site.sign_in().get("/manage/")

    assert "example 2.0 1 file" in text(page)
    assert "14 days left" in text(page)
    assert "/manage/project/example/draft/2.0/" in links(page)
    assert "example 1.0 1 Jun 2026, 12:00 UTC Owner" in text(page)


def test_nobody_sees_the_projects_of_others(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path))
    site.user("eve")

    assert "example" not in text(site.sign_in("eve").get("/manage/")).replace("index.example", "")


def test_many_projects_have_pages(site: Site, tmp_path: Path) -> None:
    for word in ("apples", "pears"):
        site.release(*(make_wheel(tmp_path, f"{word}-{letter}") for letter in "abcdefghkmnpq"))
        site.clock.advance(timedelta(hours=2))
    browser = site.sign_in()

    assert "pears-q" not in text(browser.get("/manage/"))
    assert "pears-q" in text(browser.get("/manage/?page=2"))


# A project


def test_a_project_is_managed_on_one_page(site: Site, tmp_path: Path) -> None:
    site.release(make_wheel(tmp_path))
    site.stage(make_wheel(tmp_path, version="2.0"))

    page = site.sign_in().get(PROJECT)

    assert heading(page) == "example"
    assert "/manage/project/example/draft/2.0/" in links(page)
    assert "/manage/project/example/release/1.0/" in links(page)
    assert "ada owner" in text(page)


def test_a_project_without_releases_is_marked(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path))

    page = site.sign_in().get(PROJECT)

    assert heading(page) == "example Reserved by a draft"
    assert "/project/example/" not in links(page)


def test_strangers_find_nothing_there(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path))
    site.user("eve")
    browser = site.sign_in("eve")

    for path in (
        "",
        "draft/1.0/",
        "draft/1.0/publish",
        "draft/1.0/discard",
        "draft/1.0/rotate",
        "remove-role?user=ada",
    ):
        there = browser.get(f"{PROJECT}{path}", status="*")
        elsewhere = browser.get(f"/manage/project/nothing/{path}", status=404)

        assert there.status_int == 404, path
        assert there.body == elsewhere.body, path


def test_who_is_not_signed_in_is_asked_to_and_comes_back(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path))

    for path in (
        "/manage",
        "/manage/",
        "/manage/nothing",
        "/manage/project/",
        "/manage/project/nothing/",
        "/manage/project/Example",
        f"{PROJECT}history/?page=2&x=%C3%A9",
        f"{DRAFT}publish",
        f"{DRAFT}remove?filename=example-1.0%2Bx.whl",
        f"{PROJECT}x%20y%2Fz/%C3%A9?q=a+b",
        "/admin",
        "/admin/",
        "/admin/verify",
        "/admin/nothing/there",
    ):
        asked = site.browser().get(path, status="*")

        assert asked.status_int == 303, path
        login = "http://index.example/account/login?next="
        assert str(asked.location).startswith(login), path
        assert asked.headers["Cache-Control"] == "private, no-store", path
        form = asked.follow().forms["login"]
        form["username"], form["password"] = "ada", PASSWORD
        back = urlsplit(str(form.submit(status=303).location))
        wanted = urlsplit(path)
        assert (back.netloc, unquote(back.path)) == ("index.example", unquote(wanted.path))
        assert parse_qs(back.query) == parse_qs(wanted.query), path


@pytest.mark.parametrize(
    "path", ["//evil.example/manage/", "//manage/", "/manage/%FF", "/\\manage/"]
)
def test_where_to_come_back_to_is_on_this_site(site: Site, path: str) -> None:
    browser = site.browser()
    answer = browser.get("/", extra_environ={"PATH_INFO": unquote(path, "latin-1")}, status="*")

    if answer.status_int == 303:
        form = answer.follow().forms["login"]
        form["username"], form["password"] = "ada", PASSWORD
        assert str(form.submit(status=303).location).startswith("http://index.example/manage/")
    else:
        assert answer.status_int == 404


def test_who_is_not_signed_in_does_nothing(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path))

    for path in (PROJECT, f"{DRAFT}publish", "/manage/nothing", "/admin/verify"):
        answer = site.app.post(path, {"content_digest": "x"}, status="*")

        assert answer.status_int == 303, path
        assert answer.location == "http://index.example/account/login", path
        assert public(site) == [], path


ACTS = [
    "invite",
    "invite-team",
    "hand-over",
    "settings",
    "remove-role",
    "draft/1.0/publish",
    "draft/1.0/discard",
    "draft/1.0/extend",
    "draft/1.0/rotate",
    "draft/1.0/remove",
]


def test_strangers_cannot_act(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path))
    site.user("eve")
    eve = site.sign_in("eve")
    fields = csrf(eve) | {
        "typed": "1.0",
        "username": "eve",
        "role": "owner",
        "team": "wool",
        "user": "ada",
        "filename": "example-1.0-py3-none-any.whl",
    }
    before = state(site)

    for act in ACTS:
        answer = eve.post(f"{PROJECT}{act}", fields, status="*")

        assert answer.status_int == 404, act
        assert state(site) == before, act


def test_no_act_is_done_without_the_form_of_this_session(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path))
    site.user("grace")
    fields = {
        "typed": "1.0",
        "username": "grace",
        "role": "owner",
        "team": "wool",
        "user": "ada",
        "filename": "example-1.0-py3-none-any.whl",
    }
    ada = site.sign_in()
    before = state(site)

    for act in ACTS:
        answer = ada.post(f"{PROJECT}{act}", fields, status="*")

        assert answer.status_int == 400, act
        assert "This form has expired" in text(answer), act
        assert state(site) == before, act


# Roles and settings


def test_an_owner_gives_a_role(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path))
    site.user("grace")
    form = site.sign_in().get(f"{PROJECT}people").forms["invite"]
    form["username"], form["role"] = "Grace", "maintainer"

    page = form.submit().follow()

    assert "grace is invited to be a maintainer." in text(page)
    grace = site.sign_in("grace")
    grace.get(DRAFT, status=404)
    found = grace.get("/account/invitations/").forms
    [form] = [found[name] for name in found if str(name).startswith("accept-")]
    assert "You have accepted: maintainer of example." in text(form.submit().follow())
    grace.get(DRAFT, status=200)
    assert "grace maintainer" in text(grace.get(PROJECT))


def test_a_role_that_cannot_be_is_refused_with_the_reason(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path))
    site.user("grace")
    browser = site.sign_in()

    for username, role, sentence in (
        ("nobody", "owner", "There is no user 'nobody'"),
        ("ada", "owner", "as before"),
        ("ada", "maintainer", "an owner of 'example', which is more"),
        ("", "owner", "Enter a user name."),
        ("x" * 300, "owner", "cannot be longer than 255"),
        ("grace", "king", "Not a valid choice"),
    ):
        form = browser.get(f"{PROJECT}people").forms["invite"]
        form["username"] = username
        form["role"].force_value(role)

        answer = form.submit(status="*")

        assert 400 <= answer.status_int < 500, sentence
        assert sentence in text(answer)
        shown = text(browser.get(PROJECT))
        assert "ada owner" in shown, sentence
        assert "grace" not in shown, sentence


def test_a_role_goes_when_the_name_is_typed(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path))
    site.user("grace")
    site.role("example", "grace", RoleName.MAINTAINER)
    question = site.sign_in().get(f"{PROJECT}remove-role?user=grace")
    form = question.forms["confirm"]
    form["typed"] = "grace"

    page = form.submit().follow()

    assert "grace has no role of their own in example any more." in text(page)
    site.sign_in("grace").get(PROJECT, status=404)


def test_a_role_stays_when_something_else_is_typed(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path))
    site.user("grace")
    site.role("example", "grace", RoleName.MAINTAINER)
    browser = site.sign_in()

    for typed in ("", "ada", "grac"):
        form = browser.get(f"{PROJECT}remove-role?user=grace").forms["confirm"]
        form["typed"] = typed
        assert form.submit(status="*").status_int == 422, typed

    site.sign_in("grace").get(PROJECT, status=200)


def test_the_last_owner_stays(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path))
    form = site.sign_in().get(f"{PROJECT}remove-role?user=ada").forms["confirm"]
    form["typed"] = "ada"

    answer = form.submit(status=400)

    assert "the last owner" in text(answer)
    site.sign_in().get(PROJECT, status=200)


@pytest.mark.parametrize("user", ["nobody", "", "%00"])
def test_nobody_can_be_removed_who_has_no_role(site: Site, tmp_path: Path, user: str) -> None:
    site.stage(make_wheel(tmp_path))

    site.sign_in().get(f"{PROJECT}remove-role?user={user}", status="4*")


def test_a_maintainer_is_offered_neither_roles_nor_settings_and_cannot_change_them(
    site: Site, tmp_path: Path
) -> None:
    site.stage(make_wheel(tmp_path))
    site.user("grace")
    site.role("example", "grace", RoleName.MAINTAINER)
    grace = site.sign_in("grace")

    page, people = grace.get(PROJECT), grace.get(f"{PROJECT}people")

    forms = set(page.forms) | set(people.forms)
    assert forms & {"invite", "invite-team", "change-settings"} == set()
    assert "Remove" not in text(page) + text(people)
    token = csrf(grace)
    grace.get(f"{PROJECT}remove-role?user=ada", status=403)
    grace.post(f"{PROJECT}invite", {"username": "grace", "role": "owner"} | token, status=403)
    grace.post(f"{PROJECT}remove-role", {"user": "ada", "typed": "ada"} | token, status=403)
    for act in ("invite-team", "make-maintainer", "withdraw", "hand-over", "remove-team"):
        fields = {
            "team": "x",
            "user": "ada",
            "invitation": "1",
            "name": "grace",
            "typed": "example",
        }
        grace.post(f"{PROJECT}{act}", token | fields, status="4*")
    grace.post(f"{PROJECT}settings", token, status=403)
    assert "ada owner grace maintainer" in text(grace.get(PROJECT))


def test_a_project_can_be_set_to_publish_through_drafts_only(site: Site, tmp_path: Path) -> None:
    site.release(make_wheel(tmp_path))
    form = site.sign_in().get(PROJECT).forms["change-settings"]
    assert form["auto_publish_releases"].checked
    form["auto_publish_releases"].checked = False

    page = form.submit().follow()

    assert "The settings are saved." in text(page)
    assert not page.forms["change-settings"]["auto_publish_releases"].checked
    refused = site.upload(make_wheel(tmp_path, version="2.0"), site.token(), status="4*")
    assert "draft" in refused.text


# A draft


def test_the_manage_page_has_all_that_one_needs_to_know_of_a_draft(
    site: Site, tmp_path: Path
) -> None:
    wheel = make_wheel(
        tmp_path,
        summary="Counts sheep.",
        description="One, *two*.",
        description_content_type="text/markdown",
    )
    slug = site.stage(make_sdist(tmp_path, summary="Counts sheep."), wheel)
    site.clock.advance(timedelta(hours=1))

    page = site.sign_in().get(DRAFT)

    assert heading(page) == "example 1.0 Draft"
    assert "13 days 23 hours left, until 15 Jun 2026, 12:00 UTC" in text(page)
    assert commands(page) == [
        f"http://index.example/draft/{slug}/",
        "pip install --index-url http://index.example/simple/ "
        f"--extra-index-url http://index.example/draft/{slug}/simple/ example==1.0",
        f"pip install --index-url http://index.example/draft/{slug}/full/simple/ example==1.0",
        "twine upload --repository-url 'http://index.example/legacy/?staged=true' "
        "-u __token__ dist/*",
    ]
    for words in (
        "Counts sheep.",
        "Source distribution",
        "Wheels for Python 3",
        "1 Jun 2026, 12:00 UTC by ada",
        factories.artifact_of(wheel).sha256,
        "ada opened the draft",
        "ada added 2 files",
    ):
        assert words in text(page)


def test_the_log_groups_the_uploads_of_one_run(site: Site, tmp_path: Path) -> None:
    site.stage(*(make_wheel(tmp_path, tag=f"cp3{n}-cp3{n}-win32") for n in range(1, 25)))
    site.clock.advance(timedelta(hours=1))
    site.stage(make_wheel(tmp_path, tag="cp325-cp325-win32"))

    page = site.sign_in().get(DRAFT)

    entries = [" ".join(item.get_text(" ").split()) for item in page.html.select(".log > li")]
    assert [entry.split(" 1 Jun")[0].split(" Digests")[0] for entry in entries[::2]] == [
        "ada added example-1.0-cp325-cp325-win32.whl",
        "ada opened the draft",
    ]
    assert entries[1].startswith("ada added 24 files")
    assert "example-1.0-cp31-cp31-win32.whl" in entries[1]


def test_the_log_of_a_busy_draft_has_pages(site: Site, tmp_path: Path) -> None:
    for n in range(1, 25):
        site.stage(make_wheel(tmp_path, tag=f"cp3{n}-cp3{n}-win32"))
        site.clock.advance(timedelta(hours=1))
    browser = site.sign_in()

    assert "ada opened the draft" not in text(browser.get(DRAFT))
    assert "ada opened the draft" in text(browser.get(f"{DRAFT}?page=2"))


def test_what_replaced_what_is_in_the_log(site: Site, tmp_path: Path) -> None:
    before, after = make_wheel(tmp_path / "a"), make_wheel(tmp_path / "b", salt="x")
    site.stage(before, after)

    page = site.sign_in().get(DRAFT)

    digests = [factories.artifact_of(path).sha256 for path in (before, after)]
    assert f"{digests[0]} became {digests[1]}" in text(page)


def test_the_version_has_one_spelling(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path))

    answer = site.sign_in().get("/manage/project/EXAMPLE/draft/1.0.0", status=301)

    assert answer.location == f"http://index.example{DRAFT}"


# Publishing


def test_publishing_first_lists_what_becomes_public(site: Site, tmp_path: Path) -> None:
    site.stage(make_sdist(tmp_path), make_wheel(tmp_path))

    page = site.sign_in().get(DRAFT).click("Publish…")

    items = [" ".join(item.get_text(" ").split()) for item in page.html.select(".becomes li")]
    assert items[0].startswith("The project example")
    assert items[1] == "The release 1.0 : An example."
    assert [item.split()[0] for item in items[2:]] == [
        "example-1.0.tar.gz",
        "example-1.0-py3-none-any.whl",
    ]
    assert public(site) == []


def test_files_for_a_public_release_are_all_that_is_listed(site: Site, tmp_path: Path) -> None:
    site.release(make_wheel(tmp_path))
    site.stage(make_wheel(tmp_path, tag="cp312-cp312-win32"))

    page = site.sign_in().get(f"{DRAFT}publish")

    assert len(page.html.select(".becomes li")) == 1


def test_what_is_published_has_its_total_and_the_buttons_before_the_list(
    site: Site, tmp_path: Path
) -> None:
    wheels = [make_wheel(tmp_path, tag=f"cp3{n}-cp3{n}-win32") for n in range(1, 8)]
    site.stage(*wheels)

    page = site.sign_in().get(f"{DRAFT}publish")

    size = filesize(sum(wheel.stat().st_size for wheel in wheels))
    assert f"7 files, {size} in all" in text(page)
    assert page.text.index('id="publish"') < page.text.index('class="becomes"')
    assert not page.html.select("details[open] .becomes")


def test_publishing_leads_to_the_public_page(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path))
    form = site.sign_in().get(f"{DRAFT}publish").forms["publish"]

    answer = form.submit()

    assert answer.status_int == 303
    assert answer.location == "http://index.example/project/example/1.0/"
    page = answer.follow()
    assert "example 1.0 is published." in text(page)
    assert banner(page) == ""
    assert heading(site.app.get("/project/example/")) == "example 1.0"


def test_publishing_twice_answers_twice_alike(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path))
    form = site.sign_in().get(f"{DRAFT}publish").forms["publish"]
    first = form.submit()

    again = form.submit()

    assert (again.status_int, again.location) == (first.status_int, first.location)
    assert public(site) == ["example-1.0-py3-none-any.whl"]


def test_what_is_published_leaves_a_tombstone_with_its_log(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path))
    do(site, publishing.publish)
    browser = site.sign_in()

    page = browser.get(DRAFT)

    assert "The draft of example 1.0 was published." in text(page)
    assert "/project/example/1.0/" in links(page)
    assert "ada published the draft" in text(page)
    assert set(page.forms) & {"extend"} == set()
    for act in ("publish", "discard", "rotate"):
        assert str(browser.get(f"{DRAFT}{act}", status=303).location).endswith(DRAFT)


def empty_digest() -> dict[str, str]:
    """What a form says that publishes the draft without files."""
    return {"content_digest": draft_contents.content_digest("example", "1.0", {})}


def test_an_empty_draft_is_not_published_and_says_why(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path))
    do(site, drafts.remove_file, "example-1.0-py3-none-any.whl")
    browser = site.sign_in()

    page = browser.get(f"{DRAFT}publish")
    answer = browser.post(f"{DRAFT}publish", csrf(browser) | empty_digest(), status=409)

    for shown in (page, answer):
        assert "It has no files: upload one first." in text(shown)
        assert "publish" not in shown.forms
    assert f"{DRAFT}publish" not in links(browser.get(DRAFT))
    assert draft_of(site) is not None
    assert public(site) == []


def test_every_reason_against_publishing_is_listed(site: Site, tmp_path: Path) -> None:
    site.release(make_wheel(tmp_path))
    site.stage(make_wheel(tmp_path, tag="cp312-cp312-win32"))
    for _ in range(2):  # the draft lives, while the release closes
        site.clock.advance(timedelta(days=10))
        do(site, drafts.extend)
    do(site, drafts.remove_file, "example-1.0-cp312-cp312-win32.whl")
    browser = site.sign_in()

    answer = browser.post(f"{DRAFT}publish", csrf(browser) | empty_digest(), status=409)

    reasons = [item.get_text() for item in answer.html.select(".problems li")]
    assert len(reasons) == 2
    assert "no files" in reasons[0]
    assert "takes no more files" in reasons[1]


def test_a_draft_that_fell_due_is_not_there_to_be_published(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path))
    browser = site.sign_in()
    form = browser.get(f"{DRAFT}publish").forms["publish"]
    for _ in range(2):  # the session goes on, as it is used
        site.clock.advance(timedelta(days=7))
        browser.get("/manage/")

    form.submit(status="4*")

    assert public(site) == []


def shown_digest(page: webtest.TestResponse) -> str:
    """The digest that a page shows."""
    found = re.search(r"The digest of this content: (sha256:[0-9a-f]{64})", text(page))
    assert found is not None
    return found[1]


def test_the_pages_show_the_digest_and_the_form_carries_it(site: Site, tmp_path: Path) -> None:
    wheel, sdist = make_wheel(tmp_path), make_sdist(tmp_path)
    slug = site.stage(wheel, sdist)
    browser = site.sign_in()
    lines = b"example 1.0\n"
    for path in (wheel, sdist):  # "-" sorts before "."
        lines += f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.name}\n".encode()
    expected = f"sha256:{hashlib.sha256(lines).hexdigest()}"

    publish = browser.get(f"{DRAFT}publish")

    assert publish.forms["publish"]["content_digest"].value == expected
    for page in (publish, browser.get(DRAFT), site.app.get(f"/draft/{slug}/")):
        assert shown_digest(page) == expected


def test_what_was_swapped_after_the_look_is_not_published(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path), make_sdist(tmp_path))
    browser = site.sign_in()
    form = browser.get(f"{DRAFT}publish").forms["publish"]
    build = site.token("ada", permissions=["stage"])
    swapped = make_wheel(tmp_path / "swapped", summary="Something else")
    site.upload(swapped, build, staged=True, status=200)
    site.upload(make_wheel(tmp_path, tag="cp312-cp312-win32"), build, staged=True, status=200)
    do(site, drafts.remove_file, "example-1.0.tar.gz")

    answer = form.submit(status=409)

    assert public(site) == []
    changes = [item.get_text() for item in answer.html.select("#changed li")]
    assert [change.partition(":")[0] for change in changes] == [
        "'example-1.0-cp312-cp312-win32.whl' was added",
        "'example-1.0-py3-none-any.whl' was replaced",
        "'example-1.0.tar.gz' was removed",
    ]
    assert hashlib.sha256(swapped.read_bytes()).hexdigest() in changes[1]
    assert "Nothing was published." in text(answer)
    assert answer.forms["publish"]["content_digest"].value == shown_digest(browser.get(DRAFT))
    form.submit(status=409)
    answer.forms["publish"].submit(status=303)
    assert len(public(site)) == 2


def test_what_was_swapped_and_published_by_another_is_not_what_one_meant(
    site: Site, tmp_path: Path
) -> None:
    site.stage(make_wheel(tmp_path))
    form = site.sign_in().get(f"{DRAFT}publish").forms["publish"]
    site.stage(make_wheel(tmp_path / "swapped", summary="Something else"))
    do(site, publishing.publish)

    answer = form.submit(status=409)

    assert "was published with the content" in text(answer)
    assert "was replaced" in text(answer)


def test_what_was_swapped_back_is_what_was_looked_at(site: Site, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    site.stage(wheel)
    form = site.sign_in().get(f"{DRAFT}publish").forms["publish"]
    site.stage(make_wheel(tmp_path / "swapped", summary="Something else"))
    site.stage(wheel)

    form.submit(status=303)

    assert public(site) == [wheel.name]


NO_DIGESTS = ("", "sha256:", "x" * 300, "sha256:" + "A" * 64)


def test_a_form_that_does_not_say_what_it_publishes_publishes_nothing(
    site: Site, tmp_path: Path
) -> None:
    site.stage(make_wheel(tmp_path))
    browser = site.sign_in()
    token = csrf(browser)

    for said in ({}, *({"content_digest": digest} for digest in NO_DIGESTS)):
        assert browser.post(f"{DRAFT}publish", token | said, status="*").status_int == 400, said
        assert public(site) == [], said


def test_the_history_names_what_was_approved(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path), make_sdist(tmp_path))
    browser = site.sign_in()
    first = shown_digest(browser.get(DRAFT))
    browser.get(f"{DRAFT}publish").forms["publish"].submit(status=303)
    with site.services.writing() as uow:
        factories.publish_directly(uow, "example")
    site.stage(make_wheel(tmp_path, tag="cp312-cp312-win32"))
    second = shown_digest(browser.get(DRAFT))
    browser.get(f"{DRAFT}publish").forms["publish"].submit(status=303)
    site.release(make_wheel(tmp_path, version="2.0"))

    history = browser.get(f"{PROJECT}history/")
    log = browser.get(DRAFT)

    named = [code.get_text() for code in history.html.select(".history small code")]
    assert named == [second, first]
    assert f"ada published the draft {second}" in text(log)
    with site.services.reading() as uow:
        project = projects.get(uow, "example")
        kept = {r.version: r.content_digest for r in catalogue.releases(uow.db, project)}
    assert kept == {"1.0": second, "2.0": None}


# Discarding


def test_a_draft_goes_when_its_version_is_typed(site: Site, tmp_path: Path) -> None:
    site.release(make_wheel(tmp_path, version="0.9"))
    site.stage(make_wheel(tmp_path))
    form = site.sign_in().get(DRAFT).click("Discard…").forms["confirm"]
    form["typed"] = " 1.0 "

    answer = form.submit()

    assert answer.location == f"http://index.example{PROJECT}"
    assert "The draft of example 1.0 is discarded." in text(answer.follow())
    assert draft_of(site) is None


def test_a_project_that_was_only_reserved_goes_with_its_draft(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path))
    form = site.sign_in().get(f"{DRAFT}discard").forms["confirm"]
    form["typed"] = "1.0"

    answer = form.submit()

    assert answer.location == "http://index.example/manage/"
    assert "You have no projects yet." in text(answer.follow())


def test_a_draft_stays_when_something_else_is_typed(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path))
    form = site.sign_in().get(f"{DRAFT}discard").forms["confirm"]

    for typed in ("", "1.1", "example", "x" * 300):
        form["typed"] = typed
        assert form.submit(status="*").status_int == 422, typed
        assert draft_of(site) is not None, typed


# Files, time and address


def test_a_file_is_removed_after_a_question(site: Site, tmp_path: Path) -> None:
    site.stage(make_sdist(tmp_path), make_wheel(tmp_path))
    question = site.sign_in().get(f"{DRAFT}remove?filename=example-1.0.tar.gz")
    assert "example-1.0.tar.gz" in text(question)

    page = question.forms["remove"].submit().follow()

    assert "example-1.0.tar.gz is removed." in text(page)
    assert "ada removed example-1.0.tar.gz" in text(page)
    assert staged(site) == ["example-1.0-py3-none-any.whl"]


def test_a_file_that_is_not_there_cannot_be_removed(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path))
    browser = site.sign_in()
    token = csrf(browser)

    for name in ("nothing.whl", "", "../../etc/passwd", "x" * 300):
        asked = browser.get(f"{DRAFT}remove", {"filename": name}, status="*")
        sent = browser.post(f"{DRAFT}remove", {"filename": name} | token, status="*")
        assert (asked.status_int, sent.status_int) == (404, 404), name

    assert len(staged(site)) == 1


def test_the_time_can_be_extended(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path))
    site.clock.advance(timedelta(days=10))

    page = site.sign_in().get(DRAFT).forms["extend"].submit().follow()

    assert "The draft now lives until 25 Jun 2026, 12:00 UTC." in text(page)
    assert "14 days left" in text(page)


def test_the_time_cannot_be_extended_for_nothing(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path))

    answer = site.sign_in().get(DRAFT).forms["extend"].submit(status=400)

    assert "as late as it can be" in text(answer)


def test_a_new_address_ends_the_old_one(site: Site, tmp_path: Path) -> None:
    slug = site.stage(make_wheel(tmp_path))
    question = site.sign_in().get(DRAFT).click("Change the address…")
    assert "The old one is dead at once" in text(question)

    page = question.forms["rotate"].submit().follow()

    assert "The draft has a new address." in text(page)
    assert slug not in page.text
    site.app.get(f"/draft/{slug}/", status=404)
    draft = draft_of(site)
    assert draft is not None
    site.app.get(f"/draft/{draft.slug}/", status=200)


# Who may do what


def test_a_maintainer_may_do_everything_with_a_draft(site: Site, tmp_path: Path) -> None:
    site.stage(make_wheel(tmp_path))
    site.user("grace")
    site.role("example", "grace", RoleName.MAINTAINER)

    page = site.sign_in("grace").get(DRAFT)

    for act in ("publish", "discard", "rotate"):
        assert f"{DRAFT}{act}" in links(page)
    page.click("Publish…").forms["publish"].submit(status=303)
    assert public(site) == ["example-1.0-py3-none-any.whl"]


def test_an_administrator_is_offered_to_discard_and_not_to_release(
    site: Site, tmp_path: Path
) -> None:
    site.stage(make_wheel(tmp_path))
    site.user("root", administrator=True)
    root = site.sign_in("root")

    page = root.get(DRAFT)

    assert f"{DRAFT}discard" in links(page)
    assert f"{DRAFT}publish" not in links(page)
    assert "extend" not in page.forms
    for act in ("publish", "rotate", "remove?filename=example-1.0-py3-none-any.whl"):
        root.get(f"{DRAFT}{act}", status=403)
    fields = {"filename": "example-1.0-py3-none-any.whl"} | csrf(root)
    for act in ("publish", "extend", "rotate", "remove"):
        root.post(f"{DRAFT}{act}", fields, status=403)
    assert public(site) == []
    assert staged(site) == ["example-1.0-py3-none-any.whl"]


# What it costs


@pytest.mark.parametrize("path", ["", "publish", "discard"])
def test_a_page_of_a_draft_asks_the_database_as_often_for_many_files_as_for_one(
    site: Site, tmp_path: Path, path: str
) -> None:
    site.stage(make_wheel(tmp_path))
    browser = site.sign_in()
    with counted_statements(site) as for_one:
        browser.get(f"{DRAFT}{path}")
    for number in range(1, 20):
        name = site.user(f"user{number}")
        site.role("example", name, RoleName.MAINTAINER)
        site.stage(make_wheel(tmp_path, tag=f"cp3{number}-cp3{number}-win32"), by=name)

    with counted_statements(site) as for_many:
        browser.get(f"{DRAFT}{path}")

    assert len(for_many) == len(for_one)


@pytest.mark.parametrize("path", ["/manage/", "/manage/project/other/", "/admin/"])
def test_lists_ask_the_database_as_often_for_many_as_for_one(
    site: Site, tmp_path: Path, path: str
) -> None:
    site.user("root", administrator=True)
    site.release(make_wheel(tmp_path, "other"), by="root")
    site.stage(make_wheel(tmp_path, "other", "2.0"), by="root")
    browser = site.sign_in("root")
    with counted_statements(site) as for_one:
        browser.get(path)
    for letter in "abcdefghkm":
        name = site.user(letter)
        site.role("other", name, RoleName.MAINTAINER)
        site.release(make_wheel(tmp_path, f"more-{letter}"), by="root")
        site.release(make_wheel(tmp_path, "other", f"1.{ord(letter)}"), by=name)
        site.stage(make_wheel(tmp_path, "other", f"2.{ord(letter)}"), by=name)

    with counted_statements(site) as for_many:
        browser.get(path)

    assert len(for_many) == len(for_one)


# Administrators


def test_administrators_see_every_user_and_every_draft(site: Site, tmp_path: Path) -> None:
    site.user("root", administrator=True)
    site.stage(make_wheel(tmp_path))

    root = site.sign_in("root")

    assert "ada@index.example" in text(root.get("/admin/users/"))
    page = root.get("/admin/").click("1 draft is open")
    assert "example 1.0" in text(page)
    assert DRAFT in links(page)


def test_for_everybody_else_there_is_no_such_page(site: Site) -> None:
    browser = site.sign_in()

    answer = browser.get("/admin/", status=404)

    assert answer.body == browser.get("/nothing/", status=404).body


def test_an_administrator_verifies_a_user(site: Site, tmp_path: Path) -> None:
    site.user("root", administrator=True)
    site.user("newcomer", verified=False)
    root = site.sign_in("root")
    page = root.get("/admin/")
    assert "/admin/users/newcomer/verify" in links(page)
    assert "/admin/users/root/" not in links(page)
    form = root.get("/admin/users/newcomer/verify").forms["act"]
    form["reason"] = "We have met."

    answer = form.submit().follow()

    assert "newcomer is verified" in text(answer)
    site.stage(make_wheel(tmp_path), by="newcomer")


def failing_job(site: Site, attempts: int) -> int:
    """A purge that failed so often; gives its number."""
    with site.services.writing() as uow:
        job = jobs.enqueue(uow, jobs.Kind.PURGE, {"keys": ["project/example"]})
        job.attempts, job.error = attempts, "The cache answered with status 503."
        job.due = uow.now + timedelta(minutes=5)
        return job.id


def test_administrators_see_jobs_that_keep_failing_and_have_them_tried_again(site: Site) -> None:
    site.user("root", administrator=True)
    few, many = failing_job(site, 2), failing_job(site, 3)
    root = site.sign_in("root")

    page = root.get("/admin/")

    assert "The cache answered with status 503." in text(page)
    retries = [link for link in links(page) if link.endswith("/retry")]
    assert retries == [f"/admin/jobs/{many}/retry"]
    assert f"/admin/jobs/{few}/retry" in links(root.get("/admin/jobs/"))
    form = root.get(retries[0]).forms["act"]
    form["reason"] = "The cache is back."
    assert f"Job {many} is tried again now." in text(form.submit().follow())
    taken = jobs.take(site.services, [jobs.Kind.PURGE])
    assert taken is not None
    assert taken.id == many


def test_jobs_that_keep_failing_come_in_pages(site: Site) -> None:
    site.user("root", administrator=True)
    numbers = [failing_job(site, 3) for _ in range(51)]
    root = site.sign_in("root")

    first, second = root.get("/admin/"), root.get("/admin/?jobs=2")

    assert f"/admin/jobs/{numbers[-1]}/retry" not in links(first)
    assert f"/admin/jobs/{numbers[-1]}/retry" in links(second)
    root.get("/admin/?jobs=3", status=404)


def test_nobody_else_has_jobs_tried_again(site: Site) -> None:
    number = failing_job(site, 3)
    ada = site.sign_in()

    ada.post(f"/admin/jobs/{number}/retry", {"reason": "Now."} | csrf(ada), status=404)

    assert jobs.take(site.services, [jobs.Kind.PURGE]) is None


def test_a_job_that_is_not_there_cannot_be_tried_again(site: Site) -> None:
    site.user("root", administrator=True)
    root = site.sign_in("root")
    token = csrf(root)

    for job in ("99", "x", "9" * 30, "-1", "0", "01"):
        answer = root.post(f"/admin/jobs/{job}/retry", {"reason": "Now."} | token, status="*")
        assert answer.status_int == 404, job


def test_redirects_of_a_signed_in_person_are_kept_by_no_shared_cache(
    site: Site, tmp_path: Path
) -> None:
    """A public 404 must not become a redirect because somebody who may know asked first."""
    site.release(make_wheel(tmp_path))
    site.stage(make_wheel(tmp_path, version="2.0"))

    answer = site.sign_in().get("/project/example/2.0.0/", status=301)

    assert answer.headers["Cache-Control"] == "private, no-cache"


# API tokens that reach the project


def test_an_owner_sees_and_ends_the_tokens_that_reach_the_project(
    site: Site, account: str, tmp_path: Path
) -> None:
    site.release(make_wheel(tmp_path))
    site.user("mia")
    site.role("example", "mia", RoleName.MAINTAINER)
    site.user("root", administrator=True)
    limited, wide = site.token("mia", project="example"), site.token("mia")
    place = "/manage/project/example/tokens"

    page = site.sign_in().get("/manage/project/example/").click("API tokens")
    assert [limited[:11] in page.text, wide[:11] in page.text] == [True, True]
    assert limited not in page.text
    asked = page.click("Cut off")
    assert "does not reach example any more" in text(asked)
    done = asked.forms["end-token"].submit().follow()
    assert "does not reach this project any more" in text(done)
    revoked = done.click("Revoke").forms["end-token"].submit().follow()
    assert "is revoked" in text(revoked)
    assert "No API token reaches this project." in text(revoked)
    assert "without example" in text(site.sign_in("mia").get("/account/tokens/"))
    assert site.sign_in("root").get(place).status_int == 200

    maintainer = site.sign_in("mia")
    assert not maintainer.get("/manage/project/example/").html.select(f"a[href='{place}']")
    maintainer.get(place, status=403)
    for number in ("1", "x", "9" * 30):
        site.sign_in().get(f"/manage/project/example/end-token?token={number}", status=404)
    browser = site.sign_in()
    csrf = browser.get("/account/").forms["logout"]["csrf_token"].value
    for number in ("1", "x", ""):
        browser.post(
            "/manage/project/example/end-token", {"token": number, "csrf_token": csrf}, status=404
        )
