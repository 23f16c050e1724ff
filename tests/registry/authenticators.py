"""An authenticator of WebAuthn in software: what a browser with a passkey answers."""

import base64
import hashlib
import json
import struct

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2 import cbor
from fido2.cose import ES256
from msgspec import Struct, field
from msgspec.structs import replace

from greenroom.registry.passkeys import Answer, Site, encode

_PRESENT, _VERIFIED, _ATTESTED = 1, 4, 64
SITE = Site("index.example", "http://index.example")


class Authenticator(Struct):
    """One passkey. What it says can be changed, to be wrong."""

    site: Site = SITE
    verifies: bool = True
    count: int = 0
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    credential_id: bytes = b"\x07" * 32

    def make(self, challenge: bytes) -> Answer:
        """The answer to a question for a new passkey."""
        key = self.key.public_key()
        public = cbor.encode(dict(ES256.from_cryptography_key(key)))  # type: ignore[no-untyped-call]
        length = struct.pack(">H", len(self.credential_id))
        data = self._data(_ATTESTED) + b"\0" * 16 + length + self.credential_id + public
        attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(
            challenge,
            clientDataJSON=self._client_data("webauthn.create", challenge),
            attestationObject=attestation,
        )

    def show(self, challenge: bytes, user_handle: bytes = b"") -> Answer:
        """The answer to a question for this passkey; it counts where it counts at all."""
        if self.count:
            self.count += 1
        data, said = self._data(0), self._client_data("webauthn.get", challenge)
        signature = self.key.sign(data + hashlib.sha256(said).digest(), ec.ECDSA(SHA256()))
        return self._answer(
            challenge,
            clientDataJSON=said,
            authenticatorData=data,
            signature=signature,
            userHandle=user_handle,
        )

    def _data(self, flags: int) -> bytes:
        flags |= _PRESENT | (_VERIFIED if self.verifies else 0)
        site = hashlib.sha256(self.site.host.encode()).digest()
        return site + struct.pack(">BI", flags, self.count)

    def _client_data(self, kind: str, challenge: bytes) -> bytes:
        said = {"type": kind, "challenge": encode(challenge), "origin": self.site.origin}
        return json.dumps(said).encode()

    def _answer(self, challenge: bytes, **fields: bytes) -> Answer:
        said = {name: encode(value) for name, value in fields.items()}
        return Answer(SITE, challenge, json.dumps({"id": encode(self.credential_id)} | said))


def tampered(answer: Answer, **fields: str) -> Answer:
    """The same answer with other fields."""
    return replace(answer, text=json.dumps(json.loads(answer.text) | fields))


def from_base64(text: str) -> bytes:
    """What WebAuthn writes as Base64."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
