"""Issuers of ID tokens, as an operator names them, and the addresses that may be asked for them."""

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

_PORTS = {"http": 80, "https": 443}


class Issuer(Struct, frozen=True):
    """An issuer that is trusted.

    Attributes:
        url: what it calls itself, to the letter: the claim ``iss`` of its tokens.
        hosts: where its keys may lie besides its own host and port, each as ``host`` or
            ``host:port``.
    """

    url: str
    hosts: frozenset[str] = frozenset()

    @property
    def configuration_url(self) -> str:
        """Where it says everything of itself (OpenID Connect Discovery 1.0, section 4.1)."""
        return self.url.rstrip("/") + "/.well-known/openid-configuration"

    def may_be_asked_at(self, url: str) -> bool:
        """Whether the operator has named the host of this address, and it is as safe as wanted."""
        parts = _parts(url)
        own = _parts(self.url)
        if parts is None or own is None:
            return False
        if parts.scheme == "http" and own.scheme == "https":
            return False
        place = _place(parts)
        return place == _place(own) or place in {_with_port(host, parts) for host in self.hosts}


def is_issuer(url: str) -> bool:
    """Whether this can be the address of an issuer: https, or http on this very machine."""
    parts = _parts(url)
    return parts is not None and not parts.query and "?" not in url and "#" not in url


def _parts(url: str) -> SplitResult | None:
    """The parts of an address that may be asked at all, None where it may not."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        host = parts.hostname
        is_address = bool(host) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        return None
    if not is_address or host is None:
        return None
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))
    return parts if is_safe else None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _place(parts: SplitResult) -> str:
    port = parts.port or _PORTS[parts.scheme]
    return f"{(parts.hostname or '').lower()}:{port}"


def _with_port(host: str, parts: SplitResult) -> str:
    named = urlsplit(f"//{host.lower()}")
    return f"{named.hostname}:{named.port or _PORTS[parts.scheme]}"
