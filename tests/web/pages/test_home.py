"""The first page: what is new, what is yours, and where the rest is."""

from datetime import timedelta
from pathlib import Path

from greenroom.registry import accounts
from tests import factories
from tests.artifacts import make_wheel
from tests.web.conftest import Site
from tests.web.reading import links, text


def test_one_project_does_not_fill_the_first_page(site: Site, tmp_path: Path) -> None:
    site.user()
    with site.services.writing() as uow:
        ada = accounts.get_user(uow.db, "ada")
        factories.release(uow, ada, make_wheel(tmp_path, "quiet"))
    for number in range(25):
        site.clock.advance(timedelta(seconds=1))
        with site.services.writing() as uow:
            ada = accounts.get_user(uow.db, "ada")
            factories.release(uow, ada, make_wheel(tmp_path, "busy", f"1.{number}"))

    shown = [path for path in links(site.app.get("/")) if path.startswith("/project/")]

    assert shown == ["/project/busy/1.24/", "/project/quiet/1.0/"]


def test_it_leads_to_all_projects(site: Site, tmp_path: Path) -> None:
    site.user()
    with site.services.writing() as uow:
        factories.release(uow, accounts.get_user(uow.db, "ada"), make_wheel(tmp_path))

    page = site.app.get("/").click("All projects")

    assert "/project/example/" in links(page)


def test_it_shows_their_drafts_to_maintainers_and_to_nobody_else(
    site: Site, tmp_path: Path
) -> None:
    site.user()
    site.user("bob")
    site.stage(make_wheel(tmp_path, "hidden-sheep"))

    own = site.sign_in("ada").get("/")

    assert "/manage/project/hidden-sheep/draft/1.0/" in links(own)
    assert own.headers["Cache-Control"].startswith("private")
    for other in (site.sign_in("bob"), site.browser()):
        assert "hidden-sheep" not in text(other.get("/"))
