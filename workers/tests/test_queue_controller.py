"""The queue controller on real servers: who is called when, and never too many."""

import uuid

import pytest
from django.db import OperationalError

from control_plane.queues import services as queues
from workers.stock import shard as shards
from workers.tests.queue_crowd import TICK_S, Crowd, Shopper, outstanding
from workers.tests.queue_stage import Stage

HEARD = ("reserved", "sold_out", "stayed away")


def test_it_opens_a_queue_and_calls_the_first_before_anybody_asks(stage: Stage) -> None:
    assert stage.controller().tick() is None
    seen = stage.look()
    assert 0 < seen.window[0].served_until <= 1000
    assert (seen.numbers, stage.generation) == ([0], 1)


def test_what_it_has_called_is_stored_before_redis_hears_of_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller = stage.controller()
    controller.tick()
    before = stage.look().window

    def fails(*_: object) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(queues, "store_state", fails)
    crowd = stage.crowd(0)
    crowd.take([5000], [], [])
    stage.clock.turn(TICK_S)
    assert "gone" in str(controller.tick())
    assert stage.look().window == before
    monkeypatch.undo()
    stage.clock.turn(TICK_S)
    assert controller.tick() is None
    assert stage.look().window != before


def test_fifty_thousand_wait_for_five_hundred_units(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.leave(500)
    stage.published.queue["k"] = 4
    people, controller = stage.crowd(50_000, stay_away=0.2), stage.controller()
    controller.tick()
    node, worst, ticks, marked = stage.node, 0.0, 0, False
    baseline = stage.memory()
    while people.waiting and ticks < 600:
        people.step(stage.clock.monotonic())
        before = stage.look().window
        free = stage.free
        stocked_marked = free == 0
        assert controller.tick() is None
        after = stage.look().window
        if after[0].served_until > before[0].served_until:
            waiting = outstanding(after, people.came)
            worst = max(worst, waiting / (4 * free))
            assert waiting <= 4 * free, (ticks, waiting, free)
        if marked:
            assert after[0].served_until == before[0].served_until
        marked = marked or stocked_marked
        stage.clock.turn(TICK_S)
        ticks += 1
    heard = {word: sum(one.heard == word for one in people.shoppers) for word in HEARD}
    grown = stage.memory() - baseline
    bitmap = int(node.strlen(stage.keys.came[0]))
    with capsys.disabled():
        print(
            f"\n50,000 for 500 units: {heard}, {ticks} ticks ({ticks * TICK_S:.0f} s); at most"
            f" {worst:.2f} of k × free were outstanding; memory +{grown} bytes, the bitmap of"
            f" {stage.look().window[0].served_until} served places has {bitmap}"
        )
    assert heard["reserved"] == 500
    assert heard["reserved"] + heard["sold_out"] + heard["stayed away"] == 50_000
    assert grown <= 2 * bitmap + 128, "visitors must cost no memory beyond the bitmap"
    # Whoever came in was called in the order of places.
    assert max(place for _, place in people.order) < stage.look().window[0].served_until


def test_returned_units_serve_the_next_tickets(stage: Stage) -> None:
    stage.leave(10)
    people, controller = stage.crowd(400), stage.controller()
    controller.tick()
    for _ in range(30):
        people.step(stage.clock.monotonic())
        controller.tick()
        stage.clock.turn(TICK_S)
    assert sum(one.heard == "reserved" for one in people.shoppers) == 10
    first_place = stage.look().window[0].served_until
    others = Crowd(
        stage.cluster, stage.keys, stage.stock, [Shopper(f"w{n}") for n in range(50)], people.rng
    )
    for shopper in others.shoppers:
        shopper.place = first_place + int(shopper.name[1:])
    line_numbers = stage.look().numbers[0]
    others.take([max(first_place + 50 - line_numbers, 0)], [], [])
    shards.grant(stage.cluster, stage.stock, uuid.uuid4(), 3)
    for _ in range(200):
        controller.tick()
        others.step(stage.clock.monotonic())
        stage.clock.turn(TICK_S)
        if sum(one.heard == "reserved" for one in others.shoppers) == 3:
            break
    winners = [one.name for one in others.shoppers if one.heard == "reserved"]
    assert winners == ["w0", "w1", "w2"]


def test_no_shows_are_written_off_and_others_are_called(stage: Stage) -> None:
    stage.leave(5)
    people, controller = stage.crowd(100), stage.controller()
    for shopper in people.shoppers[:40]:
        shopper.comes = False
    controller.tick()
    for _ in range(25):
        people.step(stage.clock.monotonic())
        controller.tick()
        stage.clock.turn(TICK_S)
    assert sum(one.heard == "reserved" for one in people.shoppers) == 0
    assert stage.look().window[0].served_until == 20
    for _ in range(500):
        people.step(stage.clock.monotonic())
        controller.tick()
        stage.clock.turn(TICK_S)
        if not people.waiting:
            break
    assert sum(one.heard == "reserved" for one in people.shoppers) == 5
    assert not people.waiting


@pytest.mark.parametrize("controllers", [1, 2], ids=["restarted", "two at once"])
def test_a_dead_controller_and_two_of_them_change_nothing(stage: Stage, controllers: int) -> None:
    stage.leave(100)
    people = stage.crowd(3000, stay_away=0.3)
    running = [stage.controller() for _ in range(controllers)]
    running[0].tick()
    for tick in range(2000):
        if not people.waiting:
            break
        people.step(stage.clock.monotonic())
        before = stage.look().window
        free = stage.free
        for controller in running:
            controller.tick()
        if controllers == 1 and tick % 7 == 0:
            running = [stage.controller()]
        after = stage.look().window
        assert after[0].served_until >= before[0].served_until
        if after[0].served_until > before[0].served_until:
            assert outstanding(after, people.came) <= 4 * free
        stage.clock.turn(TICK_S)
    assert sum(one.heard == "reserved" for one in people.shoppers) == 100
    assert not people.waiting
    assert stage.generation == 1
