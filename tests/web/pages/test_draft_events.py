"""``/manage/project/<name>/draft/<version>/events``: what keeps the page of a draft up to date."""

from pathlib import Path

from sqlalchemy import delete

from greenroom.models import SignInSession
from greenroom.registry import accounts, drafts, publishing
from greenroom.registry.permissions import Person
from tests.artifacts import make_sdist, make_wheel
from tests.web.conftest import Site
from tests.web.reading import attribute, the
from tests.web.standing import fetch
from tests.web.waiting import after, answered, waits

DRAFT = "/manage/project/example/draft/1.0/"


def cookies(site: Site, name: str = "ada") -> dict[str, str]:
    browser = site.sign_in(name)
    return {"Cookie": "; ".join(f"{key}={value}" for key, value in browser.cookies.items())}


def test_the_page_hears_of_each_change_once_and_of_nothing_else(site: Site, tmp_path: Path) -> None:
    site.user()
    slug = site.stage(make_wheel(tmp_path))
    page = the("[data-events]", site.sign_in().get(DRAFT))
    events, first = attribute(page, "data-events"), attribute(page, "data-mark")
    signed_in = cookies(site)

    begun = waits(site, f"{events}?since={first}", signed_in)
    assert begun.mark == begun.since == first
    silent = answered(site, f"{events}?since={first}", signed_in, after(begun, 60))
    assert (silent.content_type, silent.text) == (
        "text/event-stream",
        "retry: 1000\n: as it was\n\n",
    )
    assert silent.headers["Cache-Control"] == "private, no-store"

    site.stage(make_sdist(tmp_path))
    event = answered(site, f"{events}?since={first}", signed_in, after(begun, 1))
    second = event.text.split("\n")[1].removeprefix("id: ")
    assert event.text == f"retry: 1000\nid: {second}\nevent: change\ndata: changed\n\n"
    assert second != first
    # The browser says by a header what it has heard.
    heard = {**signed_in, "Last-Event-ID": second}
    assert waits(site, f"{events}?since={first}", heard).since == second

    with site.services.writing() as uow:
        draft = drafts.by_slug(uow.db, slug)
        assert draft is not None
        publishing.publish(uow, Person(accounts.get_user(uow.db, "ada")), draft)
    end = answered(site, f"{events}?since={second}", signed_in)
    last = end.text.split("\n")[1].removeprefix("id: ")
    assert end.text.endswith("event: change\ndata: changed\n\n")
    assert answered(site, f"{events}?since={last}", signed_in).status_int == 204


def test_a_server_that_cannot_wait_is_asked_seldom(site: Site, tmp_path: Path) -> None:
    site.user()
    site.stage(make_wheel(tmp_path))

    assert fetch(site, f"{DRAFT}events", headers=cookies(site)).text.startswith("retry: 30000\n")


def test_only_who_may_see_the_draft_hears_of_it_each_time(site: Site, tmp_path: Path) -> None:
    site.user()
    site.user("eve")
    site.stage(make_wheel(tmp_path))
    path = f"{DRAFT}events"
    assert answered(site, path, {}).status_int == 303
    assert answered(site, path, cookies(site, "eve")).status_int == 404
    signed_in = cookies(site)
    begun = waits(site, path, signed_in)

    # Whoever was signed in is not any more.
    with site.services.writing() as uow:
        uow.db.execute(delete(SignInSession))
    assert answered(site, path, signed_in, after(begun)).status_int == 303
