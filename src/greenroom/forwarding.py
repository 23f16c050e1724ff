"""Whose request it is that a proxy has passed on."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

from greenroom.settings import Networks


def client(peer: str, forwarded_for: str, trusted: Networks) -> str:
    """The address of the client.

    ``X-Forwarded-For`` is read from the right: each proxy appended the address it saw, so the first
    that is no trusted proxy is the client's, and what stands left of it may be invented. A hop may
    have a port, and IPv6 may stand in brackets (as RFC 7239 writes them, too).

    Args:
        peer: the address that has connected.
        forwarded_for: what is in ``X-Forwarded-For``, empty where it is not there.
        trusted: where the proxies are that are believed.
    """
    if not trusted or not is_within(peer, trusted):
        return peer
    found = peer
    for hop in reversed(forwarded_for.split(",")):
        hop = _without_port(hop.strip())
        if is_address(hop):
            found = hop
        if not is_within(hop, trusted):
            break
    return found


_HOP = re.compile(
    r"""
    \[ (?P<bracketed> [0-9A-Fa-f:.]+ ) \] (?: : [0-9]{1,5} )?
    | (?P<plain> [0-9.]+ ) : [0-9]{1,5}
    """,
    re.VERBOSE | re.ASCII,
)


def _without_port(hop: str) -> str:
    """The address of a hop, which some proxies write with a port, and IPv6 in brackets."""
    hop = hop.strip('"')
    found = _HOP.fullmatch(hop)
    return (found["bracketed"] or found["plain"]) if found is not None else hop


def is_address(text: str) -> bool:
    """Whether this is an IP address; one with a zone, which may be any text, is none."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def is_within(text: str | None, networks: Networks) -> bool:
    """Whether this is an address in one of these networks."""
    if text is None or not is_address(text):
        return False
    address: IPv4Address | IPv6Address = ip_address(text)
    if isinstance(address, IPv6Address):
        # A server that listens on both families shows IPv4 addresses inside IPv6 ones.
        address = address.ipv4_mapped or address
    return any(address in network for network in networks)
