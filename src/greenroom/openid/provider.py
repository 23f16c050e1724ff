"""What is known of an issuer just now: its configuration and its keys, remembered for a while.

What asks, and what checks signatures, is imported when it is needed: most processes never do.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from threading import BoundedSemaphore, Lock
from types import MappingProxyType
from typing import TYPE_CHECKING

from msgspec import Struct

from greenroom.openid.errors import Declined, InvalidToken, IssuerUnavailable, NotFetched
from greenroom.openid.issuers import Issuer

if TYPE_CHECKING:
    from greenroom.openid.keys import Keys

FRESH_FOR = timedelta(hours=1)
"""So long what was fetched is not asked for again."""
KEPT_FOR = timedelta(hours=24)
"""So long it is believed while the issuer does not answer."""
PAUSE = timedelta(seconds=30)
"""Between two requests for keys: whoever sends tokens of unknown keys causes no more of them."""
PAUSE_AFTER_FAILURE = timedelta(seconds=10)

_TURN_SECONDS = 8.0
"""So long one waits for another thread that asks."""
MOST_AT_ONCE = 6
"""Threads that ask issuers, or wait for one that does: all others have something better to do, also
where somebody sends token after token while an issuer hangs."""


class _Known(Struct, frozen=True):
    configuration: Mapping[str, object]
    keys: "Keys"
    fetched: datetime


class Provider:
    """An issuer, with what it has said of itself. One of these serves all threads.

    At most one thread asks the issuer at a time. All moments are told by the caller.
    """

    def __init__(self, issuer: Issuer, places: BoundedSemaphore | None = None) -> None:
        """Nothing is asked yet.

        Args:
            issuer: whom to ask.
            places: for threads that ask or wait; shared with the other issuers of a process.
        """
        self.issuer = issuer
        self._places = places or BoundedSemaphore(MOST_AT_ONCE)
        self._known: _Known | None = None
        self._tried: datetime | None = None
        self._failure: str | None = None
        self._asking = Lock()

    def configuration(self, now: datetime) -> Mapping[str, object]:
        """What the issuer says of itself (OpenID Connect Discovery 1.0, section 3).

        Raises:
            IssuerUnavailable: it does not answer as it should, and nothing is remembered.
        """
        return self._lately(now).configuration

    def keys(self, now: datetime) -> "Keys":
        """The keys that it signs with.

        Raises:
            IssuerUnavailable: it does not answer as it should, and nothing is remembered.
        """
        return self._lately(now).keys

    def newer_keys(self, now: datetime) -> "Keys":
        """The keys once more, since one is not among those remembered: it may have been rotated.

        The issuer is asked at most once in a while.

        Raises:
            IssuerUnavailable: it does not answer as it should, so that nobody knows of a new key.
        """
        known = self._lately(now)
        self._ask(now, waits=True)
        if self._failure is not None:
            raise self._unavailable()
        return (self._known or known).keys

    def post(
        self, url: str, form: Mapping[str, str], headers: Mapping[str, str] = MappingProxyType({})
    ) -> Mapping[str, object]:
        """What the issuer answers a form with, at one of the addresses of its configuration.

        Raises:
            InvalidToken: it declines what is in the form.
            IssuerUnavailable: it does not answer as it should.
        """
        from greenroom.openid import fetching

        try:
            return fetching.post_form(self.issuer, url, form, headers)
        except Declined:
            raise InvalidToken(
                "The identity provider does not take what it has sent, or not any more: begin "
                "again."
            ) from None
        except NotFetched as error:
            raise _unavailable(self.issuer, str(error)) from None

    def _lately(self, now: datetime) -> _Known:
        known = self._known
        if known is None or _age(known.fetched, now) >= FRESH_FOR:
            # Where something is remembered, nobody waits for another thread that asks.
            self._ask(now, waits=known is None or _age(known.fetched, now) >= KEPT_FOR)
            known = self._known
        if known is None or _age(known.fetched, now) >= KEPT_FOR:
            raise self._unavailable()
        return known

    def _ask(self, now: datetime, *, waits: bool) -> None:
        """Ask, unless that was done just now; where another thread does, wait for it or not."""
        if not self._places.acquire(blocking=False):
            return
        try:
            self._ask_in_turn(now, waits=waits)
        finally:
            self._places.release()

    def _ask_in_turn(self, now: datetime, *, waits: bool) -> None:
        if not self._asking.acquire(timeout=_TURN_SECONDS if waits else 0):
            return
        try:
            if self._may_ask(now):
                self._tried = now
                self._known = _fetched(self.issuer, now)
                self._failure = None
        except NotFetched as error:
            self._failure = str(error)
        finally:
            self._asking.release()

    def _may_ask(self, now: datetime) -> bool:
        if self._tried is None:
            return True
        pause = PAUSE if self._failure is None else PAUSE_AFTER_FAILURE
        return _age(self._tried, now) >= pause

    def _unavailable(self) -> IssuerUnavailable:
        return _unavailable(self.issuer, self._failure or "it is being asked")


class Providers:
    """The issuers that were asked for so far, each with what is known of it."""

    def __init__(self) -> None:
        """None so far."""
        self._known: dict[Issuer, Provider] = {}
        self._lock = Lock()
        self._places = BoundedSemaphore(MOST_AT_ONCE)

    def of(self, issuer: Issuer) -> Provider:
        """What is known of this issuer: the same for everybody."""
        with self._lock:
            return self._known.setdefault(issuer, Provider(issuer, self._places))


def _unavailable(issuer: Issuer, reason: str) -> IssuerUnavailable:
    return IssuerUnavailable(
        f"The issuer {issuer.url} does not tell this index its keys just now, so that its tokens "
        "cannot be checked: try again in a minute.",
        reason,
        timedelta(seconds=60),
    )


def _age(moment: datetime, now: datetime) -> timedelta:
    return abs(now - moment)


def _fetched(issuer: Issuer, now: datetime) -> _Known:
    from greenroom.openid import fetching
    from greenroom.openid.keys import Keys

    configuration = fetching.get_json(issuer, issuer.configuration_url)
    if configuration.get("issuer") != issuer.url:
        raise NotFetched(f"the configuration at {issuer.url} is of another issuer")
    address = configuration.get("jwks_uri")
    if not isinstance(address, str):
        raise NotFetched(f"the configuration of {issuer.url} has no jwks_uri")
    return _Known(configuration, Keys.read(fetching.get_json(issuer, address)), now)
