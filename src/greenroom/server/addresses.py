"""How many connections an address may have."""

from collections import Counter
from typing import Any

from greenroom.forwarding import is_within
from greenroom.networks import network_of
from greenroom.settings import Networks

MOST_OF_ONE = 512


class Addresses:
    """Counts open connections by the network that they come from."""

    def __init__(self, proxies: Networks = (), most_of_one: int = MOST_OF_ONE) -> None:
        """Nothing is open.

        Args:
            proxies: have as many connections as they like, which are other people's.
            most_of_one: how many connections any other network may have.
        """
        self._proxies = proxies
        self._most = most_of_one
        self._open: Counter[str] = Counter()

    @staticmethod
    def network_of(peer: tuple[Any, ...] | None) -> str:
        """The network that one client has: an IPv4 address, or an IPv6 /64; empty if unknown."""
        if not peer:
            return ""
        return (network_of(str(peer[0])) or str(peer[0])).removesuffix("/64")

    def take(self, network: str) -> bool:
        """Count one more connection, unless there are too many."""
        if self._open[network] >= self._most and not self._is_proxy(network):
            return False
        self._open[network] += 1
        return True

    def _is_proxy(self, network: str) -> bool:
        if not network:  # a socket of this machine
            return True
        return is_within(network, self._proxies)

    def give_back(self, network: str) -> None:
        """Count one less."""
        self._open[network] -= 1
        if not self._open[network]:
            del self._open[network]
