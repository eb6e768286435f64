"""The queue controller killed before and after each of its steps; the next one goes on."""

from typing import Any

import pytest

from control_plane.queues import services as queues
from control_plane.queues.models import Draw
from workers.queue import line
from workers.tests.queue_crowd import TICK_S
from workers.tests.queue_stage import Stage

STEPS = {
    "store_state": queues,
    "reveal": queues,
    "open_queue": line,
    "look": line,
    "move": line,
    "close_lobby": line,
}
UNITS, SHOPPERS = 20, 300


class Killed(BaseException):
    """As SIGKILL: nothing handles it."""


def kill(patch: pytest.MonkeyPatch, step: str, when: str, at_call: int) -> list[int]:
    """Let the step's nth call end its caller; the calls there were so far."""
    module, calls = STEPS[step], [0]
    real = getattr(module, step)

    def dying(*arguments: Any) -> Any:
        calls[0] += 1
        if calls[0] == at_call and when == "before":
            raise Killed(step)
        answer = real(*arguments)
        if calls[0] == at_call and when == "after":
            raise Killed(step)
        return answer

    patch.setattr(module, step, dying)
    return calls


def run(stage: Stage, ticks: int, crowd: Any) -> int:
    """Ticks of a controller, of another one after each that is killed; how many were."""
    controller, killed = stage.controller(), 0
    for _ in range(ticks):
        try:
            controller.tick()
        except Killed:
            killed += 1
            controller = stage.controller()
        crowd.step(stage.clock.monotonic())
        stage.clock.turn(TICK_S)
    return killed


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("step", "at_call"),
    [
        ("open_queue", 1),
        ("store_state", 1),
        ("store_state", 2),
        ("store_state", 3),
        ("look", 2),
        ("move", 1),
        ("move", 3),
    ],
)
def test_a_fifo_sells_all_units_in_order(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, step: str, when: str, at_call: int
) -> None:
    stage.leave(UNITS)
    crowd = stage.crowd(SHOPPERS)
    # Nobody asks before there is a queue.
    for shopper in crowd.shoppers:
        shopper.asks_at = stage.clock.monotonic() + 2 * TICK_S
    kill(monkeypatch, step, when, at_call)
    assert run(stage, 400, crowd) == 1
    assert sum(one.heard == "reserved" for one in crowd.shoppers) == UNITS
    assert not crowd.waiting
    places = [one.place for one in crowd.shoppers if one.place is not None]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["close_lobby", "reveal"])
def test_a_draw_is_revealed_once_and_with_all_who_joined(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    queues.open_draw(stage.item.pk)
    stage.published.queue |= {"mode": "draw"}
    stage.controller().tick()
    stage.join(0, 40)
    stage.clock.turn(5)
    kill(monkeypatch, step, when, 1)
    assert run(stage, 5, stage.crowd(0)) == 1
    draw = Draw.objects.get(pk=stage.item.pk)
    assert draw.sizes == [40]
    assert stage.look().window[0].served_until >= 40
