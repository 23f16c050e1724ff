"""A maintainer looks a draft over and publishes it, with a mouse, a keyboard, or a phone."""

import re
from pathlib import Path

import pytest
from packaging.version import Version
from playwright.sync_api import Browser, Page, expect

from greenroom.registry import accounts, drafts, projects
from greenroom.registry.permissions import Person
from tests import factories
from tests.artifacts import make_wheel
from tests.factories import PASSWORD
from tests.serving import Server


def sign_in(page: Page, server: Server, username: str = "ada") -> None:
    page.goto(f"{server.url}/account/login")
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{server.url}/manage/")


def open_draft(page: Page, server: Server) -> None:
    sign_in(page, server)
    page.get_by_role("link", name="1.0").first.click()
    expect(page.get_by_role("heading", level=1).first).to_contain_text("thing 1.0")


def test_a_maintainer_signs_in_opens_the_draft_and_publishes_it(page: Page, server: Server) -> None:
    open_draft(page, server)
    expect(page.get_by_text("--extra-index-url")).to_be_visible()
    expect(page.get_by_text("thing-1.0-py3-none-any.whl").first).to_be_visible()

    page.get_by_role("button", name="Publish…").click()
    page.get_by_role("button", name="Publish", exact=True).click()

    expect(page).to_have_url(f"{server.url}/project/thing/1.0/")
    expect(page.get_by_role("heading", name="Thing", exact=True)).to_be_visible()
    assert server.get("/simple/thing/").status == 200


def test_a_discarded_draft_is_gone_after_its_version_was_typed(page: Page, server: Server) -> None:
    open_draft(page, server)
    page.get_by_role("button", name="Discard…").click()

    page.get_by_role("textbox").fill("1.0")
    page.get_by_role("button", name="Discard the draft").click()

    assert server.greenroom("draft", "list").strip() == "There are no drafts."


def test_the_public_page_of_a_release_needs_no_signing_in(page: Page, server: Server) -> None:
    [slug] = [
        line.split()[0]
        for line in server.greenroom("draft", "list").splitlines()
        if " thing " in line
    ]
    server.greenroom("draft", "publish", slug)

    page.goto(f"{server.url}/project/thing/")

    expect(page.get_by_text(re.compile("pip install .*thing")).first).to_be_visible()
    expect(page.get_by_role("heading", name="Thing", exact=True)).to_be_visible()


def test_the_whole_way_can_be_gone_by_keyboard(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/account/login")
    page.get_by_label("User name").focus()
    page.keyboard.type("ada")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{server.url}/manage/")
    page.goto(f"{server.url}/manage/project/thing/draft/1.0/publish")

    tab_to(page, "Publish")
    page.keyboard.press("Enter")

    expect(page).to_have_url(f"{server.url}/project/thing/1.0/")


def tab_to(page: Page, label: str) -> None:
    """Press Tab until the button with this label has the focus."""
    button = page.get_by_role("button", name=label, exact=True)
    for _ in range(40):
        page.keyboard.press("Tab")
        if button.evaluate("element => element === document.activeElement"):
            return
    pytest.fail(f"The button {label!r} cannot be reached by Tab.")


def test_the_copy_button_copies_the_command(browser: Browser, server: Server) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    open_draft(page, server)

    line = page.locator("code", has_text="--extra-index-url").first
    line.locator("xpath=../..").get_by_role("button").click()

    assert page.evaluate("navigator.clipboard.readText()") == line.text_content()
    context.close()


PAGES = (
    "/",
    "/account/",
    "/account/tokens/",
    "/account/sessions/",
    "/account/second-factors/",
    "/account/second-factors/app",
    "/account/audit?act=sign-in",
    "/manage/",
    "/manage/project/thing/",
    "/manage/project/thing/audit",
    "/manage/project/thing/draft/1.0/",
    "/manage/project/thing/draft/1.0/publish",
    "/project/thing/1.0/",
)


def test_the_pages_fit_the_width_of_a_phone(browser: Browser, server: Server) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800})
    page = context.new_page()
    sign_in(page, server)

    for path in PAGES:
        page.goto(f"{server.url}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
    context.close()


def test_a_slash_leads_to_the_search_unless_one_types(browser: Browser, server: Server) -> None:
    context = browser.new_context()
    page = context.new_page()
    for path in ("/", "/search/", "/help/"):
        page.goto(f"{server.url}{path}")
        field = page.get_by_role("searchbox", name="Search projects")
        page.keyboard.press("/")
        expect(field).to_be_focused()
        page.keyboard.type("a/b")
        expect(field).to_have_value("a/b")
    context.close()


def test_all_pages_begin_at_one_edge(browser: Browser, server: Server) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    sign_in(page, server)

    edges = set()
    for path in (*PAGES, "/search/?q=thing", "/help/", "/user/ada/"):
        page.goto(f"{server.url}{path}")
        edges.add(page.locator("main").evaluate("e => [e.clientWidth, e.offsetLeft].join()"))

    assert len(edges) == 1
    context.close()


def test_the_page_of_a_draft_keeps_itself_up_to_date(
    browser: Browser, server: Server, tmp_path: Path
) -> None:
    page = browser.new_context().new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    open_draft(page, server)
    page.evaluate("window.isTheSamePage = true")
    added = make_wheel(tmp_path, "thing", tag="py2-none-any")

    with server.services() as services, services.writing() as uow:
        factories.stage(uow, accounts.get_user(uow.db, "ada"), added)

    expect(page.get_by_text(added.name).first).to_be_visible(timeout=30_000)
    expect(page.get_by_role("button", name="Copy").first).to_be_visible()
    expect(page.get_by_text("This draft has changed.")).to_be_hidden()
    assert page.evaluate("window.isTheSamePage")

    page.get_by_role("link", name=re.compile("^Open the draft")).focus()
    written = page.get_by_role("textbox", name="Comment")
    written.fill("Half a sentence")
    written.blur()
    with server.services() as services, services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        project = projects.find(uow, "thing")
        assert project is not None
        draft = drafts.live(uow, project, Version("1.0"))
        assert draft is not None
        drafts.rotate(uow, ada, draft)
    expect(page.get_by_text("This draft has changed.")).to_be_visible(timeout=30_000)
    expect(written).to_have_value("Half a sentence")
    page.get_by_role("link", name="Reload this page").click()
    expect(page.get_by_text("This draft has changed.")).to_be_hidden()
    page.context.close()
    assert errors == []
