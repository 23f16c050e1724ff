"""A real server and a real browser: the system's Chromium, headless, with nothing from outside."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.artifacts import make_sdist, make_wheel
from tests.serving import Server, Servers, standing_servers

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--no-sandbox",
]


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """The system's Chromium: no download of another one."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("Chromium is not installed.")
    return {"executable_path": found, "args": QUIET}


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with standing_servers(tmp_path_factory) as servers:
        yield servers


@pytest.fixture
def server(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Server:
    """An index with an account, and a draft of a release of two files."""
    running = servers.get(request, tmp_path / "home")
    token = running.token(running.user("ada"))
    files = [
        make_sdist(tmp_path / "dist", "thing", description="# Thing\n\nIt *works*.",
                   description_content_type="text/markdown"),
        make_wheel(tmp_path / "dist", "thing"),
    ]  # fmt: skip
    running.run(
        "twine", "upload", "--repository-url", f"{running.url}/legacy/?staged=true",
        "--username", "__token__", "--password", token, *map(str, files),
    )  # fmt: skip
    return running


@pytest.fixture(params=["with JavaScript", "without JavaScript"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A new browser window; whatever works has to work without JavaScript."""
    context = browser.new_context(java_script_enabled=request.param == "with JavaScript")
    errors: list[str] = []
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    # A page that breaks its own content security policy says so here.
    assert errors == []
