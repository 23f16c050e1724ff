"""The pictures of ``docs/``, of an index after some months: ``python -m tests.browser.pictures``.

What it is given is the folder that they are written to. They have a palette of 128 colours, where
Pillow is there to reduce them.
"""

import importlib
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import NAMES, QUIET
from tests.browser.inhabited import settle
from tests.factories import PASSWORD
from tests.serving import serving

_DRAFT = "/manage/project/tidewatch/draft/2.0/"
_WIDTHS = {1280: "", 390: "-phone"}
_SCHEMES = {"light": "", "dark": "-dark"}


@dataclass(frozen=True)
class Picture:
    """What is looked at: a page, from the element on which a selector names, and so high."""

    name: str
    path: str
    selector: str = ""
    height: int = 900


def _pictures(key: str) -> Iterator[Picture]:
    yield Picture("draft", _DRAFT, height=1000)
    yield Picture("review", f"{_DRAFT}review")
    yield Picture("approvals", _DRAFT, "#approvals", 560)
    yield Picture("release-set", f"/manage/sets/{key}/")
    yield Picture("set-review", f"/manage/sets/{key}/review")


def _sign_in(page: Page, url: str) -> None:
    page.goto(f"{url}/account/login")
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{url}/manage/")


def _take(page: Page, url: str, picture: Picture, folder: Path, ending: str) -> None:
    page.goto(url + picture.path)
    width = page.viewport_size["width"] if page.viewport_size else 0
    page.set_viewport_size({"width": width, "height": picture.height})
    if picture.selector:
        page.locator(picture.selector).evaluate("element => element.scrollIntoView()")
    file = folder / f"{picture.name}{ending}.png"
    page.screenshot(path=file)
    with suppress(ImportError):
        pillow = importlib.import_module("PIL.Image")
        with pillow.open(file) as image:
            few = image.convert("RGB").quantize(128, dither=pillow.Dither.NONE)
        few.save(file, optimize=True)


def _wait_until_analysed(page: Page, url: str) -> None:
    page.goto(f"{url}{_DRAFT}review")
    while page.locator("#analysis").count():
        time.sleep(1)
        page.reload()


def _take_all(browser: Browser, url: str, key: str, folder: Path) -> None:
    for (scheme, dark), (width, phone) in product(_SCHEMES.items(), _WIDTHS.items()):
        context = browser.new_context(
            color_scheme="dark" if dark else "light",
            viewport={"width": width, "height": 900},
        )
        page = context.new_page()
        _sign_in(page, url)
        _wait_until_analysed(page, url)
        for picture in _pictures(key):
            _take(page, url, picture, folder, phone + dark)
        print(scheme, width)
        context.close()


def main(folder: Path) -> None:
    """Take all of them."""
    with tempfile.TemporaryDirectory() as name, serving(Path(name)) as server:
        where = settle(server, Path(name) / "dist")
        found = next(filter(None, map(shutil.which, NAMES)), None)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=found, args=QUIET)
            _take_all(browser, server.url, where.set_key, folder)
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
