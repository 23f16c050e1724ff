"""Browsers that are known to an account, so that what others fail with does not keep them out.

A browser in which somebody has signed in gets a cookie that says so: the device cookies of OWASP's
"Slow Down Online Guessing Attacks with Device Cookies". Each has a name of its own, is bound to
one account, signed with the index's secret, good for a year, and worth nothing once the password is
another one. It opens nothing: it says against which limit a failure counts. Several people may use
one browser: a cookie has the entries of a few accounts, and does not say of which.
"""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from msgspec import Struct

LIFETIME = timedelta(days=365)

_MOST_ACCOUNTS = 5
_LONGEST_COOKIE = 1024
_BETWEEN = "~"
_DOTS = 3
"""In an entry: its name, the stamp, until when, the signature."""


class Device(Struct, frozen=True):
    """A browser that is known to an account, as far as its cookie says.

    Attributes:
        name: what its failures are counted by; random.
        stamp: what tells of the password that holds; see :meth:`is_of`.
    """

    name: str
    stamp: str

    def is_of(self, session_stamp: str) -> bool:
        """Whether the account has the same password still.

        Args:
            session_stamp: of the account, by now (:func:`accounts.session_stamp`).
        """
        return hmac.compare_digest(self.stamp, _stamp(session_stamp))


def recognized(secret_key: str, cookie: str, account: str, now: datetime) -> Device | None:
    """The device that this cookie says it is to this account, or None. It asks no database.

    Args:
        secret_key: the index's.
        cookie: what the browser has sent.
        account: the name that was typed; in any letter case.
        now: when.
    """
    if len(cookie) > _LONGEST_COOKIE or not cookie.isascii():
        return None
    for entry in cookie.split(_BETWEEN):
        device = _read(secret_key, entry, account, now)
        if device is not None:
            return device
    return None


def remembering(
    secret_key: str, cookie: str, account: str, session_stamp: str, now: datetime
) -> str:
    """The cookie of a browser in which this account has just signed in.

    Args:
        secret_key: the index's.
        cookie: the one that the browser has sent, which may say the same of other accounts.
        account: the account's name.
        session_stamp: of the account (:func:`accounts.session_stamp`).
        now: when.
    """
    entries = cookie.split(_BETWEEN) if len(cookie) <= _LONGEST_COOKIE else []
    others = [
        entry
        for entry in entries
        if entry.count(".") == _DOTS
        and entry.isascii()
        and _read(secret_key, entry, account, now) is None
    ]
    until = int((now + LIFETIME).timestamp())
    said = f"{secrets.token_hex(8)}.{_stamp(session_stamp)}.{until:x}"
    mine = f"{said}.{_signature(secret_key, said, account)}"
    return _BETWEEN.join([mine, *others[: _MOST_ACCOUNTS - 1]])


def _read(secret_key: str, entry: str, account: str, now: datetime) -> Device | None:
    said, _, signature = entry.rpartition(".")
    if not hmac.compare_digest(signature, _signature(secret_key, said, account)):
        return None
    name, stamp, until = said.split(".")
    return Device(name, stamp) if int(until, 16) > now.timestamp() else None


def _signature(secret_key: str, said: str, account: str) -> str:
    text = f"device\0{account.lower()}\0{said}".encode("utf-8", "surrogatepass")
    return hmac.new(secret_key.encode(), text, hashlib.sha256).hexdigest()[:32]


def _stamp(session_stamp: str) -> str:
    return hashlib.sha256(f"device\0{session_stamp}".encode()).hexdigest()[:16]
