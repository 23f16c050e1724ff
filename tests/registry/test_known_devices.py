"""Browsers in which somebody has signed in."""

from datetime import UTC, datetime, timedelta

import pytest

from greenroom.registry.known_devices import LIFETIME, recognized, remembering

KEY = "a key that signs"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
STAMP = "the stamp of the password"
COOKIE = remembering(KEY, "", "ada", STAMP, NOW)


def test_a_browser_is_known_to_the_account_that_has_signed_in_there() -> None:
    device = recognized(KEY, COOKIE, "ADA", NOW + LIFETIME - timedelta(seconds=1))
    assert device is not None
    assert device.is_of(STAMP)
    assert not device.is_of("the stamp of another password")
    assert "ada" not in COOKIE


@pytest.mark.parametrize(
    ("cookie", "account", "now"),
    [
        (COOKIE, "eve", NOW),
        (COOKIE, "", NOW),
        (COOKIE, "ada", NOW + LIFETIME),
        (COOKIE[:-1], "ada", NOW),
        ("g" + COOKIE[1:], "ada", NOW),
        (remembering("another key", "", "ada", STAMP, NOW), "ada", NOW),
        ("", "ada", NOW),
        ("...", "ada", NOW),
        ("a.b.zz.", "ada", NOW),
        ("ä.b.c.d", "ada", NOW),
        ("~" * 1000, "ada", NOW),
        ("~".join([COOKIE] * 40), "ada", NOW),
        (COOKIE, "\udcff", NOW),
    ],
    ids=range(13),  # the cookies are others in each process
)
def test_no_other_cookie_says_so(cookie: str, account: str, now: datetime) -> None:
    assert recognized(KEY, cookie, account, now) is None


def test_a_cookie_is_of_a_few_accounts_and_has_each_once() -> None:
    cookie = "not one of ours"
    for name in ("ada", "eve", "ada", "bob", "cy", "dee", "eli"):
        cookie = remembering(KEY, cookie, name, STAMP, NOW)
    known = [
        name
        for name in ("ada", "eve", "bob", "cy", "dee", "eli")
        if recognized(KEY, cookie, name, NOW)
    ]
    assert known == ["ada", "bob", "cy", "dee", "eli"]
    assert cookie.count("~") == 4
    assert len(cookie) < 500
    again = remembering(KEY, cookie, "eli", STAMP, NOW)
    one, other = recognized(KEY, cookie, "eli", NOW), recognized(KEY, again, "eli", NOW)
    assert one is not None
    assert other is not None
    assert one.name != other.name
