"""Whose connections are counted together, and how many there may be."""

from ipaddress import ip_network

import pytest

from greenroom.server.addresses import Addresses


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        (("192.0.2.7", 1), "192.0.2.7"),
        (("2001:db8:1:2:3:4:5:6", 1, 0, 0), "2001:db8:1:2::"),
        (("::ffff:192.0.2.7", 1, 0, 0), "192.0.2.7"),
        (("fe80::1%eth0", 1, 0, 2), "fe80::"),
        (None, ""),
    ],
)
def test_a_client_is_its_address_or_its_network(
    peer: tuple[object, ...] | None, network: str
) -> None:
    assert Addresses.network_of(peer) == network


def test_an_address_has_so_many_connections_and_others_theirs() -> None:
    addresses = Addresses(most_of_one=2)
    assert [addresses.take("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert addresses.take("192.0.2.2")
    addresses.give_back("192.0.2.1")
    assert addresses.take("192.0.2.1")


def test_proxies_have_as_many_as_they_like() -> None:
    addresses = Addresses((ip_network("192.0.2.0/28"),), most_of_one=1)
    assert all(addresses.take("192.0.2.3") for _ in range(3))
    assert addresses.take("192.0.2.99")
    assert not addresses.take("192.0.2.99")
