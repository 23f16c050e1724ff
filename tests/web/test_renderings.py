"""Descriptions are rendered where no transaction is open, whatever makes them a release's."""

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from greenroom.distributions import description
from greenroom.registry import accounts, catalogue, projects, releases, reviews
from greenroom.registry.permissions import Person
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.transactions import Transactions
from tests.web.conftest import Site, authorization

RELEASE = "/manage/project/example/release/1.0/"
DRAFT = "/manage/project/example/draft/1.0/"

OLD, NEW = "*old*", "**new**"
MARKDOWN = "text/markdown"
OLD_HTML, NEW_HTML = "<p><em>old</em></p>\n", "<p><strong>new</strong></p>\n"
API = {"Accept": "application/vnd.pypi.upload.v2+json"}
API_TYPE = {"Content-Type": "application/vnd.pypi.upload.v2+json"}


def wheel_that_says(folder: Path, text: str, tag: str = "py3-none-any") -> Path:
    return make_wheel(
        folder, tag=tag, salt=tag, description=text, description_content_type=MARKDOWN
    )


def sdist_that_says(folder: Path, text: str) -> Path:
    return make_sdist(folder, description=text, description_content_type=MARKDOWN)


class Renderings:
    """What is rendered, of which nothing is known from before; never in a transaction."""

    def __init__(self, site: Site, patch: pytest.MonkeyPatch) -> None:
        self.site = site
        self.texts: list[str] = []
        self._patch = patch
        self._transactions = Transactions(site.services.database)
        self._render = description.render
        patch.setattr(description, "render", self._rendered)
        self.forget()

    def forget(self) -> None:
        """Begin like a process that was just started."""
        self.texts.clear()
        self._patch.setattr(releases, "_RENDERINGS", releases._Renderings(10, 1000))

    def _rendered(self, text: str, content_type: str | None) -> str | None:
        assert self._transactions.open == 0
        self.texts.append(text)
        return self._render(text, content_type)

    def html(self) -> str:
        """That of the public release."""
        with self.site.services.reading() as uow:
            project = projects.get(uow, "example")
            release = catalogue.release(uow.db, project, "1.0")
            assert release is not None
            return release.description_html


@pytest.fixture
def renderings(site: Site, account: str, monkeypatch: pytest.MonkeyPatch) -> Renderings:
    return Renderings(site, monkeypatch)


def arranged(site: Site, folder: Path) -> None:
    """A public release with a wheel, and a draft that adds what it is described by."""
    with site.services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        wheel, sdist = wheel_that_says(folder, OLD), sdist_that_says(folder, NEW)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(description, "render", lambda text, kind: OLD_HTML)
            factories.release(uow, ada, wheel)
            factories.stage(uow, ada, sdist)


def by_page(site: Site) -> Callable[[], object]:
    browser = site.sign_in()
    form = browser.get(f"{DRAFT}publish").forms["publish"]
    return lambda: form.submit().follow()


def by_api(site: Site, status: int = 201) -> Callable[[], object]:
    headers = API | authorization(site.token())
    session = site.app.get("/api/drafts/example/1.0", headers=headers).json
    return lambda: site.app.post_json(
        session["links"]["publish"],
        {"meta": {"api-version": "2.0"}},
        headers=headers | API_TYPE,
        status=status,
    )


@pytest.mark.parametrize("way", [by_page, by_api])
def test_publishing_renders_what_it_needs_before(
    site: Site, renderings: Renderings, tmp_path: Path, way: Callable[[Site], Callable[[], object]]
) -> None:
    arranged(site, tmp_path)
    publish = way(site)
    renderings.forget()

    publish()

    assert renderings.texts == [NEW]
    assert renderings.html() == NEW_HTML


def test_deleting_renders_what_it_needs_before(
    site: Site, renderings: Renderings, tmp_path: Path
) -> None:
    arranged(site, tmp_path)
    by_page(site)()
    browser = site.sign_in()
    form = browser.get(f"{RELEASE}delete-file?filename=example-1.0.tar.gz").forms["confirm"]
    form["typed"] = "example-1.0.tar.gz"
    renderings.forget()

    form.submit().follow()

    assert renderings.texts == [OLD]
    assert renderings.html() == OLD_HTML


def test_a_review_renders_what_it_needs_before(
    site: Site, renderings: Renderings, tmp_path: Path
) -> None:
    settings = replace(site.services.settings, review_command="true")
    arranged(site, tmp_path)
    reviewed = Site(replace(site.services, settings=settings), site.clock)
    by_api(reviewed, status=202)()
    renderings.forget()

    reviews.review_all(reviewed.services)

    assert renderings.texts == [NEW]
    assert renderings.html() == NEW_HTML


def test_uploads_render_before(site: Site, renderings: Renderings, tmp_path: Path) -> None:
    token = site.token()

    site.upload(wheel_that_says(tmp_path, OLD), token, status=200)
    assert renderings.texts == [OLD]
    assert renderings.html() == OLD_HTML

    renderings.forget()
    site.upload(sdist_that_says(tmp_path, NEW), token, status=200)
    assert renderings.texts == [NEW]
    assert renderings.html() == NEW_HTML


def test_what_was_rendered_of_late_is_not_rendered_again(
    site: Site, renderings: Renderings, tmp_path: Path
) -> None:
    token = site.token()
    for tag in ("py3-none-any", "py2-none-any"):
        site.upload(wheel_that_says(tmp_path, OLD, tag), token, status=200)
    assert renderings.texts == [OLD]
