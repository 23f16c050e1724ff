"""Sends one webhook: one HTTP request to an address that somebody has typed.

The host is looked up once, and what it resolves to is judged and then connected to: nobody can
answer with one address for the check and with another one for the connection. Nothing is followed,
nothing of an answer is read but its beginning, and all of it has ten seconds.
"""

import http.client
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from greenroom import connections
from greenroom.connections import PORTS, Address, Network, Timed, UnknownHost, with_tls

TIMEOUT_SECONDS = 10.0
MOST_OF_ANSWER = 2048
"""So many bytes of an answer are read, for the log."""
LONGEST_URL = 2000

# RFC 6761, 6.3, and what systems call it besides.
_LOCAL_NAMES = frozenset(
    {"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback", "localhost6"}
)
_LONGEST_ERROR = 200

_LOOPBACK = (IPv4Address("127.0.0.1"), IPv6Address("::1"))


class WebhookFailed(Exception):
    """Nobody has answered. The text is a short reason, without the address."""


class TargetRefused(WebhookFailed):
    """What was asked for leads to where this index sends nothing. The text says why."""


class Answer(Struct, frozen=True):
    """What a receiver answered.

    Attributes:
        status: as in HTTP.
        text: the beginning of its body, as text that can be shown as text.
        wait: after how many seconds it wants to be asked again; None where it does not say.
    """

    status: int
    text: str
    wait: int | None = None

    @property
    def is_success(self) -> bool:
        """Whether the message was taken."""
        return 200 <= self.status < 300


def check_url(url: str, networks: Sequence[Network]) -> None:
    """Refuse an address that nothing is ever sent to, as far as its text alone shows that.

    Raises:
        TargetRefused: it is no such address.
    """
    parts = _parts(url)
    if parts.scheme == "http" and not networks:
        raise TargetRefused("Only addresses that begin with https:// are sent to.")
    refusals, addresses = [], _written(parts.hostname or "")
    for address in addresses:
        try:
            _check(address, parts.scheme, networks)
        except TargetRefused as refusal:
            refusals.append(refusal)
    if refusals and len(refusals) == len(addresses):
        raise refusals[0]


def _written(host: str) -> Sequence[Address]:
    """Where a host is by its text alone; nowhere for a name, which is looked up to send to it.

    IPv4 addresses are understood in all spellings that resolvers take: fewer numbers, also octal
    and hexadecimal ones (inet_aton).
    """
    name = host.partition("%")[0].rstrip(".")
    if name in _LOCAL_NAMES or name.endswith(".localhost"):
        return _LOOPBACK
    with suppress(ValueError):
        return (connections.parsed(name),)
    with suppress(OSError):
        return (IPv4Address(socket.inet_aton(name)),)
    return ()


def host_of(url: str) -> str:
    """Whom an address is at, for people and logs: the rest of it may be a secret."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2]


def path_of(url: str) -> str:
    """The path of an address, with its query."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def send(
    method: str, url: str, headers: Mapping[str, str], body: bytes, networks: Sequence[Network]
) -> Answer:
    """Send a message, once, and give what was answered, whatever it was.

    Args:
        method: POST or PUT.
        url: where.
        headers: besides Host and Content-Length.
        body: of the request.
        networks: which the operator allows besides those of the Internet.

    Raises:
        TargetRefused: it leads to where nothing is sent.
        WebhookFailed: there was no answer.
    """
    parts, until = _parts(url), time.monotonic() + TIMEOUT_SECONDS
    try:
        with closing(_connected(parts, networks, until)) as sock:
            return _ask(Timed(sock, until), method, parts, headers, body)
    except TimeoutError:
        raise WebhookFailed(
            f"The receiver did not answer within {TIMEOUT_SECONDS:.0f} seconds."
        ) from None
    except ssl.SSLCertVerificationError as error:
        raise WebhookFailed(
            f"The certificate of the receiver is not trusted: {connections.distrust(error)}."
        ) from None
    except ssl.SSLError as error:
        reason = error.reason or type(error).__name__
        raise WebhookFailed(f"The receiver does not speak TLS: {reason}.") from None
    except http.client.HTTPException as error:
        raise WebhookFailed(
            f"The receiver did not answer in HTTP: {type(error).__name__}."
        ) from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise WebhookFailed(f"The receiver cannot be reached: {reason[:_LONGEST_ERROR]}.") from None


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole or len(url) > LONGEST_URL or not (url.isascii() and url.isprintable()):
        raise TargetRefused(
            "Enter a whole address that begins with https://, in ASCII letters: those of other "
            "scripts have a form that begins with xn-- or %."
        )
    if " " in url or "#" in url or "\\" in url:
        raise TargetRefused("The address has a space, a backslash or a fragment (#) in it.")
    if "%" in parts.netloc:
        raise TargetRefused("The host in the address has a % in it: write it plainly.")
    if "@" in parts.netloc:
        raise TargetRefused("The address has a user name or a password in it: leave them out.")
    return parts


def _connected(parts: SplitResult, networks: Sequence[Network], until: float) -> socket.socket:
    """A connection to the host, with TLS where that is asked for."""
    port = parts.port or PORTS[parts.scheme]
    sock = connections.connect(_addresses(parts, port, networks), port, until)
    return sock if parts.scheme == "http" else with_tls(sock, parts.hostname, until)


def _addresses(parts: SplitResult, port: int, networks: Sequence[Network]) -> list[Address]:
    """Where the host is, once all of that was judged.

    Raises:
        TargetRefused: one of its addresses is where nothing is sent.
        WebhookFailed: nobody knows the host.
    """
    try:
        found = connections.look_up(parts.hostname or "", port)
    except UnknownHost:
        raise WebhookFailed("The host of the receiver is not known.") from None
    for address in found:
        _check(address, parts.scheme, networks)
    return found


def _check(address: Address, scheme: str, networks: Sequence[Network]) -> None:
    if not connections.may_reach(address, networks):
        raise TargetRefused(
            "The host of the receiver is at an address that is not of the Internet: the operator "
            "can allow its network with GREENROOM_WEBHOOK_NETWORKS."
        )
    if scheme == "http" and not connections.is_listed(address, networks):
        raise TargetRefused(
            "Only addresses that begin with https:// are sent to, but in networks that the "
            "operator allows."
        )


def _ask(
    sock: Timed, method: str, parts: SplitResult, headers: Mapping[str, str], body: bytes
) -> Answer:
    connection = http.client.HTTPConnection(parts.netloc)
    connection.sock = sock
    path = parts.path or "/"
    target = f"{path}?{parts.query}" if parts.query else path
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    sent = {
        "Host": parts.netloc,
        **headers,
        "Content-Length": str(len(body)),
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    for name, value in sent.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    return Answer(answer.status, _beginning(answer), _wait(answer.headers.get("Retry-After")))


def _beginning(answer: http.client.HTTPResponse) -> str:
    """The first bytes of what was answered. That there are more, or fewer than said, is nothing."""
    try:
        found = answer.read(MOST_OF_ANSWER)
    except http.client.IncompleteRead as error:
        found = error.partial
    except (OSError, http.client.HTTPException):
        found = b""
    text = found.decode("utf-8", "replace")
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text).strip()


def _wait(text: str | None) -> int | None:
    """What Retry-After says in seconds (RFC 9110, 10.2.3); dates are left aside."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 7 else None
