"""The gate that keeps PostgreSQL free."""

import asyncio
import threading
import time

import pytest

from control_plane.config.gate import Gate, TooMany

DEADLINE_S = 30


async def test_the_gate_opens_again_after_each_call_whatever_became_of_it():
    gate = Gate(2, "test")

    def fail():
        raise RuntimeError("failed")

    for _ in range(5):
        with pytest.raises(RuntimeError, match="failed"):
            await gate.run(fail)
        assert await gate.run(lambda: 7) == 7


async def test_a_call_whose_caller_is_gone_keeps_its_place():
    gate, may_end = Gate(1, "test"), threading.Event()
    caller = asyncio.create_task(gate.run(may_end.wait, DEADLINE_S))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    with pytest.raises(TooMany):
        await gate.run(lambda: None)
    may_end.set()
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        try:
            assert await gate.run(lambda: 7) == 7
            return
        except TooMany:
            await asyncio.sleep(0.01)
    raise AssertionError("the gate stayed shut")
