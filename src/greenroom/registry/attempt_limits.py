"""How often what may be tried, by account, by address, by network, by known device: the table.

:mod:`greenroom.registry.attempts` counts, and holds to it.
"""

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType

from msgspec import Struct

from greenroom.networks import network_of
from greenroom.registry.names import is_username


class Purpose(StrEnum):
    """What is tried."""

    SIGN_IN = "sign-in"
    """A name and a password."""
    SECOND_FACTOR = "second-factor"
    """A one-time code, a recovery code, a key, after the password or in its place."""
    CURRENT_PASSWORD = "current-password"  # noqa: S105 (no password)
    """The password of somebody who is signed in, to change it or to confirm who they are."""
    RESET = "reset"
    """Asking for a link that sets another password: each counts, whatever comes of it."""
    ADDRESS = "address"
    """Asking for a message to verify an e-mail address: each counts."""
    REGISTRATION = "registration"
    """A new account: those that were made count."""
    REGISTRATION_TRY = "registration-try"
    """Asking for an account: each counts, whatever comes of it."""
    REPORTED_TOKEN = "reported-token"  # noqa: S105 (no password)
    """Reporting a token that was found somewhere: each report counts."""
    SINGLE_SIGN_ON = "single-sign-on"
    """Coming back from the identity provider with something that does not do."""


class Limit(Struct, frozen=True):
    """So many within so long."""

    most: int
    within: timedelta


class Limits(Struct, frozen=True):
    """The limits of one purpose; None is none.

    Attributes:
        sentence: what is told to who is beyond one.
        here: for one account from one address.
        address: from one address (of IPv6 a /64), for whichever account.
        site: from one IPv6 /48, likewise; it is loose, as many people may be there.
        account: for one account from everywhere but its known devices.
        device: for one account from one device that is known to it.
    """

    sentence: str
    here: Limit | None = None
    address: Limit | None = None
    site: Limit | None = None
    account: Limit | None = None
    device: Limit | None = None

    @property
    def longest(self) -> timedelta:
        """For how long an attempt counts at all."""
        all_ = (self.here, self.address, self.site, self.account, self.device)
        return max(limit.within for limit in all_ if limit is not None)


_SHORT = timedelta(minutes=5)
_HOUR = timedelta(hours=1)

_FAILED_SIGN_INS = "Too many failed sign-ins: wait a few minutes before you try again."

LIMITS: Mapping[Purpose, Limits] = MappingProxyType(
    {
        # NIST SP 800-63B, 5.2.2: no more than 100 failures in a row for one account.
        Purpose.SIGN_IN: Limits(
            _FAILED_SIGN_INS,
            here=Limit(10, _SHORT),
            address=Limit(50, _SHORT),
            site=Limit(500, _SHORT),
            account=Limit(100, _HOUR),
            device=Limit(20, _HOUR),
        ),
        # Who comes so far knows the password: of a million codes, few can be tried.
        Purpose.SECOND_FACTOR: Limits(
            "Too many wrong codes: wait a few minutes before you try again.",
            here=Limit(5, _SHORT),
            address=Limit(50, _SHORT),
            site=Limit(500, _SHORT),
            account=Limit(20, _HOUR),
            device=Limit(10, _HOUR),
        ),
        Purpose.CURRENT_PASSWORD: Limits(
            "Too many wrong passwords: wait a few minutes before you try again.",
            here=Limit(10, _SHORT),
            address=Limit(50, _SHORT),
            site=Limit(500, _SHORT),
            account=Limit(30, _HOUR),
        ),
        Purpose.RESET: Limits(
            "Another password was asked for too often: wait an hour before you ask again.",
            here=Limit(3, _HOUR),
            address=Limit(20, _HOUR),
            site=Limit(100, _HOUR),
            account=Limit(5, _HOUR),
        ),
        Purpose.ADDRESS: Limits(
            "Too many messages were asked for: wait an hour before you ask for the next one.",
            address=Limit(20, _HOUR),
            site=Limit(100, _HOUR),
            account=Limit(5, _HOUR),
        ),
        Purpose.REGISTRATION: Limits(
            "10 accounts were registered from your address within an hour, as many as this index "
            "allows: wait before you register the next one.",
            address=Limit(10, _HOUR),
            site=Limit(50, _HOUR),
        ),
        Purpose.REGISTRATION_TRY: Limits(
            "Too many accounts were asked for from your address: wait an hour before you try "
            "again.",
            address=Limit(60, _HOUR),
            site=Limit(300, _HOUR),
        ),
        Purpose.REPORTED_TOKEN: Limits(
            "Too many tokens were reported from your address: wait before you report the next.",
            address=Limit(600, _HOUR),
            site=Limit(3000, _HOUR),
        ),
        Purpose.SINGLE_SIGN_ON: Limits(
            _FAILED_SIGN_INS,
            address=Limit(50, _SHORT),
            site=Limit(500, _SHORT),
        ),
    }
)

LONGEST = max(limits.longest for limits in LIMITS.values())
"""For how long any attempt counts."""


def account_key(typed: str) -> str:
    """What an attempt has for an account: its name; of other text, maybe a password, a digest."""
    if not typed or is_username(typed):
        return typed.lower()
    digest = hashlib.sha256(typed.casefold().encode("utf-8", "surrogatepass")).hexdigest()
    return f"#{digest[:32]}"


def place_of(address: str) -> str:
    """What an attempt has for an address."""
    return network_of(address) or address
