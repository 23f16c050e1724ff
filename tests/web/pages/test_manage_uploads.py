"""A draft's manage page while files are on their way, and while its publication is reviewed."""

import sys
from pathlib import Path

import pytest

from greenroom.models import UploadSession, UploadState
from greenroom.registry import accounts, drafts, reviews, upload_sessions
from greenroom.registry.permissions import Person
from greenroom.registry.upload_sessions import HTTP_POST_BYTES, Announcement
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.web.conftest import Site
from tests.web.reading import banner, text
from tests.web.standing import with_settings

DRAFT = "/manage/project/example/draft/1.0/"
SDIST = "example-1.0.tar.gz"


@pytest.fixture(autouse=True)
def _draft(site: Site, tmp_path: Path) -> None:
    """Ada has staged a wheel of example 1.0."""
    site.user()
    site.stage(make_wheel(tmp_path))


def announce(site: Site, folder: Path) -> int:
    """A source distribution is on its way into the draft; gives the number of its upload."""
    sdist = factories.artifact_of(make_sdist(folder))
    announcement = Announcement(
        sdist.filename, sdist.size, {"sha256": sdist.sha256}, HTTP_POST_BYTES
    )
    with site.services.writing() as uow:
        draft = factories.find_draft(uow, "example", "1.0")
        assert draft is not None
        user = accounts.get_user(uow.db, "ada")
        upload = upload_sessions.announce(
            uow, Person(user), draft, announcement, (HTTP_POST_BYTES,)
        )
        return upload.id


def test_what_is_on_its_way_is_on_the_page(site: Site, tmp_path: Path) -> None:
    browser = site.sign_in()
    assert "On their way" not in text(browser.get(DRAFT))

    announce(site, tmp_path)

    page = text(browser.get(DRAFT))
    assert "On their way" in page
    assert f"{SDIST} " in page
    assert "pending" in page


def test_it_keeps_the_draft_from_being_published(site: Site, tmp_path: Path) -> None:
    announce(site, tmp_path)

    page = site.sign_in().get(f"{DRAFT}publish").forms["publish"].submit(status=409)

    assert f"The upload of '{SDIST}' is pending, not completed" in text(page)


def test_it_is_broken_off_like_a_file_is_removed(site: Site, tmp_path: Path) -> None:
    upload_id = announce(site, tmp_path)
    browser = site.sign_in()
    question = browser.get(f"{DRAFT}remove?filename={SDIST}")

    page = question.forms["remove"].submit().follow()

    assert f"{SDIST} is removed." in text(page)
    assert "On their way" not in text(page)
    with site.services.reading() as uow:
        upload = uow.db.get_one(UploadSession, upload_id)
        assert upload.state == UploadState.CANCELED


def reviewed_by(site: Site, code: str) -> Site:
    """The same index, with a review by this Python program."""
    return with_settings(site, review_command=f'{sys.executable} -c "{code}"')


def test_a_publication_that_is_reviewed_says_so_until_it_is_decided(site: Site) -> None:
    reviewed = reviewed_by(site, "print('looks fine')")
    browser = reviewed.sign_in()

    page = browser.get(f"{DRAFT}publish").forms["publish"].submit().follow()

    assert "This index reviews what is published" in text(page)
    assert "Its publication is being reviewed." in banner(page)
    assert set(page.forms) & {"extend"} == set()
    assert "Publish…" not in text(page)
    site.app.get("/project/example/", status=404)
    assert reviews.review_all(reviewed.services) == 1
    site.app.get("/project/example/1.0/", status=200)


def test_a_review_that_did_not_pass_gives_the_draft_back_with_the_reasons(site: Site) -> None:
    reviewed = reviewed_by(site, "import sys; print('has <b>malware</b>'); sys.exit(1)")
    browser = reviewed.sign_in()
    browser.get(f"{DRAFT}publish").forms["publish"].submit()
    reviews.review_all(reviewed.services)

    page = browser.get(DRAFT)

    assert "The review did not pass." in banner(page)
    assert "has <b>malware</b>" in banner(page)
    assert "Publish…" in text(page)
    with reviewed.services.reading() as uow:
        draft = factories.find_draft(uow, "example", "1.0")
        assert draft is not None
        assert drafts.is_live(uow, draft)


def test_nothing_is_changed_while_it_is_decided(site: Site, tmp_path: Path) -> None:
    reviewed = reviewed_by(site, "pass")
    browser = reviewed.sign_in()
    browser.get(f"{DRAFT}publish").forms["publish"].submit()
    token = reviewed.token()

    extend = browser.get("/account/").forms["logout"]["csrf_token"].value
    answer = browser.post(f"{DRAFT}extend", {"csrf_token": extend}, status=400)
    upload = reviewed.upload(make_sdist(tmp_path), token, staged=True)

    assert "takes no changes meanwhile" in text(answer)
    assert upload.status_int == 400
