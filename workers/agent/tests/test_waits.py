"""What waits is said once."""

import logging

import pytest

from workers.agent.waits import FORGOTTEN_AFTER_S, Waits
from workers.runtime.verdicts import Unavailable
from workers.stock.cluster import NoReplicas


@pytest.fixture
def waits(clock, caplog):
    caplog.set_level(logging.WARNING)
    return Waits(clock)


def test_only_a_change_is_said(waits, caplog):
    for number in range(5):
        waits.note("shard 1", Unavailable(f"silent for {number}"))
    assert len(caplog.records) == 1
    waits.note("shard 2", Unavailable("silent"))
    waits.note("shard 1", NoReplicas("it answers"))
    assert [record.getMessage() for record in caplog.records[1:]] == [
        "shard 2 waits: silent",
        "shard 1 waits: it answers",
    ]


def test_what_went_on_in_between_is_said_again(waits, clock, caplog):
    waits.note("shard 1", Unavailable("silent"))
    clock.skip(FORGOTTEN_AFTER_S)
    waits.note("shard 1", Unavailable("silent"))
    assert len(caplog.records) == 2
