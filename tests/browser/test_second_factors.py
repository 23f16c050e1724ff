"""Second factors in a real browser: apps, and passkeys with a virtual authenticator."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pyotp
import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect
from sqlalchemy import update

from greenroom.models import SecondFactor, SignInSession
from tests.factories import PASSWORD
from tests.serving import Server

FACTORS = "/account/second-factors/"
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


class Person:
    """Somebody in front of a browser. Passkeys are bound to names: none is of an address."""

    def __init__(self, page: Page, server: Server, name: str = "ada") -> None:
        self.page = page
        self.server = server
        self.name = name
        self.url = server.url.replace("127.0.0.1", "localhost")

    def go(self, path: str) -> None:
        self.page.goto(self.url + path)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def enter_password(self) -> None:
        self.go("/account/login")
        self.page.get_by_label("User name").fill(self.name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.press("Sign in")

    def is_signed_in(self) -> bool:
        self.go("/account/")
        return self.page.url == f"{self.url}/account/"

    def sign_out(self) -> None:
        self.go("/account/")
        self.press("Sign out")
        self.page.wait_for_url(f"{self.url}/")

    def heading(self, text: str) -> None:
        expect(self.page.get_by_role("heading", level=1)).to_have_text(text)

    def codes(self) -> list[str]:
        self.heading("Your recovery codes")
        return self.page.locator(".recovery-codes code").all_text_contents()

    def forget_confirmation(self) -> None:
        """As if a quarter of an hour went by."""
        with self.server.services() as services, services.writing() as uow:
            before = uow.now - timedelta(minutes=16)
            uow.db.execute(update(SignInSession).values(authenticated=before))

    def forget_codes(self) -> None:
        """As if a minute went by, after which an app shows a code that is new."""
        with self.server.services() as services, services.writing() as uow:
            uow.db.execute(update(SecondFactor).values(last_step=0))


@pytest.fixture
def person(page: Page, server: Server) -> Person:
    """With and without JavaScript."""
    return Person(page, server)


@contextmanager
def having_authenticator(
    browser: Browser, server: Server, name: str = "ada"
) -> Iterator[tuple[Person, CDPSession]]:
    """A browser whose device has a passkey for whoever wants one, and knows who holds it."""
    context = browser.new_context()
    context.set_default_timeout(15_000)
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda message: (
            errors.append(message.text) if "Content Security Policy" in message.text else None
        ),
    )
    yield Person(page, server, name), session
    context.close()
    assert errors == []


@pytest.fixture
def with_authenticator(browser: Browser, server: Server) -> Iterator[tuple[Person, CDPSession]]:
    """Ada's browser."""
    with having_authenticator(browser, server) as found:
        yield found


def test_an_app_and_recovery_codes_work_in_every_browser(person: Person) -> None:
    person.enter_password()
    person.go(FACTORS)
    person.page.get_by_role("button", name="Add an authenticator app").click()
    app = pyotp.TOTP((person.page.locator("#secret").text_content() or "").replace(" ", ""))
    person.page.get_by_label("Name").fill("Phone")
    person.page.get_by_label("Code").fill(app.at(int(time.time())))
    person.press("Add the app")
    codes = person.codes()
    person.sign_out()

    for code in (app.at(int(time.time())), codes[0]):
        person.forget_codes()
        person.enter_password()
        person.heading("Second step")
        person.page.get_by_label("Code").fill(code)
        person.press("Sign in")
        person.page.wait_for_url(f"{person.url}/manage/")
        person.sign_out()
    assert not person.is_signed_in()


def test_a_passkey_is_added_signs_in_and_confirms(
    with_authenticator: tuple[Person, CDPSession],
) -> None:
    person, authenticator = with_authenticator
    person.enter_password()
    person.go(f"{FACTORS}passkey")
    person.page.get_by_label("Name").fill("Laptop")
    person.page.keyboard.press("Enter")
    assert len(person.codes()) == 10
    person.go(f"{FACTORS}passkey")
    person.page.get_by_label("Name").fill("The same again")
    person.press("Add a passkey")
    expect(person.page.get_by_role("alert")).to_contain_text("has a passkey of yours already")

    person.sign_out()
    person.enter_password()
    person.heading("Second step")
    assert not person.is_signed_in()
    person.enter_password()
    person.press("Use a passkey")
    person.page.wait_for_url(f"{person.url}/manage/")

    person.forget_confirmation()
    person.go(f"{FACTORS}app")
    person.heading("Confirm who you are")
    person.press("Use a passkey")
    person.heading("Add an authenticator app")

    person.sign_out()
    person.go("/account/login?next=/account/sessions/")
    person.press("Use a passkey")  # without name and password
    person.page.wait_for_url(f"{person.url}/account/sessions/")

    person.sign_out()
    authenticator.send("WebAuthn.disable")
    authenticator.send("WebAuthn.enable")
    authenticator.send(
        "WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR}
    )  # another device, which has none
    person.go("/account/login")
    person.press("Use a passkey")
    expect(person.page.get_by_role("alert")).to_contain_text("The browser gave no passkey")
    assert not person.is_signed_in()
