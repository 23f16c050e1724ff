"""Every kind of page, looked at by axe: light and dark, on a wide screen and on a phone.

``make test`` gets axe from npm, by the lock file in ``packages``.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.inhabited import Inhabited, settle
from tests.browser.test_publish import sign_in
from tests.serving import Server, serving

AXE = Path(sys.prefix) / "browser" / "node_modules" / "axe-core" / "axe.min.js"
# What a page must not have. Only some rules depend on how the page is looked at.
_RUN = """
async (rules) => (await axe.run(document, {
  resultTypes: ["violations"], ...(rules ? {runOnly: rules} : {})
})).violations
  .filter(found => ["serious", "critical"].includes(found.impact))
  .map(found => `${found.id}: ${found.nodes.slice(0, 3).map(node => node.html).join(" | ")}`)
"""
_BY_LOOK = ["color-contrast", "link-in-text-block", "scrollable-region-focusable"]
_LOOKS: list[tuple[Literal["light", "dark"], int]] = [
    ("light", 1280),
    ("light", 390),
    ("dark", 1280),
    ("dark", 390),
]
_HELP = ("clients", "errors")
_WHEEL = "tidewatch-2.0-cp314-cp314-win_amd64.whl"
_OLD_WHEEL = "tidewatch-1.0-py3-none-any.whl"
_PROJECT = "/manage/project/tidewatch/"

PUBLIC = [
    "/",
    "/project/tidewatch/",
    "/project/tidewatch/1.0/",
    "/project/lighthouse/",
    "/project/plain/1.0/",
    "/user/ada/",
    "/search/",
    "/search/?q=tide",
    "/search/?q=tidewtch",
    "/search/?q=Programming+Language+::+Python+::+3",
    "/help/",
    *(f"/help/{name}/" for name in _HELP),
    "/draft/{open}/",
    "/draft/{discarded}/",
    "/no/such/page/",
    "/account/login",
    "/account/register",
    "/account/first-administrator?key=x",
]
SIGNED_IN = [
    "/",
    "/search/?q=buoy",
    "/project/tidewatch/",
    "/project/tidewatch/2.0/",
    "/account/",
    "/account/tokens/",
    "/account/audit",
    "/admin/",
    "/admin/audit?person=nobody",
    "/manage/",
    _PROJECT,
    f"{_PROJECT}history/",
    f"{_PROJECT}audit",
    f"{_PROJECT}remove-role?user=grace",
    f"{_PROJECT}archive",
    f"{_PROJECT}quarantine",
    f"{_PROJECT}delete",
    f"{_PROJECT}release/1.0/",
    f"{_PROJECT}release/1.1/",
    f"{_PROJECT}release/1.1/yank",
    f"{_PROJECT}release/1.1/delete",
    f"{_PROJECT}release/1.0/yank-file?filename={_OLD_WHEEL}",
    f"{_PROJECT}release/1.0/delete-file?filename={_OLD_WHEEL}",
    f"{_PROJECT}draft/2.0/",
    f"{_PROJECT}draft/2.0/publish",
    f"{_PROJECT}draft/2.0/discard",
    f"{_PROJECT}draft/2.0/rotate",
    f"{_PROJECT}draft/2.0/remove?filename={_WHEEL}",
    "/manage/project/flotsam/draft/1.0/",
    "/manage/project/plain/draft/1.1/",
    "/manage/project/nothing/",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Inhabited]]:
    folder = tmp_path_factory.mktemp("inhabited")
    with serving(folder, settings={"GREENROOM_REGISTRATION": "open"}) as server:
        yield server, settle(server, folder / "dist")


@pytest.fixture
def seen(browser: Browser) -> Iterator[Page]:
    """A window in which axe is at hand, past the pages' policy, and colors change at once."""
    if not AXE.exists():
        pytest.skip("axe is not installed: `make test` installs it where there is npm.")
    context = browser.new_context(bypass_csp=True, reduced_motion="reduce")
    context.add_init_script(path=AXE)
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


def findings(page: Page, url: str) -> dict[str, list[str]]:
    """What is serious or critical, by how the page is looked at."""
    page.goto(url)
    found = {}
    for number, (scheme, width) in enumerate(_LOOKS):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        if violations := page.evaluate(_RUN, _BY_LOOK if number else None):
            found[f"{url} {scheme} {width}"] = violations
    return found


def test_pages_for_everybody_are_accessible(place: tuple[Server, Inhabited], seen: Page) -> None:
    server, inhabited = place
    found: dict[str, list[str]] = {}
    for path in PUBLIC:
        found |= findings(seen, server.url + path.format(**vars(inhabited)))

    assert found == {}


def test_pages_for_those_signed_in_are_accessible(
    place: tuple[Server, Inhabited], seen: Page
) -> None:
    server, _ = place
    sign_in(seen, server)
    found: dict[str, list[str]] = {}
    for path in SIGNED_IN:
        found |= findings(seen, server.url + path)
    seen.goto(f"{server.url}/account/tokens/")
    revoke = seen.get_by_role("link", name="Revoke").first.get_attribute("href")
    found |= findings(seen, f"{server.url}{revoke}")

    assert found == {}


def test_axe_finds_what_is_wrong(seen: Page) -> None:
    """Else the others would pass whatever the pages are."""
    page = "data:text/html,<html lang=en><title>x</title><main><h1>x</h1><img src=x></main>"

    assert any("image-alt" in one for found in findings(seen, page).values() for one in found)
