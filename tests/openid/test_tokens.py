"""ID tokens that a real issuer on loopback signed: which are believed, what is said of others."""

import base64
import hmac
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey, RSAKey

from greenroom.openid import tokens
from greenroom.openid.errors import InvalidToken
from greenroom.openid.provider import Provider, Providers
from tests.fuzzing import fuzzed
from tests.issuing import AUDIENCE, FakeCI, issuing, rsa_key

NOW = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
AT = int(NOW.timestamp())


@pytest.fixture(scope="module")
def running() -> Iterator[FakeCI]:
    with issuing() as ci:
        yield ci


@pytest.fixture
def ci(running: FakeCI) -> FakeCI:
    running.key = rsa_key("first")
    running.published = [running.key]
    return running


def check(ci: FakeCI, token: str, now: datetime = NOW) -> tokens.IDToken:
    return tokens.check(token, Provider(ci.issuer), AUDIENCE, now, required=("repository",))


def refusal(ci: FakeCI, token: str) -> str:
    with pytest.raises(InvalidToken) as caught:
        check(ci, token)
    return str(caught.value)


def test_a_good_token(ci: FakeCI) -> None:
    found = check(ci, ci.sign({"repository": "ada/example", "jti": "one"}, now=AT))
    assert (found.issuer, found.subject, found.identifier) == (ci.url, "a job", "one")
    assert found.expires == NOW + timedelta(seconds=300)
    assert (found.text("repository"), found.text("environment")) == ("ada/example", None)


def test_without_an_identifier_all_that_is_signed_is_one(ci: FakeCI) -> None:
    one, other = (
        check(ci, ci.sign({"repository": "ada/example", "jti": None, "run": run}, now=AT))
        for run in (1, 2)
    )
    assert one.identifier.startswith("sha256:")
    assert one.identifier != other.identifier


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"aud": "other.example"}, "not for this index"),
        ({"aud": [AUDIENCE, "other.example"]}, "not for this index"),
        ({"aud": None}, "lacks what it must say: aud"),
        ({"aud": 7}, "The claim 'aud'"),
        ({"iss": "https://other.example"}, "not from http://127.0.0.1"),
        ({"iss": 7}, "not from http://127.0.0.1"),
        ({"exp": AT - 31}, "has expired"),
        ({"exp": None}, "lacks what it must say: exp"),
        ({"exp": True}, "The claim 'exp'"),
        ({"exp": str(AT + 300)}, "The claim 'exp'"),
        ({"exp": float("nan")}, "The claim 'exp'"),
        ({"exp": 10**400}, "valid for longer than 7 days"),
        ({"exp": AT + 8 * 86400}, "valid for longer than 7 days"),
        ({"nbf": AT + 31}, "not valid yet"),
        ({"nbf": "now"}, "not valid yet"),
        ({"iat": AT + 31}, "issued in the future"),
        ({"iat": None}, "lacks what it must say: iat"),
        ({"sub": None}, "lacks what it must say: sub"),
        ({"sub": ["a job"]}, "The claim 'sub'"),
        ({"jti": 7}, "The claim 'jti'"),
        ({"repository": None}, "lacks what it must say: repository"),
        ({"repository": ""}, "The claim 'repository'"),
    ],
)
def test_claims_that_are_wrong(ci: FakeCI, changes: dict[str, object], sentence: str) -> None:
    assert sentence in refusal(ci, ci.sign({"repository": "ada/example", **changes}, now=AT))


@pytest.mark.parametrize(
    "changes", [{"exp": AT - 29}, {"nbf": AT + 30}, {"iat": AT + 30}, {"aud": [AUDIENCE]}]
)
def test_claims_that_just_do(ci: FakeCI, changes: dict[str, object]) -> None:
    assert check(ci, ci.sign({"repository": "ada/example", **changes}, now=AT))


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (rsa_key("first"), "PS384"),
        (ECKey.generate_key("P-256", {"kid": "ec"}), "ES256"),
        (OKPKey.generate_key("Ed25519", {"kid": "ed"}), "Ed25519"),
    ],
)
def test_public_key_algorithms(ci: FakeCI, key: RSAKey | ECKey | OKPKey, algorithm: str) -> None:
    ci.published = [rsa_key("other"), key]
    token = ci.sign({"repository": "ada/example"}, {"alg": algorithm}, key, AT)
    assert check(ci, token).subject == "a job"


def encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def test_tricks_with_the_algorithm(ci: FakeCI) -> None:
    good = ci.sign({"repository": "ada/example"}, now=AT)
    _, payload, signature = good.split(".")
    for name in ("none", "None", "NONE", "", None, 7, ["RS256"], "HS256", "RS1", "ES256K"):
        header = {"alg": name, "kid": "first"}
        for ending in (signature, ""):
            assert "algorithm that this index accepts" in refusal(
                ci, f"{encoded(header)}.{payload}.{ending}"
            )
    # The public key as the secret of an HMAC.
    public = rsa_key("first").public_key.public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    signed = f"{encoded({'alg': 'HS256', 'kid': 'first'})}.{payload}"
    forged = base64.urlsafe_b64encode(hmac.digest(public, signed.encode(), "sha256")).decode()
    assert "algorithm that this index accepts" in refusal(ci, f"{signed}.{forged.rstrip('=')}")
    # Another algorithm than the one that the key is for.
    ci.published = [RSAKey.import_key({**ci.key.as_dict(private=True), "alg": "RS256"})]
    other = ci.sign({"repository": "ada/example"}, {"alg": "RS512"}, now=AT)
    assert "a key that" in refusal(ci, other)


def test_signatures_that_are_wrong(ci: FakeCI) -> None:
    good = ci.sign({"repository": "ada/example"}, now=AT)
    header, payload, signature = good.split(".")
    changed = json.loads(base64.urlsafe_b64decode(payload + "=="))
    wrong = "The signature of this ID token is wrong"
    for token in (
        f"{header}.{encoded({**changed, 'repository': 'eve/example'})}.{signature}",
        f"{header}.{payload}.{'A' * len(signature)}",
        f"{header}.{payload}.",
        f"{header}.{payload}.!!",
        ci.sign({}, {"kid": "first"}, rsa_key("strange"), AT),
    ):
        assert wrong in refusal(ci, token)
    # What the header brings along is not used: a key, where one lies, or what to understand.
    strange = rsa_key("strange")
    for more in (
        {"jwk": strange.as_dict(private=False)},
        {"jku": "http://127.0.0.1:1/keys"},
        {"crit": ["unheard-of"], "unheard-of": 1},
    ):
        _, payload, signature = ci.sign({}, key=strange, now=AT).split(".")
        header = encoded({"alg": "RS256", "kid": "first", **more})
        assert wrong in refusal(ci, f"{header}.{payload}.{signature}")


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "..", "a.b.c", "é.é.é", "gr_sometoken", "a" * 20000),
        f"{encoded([])}.{encoded({})}.",
        f"{encoded({'alg': 'RS256'})}.{encoded('text')}.",
        f"{encoded({'alg': 'RS256', 'kid': 7})}.{encoded({})}.x",
        f"{base64.urlsafe_b64encode(b'[' * 9000).decode()}.{encoded({})}.x",
        f"{encoded({})}.{base64.urlsafe_b64encode(bytes(range(256))).decode()}.x",
    ],
)
def test_what_is_no_token(ci: FakeCI, text: str) -> None:
    with pytest.raises(InvalidToken):
        check(ci, text)


def test_other_kinds_of_tokens_are_none(ci: FakeCI) -> None:
    token = ci.sign({"repository": "ada/example"}, {"typ": "at+jwt"}, now=AT)
    assert "another kind" in refusal(ci, token)


def test_the_issuer_that_a_token_says_it_is_from(ci: FakeCI) -> None:
    assert tokens.issuer_of(ci.sign()) == ci.url
    with pytest.raises(InvalidToken, match="has no claim 'iss'"):
        tokens.issuer_of(ci.sign({"iss": None}))


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


@fuzzed(50)
@given(
    changes=st.dictionaries(
        st.sampled_from(["iss", "aud", "exp", "nbf", "iat", "sub", "jti", "now", "options", "x"]),
        json_values,
        max_size=3,
    ),
    header=st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "cty", "x5c", "zip"]),
        json_values,
        max_size=3,
    ),
    cut=st.none() | st.integers(0, 900),
)
def test_whatever_is_signed_is_refused_or_good(
    running: FakeCI, changes: dict[str, object], header: dict[str, object], cut: int | None
) -> None:
    running.key = rsa_key("first")
    provider = _PROVIDERS.of(running.issuer)
    good = running.sign({"repository": "ada/example", **changes}, now=AT)
    first, payload, signature = good.split(".")
    if header:
        said = json.loads(base64.urlsafe_b64decode(first + "=="))
        first = encoded({**said, **header})
        signed = f"{first}.{payload}"
        signature = _signature(signed)
        good = f"{signed}.{signature}"
    token = good if cut is None else good[:cut] + "!" + good[cut + 1 :]
    with suppress(InvalidToken):
        found = tokens.check(token, provider, AUDIENCE, NOW, required=("repository",))
        assert found.issuer == running.url
        assert found.expires <= NOW + tokens.LONGEST_LIFE


_PROVIDERS = Providers()


def _signature(signed: str) -> str:
    """Of the issuer's own key, whatever the header says."""
    key = rsa_key("first").private_key
    assert key is not None
    made = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return base64.urlsafe_b64encode(made).decode().rstrip("=")
