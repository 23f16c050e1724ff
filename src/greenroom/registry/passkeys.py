"""Passkeys and security keys (WebAuthn): what browsers are asked, and whether the answer is right.

It knows nothing of accounts. What is asked is made here, so that the library that checks answers is
imported when there is one.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from greenroom.registry.errors import InvalidRequest

if TYPE_CHECKING:
    from fido2.server import Fido2Server

_TIMEOUT_MS = 300_000
_ALGORITHMS = (-7, -8, -257)  # ES256, EdDSA, RS256
_LONGEST_ANSWER = 4096
_NOT_TAKEN = "This passkey could not be checked: try again."


class Site(Struct, frozen=True):
    """What a passkey is bound to.

    Attributes:
        host: WebAuthn's RP ID.
        origin: scheme, host and port, as browsers say it.
    """

    host: str
    origin: str


class Answer(Struct, frozen=True):
    """What a browser has answered to a challenge on a site; ``text`` is JSON that it made."""

    site: Site
    challenge: bytes
    text: str

    def fields(self) -> Mapping[str, str]:
        """What the browser says; empty where it makes no sense."""
        try:
            fields = json.loads(self.text) if len(self.text) <= _LONGEST_ANSWER else None
        except (ValueError, RecursionError):
            return {}
        if not isinstance(fields, dict):
            return {}
        return {name: value for name, value in fields.items() if isinstance(value, str)}


class NewPasskey(Struct, frozen=True):
    """A passkey that a browser has made: what is kept of it."""

    credential: str
    credential_digest: str
    sign_count: int


def user_handle(user_id: int) -> bytes:
    """What authenticators know a person by: it says nothing of who it is."""
    return hashlib.sha256(f"greenroom passkeys of user {user_id}".encode()).digest()


def creation_options(
    site: Site, challenge: bytes, user_id: int, username: str, known: Sequence[str]
) -> dict[str, object]:
    """What a browser is asked for that is to make a passkey, none of those that are ``known``."""
    return {
        "rp": {"id": site.host, "name": f"Greenroom at {site.host}"},
        "user": {"id": encode(user_handle(user_id)), "name": username, "displayName": username},
        "challenge": encode(challenge),
        "pubKeyCredParams": [{"type": "public-key", "alg": number} for number in _ALGORITHMS],
        "timeout": _TIMEOUT_MS,
        "excludeCredentials": _descriptors(known),
        "authenticatorSelection": {"residentKey": "preferred", "userVerification": "preferred"},
        "attestation": "none",
    }


def request_options(
    site: Site, challenge: bytes, known: Sequence[str] = (), *, alone: bool
) -> dict[str, object]:
    """What a browser is asked for that is to show a passkey.

    Args:
        site: where.
        challenge: what it signs.
        known: the credentials of the person, where it is known who that is.
        alone: whether it stands for the password, too: then the device asks who holds it.
    """
    return {
        "rpId": site.host,
        "challenge": encode(challenge),
        "timeout": _TIMEOUT_MS,
        "allowCredentials": _descriptors(known),
        "userVerification": "required" if alone else "preferred",
    }


def made(answer: Answer) -> NewPasskey:
    """The passkey that a browser has made.

    Raises:
        InvalidRequest: the answer is not one to this challenge on this site.
    """
    fields = answer.fields()
    try:
        from fido2.cose import UnsupportedKey

        data = _server(answer.site).register_complete(
            _state(answer.challenge, alone=False),
            {
                "id": fields["id"],
                "rawId": fields["id"],
                "type": "public-key",
                "response": {
                    "clientDataJSON": fields["clientDataJSON"],
                    "attestationObject": fields["attestationObject"],
                },
            },
        )
        credential = data.credential_data
        if credential is None or isinstance(credential.public_key, UnsupportedKey):
            raise ValueError("a key that nobody can check")
    except Exception as error:  # whatever a browser sends, it is no more than a wrong answer
        raise InvalidRequest(_NOT_TAKEN) from error
    return NewPasskey(encode(credential), digest_of(credential.credential_id), data.counter)


def shown_digest(answer: Answer) -> str:
    """By which digest the passkey is found that an answer says it is of."""
    return digest_of(decode(answer.fields().get("id", "")))


def sign_count_of(answer: Answer, credential: str, user_id: int, *, alone: bool) -> int | None:
    """What the authenticator has counted, where the answer is this passkey's; else None."""
    fields = answer.fields()
    try:
        from fido2.webauthn import AttestedCredentialData, AuthenticatorData

        _server(answer.site).authenticate_complete(
            _state(answer.challenge, alone=alone),
            [AttestedCredentialData(decode(credential))],
            {
                "id": fields["id"],
                "rawId": fields["id"],
                "type": "public-key",
                "response": {
                    "clientDataJSON": fields["clientDataJSON"],
                    "authenticatorData": fields["authenticatorData"],
                    "signature": fields["signature"],
                },
            },
        )
        handle = fields.get("userHandle", "")
        if handle and decode(handle) != user_handle(user_id):
            return None
        return AuthenticatorData(decode(fields["authenticatorData"])).counter
    except Exception:  # whatever a browser sends, it is no more than a wrong answer
        return None


def is_further(count: int, last: int) -> bool:
    """Whether an authenticator has counted on, as one does that nobody has copied.

    Many do not count at all.
    """
    return count > last or count == last == 0


def digest_of(credential_id: bytes) -> str:
    """The SHA-256 of a credential's id, which may be long."""
    return hashlib.sha256(credential_id).hexdigest()


def encode(data: bytes) -> str:
    """Base64 as WebAuthn writes it: for addresses, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """What was written so; nothing where it is no Base64."""
    try:
        return base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
    except ValueError:
        return b""


def _descriptors(credentials: Sequence[str]) -> list[dict[str, str]]:
    return [{"type": "public-key", "id": encode(_id_of(decode(each)))} for each in credentials]


def _id_of(credential: bytes) -> bytes:
    """The id in attested credential data (WebAuthn, 6.5.1): after 16 bytes, with its length."""
    length = int.from_bytes(credential[16:18])
    return credential[18 : 18 + length]


def _state(challenge: bytes, *, alone: bool) -> dict[str, str]:
    verification = "required" if alone else "preferred"
    return {"challenge": encode(challenge), "user_verification": verification}


def _server(site: Site) -> "Fido2Server":
    from fido2.server import Fido2Server
    from fido2.webauthn import PublicKeyCredentialRpEntity

    entity = PublicKeyCredentialRpEntity(id=site.host, name=site.host)
    return Fido2Server(entity, verify_origin=lambda origin: origin == site.origin)
