"""Which network an address is in: what limits count, and what logs tell one place from another by.

An IPv4 address is one customer's. Of an IPv6 address everybody has a whole network, at least a /64
(RFC 6177), and a provider's customer often a /48.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

_OF_ONE_CUSTOMER = 64
_OF_ONE_SITE = 48


def network_of(address: str | None) -> str | None:
    """What tells one client's place from another: an IPv4 address, or an IPv6 /64.

    None where it is no address.
    """
    return _network_of(address, _OF_ONE_CUSTOMER)


def site_of(address: str | None) -> str | None:
    """The IPv6 /48 around it, in which somebody may have many networks; None for all else."""
    found = _network_of(address, _OF_ONE_SITE)
    return found if found is not None and ":" in found else None


@lru_cache(maxsize=4096)  # it is asked of every request, and of many from one place
def _network_of(address: str | None, bits: int) -> str | None:
    try:
        found = ip_address((address or "").partition("%")[0])
    except ValueError:
        return None
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ip_network((int(found), bits), strict=False))


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether it is of a machine in the Internet: not private, local, shared, or of no machine.

    What an address has within it is judged on its own (:func:`embedded_addresses`).
    """
    if any(address in network for network in _NOT_PUBLIC if network.version == address.version):
        return False
    if any(address in network for network in _STANDING_FOR_IPV4):
        return True
    is_site_local = isinstance(address, IPv6Address) and address.is_site_local
    return address.is_global and not (
        address.is_multicast or address.is_unspecified or address.is_reserved or is_site_local
    )


def embedded_addresses(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses that an IPv6 address stands for, or is a way to.

    Those are addresses that are mapped (RFC 4291, 2.5.5.2), translated (RFC 6052), or of 6to4 (RFC
    3056) and Teredo (RFC 4380).
    """
    if not isinstance(address, IPv6Address):
        return []
    found = list(address.teredo or ())
    if address.sixtofour is not None:
        found.append(address.sixtofour)
    if any(address in network for network in _STANDING_FOR_IPV4):
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return found


# What resolvers give where there is nothing but IPv6 (RFC 6147), and systems for IPv4.
_STANDING_FOR_IPV4 = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
# What ipaddress does not know in each version of Python (IANA's registries of special-purpose
# addresses); and where a provider answers its own machines, at an address of the Internet.
_NOT_PUBLIC = tuple(
    ip_network(text)
    for text in (
        *("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32"),
        *("64:ff9b:1::/48", "100::/32", "2001:2::/48", "2001:10::/28", "3fff::/20", "5f00::/16"),
    )
)
