"""The queue controller on real servers: PostgreSQL's units, a real shard, the real scripts."""

import random
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError

from control_plane.campaigns.models import Item
from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation
from control_plane.queues import services as queues
from control_plane.queues.models import Draw, QueueState
from control_plane.queues.places import commit_of
from workers.queue import line, marks
from workers.queue.control import QueueController
from workers.queue.line import QueueKeys
from workers.queue.pace import Reading
from workers.runtime.verdicts import Unavailable
from workers.stock import scripts
from workers.stock import shard as shards
from workers.stock.cluster import StockCluster, StockClusters
from workers.stock.keys import Shard
from workers.tests.queue_crowd import TICK_S, Crowd, Published, Shopper, TurnedClock, outstanding
from workers.tests.selling import sell

BUCKETS = [{"name": "vip", "weight": 3}, {"name": "regular", "weight": 1}]
NewController = Callable[..., QueueController]


@pytest.fixture
def turned() -> TurnedClock:
    """The controller's clock."""
    return TurnedClock()


@pytest.fixture
def published(item: Item, turned: TurnedClock) -> Published:
    """A fifo with one bucket."""
    return Published(item, turned)


@pytest.fixture
def stocked(item: Item, shard: Shard, allocation: Allocation) -> Shard:
    """The shard with all units of the item, as the stock agent leaves it."""
    inventory.claim_life(allocation.pk, "a" * 40)
    inventory.record_armed(allocation.pk, scripts.reserve_for(shard).sha)
    for grant in inventory.pending_grants(allocation.pk):
        inventory.mark_grant_applied(grant.pk)
    return shard


@pytest.fixture
def new_controller(
    clusters: StockClusters, turned: TurnedClock, published: Published
) -> NewController:
    """Controllers that know nothing yet; the pipeline is well."""

    def build() -> QueueController:
        def well() -> Reading:
            return Reading(turned.monotonic(), 0, 0.1)

        return QueueController(clusters, turned, well, newest=published)

    return build


@pytest.fixture
def keys(published: Published, cluster: StockCluster) -> Iterator[Callable[[], QueueKeys]]:
    """The queue's keys, with as many buckets as are published."""
    yield lambda: QueueKeys(published.item["id"], len(published.queue["buckets"]))
    of = QueueKeys(published.item["id"], 16)
    node = cluster.node_of(of)
    for name in (of.ctl, of.numbers, of.lobby, of.seen, *of.came):
        node.delete(name)


@pytest.fixture
def crowd(
    cluster: StockCluster, keys: Callable[[], QueueKeys], stocked: Shard
) -> Callable[..., Crowd]:
    """So many shoppers of a bucket, of whom a part never comes."""

    def build(size: int, bucket: int = 0, stay_away: float = 0.0, seed: int = 1) -> Crowd:
        rng = random.Random(seed)
        comers = [
            Shopper(f"b{bucket}-{n}", bucket, comes=rng.random() >= stay_away) for n in range(size)
        ]
        return Crowd(cluster, keys(), stocked, comers, rng)

    return build


def generation_of(item: Item) -> int:
    return QueueState.objects.get(item=item).generation


def look(cluster: StockCluster, keys: QueueKeys, item: Item) -> line.Looked:
    return line.look(cluster, keys, generation_of(item))


def leave(stock: Shard, cluster: StockCluster, units: int) -> None:
    """Sell all but so many."""
    books = shards.inspect(cluster, stock)
    names = [f"early-{n}" for n in range(books.avail - units)]
    for at in range(0, len(names), 500):
        assert set(sell(cluster, stock, names[at : at + 500])) == {"R"}


def test_it_opens_a_queue_and_calls_the_first_before_anybody_asks(
    item: Item, stocked: Shard, new_controller: NewController, cluster: StockCluster, keys: Any
) -> None:
    assert new_controller().tick() is None
    seen = look(cluster, keys(), item)
    assert 0 < seen.window[0].served_until <= 1000
    assert (seen.numbers, generation_of(item)) == ([0], 1)


def test_what_it_has_called_is_stored_before_redis_hears_of_it(
    item: Item,
    stocked: Shard,
    new_controller: NewController,
    cluster: StockCluster,
    keys: Any,
    monkeypatch: pytest.MonkeyPatch,
    turned: TurnedClock,
) -> None:
    controller = new_controller()
    controller.tick()
    before = look(cluster, keys(), item).window

    def fails(*_: object) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(queues, "store_state", fails)
    crowd = Crowd(cluster, keys(), stocked, [], random.Random(1))
    crowd.take([5000], [], [])
    turned.turn(TICK_S)
    assert "gone" in str(controller.tick())
    assert look(cluster, keys(), item).window == before
    monkeypatch.undo()
    turned.turn(TICK_S)
    assert controller.tick() is None
    assert look(cluster, keys(), item).window != before


def test_fifty_thousand_wait_for_five_hundred_units(
    item: Item,
    stocked: Shard,
    new_controller: NewController,
    cluster: StockCluster,
    keys: Any,
    crowd: Callable[..., Crowd],
    published: Published,
    turned: TurnedClock,
    capsys: pytest.CaptureFixture[str],
) -> None:
    leave(stocked, cluster, 500)
    published.queue["k"] = 4
    people, controller = crowd(50_000, stay_away=0.2), new_controller()
    controller.tick()
    node, worst, ticks, marked = cluster.node_of(keys()), 0.0, 0, False
    baseline = _memory(cluster, keys())
    while people.waiting and ticks < 600:
        people.step(turned.monotonic())
        before = look(cluster, keys(), item).window
        free = shards.inspect(cluster, stocked).avail
        stocked_marked = free == 0
        assert controller.tick() is None
        after = look(cluster, keys(), item).window
        if after[0].served_until > before[0].served_until:
            waiting = outstanding(after, people.came)
            worst = max(worst, waiting / (4 * free))
            assert waiting <= 4 * free, (ticks, waiting, free)
        if marked:
            assert after[0].served_until == before[0].served_until
        marked = marked or stocked_marked
        turned.turn(TICK_S)
        ticks += 1
    heard = {word: sum(one.heard == word for one in people.shoppers) for word in _WORDS}
    grown = _memory(cluster, keys()) - baseline
    bitmap = int(node.strlen(keys().came[0]))
    with capsys.disabled():
        print(
            f"\n50,000 for 500 units: {heard}, {ticks} ticks ({ticks * TICK_S:.0f} s); at most"
            f" {worst:.2f} of k × free were outstanding; memory +{grown} bytes, the bitmap of"
            f" {look(cluster, keys(), item).window[0].served_until} served places has {bitmap}"
        )
    assert heard["reserved"] == 500
    assert heard["reserved"] + heard["sold_out"] + heard["stayed away"] == 50_000
    assert grown <= 2 * bitmap + 128, "visitors must cost no memory beyond the bitmap"
    # Whoever came in was called in the order of places.
    assert (
        max(place for _, place in people.order) < look(cluster, keys(), item).window[0].served_until
    )


_WORDS = ("reserved", "sold_out", "stayed away")


def _memory(cluster: StockCluster, keys: QueueKeys) -> int:
    node = cluster.node_of(keys)
    names = [keys.ctl, keys.numbers, keys.lobby, *keys.came]
    return sum(int(node.memory_usage(name) or 0) for name in names)


def test_returned_units_serve_the_next_tickets(
    item: Item,
    stocked: Shard,
    new_controller: NewController,
    cluster: StockCluster,
    keys: Any,
    crowd: Callable[..., Crowd],
    turned: TurnedClock,
) -> None:
    leave(stocked, cluster, 10)
    people, controller = crowd(400), new_controller()
    controller.tick()
    for _ in range(30):
        people.step(turned.monotonic())
        controller.tick()
        turned.turn(TICK_S)
    assert sum(one.heard == "reserved" for one in people.shoppers) == 10
    first_place = look(cluster, keys(), item).window[0].served_until
    others = Crowd(cluster, keys(), stocked, [Shopper(f"w{n}") for n in range(50)], people.rng)
    for shopper in others.shoppers:
        shopper.place = first_place + int(shopper.name[1:])
    line_numbers = look(cluster, keys(), item).numbers[0]
    others.take([max(first_place + 50 - line_numbers, 0)], [], [])
    shards.grant(cluster, stocked, uuid.uuid4(), 3)
    for _ in range(200):
        controller.tick()
        others.step(turned.monotonic())
        turned.turn(TICK_S)
        if sum(one.heard == "reserved" for one in others.shoppers) == 3:
            break
    winners = [one.name for one in others.shoppers if one.heard == "reserved"]
    assert winners == ["w0", "w1", "w2"]


def test_no_shows_are_written_off_and_others_are_called(
    item: Item,
    stocked: Shard,
    new_controller: NewController,
    cluster: StockCluster,
    keys: Any,
    crowd: Callable[..., Crowd],
    turned: TurnedClock,
) -> None:
    leave(stocked, cluster, 5)
    people, controller = crowd(100), new_controller()
    for shopper in people.shoppers[:40]:
        shopper.comes = False
    controller.tick()
    for _ in range(25):
        people.step(turned.monotonic())
        controller.tick()
        turned.turn(TICK_S)
    assert sum(one.heard == "reserved" for one in people.shoppers) == 0
    assert look(cluster, keys(), item).window[0].served_until == 20
    for _ in range(500):
        people.step(turned.monotonic())
        controller.tick()
        turned.turn(TICK_S)
        if not people.waiting:
            break
    assert sum(one.heard == "reserved" for one in people.shoppers) == 5
    assert not people.waiting


@pytest.mark.parametrize("controllers", [1, 2], ids=["restarted", "two at once"])
def test_a_dead_controller_and_two_of_them_change_nothing(
    item: Item,
    stocked: Shard,
    new_controller: NewController,
    cluster: StockCluster,
    keys: Any,
    crowd: Callable[..., Crowd],
    turned: TurnedClock,
    controllers: int,
) -> None:
    leave(stocked, cluster, 100)
    people = crowd(3000, stay_away=0.3)
    running = [new_controller() for _ in range(controllers)]
    running[0].tick()
    for tick in range(2000):
        if not people.waiting:
            break
        people.step(turned.monotonic())
        before = look(cluster, keys(), item).window
        free = shards.inspect(cluster, stocked).avail
        for controller in running:
            controller.tick()
        if controllers == 1 and tick % 7 == 0:
            running = [new_controller()]
        after = look(cluster, keys(), item).window
        assert after[0].served_until >= before[0].served_until
        if after[0].served_until > before[0].served_until:
            assert outstanding(after, people.came) <= 4 * free
        turned.turn(TICK_S)
    assert sum(one.heard == "reserved" for one in people.shoppers) == 100
    assert not people.waiting
    assert generation_of(item) == 1


def test_without_a_controller_the_last_window_stands(
    stocked: Shard,
    new_controller: NewController,
    cluster: StockCluster,
    keys: Any,
    crowd: Callable[..., Crowd],
    item: Item,
) -> None:
    new_controller().tick()
    called = look(cluster, keys(), item).window[0].served_until
    people = crowd(called + 100)
    people.step(0.0)
    assert sum(one.heard == "reserved" for one in people.shoppers) == called


@pytest.mark.parametrize("loss", ["counter", "life", "all"])
def test_a_lost_queue_is_opened_anew_and_gives_no_number_twice(
    item: Item,
    stocked: Shard,
    new_controller: NewController,
    cluster: StockCluster,
    keys: Any,
    turned: TurnedClock,
    crowd: Callable[..., Crowd],
    loss: str,
) -> None:
    leave(stocked, cluster, 10)
    people, controller = crowd(100), new_controller()
    controller.tick()
    people.step(turned.monotonic())
    controller.tick()
    node, names = cluster.node_of(keys()), keys()
    given = {one.place for one in people.shoppers}
    before = look(cluster, names, item).window
    if loss == "counter":
        node.delete(names.numbers)
    elif loss == "life":
        node.hset(names.ctl, "life", "f" * 40)
        # An older replica: it has forgotten some numbers.
        node.hset(names.numbers, "0", 3)
    else:
        node.delete(names.ctl, names.numbers, names.lobby, *names.came)
    turned.turn(TICK_S)
    controller.tick()
    assert generation_of(item) == 2
    after = look(cluster, names, item)
    assert after.window[0].served_until >= before[0].served_until
    others = crowd(50, seed=2)
    for shopper in others.shoppers:
        shopper.name = f"late-{shopper.name}"
    others.step(turned.monotonic())
    later = {one.place for one in others.shoppers}
    assert min(place for place in later if place is not None) >= marks.AHEAD
    assert not given & later
    # Who had a ticket keeps his turn, and the gap between holds nobody up.
    for _ in range(400):
        people.step(turned.monotonic())
        others.step(turned.monotonic())
        controller.tick()
        turned.turn(TICK_S)
        if not people.waiting and not others.waiting:
            break
    assert sum(one.heard == "reserved" for one in people.shoppers) == 10
    assert not people.waiting and not others.waiting


def test_the_window_passes_a_gap_when_there_are_units(
    item: Item,
    stocked: Shard,
    new_controller: NewController,
    cluster: StockCluster,
    keys: Any,
    turned: TurnedClock,
    crowd: Callable[..., Crowd],
) -> None:
    people, controller = crowd(300), new_controller()
    controller.tick()
    people.step(turned.monotonic())
    controller.tick()
    cluster.node_of(keys()).delete(keys().numbers)
    controller.tick()
    others = crowd(200, seed=2)
    for shopper in others.shoppers:
        shopper.name = f"late-{shopper.name}"
    for _ in range(100):
        people.step(turned.monotonic())
        others.step(turned.monotonic())
        controller.tick()
        turned.turn(TICK_S)
    assert all(one.heard == "reserved" for one in people.shoppers + others.shoppers)


def test_a_queue_with_other_buckets_begins_anew(
    item: Item,
    stocked: Shard,
    new_controller: NewController,
    published: Published,
    cluster: StockCluster,
    keys: Any,
    turned: TurnedClock,
    crowd: Callable[..., Crowd],
) -> None:
    controller = new_controller()
    controller.tick()
    crowd(20).step(turned.monotonic())
    published.queue["buckets"] = BUCKETS
    turned.turn(TICK_S)
    assert controller.tick() is None
    state = QueueState.objects.get(item=item)
    assert (state.generation, state.oldest) == (2, 2)
    assert look(cluster, keys(), item).numbers == [0, 0]


def test_the_weights_hold_while_both_buckets_have_demand(
    item: Item,
    stocked: Shard,
    new_controller: NewController,
    published: Published,
    cluster: StockCluster,
    keys: Any,
    turned: TurnedClock,
    crowd: Callable[..., Crowd],
    capsys: pytest.CaptureFixture[str],
) -> None:
    published.queue["buckets"] = BUCKETS
    leave(stocked, cluster, 400)
    people = crowd(2000)
    people.shoppers += [Shopper(f"r{n}", 1) for n in range(2000)]
    controller = new_controller()
    controller.tick()
    for _ in range(200):
        people.step(turned.monotonic())
        controller.tick()
        turned.turn(TICK_S)
        if len(people.order) == 400:
            break
    vips = sum(bucket == 0 for bucket, _ in people.order) / len(people.order)
    served = look(cluster, keys(), item).window
    called = served[0].served_until / (served[0].served_until + served[1].served_until)
    with capsys.disabled():
        print(f"\nweights 3:1: {called:.3f} of the called and {vips:.3f} of the buyers are vip")
    assert abs(called - 0.75) <= 0.05 * 0.75


def test_at_the_start_the_lobby_is_closed_and_the_draw_revealed(
    item: Item,
    stocked: Shard,
    new_controller: NewController,
    published: Published,
    cluster: StockCluster,
    keys: Any,
    turned: TurnedClock,
) -> None:
    draw = queues.open_draw(item.pk)
    published.queue |= {"mode": "draw", "buckets": BUCKETS}
    controller = new_controller()
    assert controller.tick() is None
    assert queues.draw_of(item) == {"commit": draw.commit, "sizes": None, "seed": None}
    _join(cluster, keys(), 1, 30)
    controller.tick()
    assert look(cluster, keys(), item).window == [line.Called(0, 0)] * 2
    turned.turn(5)
    controller.tick()
    shown = queues.draw_of(item)
    assert shown is not None
    assert shown["sizes"] == [0, 30]
    assert commit_of(bytes.fromhex(shown["seed"])) == draw.commit
    turned.turn(TICK_S)
    assert controller.tick() is None
    window = look(cluster, keys(), item).window
    assert window[1].served_until >= 30
    # A second controller changes nothing of it.
    new_controller().tick()
    assert queues.draw_of(item) == shown
    assert not look(cluster, keys(), item).lobby_is_open


def test_a_lobby_that_is_lost_goes_on_with_other_numbers(
    item: Item,
    stocked: Shard,
    new_controller: NewController,
    published: Published,
    cluster: StockCluster,
    keys: Any,
    turned: TurnedClock,
) -> None:
    queues.open_draw(item.pk)
    published.queue |= {"mode": "draw"}
    controller = new_controller()
    controller.tick()
    first = _join(cluster, keys(), 0, 30)
    controller.tick()
    cluster.node_of(keys()).delete(keys().lobby, keys().seen)
    controller.tick()
    second = _join(cluster, keys(), 0, 30)
    assert not set(first) & set(second)
    turned.turn(5)
    controller.tick()
    assert Draw.objects.get(pk=item.pk).sizes[0] == marks.LOBBY_AHEAD + 30


def test_a_lobby_that_is_lost_at_the_start_ends_where_it_was_seen(
    item: Item,
    stocked: Shard,
    new_controller: NewController,
    published: Published,
    cluster: StockCluster,
    keys: Any,
    turned: TurnedClock,
) -> None:
    queues.open_draw(item.pk)
    published.queue |= {"mode": "draw"}
    controller = new_controller()
    controller.tick()
    _join(cluster, keys(), 0, 30)
    controller.tick()
    cluster.node_of(keys()).delete(keys().lobby)
    turned.turn(5)
    controller.tick()
    assert Draw.objects.get(pk=item.pk).sizes == [30]


def _join(cluster: StockCluster, keys: QueueKeys, bucket: int, count: int) -> list[str]:
    rng = random.Random(count + bucket)
    lines = [
        f"{bucket} {' '.join(str(rng.randrange(2**26)) for _ in range(4))}" for _ in range(count)
    ]
    names = [keys.ctl, keys.lobby, keys.seen, keys.numbers]
    reply: Any = cluster.node_of(keys).evalsha(scripts.JOIN_LOBBY.sha, 4, *names, *lines)
    answers = str(reply[1].decode()).split(",")
    assert all(answer[0] == "L" for answer in answers)
    return answers


def test_a_queue_whose_node_hangs_stops_no_other(
    item: Item,
    stocked: Shard,
    new_controller: NewController,
    cluster: StockCluster,
    keys: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    controller = new_controller()

    def fails(*_: object) -> None:
        raise Unavailable("no answer")

    monkeypatch.setattr(line, "look", fails)
    assert "no answer" in str(controller.tick())
    monkeypatch.undo()
    assert controller.tick() is None
