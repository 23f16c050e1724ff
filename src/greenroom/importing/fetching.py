"""HTTP, as the import speaks it: polite, patient, and careful with credentials.

A request is tried again where the server or the way to it fails for a moment, with growing pauses.
Credentials go to the host that they are for, and never along a redirect to another one; no sentence
has any.
"""

import netrc
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import sleep
from urllib.parse import SplitResult, unquote, urljoin, urlsplit, urlunsplit

import urllib3
import urllib3.exceptions
from msgspec import Struct

from greenroom import __version__
from greenroom.importing.candidates import Opened, SourceFailed
from greenroom.other_indexes.pages import Page

USERNAME_VARIABLE = "IMPORT_USERNAME"
PASSWORD_VARIABLE = "IMPORT_PASSWORD"  # noqa: S105 (a name)

ATTEMPTS = 5
MOST_OF_A_PAGE = 256 * 2**20
"""Bytes of one page of an index."""

_CONNECT_SECONDS = 15.0
_READ_SECONDS = 60.0
_PIECE = 256 * 1024
_MOST_REDIRECTS = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_TRANSIENT = (408, 429, 500, 502, 503, 504)
_USER_AGENT = f"greenroom/{__version__} (import)"
_PORTS = {"http": 80, "https": 443}


class NotAnAddress(ValueError):
    """An address that is not fetched; the text is a sentence."""


class Login(Struct, frozen=True):
    """A name and a password; neither is ever shown."""

    username: str
    password: str

    def __repr__(self) -> str:
        return "Login(...)"


def split(url: str) -> tuple[str, Login | None]:
    """An address without the credentials that stand in it, and these.

    Raises:
        NotAnAddress: it is not an http or https address.
    """
    parts = _parts(url)
    host = parts.hostname or ""
    netloc = f"[{host}]" if ":" in host else host
    netloc += f":{parts.port}" if parts.port is not None else ""
    plain = urlunsplit((parts.scheme, netloc, parts.path, parts.query, ""))
    if parts.username is None:
        return plain, None
    return plain, Login(unquote(parts.username), unquote(parts.password or ""))


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or not url.isprintable() or " " in url:
        raise NotAnAddress("Only addresses that begin with http:// or https:// are fetched.")
    return parts


def shown(url: str) -> str:
    """An address for people: without credentials and without a query, which may have some."""
    try:
        parts = urlsplit(split(url)[0])
    except NotAnAddress:
        return "an address that is not http or https"
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))


class Fetcher:
    """Fetches pages and files, from at most so many connections to a host at once."""

    def __init__(
        self,
        base: str,
        login: Login | None,
        *,
        connections: int,
    ) -> None:
        """Nothing is connected yet.

        Args:
            base: the address of the index, without credentials.
            login: what it wants; where it is None, netrc is asked.
            connections: how many may be open to a host.
        """
        self._base = _parts(base)
        self._login = login
        self._netrc = _netrc()
        self._connections = connections
        self._pools: dict[str, urllib3.PoolManager] = {}

    def page(self, url: str, accept: str) -> Page | None:
        """A page of an index, whole; None where there is none (404).

        Raises:
            SourceFailed: it cannot be fetched.
        """
        for attempt in range(ATTEMPTS):
            try:
                return self._page(url, accept)
            except SourceFailed as error:
                if not error.is_transient or attempt == ATTEMPTS - 1:
                    raise
                sleep(error.wait(attempt))
        raise AssertionError("unreachable")

    @contextmanager
    def file(self, url: str) -> Iterator[Opened]:
        """Begin to read a file. What fails is for the caller to try again.

        Raises:
            SourceFailed: it cannot be fetched.
        """
        answer, final = self._ask(url, "*/*")
        try:
            if answer.status == 404:
                raise SourceFailed(f"{shown(final)} is not there (404).")
            yield Opened(_pieces(answer, final), _date(answer.headers.get("Last-Modified")))
        finally:
            # What was not read to its end has no use for the next request.
            answer.close()
            answer.release_conn()

    def close(self) -> None:
        """Let go of all connections."""
        for pool in self._pools.values():
            pool.clear()

    def _page(self, url: str, accept: str) -> Page | None:
        answer, final = self._ask(url, accept)
        try:
            if answer.status == 404:
                return None
            body = bytearray()
            for piece in _pieces(answer, final, decode=True):
                body += piece
                if len(body) > MOST_OF_A_PAGE:
                    raise SourceFailed(f"{shown(final)} is longer than any page of an index.")
            return Page(final, answer.headers.get("Content-Type", ""), bytes(body))
        finally:
            answer.close()
            answer.release_conn()

    def _ask(self, url: str, accept: str) -> tuple[urllib3.BaseHTTPResponse, str]:
        """The answer that redirects lead to, and its address.

        Raises:
            SourceFailed: there is none, or it is neither a success nor 404.
        """
        may_log_in = True
        for _ in range(_MOST_REDIRECTS):
            answer = self._ask_once(url, accept, may_log_in=may_log_in)
            if answer.status not in _REDIRECTS:
                _check_status(answer, url)
                return answer, url
            target = answer.headers.get("Location", "")
            answer.drain_conn()
            answer.release_conn()
            url, may_log_in = _redirected(url, target, may_log_in)
        raise SourceFailed(f"{shown(url)} redirects in a circle.")

    def _ask_once(self, url: str, accept: str, *, may_log_in: bool) -> urllib3.BaseHTTPResponse:
        try:
            plain, inside = split(url)
        except NotAnAddress as error:
            raise SourceFailed(str(error)) from None
        headers = {"Accept": accept, "Accept-Encoding": "identity", "User-Agent": _USER_AGENT}
        login = (inside or self._login_for(_parts(plain))) if may_log_in else None
        if login is not None:
            headers |= urllib3.make_headers(basic_auth=f"{login.username}:{login.password}")
        try:
            return self._pool(_parts(plain)).request(
                "GET", plain, headers=headers, preload_content=False, redirect=False, retries=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise _later(f"{shown(url)} cannot be reached: {_reason(error)}.") from None
        except ValueError:  # a host that is none
            raise SourceFailed(f"{shown(url)} is no address that can be fetched.") from None

    def _login_for(self, parts: SplitResult) -> Login | None:
        if self._login is not None and is_same_host(self._base, parts):
            return self._login
        return self._netrc.get(parts.hostname or "")

    def _pool(self, parts: SplitResult) -> urllib3.PoolManager:
        proxy = urllib.request.getproxies().get(parts.scheme, "")
        if urllib.request.proxy_bypass(parts.netloc):
            proxy = ""
        if proxy not in self._pools:
            timeout = urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS)
            self._pools[proxy] = (
                urllib3.ProxyManager(proxy, maxsize=self._connections, block=True, timeout=timeout)
                if proxy
                else urllib3.PoolManager(maxsize=self._connections, block=True, timeout=timeout)
            )
        return self._pools[proxy]


def _later(sentence: str, pause: float = 0) -> SourceFailed:
    return SourceFailed(sentence, is_transient=True, pause=pause)


def is_same_host(one: SplitResult, other: SplitResult) -> bool:
    """Whether credentials for one address may go to the other: never to a less secure one."""
    if (one.hostname or "").lower() != (other.hostname or "").lower():
        return False
    ports = tuple(parts.port or _PORTS[parts.scheme] for parts in (one, other))
    if one.scheme == other.scheme:
        return ports[0] == ports[1]
    return (one.scheme, other.scheme) == ("http", "https") and ports == (80, 443)


def _redirected(url: str, target: str, may_log_in: bool) -> tuple[str, bool]:
    try:
        joined = urljoin(url, target)
        before, after = _parts(url), _parts(joined)
    except ValueError:
        raise SourceFailed(
            f"{shown(url)} redirects to an address that is not http or https."
        ) from None
    if before.scheme == "https" and after.scheme == "http":
        raise SourceFailed(f"{shown(url)} redirects to an address without TLS.")
    plain, _ = split(joined)
    return plain, may_log_in and is_same_host(before, after)


def _check_status(answer: urllib3.BaseHTTPResponse, url: str) -> None:
    status = answer.status
    if status in (200, 404):
        return
    wait = answer.headers.get("Retry-After", "")
    answer.close()
    answer.release_conn()
    if status in _TRANSIENT:
        seconds = float(wait) if wait.isdecimal() and len(wait) < 10 else 0
        raise _later(f"{shown(url)} answers with status {status}.", seconds)
    if status in (401, 403):
        raise SourceFailed(
            f"{shown(url)} asks for other credentials ({status}): put them into ~/.netrc, or into "
            f"{USERNAME_VARIABLE} and {PASSWORD_VARIABLE}."
        )
    raise SourceFailed(f"{shown(url)} answers with status {status}.")


def _pieces(answer: urllib3.BaseHTTPResponse, url: str, *, decode: bool = False) -> Iterator[bytes]:
    try:
        yield from answer.stream(_PIECE, decode_content=decode)
    except urllib3.exceptions.HTTPError as error:
        raise _later(f"{shown(url)} breaks off: {_reason(error)}.") from None


def _reason(error: Exception) -> str:
    """A word for what has happened; the texts of errors may have addresses in them."""
    reasons = {
        urllib3.exceptions.NameResolutionError: "its host is not known",
        urllib3.exceptions.NewConnectionError: "no connection",
        urllib3.exceptions.TimeoutError: "it does not answer in time",
        urllib3.exceptions.SSLError: "its certificate or its TLS does not do",
        urllib3.exceptions.ProxyError: "the proxy does not answer",
    }
    for kind, reason in reasons.items():
        if isinstance(error, kind):
            return reason
    return "the connection ends too early"


def _date(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    if found is None:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def login_of_environment() -> Login | None:
    """The credentials in the environment, None where there are none."""
    username = os.environ.get(USERNAME_VARIABLE)
    password = os.environ.get(PASSWORD_VARIABLE)
    return Login(username or "", password or "") if username or password else None


def _netrc() -> dict[str, Login]:
    """The credentials in netrc by host. Its default is for no host in particular, so for none."""
    path = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")
    try:
        hosts = netrc.netrc(path).hosts
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return {}
    return {
        host: Login(login or "", password or "")
        for host, (login, _, password) in hosts.items()
        if host != "default"
    }
