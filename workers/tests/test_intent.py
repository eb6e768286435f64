"""What an intent must look like; both ways of reading it must agree."""

import json
import random

import pytest

from control_plane.orders import intent as reading
from workers import intent as intents
from workers.runtime.verdicts import InvalidMessage
from workers.tests.messages import fields, intent, reservation_id


def _encoded(message):
    return json.dumps(message, separators=(",", ":")).encode()


def test_an_intent_is_read():
    message = fields(7, "ann", shard=3, epoch=12, qty=2, at_ms=1_800_000_000_123)
    decoded = intents.decode(_encoded(message))
    assert decoded == (
        reservation_id(7, "ann", 3),
        *(7, 3, 12, "ann", 2, 1_800_000_000_123),
    )


def test_the_gateways_own_layout_is_read_the_quick_way(monkeypatch):
    monkeypatch.setattr(reading, "read_fields", None)
    assert intents.decode(intent(7, "a.b:c_D-9")).shopper == "a.b:c_D-9"


def test_the_order_of_fields_blanks_and_unknown_fields_do_not_matter():
    message = fields(7, "ann")
    shuffled = dict(sorted(message.items())) | {"later": {"more": [1]}}
    assert intents.decode(json.dumps(shuffled, indent=1).encode()) == intents.decode(
        _encoded(message)
    )


WRONG: dict[str, list[object]] = {
    "v": [0, 2, "1", 1.0, True, None],
    "item": [0, -1, 2**63, 7.0, "7", True, None, [7], {"a": 1}],
    "shard": [-1, 2**15, 0.5, "0", False, None],
    "epoch": [0, -1, 2**31, 1.5, "1", True, None],
    "qty": [0, -1, 1.5, 2**15, 10**9, 10**30, "1", True, None],
    "at_ms": [0, 1_800_000_000, 1_800_000_000_000_000, "1800000000000", None],
    "shopper": ["", "a b", "x" * 65, "ann\n", "a\u0000b", "安", 7, None, ["ann"]],
    "reservation_id": [
        *("", "7-0-short", f"8-0-{'a' * 22}", f"7-1-{'a' * 22}", f"07-0-{'a' * 22}"),
        *(f"7-0-{'a' * 23}", f"7-0-{'a' * 21}=", f"7-0-{'a' * 22}\n", f"٧-0-{'a' * 22}"),
        *(7, None),
    ],
}


@pytest.mark.parametrize(("name", "value"), [(name, one) for name in WRONG for one in WRONG[name]])
def test_a_wrong_field_is_refused_by_name_in_either_layout(name, value):
    message = fields(7, "ann") | {name: value}
    for text in (_encoded(message), json.dumps(message, indent=1).encode()):
        with pytest.raises(InvalidMessage, match=rf"^{name}: |^(item|shard|reservation_id): "):
            intents.decode(text)


@pytest.mark.parametrize("name", WRONG)
def test_a_missing_field_is_refused_by_name(name):
    message = fields(7, "ann")
    del message[name]
    with pytest.raises(InvalidMessage, match=rf"^{name}: "):
        intents.decode(_encoded(message))


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"null", b"7", b"\xff", b"[" * 4000, b"9" * 4000]
)
def test_what_is_no_object_is_refused(text):
    with pytest.raises(InvalidMessage, match=r"^value: "):
        intents.decode(text)


def test_a_message_without_or_with_too_large_a_value_is_refused():
    with pytest.raises(InvalidMessage, match="missing"):
        intents.decode(None)
    with pytest.raises(InvalidMessage, match="too long"):
        intents.decode(_encoded(fields(7, "ann") | {"padding": "x" * 4096}))


def test_quick_and_thorough_reading_agree_on_mutations():
    """Bytes changed at random: where the pattern matches, the parser must give the same intent."""
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    quick = thorough = 0
    for _ in range(20_000):
        text = bytearray(intent(7, "ann", at_ms=1_800_000_000_123))
        for _ in range(chance.randrange(3)):
            text[chance.randrange(len(text))] = chance.choice(b'019-,:"}{_aZ \\\n\x80')
        value = bytes(text)
        match = reading._AS_WRITTEN.fullmatch(str(value, "latin-1"))
        try:
            parsed = reading.read_fields(reading.fields_of(value))
        except reading.BadIntent:
            parsed = None
        thorough += parsed is not None
        if match:
            quick += 1
            try:
                assert intents.decode(value) == parsed, (seed, value)
            except InvalidMessage:
                assert parsed is None, (seed, value)
    assert quick > 1000, seed
    assert thorough > quick / 2, seed
