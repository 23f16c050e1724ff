"""The page of a draft, for whoever holds the address, and what is left of it."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from greenroom.models import Draft
from greenroom.registry import (
    accounts,
    drafts,
    projects,
    publishing,
    removal,
)
from greenroom.registry.permissions import OPERATOR, Actor, Person
from greenroom.registry.unit_of_work import UnitOfWork
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.web.conftest import Site
from tests.web.reading import banner, commands, counted_statements, heading, links, text, the

pytestmark = pytest.mark.usefixtures("account")


def stage(site: Site, *paths: Path) -> str:
    """Files in a draft; gives its slug."""
    with site.services.writing() as uow:
        return factories.stage(uow, accounts.get_user(uow.db, "ada"), *paths).slug


def end(site: Site, slug: str, how: str) -> None:
    """Publish, discard or expire the draft."""
    if how == "expire":
        site.clock.advance(timedelta(days=14))
        return
    with site.services.writing() as uow:
        draft = drafts.by_slug(uow.db, slug)
        assert draft is not None
        acts: dict[str, Callable[[UnitOfWork, Actor, Draft], object]] = {
            "publish": publishing.publish,
            "discard": drafts.discard,
        }
        acts[how](uow, OPERATOR, draft)


def test_whoever_has_the_address_sees_what_will_be_published(site: Site, tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path,
        summary="Counts sheep.",
        description="# Sheep\n\nOne, *two*.",
        description_content_type="text/markdown",
        metadata_extra=[("Keywords", "sleep")],
    )
    slug = stage(site, wheel)

    page = site.app.get(f"/draft/{slug}/")

    assert heading(page) == "example 1.0 Draft"
    assert "not public." in banner(page)
    assert "15 Jun 2026, 12:00 UTC" in banner(page)
    assert "Counts sheep." in text(page)
    assert "sleep" in text(page)
    assert the(".description em", page).get_text() == "two"
    assert commands(page) == [
        "pip install --index-url http://index.example/simple/ "
        f"--extra-index-url http://index.example/draft/{slug}/simple/ example==1.0",
        f"pip install --index-url http://index.example/draft/{slug}/full/simple/ example==1.0",
    ]
    assert site.app.get(f"/draft/{slug}/files/{wheel.name}").body == wheel.read_bytes()
    assert f"/draft/{slug}/files/{wheel.name}" in links(page)


def test_who_uploaded_a_file_is_for_those_who_may_work_on_the_project(
    site: Site, tmp_path: Path
) -> None:
    slug = stage(site, make_wheel(tmp_path))

    shared, managed = (
        site.app.get(f"/draft/{slug}/"),
        site.sign_in().get("/manage/project/example/draft/1.0/"),
    )

    assert "by ada" not in text(shared)
    assert "by ada" in text(managed)


def test_the_page_changes_nothing_and_offers_no_act(site: Site, tmp_path: Path) -> None:
    slug = stage(site, make_wheel(tmp_path))

    page = site.app.get(f"/draft/{slug}/")

    assert the("main", page).find_all("form") == []
    assert "/manage/" not in page.text


def test_the_page_is_for_nobody_else(site: Site, tmp_path: Path) -> None:
    slug = stage(site, make_wheel(tmp_path))

    headers = site.app.get(f"/draft/{slug}/").headers

    assert headers["Cache-Control"] == "private, no-store"
    assert headers["X-Robots-Tag"] == "noindex, nofollow"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in headers


def test_those_who_may_manage_the_draft_are_shown_where(site: Site, tmp_path: Path) -> None:
    slug = stage(site, make_wheel(tmp_path))

    page = site.sign_in().get(f"/draft/{slug}/")

    assert "/manage/project/example/draft/1.0/" in links(page)


def test_the_sdist_describes_the_draft(site: Site, tmp_path: Path) -> None:
    slug = stage(
        site,
        make_wheel(tmp_path, summary="From the wheel."),
        make_sdist(tmp_path, summary="From the sdist."),
    )

    assert "From the sdist." in text(site.app.get(f"/draft/{slug}/"))


def test_a_draft_of_a_public_release_is_described_by_its_own_files(
    site: Site, tmp_path: Path
) -> None:
    with site.services.writing() as uow:
        published = make_wheel(tmp_path, summary="As published.")
        factories.release(uow, accounts.get_user(uow.db, "ada"), published)
    staged = make_wheel(
        tmp_path,
        tag="cp312-cp312-win32",
        summary="As staged.",
        description="*New*",
        description_content_type="text/markdown",
    )
    slug = stage(site, staged)

    page = site.app.get(f"/draft/{slug}/")

    assert "As staged." in text(page)
    assert the(".description em", page).get_text() == "New"
    assert "As published." in text(site.app.get("/project/example/1.0/"))


def test_an_empty_draft_says_so(site: Site, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    slug = stage(site, wheel)
    with site.services.writing() as uow:
        draft = drafts.by_slug(uow.db, slug)
        actor = Person(accounts.get_user(uow.db, "ada"))
        assert draft is not None
        drafts.remove_file(uow, actor, draft, wheel.name)

    assert "The draft has no files yet." in text(site.app.get(f"/draft/{slug}/"))


def test_markup_in_a_draft_stays_text(site: Site, tmp_path: Path) -> None:
    slug = stage(site, make_wheel(tmp_path, summary="<script>alert(1)</script>"))

    page = site.app.get(f"/draft/{slug}/")

    assert "<script>alert(1)</script>" in text(page)


@pytest.mark.parametrize("slug", ["x", "0" * 22, "%C3%A9" * 11, "%00" * 22])
def test_an_address_that_nobody_gave_out_is_not_there(site: Site, slug: str) -> None:
    answer = site.app.get(f"/draft/{slug}/", status=404)

    assert "There is nothing at this address." in text(answer)


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("publish", "The draft of example 1.0 was published."),
        ("discard", "The draft of example 1.0 was discarded."),
        ("expire", "The draft of example 1.0 has expired."),
    ],
)
def test_what_is_left_of_a_draft_says_what_happened(
    site: Site, tmp_path: Path, how: str, sentence: str
) -> None:
    slug = stage(site, make_wheel(tmp_path))
    end(site, slug, how)

    page = site.app.get(f"/draft/{slug}/", status=410)

    assert sentence in text(page)
    assert page.headers["Cache-Control"] == "private, no-store"
    assert ("/project/example/1.0/" in links(page)) == (how == "publish")
    for below in ("simple/", "simple/example/", "files/example-1.0-py3-none-any.whl"):
        answer = site.app.get(f"/draft/{slug}/{below}", status=410)
        assert sentence in answer.text
        assert ("/project/example/1.0/" in answer.text) == (how == "publish")


def test_a_name_that_was_registered_without_files_has_lost_none(site: Site) -> None:
    with site.services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        draft = factories.open_new(uow, ada)
        slug = draft.slug
        publishing.publish(uow, ada, draft, registers_name=True)

    page = site.app.get(f"/draft/{slug}/", status=410)
    managed = site.sign_in().get("/manage/project/example/draft/1.0/")
    below = site.app.get(f"/draft/{slug}/simple/", status=410)

    for shown in (text(page), text(managed), below.text):
        assert "The draft of example 1.0 was published without files" in shown
        assert "gone" not in shown
        assert "not offered" not in shown


def test_a_release_that_was_deleted_since_has_not_lost_a_draft(site: Site, tmp_path: Path) -> None:
    slug = stage(site, make_wheel(tmp_path))
    end(site, slug, "publish")
    with site.services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        removal.remove_release(uow, ada, projects.get(uow, "example"), "1.0")

    page = text(site.app.get(f"/draft/{slug}/", status=410))

    assert "The draft of example 1.0 was published. The release is not offered any more." in page
    assert "Ask whoever gave you the address" not in page


def test_an_expired_draft_does_not_lead_to_a_release_that_it_would_have_added_to(
    site: Site, tmp_path: Path
) -> None:
    with site.services.writing() as uow:
        factories.release(uow, accounts.get_user(uow.db, "ada"), make_wheel(tmp_path))
    slug = stage(site, make_wheel(tmp_path, tag="cp312-cp312-win32"))
    end(site, slug, "expire")

    assert "/project/" not in site.app.get(f"/draft/{slug}/", status=410).text


def test_the_page_asks_the_database_as_often_for_many_files_as_for_one(
    site: Site, tmp_path: Path
) -> None:
    slug = stage(site, make_wheel(tmp_path))
    with counted_statements(site) as for_one:
        site.app.get(f"/draft/{slug}/")
    stage(site, *(make_wheel(tmp_path, tag=f"cp3{n}-cp3{n}-win32") for n in range(1, 21)))

    with counted_statements(site) as for_many:
        site.app.get(f"/draft/{slug}/")

    assert len(for_many) == len(for_one)
