"""An event is read as the gateway writes it, or refused alone."""

import json

import pytest

from workers.risk.event import Event, decode, network_of
from workers.runtime.verdicts import InvalidMessage

GOOD = {
    "v": 1,
    "at_ms": 1_800_000_000_000,
    "gateway": "g",
    "item": 7,
    "outcome": "reserved",
    "shopper": "ann",
    "device": "device-1",
    "address": "10.0.0.1",
    "level": "regular",
    "rs": 0,
    "ua": "x",
}


def read(**changed):
    return decode(json.dumps(GOOD | changed).encode())


def test_it_is_read():
    assert read() == Event(1_800_000_000_000, 7, "reserved", "ann", "device-1", "10.0.0.1", 1)
    assert read(n=16).weight == 16
    assert read(unknown="field").item == 7


@pytest.mark.parametrize(
    "changed",
    [
        {"v": 2},
        {"at_ms": "now"},
        {"at_ms": True},
        {"item": None},
        {"n": 0},
        {"n": 1001},
        {"n": 1.5},
        {"device": None},
        {"shopper": 7},
        {"address": "x" * 101},
    ],
)
def test_what_is_none_is_refused(changed):
    with pytest.raises(InvalidMessage):
        read(**changed)


@pytest.mark.parametrize("value", [None, b"", b"x", b"[]", b"7", b"{}", b"\xff", b'"v"'])
def test_what_is_no_object_is_refused(value):
    with pytest.raises(InvalidMessage):
        decode(value)


def test_networks():
    assert network_of("10.1.2.3") == ("10.1.2.0/24", False)
    assert network_of("2001:db8:1:2:3::4") == ("2001:db8:1:2::/64", True)
    assert network_of("x") is None
