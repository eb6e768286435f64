"""The queue controller when something is lost, changed or revealed; on real servers."""

import random
from datetime import timedelta
from typing import Any

import pytest

from control_plane.campaigns import services as campaigns
from control_plane.campaigns.models import Campaign, CampaignState
from control_plane.inventory import services as inventory
from control_plane.queues import services as queues
from control_plane.queues.models import Draw, QueueState
from control_plane.queues.places import commit_of
from workers.queue import line, marks
from workers.queue.control import KEYS_KEPT, QueueController
from workers.queue.line import QueueKeys
from workers.queue.pace import LAG_MAX, RATE_MIN, Pace, Reading
from workers.queue.window import missing
from workers.runtime.verdicts import Unavailable
from workers.stock import scripts
from workers.stock.cluster import StockCluster
from workers.tests.queue_crowd import BUCKETS, TICK_S, Crowd, Shopper
from workers.tests.queue_stage import Stage


def test_without_a_controller_the_last_window_stands(stage: Stage) -> None:
    stage.controller().tick()
    called = stage.look().window[0].served_until
    people = stage.crowd(called + 100)
    people.step(0.0)
    assert sum(one.heard == "reserved" for one in people.shoppers) == called


@pytest.mark.parametrize("loss", ["counter", "life", "all"])
def test_a_lost_queue_is_opened_anew_and_gives_no_number_twice(stage: Stage, loss: str) -> None:
    stage.leave(10)
    people, controller = stage.crowd(100), stage.controller()
    controller.tick()
    people.step(stage.clock.monotonic())
    controller.tick()
    node, names = stage.node, stage.keys
    given = {one.place for one in people.shoppers}
    before = stage.look().window
    if loss == "counter":
        node.delete(names.numbers)
    elif loss == "life":
        node.hset(names.ctl, "life", "f" * 40)
        # An older replica: it has forgotten some numbers.
        node.hset(names.numbers, "0", 3)
    else:
        node.delete(names.ctl, names.numbers, names.lobby, *names.came)
    stage.clock.turn(TICK_S)
    controller.tick()
    assert stage.generation == 2
    after = stage.look()
    assert after.window[0].served_until >= before[0].served_until
    others = stage.crowd(50, name="late")
    others.step(stage.clock.monotonic())
    later = {one.place for one in others.shoppers}
    assert min(place for place in later if place is not None) >= marks.AHEAD
    assert not given & later
    # Who had a ticket keeps his turn, and the gap between holds nobody up.
    for _ in range(400):
        people.step(stage.clock.monotonic())
        others.step(stage.clock.monotonic())
        controller.tick()
        stage.clock.turn(TICK_S)
        if not people.waiting and not others.waiting:
            break
    assert sum(one.heard == "reserved" for one in people.shoppers) == 10
    assert not people.waiting and not others.waiting


def ahead_of_the_next(stage: Stage, cluster: StockCluster) -> int:
    """How many are before who comes now to this cluster, as a gateway counts them."""
    keys, node = stage.keys, cluster.node_of(stage.keys)
    names = [keys.ctl, keys.numbers, *keys.came]
    reply: Any = node.evalsha(scripts.TAKE_NUMBERS.sha, len(names), *names, "1", "", "")
    gaps = [tuple(map(int, one.split(b":")))[1:] for one in reply[6].split()]
    served, number = int(reply[2].split(b":")[0]), int(reply[4])
    behind = [(first, beyond) for first, beyond in gaps if beyond <= number]
    return number - served - missing(behind, served, number)


@pytest.mark.parametrize("loss", ["counter", "all", "older"])
def test_after_a_loss_all_who_wait_are_before_who_comes(stage: Stage, loss: str) -> None:
    controller, node, names = stage.controller(), stage.node, stage.keys
    stage.leave(10)
    controller.tick()
    stage.crowd(500).step(stage.clock.monotonic())
    controller.tick()
    before = ahead_of_the_next(stage, stage.cluster)
    assert before > 400
    if loss == "counter":
        node.delete(names.numbers)
    elif loss == "all":
        node.delete(names.ctl, names.numbers, names.lobby, *names.came)
    else:
        node.hset(names.ctl, "life", "f" * 40)
        node.hset(names.numbers, "0", 3)
    controller.tick()
    assert stage.generation == 2
    # The number that was taken just now is known to the lost counter alone.
    assert ahead_of_the_next(stage, stage.cluster) == before
    assert ahead_of_the_next(stage, stage.cluster) == before + 1


def test_a_counter_that_is_not_lost_knows_who_came_after_the_last_tick(stage: Stage) -> None:
    controller = stage.controller()
    stage.leave(10)
    controller.tick()
    stage.crowd(500).step(stage.clock.monotonic())
    before = ahead_of_the_next(stage, stage.cluster)
    stage.node.hset(stage.keys.ctl, "life", "f" * 40)
    controller.tick()
    assert stage.generation == 2
    assert ahead_of_the_next(stage, stage.cluster) == before + 1


def test_there_and_back_numbers_go_on_and_all_who_wait_count(stage: Stage) -> None:
    """The primary's counter is from before the standby's."""
    controller, keys = stage.controller(), stage.keys
    stage.leave(10)
    numbers: list[int] = []

    def come(source: str, count: int) -> None:
        crowd = Crowd(stage.clusters[source], keys, stage.stock, [], random.Random(1))
        first = crowd.take([count], [], [])[2][0]
        numbers.extend(range(first, first + count))

    controller.tick()
    come("primary", 500)
    controller.tick()
    served = stage.look().window[0].served_until
    for source, generation in (("standby", 2), ("primary", 3)):
        inventory.switch_source(source, reason="test", by=None)
        stage.clock.turn(TICK_S)
        controller.tick()
        assert stage.generation == generation
        # Its gateways have not heard of it yet.
        old = {"standby": "primary", "primary": "standby"}[source]
        come(old, 7)
        come(source, 300)
        controller.tick()
    assert len(set(numbers)) == len(numbers) == 500 + 2 * 307
    assert numbers[-1] == max(numbers)
    told = ahead_of_the_next(stage, stage.clusters["primary"])
    # The primary's counter tells of the seven who came late there, once it is asked again.
    assert told == 507 + 300 + 300 - served
    line.forget(stage.clusters["standby"], stage.item.pk)


def test_a_queue_that_moved_leaves_keys_nowhere_when_its_sale_is_long_over(stage: Stage) -> None:
    controller = stage.controller()
    controller.tick()
    inventory.switch_source("standby", reason="test", by=None)
    controller.tick()
    nodes = [one.node_of(stage.keys) for one in stage.clusters.all()]
    assert [node.exists(stage.keys.ctl) for node in nodes] == [1, 1]
    over_at = stage.clock.now() - KEYS_KEPT - timedelta(minutes=1)
    Campaign.objects.update(state=CampaignState.ENDED, ended_at=over_at)
    stage.controller().tick()
    assert [node.exists(stage.keys.ctl) for node in nodes] == [0, 0]
    assert QueueState.objects.get(item=stage.item).source == ""


def test_the_window_passes_a_gap_when_there_are_units(stage: Stage) -> None:
    people, controller = stage.crowd(300), stage.controller()
    controller.tick()
    people.step(stage.clock.monotonic())
    controller.tick()
    stage.node.delete(stage.keys.numbers)
    controller.tick()
    others = stage.crowd(200, name="late")
    for _ in range(100):
        people.step(stage.clock.monotonic())
        others.step(stage.clock.monotonic())
        controller.tick()
        stage.clock.turn(TICK_S)
    heard = [(one.heard, one.place) for one in people.shoppers + others.shoppers]
    assert {word for word, _ in heard} == {"reserved"}, (heard[-3:], stage.look())


def test_a_queue_with_other_buckets_begins_anew(stage: Stage) -> None:
    controller = stage.controller()
    controller.tick()
    stage.crowd(20).step(stage.clock.monotonic())
    stage.published.queue["buckets"] = BUCKETS
    stage.clock.turn(TICK_S)
    assert controller.tick() is None
    state = QueueState.objects.get(item=stage.item)
    assert (state.generation, state.oldest) == (2, 2)
    assert stage.look().numbers == [0, 0]


def test_a_queue_that_was_switched_off_goes_on_where_it_was(stage: Stage) -> None:
    stage.leave(10)
    people, controller = stage.crowd(100), stage.controller()
    controller.tick()
    people.step(stage.clock.monotonic())
    controller.tick()
    before = stage.look()
    stage.published.queue["mode"] = "off"
    for _ in range(20):
        stage.clock.turn(TICK_S)
        assert controller.tick() is None
    stage.published.queue["mode"] = "fifo"
    assert controller.tick() is None
    state = QueueState.objects.get(item=stage.item)
    assert (state.generation, state.oldest) == (1, 1)
    after = stage.look()
    assert after.numbers == before.numbers
    assert after.window[0].served_until >= before.window[0].served_until
    for _ in range(400):
        people.step(stage.clock.monotonic())
        controller.tick()
        stage.clock.turn(TICK_S)
        if not people.waiting:
            break
    assert sum(one.heard == "reserved" for one in people.shoppers) == 10


@pytest.mark.parametrize("off_at", ["before", "over"], ids=lambda at: f"{at} the start")
def test_a_lobby_that_was_switched_off_keeps_its_places(stage: Stage, off_at: str) -> None:
    queues.open_draw(stage.item.pk)
    stage.published.queue |= {"mode": "draw"}
    controller = stage.controller()
    controller.tick()
    first = stage.join(0, 30)
    controller.tick()
    stage.published.queue["mode"] = "off"
    stage.clock.turn(5 if off_at == "over" else TICK_S)
    assert controller.tick() is None
    assert stage.draw()["sizes"] is None
    stage.published.queue["mode"] = "draw"
    assert controller.tick() is None
    if off_at == "before":
        assert not set(first) & set(stage.join(0, 10))
        stage.clock.turn(5)
        assert controller.tick() is None
    assert stage.draw()["sizes"] == [30 if off_at == "over" else 40]
    assert stage.generation == 1
    stage.clock.turn(TICK_S)
    assert controller.tick() is None
    assert stage.look().window[0].served_until >= 30


def test_the_weights_hold_while_both_buckets_have_demand(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.published.queue["buckets"] = BUCKETS
    stage.leave(400)
    people = stage.crowd(2000)
    people.shoppers += [Shopper(f"r{n}", 1) for n in range(2000)]
    controller = stage.controller()
    controller.tick()
    for _ in range(200):
        people.step(stage.clock.monotonic())
        controller.tick()
        stage.clock.turn(TICK_S)
        if len(people.order) == 400:
            break
    vips = sum(bucket == 0 for bucket, _ in people.order) / len(people.order)
    served = stage.look().window
    called = served[0].served_until / (served[0].served_until + served[1].served_until)
    with capsys.disabled():
        print(f"\nweights 3:1: {called:.3f} of the called and {vips:.3f} of the buyers are vip")
    assert abs(called - 0.75) <= 0.05 * 0.75


def test_at_the_start_the_lobby_is_closed_and_the_draw_revealed(stage: Stage) -> None:
    draw = queues.open_draw(stage.item.pk)
    stage.published.queue |= {"mode": "draw", "buckets": BUCKETS}
    controller = stage.controller()
    assert controller.tick() is None
    assert stage.draw() == {"commit": draw.commit, "sizes": None, "seed": None}
    stage.join(1, 30)
    controller.tick()
    assert stage.look().window == [line.Called(0, 0)] * 2
    stage.clock.turn(5)
    controller.tick()
    shown = stage.draw()
    assert shown["sizes"] == [0, 30]
    assert commit_of(bytes.fromhex(shown["seed"])) == draw.commit
    stage.clock.turn(TICK_S)
    assert controller.tick() is None
    window = stage.look().window
    assert window[1].served_until >= 30
    # A second controller changes nothing of it.
    stage.controller().tick()
    assert stage.draw() == shown
    assert not stage.look().lobby_is_open


def test_a_lobby_that_is_lost_goes_on_with_other_numbers(stage: Stage) -> None:
    queues.open_draw(stage.item.pk)
    stage.published.queue |= {"mode": "draw"}
    controller = stage.controller()
    controller.tick()
    first = stage.join(0, 30)
    controller.tick()
    stage.node.delete(stage.keys.lobby, stage.keys.seen)
    controller.tick()
    second = stage.join(0, 30)
    assert not set(first) & set(second)
    stage.clock.turn(5)
    controller.tick()
    assert Draw.objects.get(pk=stage.item.pk).sizes == [marks.LOBBY_AHEAD + 30]


def test_a_lobby_that_is_lost_at_the_start_ends_where_it_was_seen(stage: Stage) -> None:
    queues.open_draw(stage.item.pk)
    stage.published.queue |= {"mode": "draw"}
    controller = stage.controller()
    controller.tick()
    stage.join(0, 30)
    controller.tick()
    stage.node.delete(stage.keys.lobby)
    stage.clock.turn(5)
    controller.tick()
    assert Draw.objects.get(pk=stage.item.pk).sizes == [30]


def test_a_slow_pipeline_serves_two_items_alike(stage: Stage) -> None:
    neighbour = stage.neighbour()
    stage.published.queue["k"] = 1000
    slow = Pace()
    slow.rate_per_s = RATE_MIN

    def behind() -> Reading:
        return Reading(stage.clock.monotonic(), LAG_MAX + 1, 0.1)

    controller = QueueController(
        stage.clusters, stage.clock, behind, pace=slow, newest=stage.published
    )
    controller.tick()
    lines = [stage.keys, QueueKeys(neighbour.pk, 1)]
    for keys in lines:
        Crowd(stage.cluster, keys, stage.stock, [], random.Random(1)).take([5000], [], [])
    before = [line.look(stage.cluster, keys, 1).window[0].served_until for keys in lines]
    for _ in range(101):
        stage.clock.turn(TICK_S)
        assert controller.tick() is None
    after = [line.look(stage.cluster, keys, 1).window[0].served_until for keys in lines]
    moved = [now - then for now, then in zip(after, before, strict=True)]
    assert abs(moved[0] - moved[1]) <= 1, moved
    assert sum(moved) >= 100 * TICK_S * RATE_MIN


def test_a_queue_whose_node_hangs_stops_no_other(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller = stage.controller()

    def fails(*_: object) -> None:
        raise Unavailable("no answer")

    monkeypatch.setattr(line, "look", fails)
    assert "no answer" in str(controller.tick())
    monkeypatch.undo()
    assert controller.tick() is None


def test_the_keys_of_a_sale_that_is_over_are_dropped(stage: Stage) -> None:
    controller = stage.controller()
    controller.tick()
    assert stage.node.exists(stage.keys.ctl)
    campaigns.end_now(stage.item.campaign, None, stage.clock.now())
    stage.published.item["state"] = "ended"
    stage.clock.turn(700)
    controller.tick()
    assert not stage.node.exists(stage.keys.ctl, stage.keys.numbers, stage.keys.lobby)
    assert QueueState.objects.get(item=stage.item).source == ""
