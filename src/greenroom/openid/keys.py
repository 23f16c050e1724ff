"""The public keys of an issuer (RFC 7517), as far as tokens may be signed with them.

This module imports what checks signatures, which takes memory: import it when there is a token.
"""

from collections.abc import Mapping

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from greenroom.openid.errors import NotFetched

PublicKey = RSAKey | ECKey | OKPKey

MOST_KEYS = 100
_SHORTEST_RSA = 2048

# Which keys an algorithm is for (RFC 7518, RFC 8037, RFC 9864). What is not here is not accepted:
# no signature at all ("none"), and none that whoever knows the public key could make (HMAC).
_FAMILIES: Mapping[str, tuple[str, str | None]] = {
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "PS256": ("RSA", None),
    "PS384": ("RSA", None),
    "PS512": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}
ALGORITHMS = tuple(_FAMILIES)


class Keys:
    """The keys of an issuer that can sign."""

    def __init__(self, keys: tuple[PublicKey, ...]) -> None:
        self._keys = keys

    @classmethod
    def read(cls, document: Mapping[str, object]) -> "Keys":
        """The keys in a JWK Set. What is not understood is passed over (RFC 7517, section 5).

        Raises:
            NotFetched: there is none that can be used.
        """
        listed = document.get("keys")
        if not isinstance(listed, list):
            raise NotFetched("the keys of the issuer are no JWK Set")
        found = tuple(key for one in listed[:MOST_KEYS] if (key := _public_key(one)) is not None)
        if not found:
            raise NotFetched("the issuer has no key that can be used")
        return cls(found)

    def find(self, kid: str | None, algorithm: str) -> PublicKey | None:
        """The key of this name for this algorithm; without a name, the only one there is for it."""
        fitting = [key for key in self._keys if _fits(key, algorithm)]
        if kid is None:
            return fitting[0] if len(fitting) == 1 else None
        return next((key for key in fitting if key.get("kid") == kid), None)


def _public_key(value: object) -> PublicKey | None:
    if not isinstance(value, dict) or value.get("kty") not in ("RSA", "EC", "OKP"):
        return None
    if value.get("use", "sig") != "sig" or "d" in value:
        return None
    try:
        key = JWKRegistry.import_key(value)
        if not isinstance(key, PublicKey):
            return None
        key.check_key_op("verify")
        is_short = isinstance(key, RSAKey) and key.public_key.key_size < _SHORTEST_RSA
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    is_useful = any(_fits(key, algorithm) for algorithm in ALGORITHMS)
    return key if is_useful and not is_short else None


def _fits(key: PublicKey, algorithm: str) -> bool:
    kind, curve = _FAMILIES[algorithm]
    return (
        key.key_type == kind
        and (curve is None or key.get("crv") == curve)
        and key.get("alg") in (None, algorithm)
    )
