"""Where a webhook may go: the internet, over TLS, on two ports."""

import pytest

from control_plane.outgoing import addresses
from control_plane.outgoing.addresses import BadAddress, Target

TARGET = Target(True, "shop.example", 443, "/hooks")


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("https://shop.example", "shop.example", "/"),
        ("https://shop.example:8443/a/b?c=d&e=%2F", "shop.example:8443", "/a/b?c=d&e=%2F"),
        ("https://SHOP.example.:443/x", "shop.example", "/x"),
        ("https://xn--fsq.example/x", "xn--fsq.example", "/x"),
        ("https://93.184.216.34/x", "93.184.216.34", "/x"),
        ("https://[2606:4700::1]/x", "[2606:4700::1]", "/x"),
    ],
)
def test_an_address_in_the_internet_is_taken(url, host, path):
    target = addresses.parse(url, private=False)
    assert (target.host_header, target.path) == (host, path)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://shop.example/", "not_https"),
        ("ftp://shop.example/", "not_https"),
        ("//shop.example/", "not_https"),
        ("https://shop.example:22/", "bad_port"),
        ("https://shop.example:0/", "bad_port"),
        ("https://shop.example:99999/", "bad_url"),
        ("https://user:pw@shop.example/", "bad_url"),
        ("https://@shop.example/", "bad_url"),
        ("https://shop.example/#part", "bad_url"),
        ("https://shop.example/\r\nHost: other", "bad_url"),
        ("https://shop.example/a b", "bad_url"),
        ("https://商店.example/", "bad_url"),
        ("https:///hooks", "bad_url"),
        ("https://localhost/", "private_address"),
        ("https://intranet/", "private_address"),
        ("https://127.0.0.1/", "private_address"),
        ("https://2130706433/", "bad_url"),
        ("https://0x7f.1/", "bad_url"),
        ("https://127.1/", "bad_url"),
        ("https://[::1]/", "private_address"),
        ("https://[::ffff:93.184.216.34]/", "private_address"),
        ("https://[fe80::1%25eth0]/", "private_address"),
        ("https://shop_.example\\@evil.example/", "bad_url"),
    ],
)
def test_anything_else_is_refused_by_name(url, code):
    with pytest.raises(BadAddress) as refused:
        addresses.parse(url, private=False)
    assert refused.value.code == code


INSIDE = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "::7f00:1",
    "64:ff9b::7f00:1",
    "100::1",
    "2001:0:53aa::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "3fff::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "fe80::1%eth0",
]


@pytest.mark.parametrize("address", INSIDE)
def test_a_name_that_leads_inside_is_refused(address):
    with pytest.raises(BadAddress) as refused:
        addresses.pinned(TARGET, lambda host, port: [address], private=False)
    assert refused.value.code == "private_address"


def test_one_address_inside_among_good_ones_is_enough():
    mixed = ["93.184.216.34", "10.0.0.1"]
    with pytest.raises(BadAddress):
        addresses.pinned(TARGET, lambda host, port: mixed, private=False)


def test_addresses_in_the_internet_are_taken_as_they_are():
    good = ["93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1", "2a00:1450::1"]
    assert addresses.pinned(TARGET, lambda host, port: good, private=False) == good


def test_a_demo_may_call_itself():
    target = addresses.parse("http://localhost:8899/x", private=True)
    assert target == Target(False, "localhost", 8899, "/x")
    assert addresses.pinned(target, lambda host, port: ["127.0.0.1"], private=True)
