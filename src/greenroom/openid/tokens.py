"""ID tokens (OpenID Connect Core 1.0, section 2): JSON Web Tokens that an issuer has signed."""

import base64
import hashlib
import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from greenroom.openid.errors import InvalidToken
from greenroom.openid.provider import Provider

if TYPE_CHECKING:
    from greenroom.openid.keys import PublicKey

LONGEST = 16 * 1024
"""Characters of a token that is looked at: those of the services that issue them have two or so
thousand."""
LEEWAY = timedelta(seconds=30)
"""So much clocks may differ."""
LONGEST_LIFE = timedelta(days=7)
"""A token that is valid for longer is a password, and may not be used as a proof of the moment."""

_ALWAYS = ("iss", "sub", "aud", "exp", "iat")
_NO_TOKEN = "This is no ID token: an ID token is a JSON Web Token in its compact form, signed."  # noqa: S105


class IDToken(Struct, frozen=True):
    """An ID token that is what it says.

    Attributes:
        issuer: who signed it.
        subject: of whom it speaks.
        expires: when it ceases to be valid, without the leeway.
        identifier: what tells it from every other token of the issuer: its ``jti``, or, where the
            issuer gives none, a digest of all that is signed.
        claims: all that the issuer says.
    """

    issuer: str
    subject: str
    expires: datetime
    identifier: str
    claims: Mapping[str, object]

    def text(self, claim: str) -> str | None:
        """A claim that is text and not empty, None where it is something else or missing."""
        value = self.claims.get(claim)
        return value if isinstance(value, str) and value else None


def issuer_of(token: str) -> str:
    """Which issuer a token says it is from. Nothing of it is proven yet.

    Raises:
        InvalidToken: it is no token, or it does not say so.
    """
    _, payload = _unproven(token)
    issuer = payload.get("iss")
    if not isinstance(issuer, str):
        raise InvalidToken("This ID token does not say who issued it: it has no claim 'iss'.")
    return issuer


def check(
    token: str,
    provider: Provider,
    audience: str,
    now: datetime,
    *,
    required: Collection[str] = (),
) -> IDToken:
    """What a token says, once it is proven that the issuer said it, for this audience, and now.

    Args:
        token: in compact form.
        provider: the issuer that it must be of.
        audience: whom alone it must be for.
        now: the moment.
        required: claims that must be there besides those that OpenID Connect demands.

    Raises:
        InvalidToken: it is not, or is not what it has to be.
        IssuerUnavailable: the issuer's keys are needed, and it does not answer.
    """
    header, _ = _unproven(token)
    key = _key(header, provider, now)
    claims = _signed_claims(token, key, str(header["alg"]))
    _check_claims(claims, provider.issuer.url, audience, now, required)
    return IDToken(
        provider.issuer.url,
        str(claims["sub"]),
        _expiry(claims["exp"], now),
        str(claims.get("jti") or _digest(token)),
        claims,
    )


def _unproven(token: str) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """Header and payload, which anybody may have written."""
    parts = token.split(".")
    if len(token) > LONGEST or not token.isascii() or len(parts) != 3:
        raise InvalidToken(_NO_TOKEN)
    return _part(parts[0]), _part(parts[1])


def _part(text: str) -> Mapping[str, object]:
    try:
        found: object = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, RecursionError):
        raise InvalidToken(_NO_TOKEN) from None
    if not isinstance(found, dict):
        raise InvalidToken(_NO_TOKEN)
    return found


def _key(header: Mapping[str, object], provider: Provider, now: datetime) -> "PublicKey":
    from greenroom.openid.keys import ALGORITHMS

    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise InvalidToken(
            "This ID token is not signed with a public-key algorithm that this index accepts: it "
            f"accepts {', '.join(ALGORITHMS)}."
        )
    if kid is not None and not isinstance(kid, str):
        raise InvalidToken(_NO_TOKEN)
    kind = header.get("typ")
    if kind is not None and str(kind).lower() != "jwt":
        raise InvalidToken(
            "This is a token of another kind than an ID token: its 'typ' is not JWT."
        )
    key = provider.keys(now).find(kid, algorithm) or provider.newer_keys(now).find(kid, algorithm)
    if key is None:
        raise InvalidToken(
            f"This ID token is signed with a key that {provider.issuer.url} does not have: if it "
            "has got a new one just now, try again in a minute."
        )
    return key


def _signed_claims(token: str, key: "PublicKey", algorithm: str) -> dict[str, object]:
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jws import JWSRegistry

    registry = JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    registry.max_header_length = registry.max_payload_length = LONGEST
    try:
        return jwt.decode(token, key, registry=registry).claims
    except (JoseError, ValueError, TypeError, RecursionError):
        raise InvalidToken("The signature of this ID token is wrong, or it is damaged.") from None


def _check_claims(
    claims: dict[str, object],
    issuer: str,
    audience: str,
    now: datetime,
    required: Collection[str],
) -> None:
    from joserfc.errors import ExpiredTokenError, InvalidClaimError, MissingClaimError
    from joserfc.jwt import ClaimsOption, JWTClaimsRegistry

    wanted: dict[str, ClaimsOption] = {
        name: {"essential": True} for name in {*_ALWAYS, *required} if name != "iss"
    }
    seconds = int(LEEWAY.total_seconds())
    registry = JWTClaimsRegistry(
        int(now.timestamp()), seconds, iss={"essential": True, "value": issuer}, **wanted
    )
    try:
        registry.validate(claims)
    except MissingClaimError as error:
        raise InvalidToken(f"This ID token lacks what it must say: {error.claim}.") from None
    except ExpiredTokenError:
        raise InvalidToken("This ID token has expired: get a new one.") from None
    except InvalidClaimError as error:
        raise InvalidToken(_wrong(error.claim, issuer)) from None
    if claims["aud"] not in (audience, [audience]):
        raise InvalidToken(
            f"This ID token is not for this index: its audience ('aud') has to be {audience!r} and "
            "nothing else."
        )


def _expiry(value: object, now: datetime) -> datetime:
    latest = (now + LONGEST_LIFE).timestamp()
    if not isinstance(value, int | float) or value > latest:
        raise InvalidToken(f"This ID token is valid for longer than {LONGEST_LIFE.days} days.")
    return datetime.fromtimestamp(value, UTC)


def _digest(token: str) -> str:
    """Of what is signed: a signature can be written in several ways."""
    signed, _, _ = token.rpartition(".")
    return f"sha256:{hashlib.sha256(signed.encode()).hexdigest()}"


def _wrong(claim: str, issuer: str) -> str:
    wrong = {
        "iss": f"This ID token is not from {issuer}.",
        "nbf": "This ID token is not valid yet ('nbf' is in the future).",
        "iat": "This ID token was issued in the future ('iat').",
    }
    return wrong.get(
        claim, f"The claim {claim!r} of this ID token is empty, or not what it may be."
    )
