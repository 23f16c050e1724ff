"""What pages and APIs say of what the clock has decided, before anybody has written it down."""

from datetime import timedelta
from pathlib import Path

import pytest

from greenroom.models import Draft, DraftState, ReviewState, UploadSession, UploadState
from greenroom.registry import accounts, announced, drafts
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.web.conftest import Response, Site, authorization
from tests.web.reading import attribute, banner, inside, text
from tests.web.standing import with_settings

DRAFT = "/manage/project/example/draft/1.0/"
SDIST = "example-1.0.tar.gz"
REMOVE_SDIST = f"{DRAFT}remove?filename={SDIST}"
LONGER_THAN_ANY_COMPLETION = announced.COMPLETION_LEASE + timedelta(minutes=1)


@pytest.fixture
def empty_draft(site: Site) -> str:
    """Ada has opened a draft of example 1.0; gives the address of its session."""
    site.user(administrator=True)
    with site.services.writing() as uow:
        draft = factories.open_new(uow, accounts.get_user(uow.db, "ada"))
        return f"/upload/2.0/session/{draft.key}/"


@pytest.fixture
def draft(site: Site, empty_draft: str, tmp_path: Path) -> str:
    """She has staged a wheel in it; gives the address of its session."""
    site.stage(make_wheel(tmp_path))
    return empty_draft


def announce(site: Site, folder: Path, state: UploadState = UploadState.PENDING) -> str:
    """A source distribution is on its way into the draft; gives its session's path below it."""
    with site.services.writing() as uow:
        draft = factories.find_draft(uow, "example", "1.0")
        assert draft is not None
        ada = accounts.get_user(uow.db, "ada")
        upload = factories.announce(uow, ada, draft, make_sdist(folder))
        upload.state = state
        return f"file/{upload.key}/"


def ask(site: Site, address: str) -> Response:
    """What Upload 2.0 says of this."""
    return site.app.get(address, headers=authorization(site.token()))


def written_state(site: Site) -> str:
    """What the row of the one upload says."""
    with site.services.reading() as uow:
        return uow.db.query(UploadSession).one().state


# Uploads


def test_a_completion_that_was_killed_has_failed_and_can_be_removed(
    site: Site, draft: str, tmp_path: Path
) -> None:
    announce(site, tmp_path, UploadState.PROCESSING)
    browser = site.sign_in()
    assert not browser.get(DRAFT).html.select(f"a[href='{REMOVE_SDIST}']")

    site.clock.advance(LONGER_THAN_ANY_COMPLETION)

    page = browser.get(DRAFT)
    assert written_state(site) == UploadState.PROCESSING
    [line] = page.html.select("section[aria-labelledby=uploads] li")
    assert inside(line, ".pill").get_text() == "error"
    assert "red" in inside(line, ".pill")["class"]
    assert "upload the file anew" in inside(line, ".mistake").get_text()
    [link] = line.select("a.danger")
    question = browser.get(attribute(link, "href"))
    assert f"{SDIST} is removed." in text(question.forms["remove"].submit().follow())
    answer = browser.get(f"{DRAFT}publish").forms["publish"].submit().follow()
    assert "example 1.0 is published." in text(answer)


def test_the_api_says_the_same_of_it(site: Site, draft: str, tmp_path: Path) -> None:
    upload = announce(site, tmp_path, UploadState.PROCESSING)
    site.clock.advance(LONGER_THAN_ANY_COMPLETION)

    session, file = ask(site, draft).json, ask(site, draft + upload)

    assert written_state(site) == UploadState.PROCESSING
    assert session["files"][SDIST]["status"] == file.json["status"] == "error"
    assert session["files"][SDIST]["notices"] == file.json["notices"]
    assert file.json["notices"] == ["The index was interrupted: upload the file anew."]


def test_an_upload_that_has_fallen_due_is_nowhere_and_in_nobodys_way(
    site: Site, draft: str, tmp_path: Path
) -> None:
    upload = announce(site, tmp_path)
    browser = site.sign_in()
    assert SDIST in text(browser.get(DRAFT))

    site.clock.advance(timedelta(days=1, minutes=1))

    assert written_state(site) == UploadState.PENDING
    assert SDIST not in text(browser.get(DRAFT))
    assert SDIST not in ask(site, draft).json["files"]
    assert ask(site, draft + upload).json["status"] == "canceled"
    browser.get(REMOVE_SDIST, status=404)
    page = browser.get(f"{DRAFT}publish")
    assert not page.html.select(".problems")
    assert "is published." in text(page.forms["publish"].submit().follow())


def test_an_upload_that_has_fallen_due_is_no_file(
    site: Site, empty_draft: str, tmp_path: Path
) -> None:
    announce(site, tmp_path)
    site.clock.advance(timedelta(days=1, minutes=1))

    page = site.sign_in().get(f"{DRAFT}publish")

    assert "It has no files" in text(page)
    assert "publish" not in page.forms
    site.app.get("/project/example/", status=404)


@pytest.mark.parametrize("state", [UploadState.PROCESSING, UploadState.ERROR])
def test_the_page_that_asks_has_the_reasons_of_the_refusal(
    site: Site, draft: str, tmp_path: Path, state: UploadState
) -> None:
    announce(site, tmp_path, state)

    page = site.sign_in().get(f"{DRAFT}publish")
    refused = page.forms["publish"].submit(status=409)

    reasons = [reason.get_text() for reason in page.html.select(".problems li")]
    assert reasons == [reason.get_text() for reason in refused.html.select(".problems li")]
    assert len(reasons) == 1
    assert SDIST in reasons[0]


# Drafts


@pytest.fixture
def lapsed(site: Site, draft: str, tmp_path: Path) -> str:
    """The draft fell due a minute ago, with a file that came by itself; nobody has swept it up."""
    with site.services.writing() as uow:
        found = factories.find_draft(uow, "example", "1.0")
        assert found is not None
        ada = accounts.get_user(uow.db, "ada")
        upload = factories.add_upload(uow, ada, found, make_sdist(tmp_path))
        address = f"{draft}file/{upload.key}/"
    site.clock.advance(timedelta(days=14, minutes=1))
    return address


def test_a_draft_that_has_fallen_due_is_in_no_list(site: Site, lapsed: str) -> None:
    browser = site.sign_in()

    assert "You have no projects yet." in text(browser.get("/manage/"))
    assert "No draft is open." in text(browser.get("/admin/"))
    browser.get("/manage/project/example/", status=404)
    browser.get(DRAFT, status=404)


def test_a_draft_that_has_fallen_due_adds_nothing_to_its_project(
    site: Site, draft: str, tmp_path: Path
) -> None:
    with site.services.writing() as uow:
        factories.publish_directly(uow, "example")
    site.release(make_wheel(tmp_path, version="0.9"))
    browser = site.sign_in()
    addresses = ["/manage/", "/manage/project/example/", "/project/example/"]
    assert all(f'href="{DRAFT}"' in browser.get(address).text for address in addresses)

    site.clock.advance(timedelta(days=14, minutes=1))

    browser = site.sign_in()
    assert not any(f'href="{DRAFT}"' in browser.get(address).text for address in addresses)
    assert "0 drafts" in text(browser.get("/manage/project/example/delete"))
    browser.get(DRAFT, status=404)


def test_whoever_holds_the_address_of_a_draft_that_has_fallen_due_is_told(
    site: Site, lapsed: str
) -> None:
    with site.services.reading() as uow:
        found = uow.db.query(UploadSession).one().draft
        assert found.state == DraftState.OPEN
        slug = found.slug

    page = site.app.get(f"/draft/{slug}/", status=410)

    assert "The draft of example 1.0 has expired." in text(page)


def test_the_files_of_a_session_go_with_it(site: Site, draft: str, lapsed: str) -> None:
    session, file = ask(site, draft).json, ask(site, lapsed).json

    assert written_state(site) == UploadState.COMPLETED
    assert session["status"] == file["status"] == "canceled"
    assert session["files"] == {}


# Reviews


def set_in_review(site: Site, due: timedelta) -> None:
    """Somebody is at the review of the draft, who has that much time left."""
    with site.services.writing() as uow:
        draft = factories.find_draft(uow, "example", "1.0")
        assert draft is not None
        draft.review, draft.review_due = ReviewState.PROCESSING, uow.now + due
        draft.expires = max(draft.expires, draft.review_due)


def test_a_review_whose_time_ran_out_is_one_that_somebody_else_will_do(
    site: Site, draft: str
) -> None:
    reviewed = with_settings(site, review_command="true")
    set_in_review(reviewed, timedelta(minutes=10))
    site.clock.advance(timedelta(minutes=11))

    page, session = reviewed.sign_in().get(DRAFT), ask(reviewed, draft)

    assert "Its publication is being reviewed." in banner(page)
    assert session.json["status"] == "processing"
    assert session.headers["Retry-After"] == "2"


def test_a_review_ends_with_its_draft(site: Site, draft: str) -> None:
    reviewed = with_settings(site, review_command="true")
    set_in_review(reviewed, timedelta(minutes=10))
    site.clock.advance(timedelta(days=14, minutes=1))

    session = ask(reviewed, draft)

    with site.services.reading() as uow:
        [due] = drafts.due(uow)
        assert uow.db.get_one(Draft, due).review == ReviewState.PROCESSING
    assert session.json["status"] == "canceled"
    assert "Retry-After" not in session.headers
    reviewed.sign_in().get(DRAFT, status=404)


# Tokens


def test_a_token_has_expired_from_the_second_it_falls_due(site: Site) -> None:
    site.user()
    site.token(expires_in=timedelta(hours=1))
    browser = site.sign_in()
    site.clock.advance(timedelta(minutes=59, seconds=59))
    assert "Expired" not in text(browser.get("/account/tokens/"))

    site.clock.advance(timedelta(seconds=1))

    [row] = browser.get("/account/tokens/").html.select("tbody tr")
    assert inside(row, ".pill.red").get_text() == "Expired"


def test_the_token_of_a_project_goes_with_the_draft_that_held_its_name(
    site: Site, draft: str
) -> None:
    site.token(project="example")
    assert len(site.sign_in().get("/account/tokens/").html.select("tbody tr")) == 1

    site.clock.advance(timedelta(days=14, minutes=1))

    assert "You have no tokens yet." in text(site.sign_in().get("/account/tokens/"))
    with site.services.writing() as uow:
        [due] = drafts.due(uow)
        drafts.expire(uow, uow.db.get_one(Draft, due))
    assert "You have no tokens yet." in text(site.sign_in().get("/account/tokens/"))
