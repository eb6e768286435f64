"""How an epoch ends: fenced, disarmed, drained, barrier, closed; its units go back once."""

from datetime import UTC, datetime, timedelta

import pytest
import redis

from control_plane.campaigns import services as campaigns
from control_plane.campaigns.models import Campaign
from control_plane.dead_letters.services import Letter, keep, retry_due
from control_plane.inventory import services as inventory
from control_plane.inventory.models import Allocation, Pool, Rearm
from tests.redis.waiting import until
from workers import barrier
from workers.agent.barriers import AGAIN_S
from workers.stock import shard as shards
from workers.stock.keys import RELAY_GROUP
from workers.stock.sale_items import shard_of
from workers.tests.selling import put_lines

pytestmark = pytest.mark.django_db(transaction=True)

MODES = pytest.mark.parametrize("mode", ["full", "fast"])


def _stage():
    return Rearm.objects.latest("created_at").stage


def _turn_until(stage, agent):
    def reached():
        agent.round()
        return _stage() == stage

    until(reached, f"stage {stage}")


@pytest.fixture
def sold(new_agent, sale, broker):
    """Three units of shard 0 are sold and in its outbox."""
    sale.open(new_agent())
    for number in range(3):
        assert sale.buy(sale.shopper_of(0, number)) == "R"
    return sale


@MODES
def test_stage_by_stage_each_with_a_new_agent(mode, sold, new_agent, broker):
    old = sold.epoch(0)
    sold.rearm(0, mode)
    assert sold.buy(sold.shopper_of(0, 3), epoch=old) == "R", "not disarmed yet"
    new_agent().round()
    assert _stage() == "disarmed"
    with pytest.raises(redis.ResponseError, match="FENCED"):
        sold.buy(sold.shopper_of(0, 4), epoch=old)
    new_agent().round()
    assert _stage() == "disarmed", "the outbox is not in Kafka"
    sold.relay()
    _turn_until("barrier_sent", new_agent())
    sold.consume(but_partition=5)
    new_agent().round()
    assert _stage() == "barrier_sent", "one partition is not landed"
    sold.consume(but_barrier=5)
    new_agent().round()
    assert _stage() == "barrier_sent", "all is decided, but the barrier of one is not seen"
    assert Allocation.objects.get(shard=0, epoch=old.epoch).state == "draining"
    sold.consume()
    new_agent().round()
    assert _stage() == "closed"
    for _ in range(2):
        new_agent().round()
    assert sum(sold.avails()) == 26
    assert Pool.objects.get().unallocated == 0


@MODES
def test_the_next_epoch_waits_for(mode, sold, new_agent):
    agent = new_agent()
    first = sold.epoch(0).epoch
    sold.rearm(0, mode)
    agent.round()
    sells = Allocation.objects.filter(shard=0, state="selling").exists()
    assert sells == (mode == "fast"), "full: the close; fast: the disarm alone"
    sold.settle(agent)
    agent.round()
    agent.round()
    assert sold.epoch(0).epoch > first
    assert sum(sold.avails()) == 27


STEPS = ["disarm", "disarmed", "drained", "send", "barrier_sent", "close"]


@MODES
@pytest.mark.parametrize("last", range(len(STEPS) + 1), ids=["nothing", *STEPS])
def test_a_new_agent_goes_on_where_a_dead_one_stopped_after(mode, last, sold, new_agent, broker):
    rearm = sold.rearm(0, mode)
    _end_by_hand(sold, rearm, broker, STEPS[:last])
    agent = new_agent()
    sold.settle(agent)
    agent.round()
    agent.round()
    assert Allocation.objects.filter(shard=0, state="closed").get().consumed == 3
    assert sum(sold.avails()) == 27
    assert sold.books_balance()


def _end_by_hand(sale, rearm, broker, steps):
    row = Allocation.objects.get(pk=rearm.allocation_id)
    shard = shard_of(row)
    cluster, partitions = sale.clusters["primary"], 8
    if "disarm" in steps:
        shards.disarm(cluster, shard)
    if "disarmed" in steps:
        inventory.advance(rearm.pk, "fenced", "disarmed")
    if "drained" in steps:
        sale.relay()
        inventory.advance(rearm.pk, "disarmed", "drained")
    if "send" in steps:
        producer = broker.producer()
        value = barrier.encode(rearm.pk, row.item_id, row.shard, row.epoch)
        for partition in range(partitions):
            producer.produce(broker.names.reservations, value, partition=partition)
        assert producer.flush(10) == 0
    if "barrier_sent" in steps:
        inventory.advance(rearm.pk, "drained", "barrier_sent", partitions)
    if "close" in steps:
        sale.consume()
        inventory.close_epoch(rearm.pk)


def test_two_agents_at_once_end_it_once(sold, new_agent, at_once):
    sold.rearm(0)
    agents = [new_agent(seed=seed) for seed in range(3)]

    def turn():
        sold.relay()
        sold.consume()
        for outcome in at_once([agent.round for agent in agents]):
            assert not isinstance(outcome, Exception), outcome
        return not inventory.open_rearms()

    until(turn, "every old epoch is closed")
    agents[0].round()
    agents[0].round()
    assert sum(sold.avails()) == 27


def test_the_barrier_goes_to_every_partition(sold, new_agent, broker):
    sold.relay()
    rearm = sold.rearm(0)
    _turn_until("barrier_sent", new_agent())
    row = Allocation.objects.get(pk=rearm.allocation_id)
    value = barrier.encode(rearm.pk, row.item_id, row.shard, row.epoch)
    found = [one.partition() for one in broker.read(broker.names.reservations)]
    sent = [
        one.partition() for one in broker.read(broker.names.reservations) if one.value() == value
    ]
    assert set(sent) == set(range(8)), found
    assert Rearm.objects.get(pk=rearm.pk).partitions == 8


def test_a_barrier_that_not_all_have_seen_is_sent_again(sold, agent, clock, broker):
    """It may have gone with its topic, and nothing would ever close the epoch."""
    sold.relay()
    row = sold.rearm(0)
    _turn_until("barrier_sent", agent)
    of = row.allocation
    value = barrier.encode(row.pk, of.item_id, of.shard, of.epoch)

    def in_kafka():
        agent._ending._barriers._producer.flush(10)
        return [one.value() for one in broker.read(broker.names.reservations)].count(value)

    for _ in range(3):
        agent.round()
    assert in_kafka() == 8
    clock.skip(AGAIN_S + 1)
    for _ in range(3):
        agent.round()
    assert in_kafka() == 16
    agent.round()
    assert in_kafka() == 16, "and then it has some time"
    sold.consume()
    _turn_until("closed", agent)


def test_nothing_is_advanced_before_kafka_has_the_barriers(agent, sale):
    """No broker: the other shards go on meanwhile."""
    sale.open(agent)
    sale.rearm(0)
    for _ in range(3):
        agent.round()
    assert _stage() == "drained"
    assert sum(sale.avails()) == 20
    assert [sale.buy(sale.shopper_of(shard)) for shard in range(3)] == ["R", "R", "R"]


def test_what_kafka_lost_is_sent_again_before_the_epoch_is_closed(sold, agent, clock, broker):
    _acknowledge(sold, sold.epoch(0))
    sold.rearm(0)
    _turn_until("barrier_sent", agent)
    sold.consume()
    agent.round()
    assert _stage() == "barrier_sent", "closed with three reservations undecided"
    agent._ending._barriers._producer.flush(10)
    sold.consume()
    agent.round()
    assert _stage() == "barrier_sent", "what was sent again has some time"
    clock.skip(6)
    agent.round()
    assert _stage() == "closed"
    assert Allocation.objects.get(shard=0, state="closed").consumed == 3


def test_a_dead_letter_keeps_its_epoch_open_and_is_not_sent_again(sold, agent, clock, broker):
    """Each copy would be another dead letter, and they would stop the order consumer."""
    _acknowledge(sold, sold.epoch(0))
    rearm = sold.rearm(0)
    _turn_until("barrier_sent", agent)
    sold.consume()
    ann, *others = agent._ending._undecided._missing(rearm)
    topic, now = broker.names.reservations, datetime.now(UTC)
    keep([Letter("reservations", topic, topic, 0, 10**6, ann.value.encode(), "refused", "no")], now)
    for _ in range(3):
        agent.round()
        agent._ending._barriers._producer.flush(10)
        sold.consume()
        clock.skip(6)
    sent = b"".join(one.value() or b"" for one in broker.read(topic))
    assert ann.reservation_id.encode() not in sent
    assert all(one.reservation_id.encode() in sent for one in others)
    assert _stage() == "barrier_sent"
    retry_due(now + timedelta(minutes=1))
    agent.round()
    assert _stage() == "closed"
    assert Allocation.objects.get(shard=0, state="closed").consumed == 3


def _acknowledge(sale, shard):
    """As a relay, but nothing comes to Kafka."""
    node = sale.node(shard)
    node.xreadgroup(RELAY_GROUP, "x", {shard.outbox: ">"})
    node.xack(shard.outbox, RELAY_GROUP, *(entry_id for entry_id, _ in node.xrange(shard.outbox)))


def test_an_intent_that_nobody_can_read_does_not_keep_an_epoch_open(sold, agent):
    sold.relay()
    put_lines(sold.clusters["primary"], sold.epoch(0), b"not an intent")
    _acknowledge(sold, sold.epoch(0))
    sold.rearm(0)

    def closed():
        agent.round()
        sold.consume()
        return _stage() == "closed"

    until(closed, "the epoch is closed")
    assert Allocation.objects.get(shard=0, state="closed").consumed == 3


def test_a_node_that_is_given_up_does_not_keep_an_epoch_open(sold, agent, masters):
    rearm = sold.rearm(0)
    masters[0].kill()
    try:
        agent.round()
        assert _stage() == "fenced", "a node that does not answer may still sell"
        inventory.give_up(rearm.pk, "burnt", None)

        def closed():
            agent.round()
            sold.consume()
            return _stage() == "closed"

        until(closed, "the epoch is closed")
    finally:
        masters[0].start()
        until(lambda: all(node.is_whole() for node in masters), "the cluster is whole")


@pytest.mark.parametrize("stage", ["drained", "barrier_sent"])
def test_a_node_that_dies_late_keeps_the_epoch_open_until_it_is_given_up(
    stage, sold, agent, masters, broker
):
    """Its outbox may hold what is nowhere else: what cannot be read is not "nothing"."""
    _acknowledge(sold, sold.epoch(0))
    rearm = sold.rearm(0)
    _end_by_hand(sold, rearm, broker, ["disarm", "disarmed"])
    inventory.advance(rearm.pk, "disarmed", "drained")
    if stage == "barrier_sent":
        _turn_until(stage, agent)
    masters[0].kill()
    try:
        _turn_until("barrier_sent", agent)
        agent._ending._barriers._producer.flush(10)
        sold.consume()
        assert inventory.all_seen(rearm.pk)
        for _ in range(3):
            agent.round()
        assert _stage() == "barrier_sent", "closed, and nobody knows what was in its outbox"
        Rearm.objects.filter(pk=rearm.pk).update(given_up_at=datetime.now(UTC))
        _turn_until("closed", agent)
    finally:
        masters[0].start()
        until(lambda: all(node.is_whole() for node in masters), "the cluster is whole")


def test_an_epoch_that_was_never_published_ends_without_its_node(agent, sale, item, monkeypatch):
    row = inventory.open_epoch(item.pk, 0, after=0, epoch=1, source="primary")
    assert row
    inventory.begin_rearm(row.pk, "fast", "test")

    def never(*_):
        raise AssertionError("the node was asked")

    monkeypatch.setattr(shards, "disarm", never)
    monkeypatch.setattr(shards, "is_drained", never)
    agent.round()
    assert _stage() == "drained"
    agent.round()
    assert sale.avails() == [10, 10, 10]


@pytest.mark.parametrize("stage", ["fenced", "disarmed", "drained", "barrier_sent"])
def test_the_rows_alone_decide_how_far_an_epoch_is(stage, sold, new_agent, monkeypatch):
    """A stage is left only by a conditional UPDATE: an agent that is too late changes nothing."""
    sold.rearm(0)
    rearm = inventory.open_rearms()[0]
    Rearm.objects.filter(pk=rearm.pk).update(stage="closed")
    rearm.stage = stage
    monkeypatch.setattr(inventory, "open_rearms", lambda: [rearm])
    new_agent().round()
    assert Rearm.objects.get(pk=rearm.pk).stage == "closed"
    assert Allocation.objects.get(pk=rearm.allocation_id).state == "draining"
    Rearm.objects.filter(pk=rearm.pk).update(stage="fenced")


def test_when_the_campaign_ends_every_unit_returns_and_nothing_is_opened(sold, agent):
    sold.go_live()
    campaigns.end_now(Campaign.objects.get(), by=None, now=datetime.now(UTC))
    sold.settle(agent)
    assert Pool.objects.get().unallocated == 27
    assert {row.state for row in Allocation.objects.all()} == {"closed"}
    assert Allocation.objects.count() == 3
