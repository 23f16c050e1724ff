"""The page of the review of a draft."""

from pathlib import Path

import pytest
import webtest
from sqlalchemy import delete, select

from greenroom.models import Draft, Job, RoleName
from greenroom.registry import (
    accounts,
    drafts,
    expected_files,
    file_facts,
    jobs,
    projects,
    publishing,
)
from greenroom.registry.permissions import Person
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.distributions.test_natives import ELF_X86_64
from tests.web.conftest import Site
from tests.web.reading import attribute, inside, links, text, the

pytestmark = [
    pytest.mark.usefixtures("account"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),  # of pages alone
]

PAGE = "/manage/project/example/draft/1.1/review"
LINUX, WINDOWS = "cp312-cp312-manylinux_2_17_x86_64", "cp312-cp312-win_amd64"


def release(site: Site, folder: Path) -> None:
    files = {"example/core.py": b"one\n", "example/gone.py": b"gone\n"}
    said = "# Example\n\nOld words.\n"
    wheels = [
        make_wheel(folder, tag=tag, extra_files=files, description=said) for tag in (LINUX, WINDOWS)
    ]
    site.release(make_sdist(folder, description=said), *wheels)


def stage(site: Site, folder: Path, *, analysed: bool = True) -> None:
    files = {
        "example/core.py": b"two\n",
        "example.pth": b"import example.boot\n",
        ".env": b"SECRET=1\n",
        "example/<b>.so": ELF_X86_64,
    }
    wheel = make_wheel(
        folder,
        version="1.1",
        tag=LINUX,
        extra_files=files,
        description="# Example\n\nNew <b>words</b>.\n",
        metadata_extra=[("Requires-Dist", "requests")],
    )
    slug = site.stage(wheel)
    if analysed:
        analyse(site, slug)


def analyse(site: Site, slug: str) -> None:
    with site.services.reading() as uow:
        draft = drafts.by_slug(uow.db, slug)
        assert isinstance(draft, Draft)
        number = draft.id
    file_facts.analyse(site.services, [number])


def found(page: webtest.TestResponse) -> dict[str, str]:
    """The findings that are told, by code."""
    rows = page.html.select("#findings > section .findings > li")
    return {
        inside(row, ".code-name").get_text(): " ".join(row.get_text(" ").split()) for row in rows
    }


def test_it_tells_what_would_happen_and_what_has_changed(site: Site, tmp_path: Path) -> None:
    release(site, tmp_path)
    stage(site, tmp_path)
    with site.services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        expected_files.change(uow, ada, projects.get(uow, "example"), "windows amd64 cp312")
    browser = site.sign_in()
    page = browser.get("/manage/project/example/draft/1.1/").click("^Review$")

    verdict = " ".join(the(".verdict", page).get_text(" ").split())
    assert "1.0 is public today. Publishing makes 1.1 public: 1 file" in verdict
    assert "Not complete" in verdict
    assert "Publish would be refused now: The project expects a wheel for windows amd64" in verdict

    codes = found(page)
    assert {"environment-file", "pth-file", "missing-wheel", "missing-sdist"} <= codes.keys()
    assert "example.pth" in codes["pth-file"]
    assert [cell["class"] for cell in page.html.select(".matrix td")] == [["here"], ["gap"]]
    assert "requests" in the(".fields .added", page).get_text()
    lines = [row.get_text(" ").split() for row in page.html.select(".difference tr.removed")]
    assert ["3", "Removed:", "Old", "words."] in lines
    assert "New <b>words</b>." in text(page)
    assert "<b>words" not in page.text

    changes = {
        inside(row, ".mono").get_text(): row for row in page.html.select(".changed tbody tr")
    }
    assert changes["example/core.py"]["class"] == ["both"]
    assert changes["example/gone.py"]["class"] == ["removed"]
    assert changes["example.pth"]["class"] == ["added"]
    for name, said in (
        ("core.py", "two"),
        ("gone.py", "not in this archive any more"),
        ("<b>.so", "ELF"),
    ):
        row = changes[f"example/{name}"]
        assert said in text(browser.get(attribute(inside(row, "a"), "href")))
    assert "ada" in the("#origin", page).get_text()
    assert "Nobody has posted" in the("#checks", page).get_text()
    the("#comments form", page)
    for address in links(page):
        if address.startswith("/manage/project/example/draft/1.1/"):
            browser.get(address, status=200)


def test_what_it_is_compared_with_is_chosen(site: Site, tmp_path: Path) -> None:
    release(site, tmp_path)
    site.release(make_wheel(tmp_path, version="0.9", tag=LINUX))
    stage(site, tmp_path)
    browser = site.sign_in()
    form = next(each for each in browser.get(PAGE).forms.values() if "against" in each.fields)
    form["against"] = "0.9"
    page = form.submit()
    assert "since 0.9" in text(page)
    only = browser.get(f"{PAGE}?archive=example-1.1-{LINUX}.whl")
    assert len(only.html.select(".archive")) == 1
    for query in ("against=9", "against=%F0%9F%92%A5", "archive=none"):
        browser.get(f"{PAGE}?{query}", status=404)
    browser.get(f"{PAGE}?against=a%00", status=400)
    with site.services.writing() as uow:
        draft = factories.find_draft(uow, "example", "1.1")
        assert draft is not None
        publishing.publish(uow, Person(accounts.get_user(uow.db, "ada")), draft)
    assert str(browser.get(PAGE, status=303).location).endswith("/draft/1.1/")


def test_it_says_how_far_the_analysis_is_and_asks_for_the_rest(site: Site, tmp_path: Path) -> None:
    release(site, tmp_path)
    stage(site, tmp_path, analysed=False)
    wanted = select(Job.kind).where(Job.kind == jobs.Kind.ANALYSE)
    with site.services.writing() as uow:
        uow.db.execute(delete(Job))
    browser = site.sign_in()
    page = browser.get(PAGE)
    progress = the("progress", page)
    assert (progress["value"], progress["max"]) == ("0", "4")
    assert "0 of 4 files analysed" in text(page)
    assert "Reload this page" in text(page)
    with site.services.reading() as uow:
        assert uow.db.scalars(wanted).all() == [jobs.Kind.ANALYSE]


def test_a_finding_is_silenced_with_a_reason_by_who_may_manage(site: Site, tmp_path: Path) -> None:
    release(site, tmp_path)
    stage(site, tmp_path)
    browser = site.sign_in()

    def form(page: webtest.TestResponse, act: str) -> webtest.Form:
        return next(
            each
            for each in page.forms.values()
            if each.action.endswith(act) and (act != "/silence" or each["code"].value == "pth-file")
        )

    asked = form(browser.get(PAGE), "/silence")
    assert asked["pattern"].value == "example.pth"
    asked["reason"] = " "
    asked.submit(status=400)
    asked["reason"] = "It is how it <b>works</b>"
    page = asked.submit().follow()
    assert "pth-file" not in found(page)
    assert "1 silenced" in text(page)
    assert "“It is how it <b>works</b>” ada" in text(page)
    page = form(page, "/unsilence").submit().follow()
    assert "pth-file" in found(page)

    site.user("grace")
    site.role("example", "grace", RoleName.MAINTAINER)
    seen = site.sign_in("grace").get(PAGE)
    assert "pth-file" in found(seen)
    for sent in (
        {"code": "none", "reason": "x"},
        {"code": "pth-file", "reason": "x", "pattern": "x" * 300},
        {},
    ):
        fields = [("csrf_token", asked["csrf_token"].value), *sent.items()]
        browser.post(PAGE.replace("review", "silence"), fields, status=400)
    site.user("mallory")
    site.sign_in("mallory").get(PAGE, status=404)
    site.app.get(PAGE, status=303)


def test_a_first_release_and_an_empty_draft_have_reviews(site: Site, tmp_path: Path) -> None:
    slug = site.stage(make_wheel(tmp_path, version="1.1"))
    analyse(site, slug)
    browser = site.sign_in()
    page = browser.get(PAGE)
    assert "Nothing of this project is public" in text(page)
    assert "Nothing stands in the way" in text(page)
    assert "everything is new" in text(page)
    with site.services.writing() as uow:
        draft = drafts.by_slug(uow.db, slug)
        assert draft is not None
        ada = Person(accounts.get_user(uow.db, "ada"))
        drafts.remove_file(uow, ada, draft, "example-1.1-py3-none-any.whl")
    assert "no files" in text(browser.get(PAGE))
