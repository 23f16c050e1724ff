"""Secrets that the index itself has to read again: encrypted with a key that the database lacks.

The key is derived from the one that signs sessions (HKDF with SHA-256, RFC 5869), so that whoever
has the database alone, or a copy of it, has none of them. The encryption is AES-256-GCM.
"""

import base64
import os
from typing import TYPE_CHECKING

from greenroom.settings import Settings, secret_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_LENGTH = 12


def seal(settings: Settings, purpose: str, text: str) -> str:
    """The text, encrypted. It can be opened for the same purpose alone."""
    nonce = os.urandom(_NONCE_LENGTH)
    sealed = _cipher(settings).encrypt(nonce, text.encode(), purpose.encode())
    return base64.urlsafe_b64encode(nonce + sealed).decode()


def unseal(settings: Settings, purpose: str, sealed: str) -> str | None:
    """What was encrypted; None where it was for something else, or with another key."""
    from cryptography.exceptions import InvalidTag

    try:
        data = base64.urlsafe_b64decode(sealed.encode())
        text = _cipher(settings).decrypt(
            data[:_NONCE_LENGTH], data[_NONCE_LENGTH:], purpose.encode()
        )
        return text.decode()
    except (InvalidTag, ValueError):
        return None


def _cipher(settings: Settings) -> "AESGCM":
    # Imported when it is needed: most processes never do.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"greenroom sealed secrets")
    return AESGCM(derive.derive(secret_key(settings).encode()))
