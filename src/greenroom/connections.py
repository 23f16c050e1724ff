"""Connections to hosts that somebody has typed: looked up once, judged, and then connected to.

Nobody can answer with one address for the check and with another one for the connection.
"""

import io
import os
import socket
import ssl
import time
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING

from greenroom.networks import embedded_addresses, is_public

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

PORTS = {"http": 80, "https": 443}
"""Where a scheme is spoken if nothing else is said."""

_BUFFER = 64 * 1024


class UnknownHost(OSError):
    """Nobody knows a host of this name."""


def look_up(host: str, port: int) -> list[Address]:
    """Where a host is.

    Raises:
        UnknownHost: nobody knows it.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise UnknownHost("its host is not known") from None
    return [parsed(str(address[0])) for _, _, _, _, address in found]


def parsed(text: str) -> Address:
    """The address that a text is, without the zone of an IPv6 address.

    Raises:
        ValueError: it is none.
    """
    return ip_address(text.partition("%")[0])


def is_listed(address: Address, networks: Sequence[Network]) -> bool:
    """Whether the address, or one that it stands for, is in one of the networks."""
    return any(each in network for each in _meant(address) for network in networks)


def may_reach(address: Address, networks: Sequence[Network]) -> bool:
    """Whether all that the address stands for is of the Internet, or in one of the networks."""
    return all(
        is_public(each) or any(each in network for network in networks) for each in _meant(address)
    )


def _meant(address: Address) -> list[Address]:
    return [address, *embedded_addresses(address)]


def connect(addresses: Sequence[Address], port: int, until: float) -> socket.socket:
    """A connection to the first of the addresses that takes one.

    Args:
        addresses: which were judged.
        port: at each.
        until: of :func:`time.monotonic`.

    Raises:
        OSError: none does, or not in time.
    """
    failure: OSError | None = None
    for index, address in enumerate(addresses):
        # The last one may take what is left, each before it its share.
        share = left(until) / (len(addresses) - index)
        try:
            return socket.create_connection((str(address), port), timeout=share)
        except OSError as error:
            failure = error
    raise failure or OSError("no address")


def with_tls(sock: socket.socket, host: str | None, until: float) -> ssl.SSLSocket:
    """The connection with TLS, once the certificate is found to be the host's; else it is closed.

    Raises:
        OSError: it is not, or not in time.
    """
    try:
        sock.settimeout(left(until))
        return _trusting(
            os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
        ).wrap_socket(sock, server_hostname=host)
    except BaseException:
        sock.close()
        raise


def distrust(error: ssl.SSLCertVerificationError) -> str:
    """Why a certificate is not trusted, as the end of a sentence: without a full stop."""
    return error.verify_message.rstrip(".")


@lru_cache(maxsize=4)
def _trusting(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    """Whom this system trusts, read once: that takes as long as many requests."""
    return ssl.create_default_context()


def left(until: float) -> float:
    """The seconds until then.

    Raises:
        TimeoutError: it is over.
    """
    remaining = until - time.monotonic()
    if remaining <= 0:
        raise TimeoutError
    return remaining


class Timed:
    """A connection on which all that comes and goes is over at one moment.

    A timeout of a socket begins anew with each byte, so that who sends one now and then would never
    be done. It has what :mod:`http.client` asks of a socket.
    """

    def __init__(self, sock: socket.socket, until: float, patience: float | None = None) -> None:
        """Wrap a connection.

        Args:
            sock: which whoever has connected closes.
            until: of :func:`time.monotonic`.
            patience: how many seconds may pass without a byte; None: as long as it may take at all.
        """
        self._sock, self._patience = sock, patience
        self.until = until

    def sendall(self, data: bytes) -> None:
        """Send it all."""
        self._sock.settimeout(self._wait())
        self._sock.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        """What is answered."""
        return io.BufferedReader(_Incoming(self), _BUFFER)

    def receive(self, buffer: "WriteableBuffer") -> int:
        """What has come, at least a byte, until the moment; 0 at the end."""
        self._sock.settimeout(self._wait())
        return self._sock.recv_into(buffer)

    def close(self) -> None:
        """Nothing: who has connected closes it."""

    def _wait(self) -> float:
        remaining = left(self.until)
        return remaining if self._patience is None else min(remaining, self._patience)


class _Incoming(io.RawIOBase):
    def __init__(self, timed: Timed) -> None:
        super().__init__()
        self._timed = timed

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """What has come."""
        return self._timed.receive(buffer)
