"""The golden vectors of the queue: as the Python implementation writes them, and read by it."""

import base64
import json
import random
from pathlib import Path
from typing import Any

import pytest

from control_plane.queues.places import Places, packed
from tests.vectors import write_queue_vectors
from tests.vectors.queue_ticket import BadTicket, read

FOLDER = Path(__file__).parent
TICKETS: dict[str, Any] = json.loads((FOLDER / "tickets.json").read_text())
SECRETS = {key["kid"]: base64.urlsafe_b64decode(key["secret"] + "==") for key in TICKETS["keys"]}
AROUND_POWERS = sorted({2**power + more for power in range(13) for more in (-1, 0, 1)})


@pytest.mark.parametrize("name", ["draw_places.json", "tickets.json"])
def test_the_files_are_what_the_implementation_writes(name: str) -> None:
    assert (FOLDER / name).read_text() == write_queue_vectors.texts()[name]


@pytest.mark.parametrize("vector", TICKETS["valid"], ids=lambda one: one["name"])
def test_a_good_ticket_is_read(vector: dict[str, Any]) -> None:
    ticket = read(vector["ticket"], SECRETS, TICKETS["now"])
    assert write_queue_vectors._claims(ticket) == vector["claims"]
    assert len(vector["ticket"]) <= 512


@pytest.mark.parametrize("vector", TICKETS["invalid"], ids=lambda one: one["name"])
def test_a_bad_ticket_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(BadTicket):
        read(vector["ticket"], SECRETS, TICKETS["now"])


@pytest.mark.parametrize("size", AROUND_POWERS)
def test_every_place_is_given_once(size: int) -> None:
    places = Places(b"seed" * 8, 7, 0, size)
    assert sorted(map(places.place_of, range(size))) == list(range(size))


def test_a_million_places_differ_where_they_were_looked_at() -> None:
    size = 1_000_000
    places = Places(b"seed" * 8, 7, 0, size)
    numbers = random.Random(1).sample(range(size), 20_000)
    found = {places.place_of(number) for number in numbers}
    assert len(found) == len(numbers)
    assert min(found) >= 0
    assert max(found) < size


@pytest.mark.parametrize("number", [-1, 5, 6])
def test_a_number_outside_the_lobby_has_no_place(number: int) -> None:
    with pytest.raises(ValueError, match="lobby number"):
        Places(b"seed", 7, 0, 5).place_of(number)


@pytest.mark.parametrize(
    "other",
    [
        Places(b"eeds" * 8, 7, 0, 1000),
        Places(b"seed" * 8, 8, 0, 1000),
        Places(b"seed" * 8, 7, 1, 1000),
        Places(b"seed" * 8, 7, 0, 1001),
    ],
    ids=["seed", "item", "bucket", "size"],
)
def test_every_input_changes_the_order(other: Places) -> None:
    places = Places(b"seed" * 8, 7, 0, 1000)
    same = sum(places.place_of(number) == other.place_of(number) for number in range(1000))
    assert same < 20


def test_fields_cannot_be_shifted_into_each_other() -> None:
    assert packed(1, 11) != packed(11, 1)
    assert packed(b"a", b"bc") != packed(b"ab", b"c")
