"""Whose request it is that a proxy has passed on."""

from ipaddress import ip_network

import pytest

from greenroom.forwarding import client
from greenroom.networks import network_of, site_of

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48"))


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ('"[2001:db8::7]:443"', "2001:db8::7"),
        ("[::ffff:192.0.2.7]:1", "::ffff:192.0.2.7"),
        # What stands left of the first that is not trusted may be invented.
        ("203.0.113.1, 192.0.2.7:1, 10.1.1.1:80", "192.0.2.7"),
        ("203.0.113.1, [2001:db8::7]:1, [2001:db8:ffff::1]:80", "2001:db8::7"),
        ("10.1.1.1:80", "10.1.1.1"),
        # What is no address is nobody: the last proxy that is trusted stands for it.
        ("192.0.2.7:", "10.0.0.1"),
        ("192.0.2.7:123456", "10.0.0.1"),
        ("192.0.2.700:1", "10.0.0.1"),
        ("[192.0.2.7", "10.0.0.1"),
        ("2001:db8::7:443:1:2:3:4:5:6:7", "10.0.0.1"),
        ("[fe80::1%25eth0]:1", "10.0.0.1"),
        ("unknown", "10.0.0.1"),
        ("_hidden", "10.0.0.1"),
        ("192.0.2.7, unknown", "10.0.0.1"),
        ("", "10.0.0.1"),
        (",", "10.0.0.1"),
        ("\u0661.0.0.1:80", "10.0.0.1"),
    ],
)
def test_a_hop_may_have_a_port_and_brackets(header: str, found: str) -> None:
    assert client("10.0.0.1", header, TRUSTED) == found
    assert client("192.0.2.99", header, TRUSTED) == "192.0.2.99"


@pytest.mark.parametrize(
    ("address", "network", "site"),
    [
        ("192.0.2.7", "192.0.2.7", None),
        ("::ffff:192.0.2.7", "192.0.2.7", None),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/64", "fe80::/48"),
        ("192.0.2.7:80", None, None),
        ("unknown", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_an_address_is_in_the_network_of_a_customer(
    address: str | None, network: str | None, site: str | None
) -> None:
    assert network_of(address) == network
    assert site_of(address) == site
