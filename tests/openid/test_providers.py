"""Issuers on loopback: what is asked of them, how often, and what is believed without them."""

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Thread
from time import sleep

import pytest

from greenroom.openid import fetching, tokens
from greenroom.openid.errors import InvalidToken, IssuerUnavailable
from greenroom.openid.issuers import Issuer, is_issuer
from greenroom.openid.provider import (
    FRESH_FOR,
    KEPT_FOR,
    MOST_AT_ONCE,
    PAUSE,
    PAUSE_AFTER_FAILURE,
    Provider,
)
from tests.issuing import AUDIENCE, FakeCI, closed_port, issuing, rsa_key

NOW = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def ci() -> Iterator[FakeCI]:
    with issuing("/api/actions") as found:
        yield found


def check(ci: FakeCI, provider: Provider, now: datetime) -> str:
    token = ci.sign(now=now.timestamp())
    return tokens.check(token, provider, AUDIENCE, now).subject


def test_keys_are_asked_for_once_in_a_while(ci: FakeCI) -> None:
    provider = Provider(ci.issuer)
    for minutes in range(0, 60, 10):
        check(ci, provider, NOW + timedelta(minutes=minutes))
    assert ci.asked == ["/api/actions/.well-known/openid-configuration", "/api/actions/keys"]
    check(ci, provider, NOW + FRESH_FOR)
    assert len(ci.asked) == 4


def test_a_rotated_key_is_asked_for_and_unknown_ones_cause_no_flood(ci: FakeCI) -> None:
    provider = Provider(ci.issuer)
    check(ci, provider, NOW)
    old = ci.sign(now=NOW.timestamp())
    ci.rotate("second")
    later = NOW + PAUSE
    assert check(ci, provider, later) == "a job"
    assert len(ci.asked) == 4
    # The key that was taken back is not believed any more.
    with pytest.raises(InvalidToken, match="does not have"):
        tokens.check(old, provider, AUDIENCE, later)
    for second in range(29):
        unknown = ci.sign(key=rsa_key("strange"), now=later.timestamp())
        with pytest.raises(InvalidToken, match="try again in a minute"):
            tokens.check(unknown, provider, AUDIENCE, later + second * SECOND)
    assert len(ci.asked) == 4


def test_what_is_remembered_is_believed_while_the_issuer_is_away(ci: FakeCI) -> None:
    provider = Provider(ci.issuer)
    check(ci, provider, NOW)
    ci.answers[ci.configuration] = (500, {}, b"")
    assert check(ci, provider, NOW + KEPT_FOR - SECOND) == "a job"
    ci.rotate("second")
    with pytest.raises(IssuerUnavailable, match="cannot be checked: try again") as caught:
        check(ci, provider, NOW + KEPT_FOR - SECOND)
    assert "status 500" in caught.value.reason
    ci.rotate("first")
    with pytest.raises(IssuerUnavailable):
        check(ci, provider, NOW + KEPT_FOR)
    count = len(ci.asked)
    with pytest.raises(IssuerUnavailable):
        check(ci, provider, NOW + KEPT_FOR + PAUSE_AFTER_FAILURE - 2 * SECOND)
    assert len(ci.asked) == count
    del ci.answers[ci.configuration]
    assert check(ci, provider, NOW + KEPT_FOR + PAUSE_AFTER_FAILURE) == "a job"


def keys_of(ci: FakeCI, *others: object) -> bytes:
    return json.dumps({"keys": [*others, ci.key.as_dict(private=False)]}).encode()


def test_keys_that_are_not_understood_are_passed_over(ci: FakeCI) -> None:
    plain = ci.key.as_dict(private=False)
    unusable: tuple[object, ...] = (
        *("text", 7, None, [], {}, {"kty": "oct", "k": "AAAA", "kid": "first"}, {"kty": "PQC"}),
        {**plain, "use": "enc"},
        {**plain, "n": "AQAB"},
        {**plain, "n": 7},
        {**plain, "key_ops": 7},
        {**plain, "key_ops": ["encrypt"]},
        {**plain, "use": "unheard-of", "key_ops": ["verify"]},
        {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA", "kid": "first"},
        {"kty": "OKP", "crv": "X25519", "x": "A" * 43, "kid": "first"},
    )
    ci.answers["/api/actions/keys"] = (200, {}, keys_of(ci, *unusable))
    assert check(ci, Provider(ci.issuer), NOW) == "a job"
    ci.answers["/api/actions/keys"] = (200, {}, json.dumps({"keys": unusable}).encode())
    with pytest.raises(IssuerUnavailable) as caught:
        check(ci, Provider(ci.issuer), NOW)
    assert "no key that can be used" in caught.value.reason


def test_without_a_name_the_only_key_is_it(ci: FakeCI) -> None:
    token = ci.sign(header={"kid": None}, now=NOW.timestamp())
    assert tokens.check(token, Provider(ci.issuer), AUDIENCE, NOW).subject == "a job"
    ci.published.append(rsa_key("second"))
    with pytest.raises(InvalidToken, match="does not have"):
        tokens.check(token, Provider(ci.issuer), AUDIENCE, NOW)


@pytest.mark.parametrize(
    ("status", "headers", "body", "reason"),
    [
        (302, {"Location": "/api/actions/keys"}, b"", "answers with status 302"),
        (200, {}, b"[]", "something else than a JSON object"),
        (200, {}, b"<html>", "something else than a JSON object"),
        (200, {}, b"\xff", "something else than a JSON object"),
        (200, {}, b"[" * 100_000, "something else than a JSON object"),
        (200, {}, b" " * (fetching.MOST_BYTES + 1), "longer than any of an issuer"),
        (200, {}, b'{"keys": 7}', "no JWK Set"),
        (200, {}, b"{}", "no JWK Set"),
    ],
)
def test_answers_that_are_no_keys(
    ci: FakeCI, status: int, headers: dict[str, str], body: bytes, reason: str
) -> None:
    ci.answers["/api/actions/keys"] = (status, headers, body)
    with pytest.raises(IssuerUnavailable) as caught:
        check(ci, Provider(ci.issuer), NOW)
    assert reason in caught.value.reason
    assert ci.asked[-1] == "/api/actions/keys"


def test_nothing_is_asked_of_other_hosts(ci: FakeCI) -> None:
    with issuing() as other:
        other.published = [ci.key]
        ci.keys_url = f"{other.url}/keys"
        with pytest.raises(IssuerUnavailable) as caught:
            check(ci, Provider(ci.issuer), NOW)
        assert "at no host that is configured" in caught.value.reason
        assert other.asked == []
        named = Issuer(ci.url, frozenset({f"127.0.0.1:{other.port}"}))
        assert check(ci, Provider(named), NOW) == "a job"
        assert other.asked == ["/keys"]


@pytest.mark.parametrize(
    "configuration",
    [{}, {"issuer": "https://other.example"}, {"issuer": "", "jwks_uri": None}],
)
def test_a_configuration_that_is_not_the_issuers(
    ci: FakeCI, configuration: dict[str, object]
) -> None:
    own = {"jwks_uri": f"{ci.url}/keys", **configuration}
    if configuration.get("issuer") == "":
        own["issuer"] = ci.url
    ci.answers[ci.configuration] = (200, {}, json.dumps(own).encode())
    with pytest.raises(IssuerUnavailable) as caught:
        check(ci, Provider(ci.issuer), NOW)
    assert caught.value.reason.startswith("the configuration")


def test_many_at_once_ask_once_and_no_more_than_some_wait(ci: FakeCI) -> None:
    provider = Provider(ci.issuer)
    found: list[str] = []
    threads = [
        Thread(target=lambda: found.append(check(ci, provider, NOW))) for _ in range(MOST_AT_ONCE)
    ]
    with provider._asking:  # as if somebody waited for the issuer's answer
        for thread in threads:
            thread.start()
        while provider._places._value:
            sleep(0.001)
        with pytest.raises(IssuerUnavailable) as caught:
            check(ci, provider, NOW)
        assert caught.value.reason == "it is being asked"
    for thread in threads:
        thread.join()
    assert found == ["a job"] * MOST_AT_ONCE
    assert len(ci.asked) == 2


def test_an_issuer_that_hangs_or_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "SECONDS", 0.2)
    nobody = Provider(Issuer(f"http://127.0.0.1:{closed_port()}"))
    with pytest.raises(IssuerUnavailable) as caught:
        nobody.keys(NOW)
    assert "cannot be read" in caught.value.reason
    with socket.create_server(("127.0.0.1", 0)) as listening:
        silent = Provider(Issuer(f"http://127.0.0.1:{listening.getsockname()[1]}"))
        with pytest.raises(IssuerUnavailable) as caught:
            silent.keys(NOW)
        assert "cannot be read" in caught.value.reason


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://ci.example", True),
        ("https://ci.example:8443/api/actions", True),
        ("http://127.0.0.1:3000", True),
        ("http://[::1]:3000", True),
        ("http://localhost", True),
        ("http://ci.example", False),
        ("http://127.0.0.1.ci.example", False),
        ("ftp://ci.example", False),
        ("https://user@ci.example", False),
        ("https://ci.example?tenant=1", False),
        ("https://ci.example#", False),
        ("https://ci.example:0", False),
        ("https://ci.example:port", False),
        ("https://", False),
        ("https://[", False),
        ("https://ci .example", False),
        ("https://cé.example", False),
        ("ci.example", False),
        ("", False),
    ],
)
def test_addresses_of_issuers(url: str, good: bool) -> None:
    assert is_issuer(url) is good


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("https://ci.example/keys", True),
        ("https://CI.example:443/keys", True),
        ("https://keys.example/keys", True),
        ("https://other.example:8443/keys", True),
        ("https://other.example/keys", False),
        ("https://ci.example:444/keys", False),
        ("https://ci.example.evil.example/keys", False),
        ("https://ci.example@evil.example/keys", False),
        ("https://evil.example\\@ci.example/keys", False),
        ("http://ci.example/keys", False),
        ("http://127.0.0.1/keys", False),
        ("file:///etc/passwd", False),
    ],
)
def test_addresses_that_an_issuer_may_be_asked_at(url: str, may: bool) -> None:
    issuer = Issuer("https://ci.example", frozenset({"keys.example", "Other.example:8443"}))
    assert issuer.may_be_asked_at(url) is may
