"""The authorization code flow (OpenID Connect Core 1.0, section 3.1), with PKCE, state and nonce.

What a sign-in begins with (:class:`Begun`) is kept by whoever begins it, and in the browser that it
was begun in; nothing of it is guessed by others.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from msgspec import Struct

from greenroom.openid import tokens
from greenroom.openid.errors import InvalidToken, IssuerUnavailable
from greenroom.openid.provider import Provider
from greenroom.openid.tokens import LEEWAY, IDToken

_NOT_YOURS = (
    "This sign-in was not begun in this browser, or too long ago, or it is over: begin it again."
)
_LONGEST_CODE = 4096


class Client(Struct, frozen=True):
    """What this index is to the issuer.

    Attributes:
        id: its ``client_id``, which is the audience of ID tokens.
        secret: its ``client_secret``; None where it has none, and proves itself by PKCE alone.
        scopes: what is asked for besides ``openid``.
        return_to: where the issuer sends browsers back to, to the letter.
    """

    id: str
    secret: str | None
    scopes: tuple[str, ...]
    return_to: str


class Begun(Struct, frozen=True):
    """What a sign-in begins with.

    Attributes:
        state: comes back with the browser (RFC 6749, section 10.12).
        nonce: comes back in the ID token.
        verifier: of PKCE (RFC 7636): without it the code is worth nothing.
    """

    state: str
    nonce: str
    verifier: str


def begin() -> Begun:
    """A sign-in that nobody has begun before."""
    return Begun(*(secrets.token_urlsafe(32) for _ in range(3)))


def address(
    provider: Provider, client: Client, begun: Begun, now: datetime, *, anew: bool = False
) -> str:
    """Where the browser is sent, to sign in with the issuer.

    Args:
        provider: the issuer.
        client: what we are to it.
        begun: the sign-in.
        now: the moment.
        anew: whether the person has to show again who it is, even if it is signed in there.

    Raises:
        IssuerUnavailable: it does not say where, or not in time.
    """
    challenge = hashlib.sha256(begun.verifier.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": client.id,
        "redirect_uri": client.return_to,
        "scope": " ".join(dict.fromkeys(("openid", *client.scopes))),
        "state": begun.state,
        "nonce": begun.nonce,
        "code_challenge": base64.urlsafe_b64encode(challenge).decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    if anew:
        query |= {"prompt": "login", "max_age": "0"}
    endpoint = _endpoint(provider, "authorization_endpoint", now)
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query, quote_via=quote)}"


def check_answer(provider: Provider, begun: Begun, answer: Mapping[str, str], now: datetime) -> str:
    """The code that the browser has brought back.

    Args:
        provider: the issuer that it was sent to.
        begun: the sign-in, as this browser has kept it.
        answer: what is in the address that it came back to.
        now: the moment.

    Raises:
        InvalidToken: it is no answer to this sign-in, or the issuer has not signed anybody in.
        IssuerUnavailable: nobody knows what the issuer says of itself.
    """
    state = answer.get("state", "").encode("utf-8", "surrogatepass")
    if not hmac.compare_digest(state, begun.state.encode()):
        raise InvalidToken(_NOT_YOURS)
    # Another issuer may have been made to send its code here (RFC 9207).
    says_who = provider.configuration(now).get("authorization_response_iss_parameter_supported")
    issuer = answer.get("iss")
    if (issuer is not None or says_who is True) and issuer != provider.issuer.url:
        raise InvalidToken("This answer is not from the identity provider of this index.")
    if "error" in answer:
        raise InvalidToken("The identity provider has not signed you in: begin again.")
    code = answer.get("code", "")
    if not code or len(code) > _LONGEST_CODE:
        raise InvalidToken(_NOT_YOURS)
    return code


def redeem(
    provider: Provider,
    client: Client,
    begun: Begun,
    code: str,
    now: datetime,
    *,
    within: timedelta | None = None,
) -> IDToken:
    """Who has signed in, by the ID token that the issuer gives for a code. It takes long.

    Args:
        provider: the issuer.
        client: what we are to it.
        begun: the sign-in that the code is of.
        code: what the browser has brought back.
        now: the moment.
        within: so lately the person must have shown who it is.

    Raises:
        InvalidToken: the code, or the token, is not (or not any more) what it has to be.
        IssuerUnavailable: the issuer does not answer as it should.
    """
    answer = provider.post(*_question(provider, client, begun, code, now))
    text = answer.get("id_token")
    if not isinstance(text, str):
        raise InvalidToken("The identity provider has answered without an ID token.")
    required = ("nonce",) if within is None else ("nonce", "auth_time")
    token = tokens.check(text, provider, client.id, now, required=required)
    nonce = (token.text("nonce") or "").encode("utf-8", "surrogatepass")
    if not hmac.compare_digest(nonce, begun.nonce.encode()):
        raise InvalidToken(_NOT_YOURS)
    if token.claims.get("azp", client.id) != client.id:
        raise InvalidToken("This ID token was issued to somebody else than this index.")
    if within is not None:
        _check_lately(token, now, within)
    return token


def _question(
    provider: Provider, client: Client, begun: Begun, code: str, now: datetime
) -> tuple[str, dict[str, str], dict[str, str]]:
    """Where the code is redeemed, with which form and headers."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": client.return_to,
        "code_verifier": begun.verifier,
    }
    headers: dict[str, str] = {}
    if client.secret is None:
        form["client_id"] = client.id
    elif _takes_basic(provider, now):
        # RFC 6749, section 2.3.1: both are form-encoded first.
        pair = f"{quote(client.id, safe='')}:{quote(client.secret, safe='')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        form |= {"client_id": client.id, "client_secret": client.secret}
    return _endpoint(provider, "token_endpoint", now), form, headers


def _takes_basic(provider: Provider, now: datetime) -> bool:
    methods = provider.configuration(now).get("token_endpoint_auth_methods_supported")
    return not isinstance(methods, list) or "client_secret_basic" in methods


def _endpoint(provider: Provider, name: str, now: datetime) -> str:
    url = provider.configuration(now).get(name)
    if isinstance(url, str) and provider.issuer.may_be_asked_at(url):
        return url
    raise IssuerUnavailable(
        "The identity provider does not say where one signs in: tell the operator of this index.",
        f"the configuration of {provider.issuer.url} has no {name} at a host that is configured",
        timedelta(seconds=60),
    )


def _check_lately(token: IDToken, now: datetime, within: timedelta) -> None:
    at = token.claims.get("auth_time")
    age = now.timestamp() - at if isinstance(at, int | float) else None
    if age is None or not -LEEWAY.total_seconds() <= age <= (within + LEEWAY).total_seconds():
        raise InvalidToken(
            "The identity provider has not asked again who you are: sign in there anew."
        )
