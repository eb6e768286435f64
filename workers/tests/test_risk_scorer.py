"""Events in Kafka become bans on the stream; what is away holds up nothing else."""

import json
import uuid
from contextlib import suppress
from types import SimpleNamespace

import pytest
import redis

from control_plane.snapshot import services as snapshots
from tests.redis.waiting import until
from workers import risk_scorer
from workers.risk import ledger
from workers.risk.feed import Feed, consumer_settings
from workers.risk.keeper import ALL_TOLD_EVERY_S, BanKeeper
from workers.risk.penalties import Ban
from workers.risk.settings import Configuration, Thresholds
from workers.risk.shopper_bans import ShopperBans
from workers.risk.stream import STREAM, BanStream
from workers.risk_scorer import RiskScorer
from workers.runtime import kafka
from workers.runtime.clock import SystemClock, to_ms
from workers.runtime.readiness import Readiness
from workers.runtime.verdicts import Unavailable
from workers.tests.running import free_port

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def device():
    """One that no other test bans: the stream is shared."""
    return f"device-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def told(work_redis):
    """The entries of the stream about one value."""

    def entries(value):
        found = [fields for _, fields in work_redis.xrange(STREAM)]
        texts = [{k.decode(): v.decode() for k, v in fields.items()} for fields in found]
        return [fields for fields in texts if fields["value"] == value]

    return entries


class Beside:
    """The keeper's part for a scorer alone."""

    def __init__(self, mode="enforce"):
        self.configuration = Configuration(1, mode)
        self.active = []
        self.recorded = []

    def record(self, ban):
        self.recorded.append(ban)


@pytest.fixture
def new_scorer(broker, env, clock):
    """A scorer in this thread, which has its partitions when it is returned."""
    feeds = []

    def build(keeper, work_redis_url=env.work_redis_url):
        group = broker.names.group(risk_scorer.GROUP)
        settings = consumer_settings(broker.brokers, group)
        consumer = kafka.connect_consumer(settings)
        feeds.append(Feed(consumer, broker.names.gateway_events, clock, 60))
        stream = BanStream.connect(work_redis_url)
        return RiskScorer(feeds[-1], stream, keeper, clock, Thresholds())

    yield build
    for feed in feeds:
        feed.close()


def robot(clock, device, shoppers=6, **fields):
    """What a gateway tells of a device that tries so many shoppers."""
    for number in range(shoppers):
        event = {
            "v": 1,
            "at_ms": to_ms(clock.now()),
            "gateway": "g",
            "item": 7,
            "outcome": "reserved",
            "shopper": f"s{number}",
            "device": device,
            "address": "203.0.113.9",
            "level": "regular",
            "rs": 0,
            "ua": "x",
        }
        yield device, json.dumps(event | fields).encode()


def turned(scorer, condition, what):
    """Turn it until it is so. A topic that was made just now may have no leader yet."""

    def so():
        with suppress(Unavailable):
            scorer.turn()
        return condition()

    return until(so, what)


def test_a_robot_is_banned_and_its_ban_is_written_down(broker, new_scorer, clock, device, told):
    beside = Beside()
    scorer = new_scorer(beside)
    broker.put(broker.names.gateway_events, robot(clock, device))
    (entry,) = turned(scorer, lambda: told(device), "it is told")
    assert entry["kind"] == "device"
    assert entry["reason"] == "shoppers_per_device: more than 5 shoppers within 60 s"
    left_ms = int(entry["until_ms"]) - to_ms(clock.now())
    assert 0 < left_ms <= 60_000
    assert beside.recorded == [Ban("device", device, int(entry["until_ms"]), entry["reason"])]


def test_what_a_restart_has_missed_is_read_and_who_is_banned_is_not_banned_again(
    broker, new_scorer, clock, device, told
):
    other = f"{device}-2"
    for name in (device, other):
        broker.put(broker.names.gateway_events, robot(clock, name))
    beside = Beside()
    beside.active = [Ban("device", device, to_ms(clock.now()) + 60_000, "before")]
    turned(new_scorer(beside), lambda: told(other), "the other is told")
    assert told(device) == []


def test_events_older_than_the_windows_ban_nobody(broker, new_scorer, clock, device, told):
    other = f"{device}-2"
    long_ago = to_ms(clock.now()) - 61_000
    broker.put(broker.names.gateway_events, robot(clock, device, at_ms=long_ago))
    broker.put(broker.names.gateway_events, robot(clock, other))
    turned(new_scorer(Beside()), lambda: told(other), "the other is told")
    assert told(device) == []


def test_rubbish_in_the_topic_is_left_out(broker, new_scorer, clock, device, told):
    rubbish = [(device, value) for value in (b"", b"{", b"[1]", b"\x00\xff")]
    broker.put(broker.names.gateway_events, [*rubbish, *robot(clock, device)])
    turned(new_scorer(Beside()), lambda: told(device), "it is told")


@pytest.mark.parametrize("mode", ["shadow", "off"])
def test_in_shadow_and_switched_off_nothing_is_told(broker, new_scorer, clock, device, told, mode):
    other, beside = f"{device}-2", Beside(mode)
    scorer = new_scorer(beside)
    broker.put(broker.names.gateway_events, robot(clock, device))
    read = 0
    while read < 6:
        with suppress(Unavailable):
            read += scorer.turn()
    beside.configuration = Configuration(2, "enforce")
    broker.put(broker.names.gateway_events, robot(clock, other))
    turned(scorer, lambda: told(other), "the other is told")
    assert told(device) == []
    assert [ban.value for ban in beside.recorded] == [other]


def test_without_the_work_redis_bans_wait(broker, new_scorer, clock, device, told, env):
    beside = Beside()
    scorer = new_scorer(beside, f"redis://127.0.0.1:{free_port()}/0")
    broker.put(broker.names.gateway_events, robot(clock, device))

    def is_unavailable():
        try:
            scorer.turn()
        except Unavailable as error:
            return "work Redis" in str(error)
        return False

    until(is_unavailable, "it says so")
    assert beside.recorded == []
    scorer._stream = BanStream.connect(env.work_redis_url)
    turned(scorer, lambda: told(device), "it is told late")
    assert len(beside.recorded) == 1


def test_without_kafka_it_says_so(clock):
    settings = consumer_settings(f"127.0.0.1:{free_port()}", "g") | {"log_level": 0}
    feed = Feed(kafka.connect_consumer(settings), "gateway-events", clock, 60)
    with pytest.raises(Unavailable, match="Kafka"):
        feed.read(0)
    feed.close()


# The keeper ----------------------------------------------------------------------------------


@pytest.fixture
def keeper(env, clusters, clock, stop):
    """Turned by the test."""
    stream = BanStream.connect(env.work_redis_url)
    readiness = Readiness(clock, [])
    return BanKeeper(stream, ShopperBans(clusters), clock, stop, readiness=readiness)


def ban_for(clock, value, seconds=60, kind="device"):
    return Ban(kind, value, to_ms(clock.now()) + seconds * 1000, "because")


def test_the_scorers_bans_are_written_down_and_not_told_twice(keeper, clock, device, told):
    ban = ban_for(clock, device)
    keeper.record(ban)
    keeper.turn()
    keeper.turn()
    assert [one for one in ledger.active(clock.now()) if one.value == device] == [ban]
    assert keeper.active == [ban]
    assert told(device) == []


def test_a_persons_ban_is_told_and_so_is_its_end(keeper, clock, device, told):
    ban = ban_for(clock, device)
    ledger.record(ban)
    keeper.turn()
    keeper.turn()
    assert [int(one["until_ms"]) for one in told(device)] == [ban.until_ms]
    _lift(device)
    keeper.turn()
    keeper.turn()
    assert [int(one["until_ms"]) for one in told(device)] == [ban.until_ms, 0]


def _lift(value):
    from control_plane.risk import services
    from control_plane.risk.models import Ban as Row

    services.lift(Row.objects.get(value=value), None)


def test_when_the_work_redis_has_lost_the_stream_all_is_told_again(
    keeper, clock, device, told, monkeypatch
):
    ledger.record(ban_for(clock, device))
    keeper.turn()
    assert len(told(device)) == 1
    keeper.turn()
    assert len(told(device)) == 1
    for ever_told in (0, keeper._ever_told - 1):
        monkeypatch.setattr(keeper._stream, "ever_told", lambda known=ever_told: known)
        before = len(told(device))
        keeper.turn()
        assert len(told(device)) == before + 1
        monkeypatch.undo()
        keeper.turn()
        assert len(told(device)) == before + 1


def test_a_lifting_of_the_moment_in_which_the_stream_was_lost_is_told(
    keeper, clock, device, told, monkeypatch
):
    ledger.record(ban_for(clock, device))
    keeper.turn()
    _lift(device)
    monkeypatch.setattr(keeper._stream, "ever_told", lambda: 0)
    keeper.turn()
    assert [int(one["until_ms"]) for one in told(device)][1:] == [0]


def test_what_was_lifted_while_no_scorer_ran_is_told_by_the_next(
    env, clusters, clock, stop, device, told
):
    again = f"{device}-2"
    for value in (device, again):
        ledger.record(ban_for(clock, value))
        _lift(value)
    ledger.record(ban_for(clock, again, seconds=90))
    stream, readiness = BanStream.connect(env.work_redis_url), Readiness(clock, [])
    keeper = BanKeeper(stream, ShopperBans(clusters), clock, stop, readiness=readiness)
    keeper.turn()
    keeper.turn()
    assert [int(one["until_ms"]) for one in told(device)] == [0]
    assert [int(one["until_ms"]) > 0 for one in told(again)] == [True]


class LaterClock(SystemClock):
    """The machine's, but ahead."""

    ahead_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s


def test_every_hour_all_that_lasts_is_told_again(env, clusters, stop, device, told):
    clock, ending = LaterClock(), f"{device}-2"
    stream, readiness = BanStream.connect(env.work_redis_url), Readiness(clock, [])
    keeper = BanKeeper(stream, ShopperBans(clusters), clock, stop, readiness=readiness)
    ban = ban_for(clock, device, seconds=30 * 86400)
    ledger.record(ban)
    ledger.record(ban_for(clock, ending, seconds=4))
    keeper.turn()
    clock.ahead_s = ALL_TOLD_EVERY_S - 30
    keeper.turn()
    assert len(told(device)) == 1
    clock.ahead_s = ALL_TOLD_EVERY_S + 30
    keeper.turn()
    keeper.turn()
    assert [int(one["until_ms"]) for one in told(device)] == [ban.until_ms] * 2
    assert len(told(ending)) == 1, "the scorer may be telling a longer one"


def test_the_stream_says_how_much_it_ever_had_and_nothing_when_it_is_away(work_redis, monkeypatch):
    name = f"test:{uuid.uuid4().hex}"
    monkeypatch.setattr("workers.risk.stream.STREAM", name)
    stream = BanStream(work_redis)
    assert stream.ever_told() == 0
    stream.tell([Ban("device", f"d{number}", 1, "y") for number in range(2500)])
    work_redis.xtrim(name, maxlen=1)
    assert stream.ever_told() == 2500
    work_redis.delete(name)
    assert stream.ever_told() == 0


def test_the_snapshot_says_what_is_in_force(keeper, campaign):
    assert keeper.configuration.mode == "shadow"
    snapshots.publish("a test")
    keeper.turn()
    item = campaign.items.get().pk
    assert keeper.configuration.mode_of(item) == "enforce"
    assert keeper.configuration.version > 0


def test_a_ban_that_cannot_be_written_down_stops_nobody(keeper, clock, device, monkeypatch):
    from django.core.exceptions import ValidationError

    real, seen = ledger.record, []

    def record(ban):
        seen.append(ban)
        if ban.value == "odd":
            raise ValidationError("odd")
        real(ban)

    monkeypatch.setattr(ledger, "record", record)
    keeper.record(ban_for(clock, "odd"))
    keeper.record(ban_for(clock, device))
    keeper.turn()
    assert [ban.value for ban in seen] == ["odd", device]
    assert [ban.value for ban in keeper.active] == [device]


def test_without_postgresql_they_wait_to_be_written_down(keeper, clock, device, monkeypatch):
    from django.db import OperationalError

    keeper.record(ban_for(clock, device))
    with monkeypatch.context() as down:
        down.setattr(ledger, "record", _raise(OperationalError("away")))
        keeper.turn()
    assert keeper._readiness._words["bans"][1] == "database default: away"
    keeper.turn()
    assert [ban.value for ban in keeper.active] == [device]


def _raise(error):
    def call(*_):
        raise error

    return call


def test_more_than_there_is_room_for_is_counted_and_blocks_nobody(keeper, clock, monkeypatch):
    monkeypatch.setattr(keeper, "_unrecorded", SimpleNamespace(put_nowait=_raise(_full())))
    keeper.record(ban_for(clock, "x"))


def _full():
    from queue import Full

    return Full()


def test_a_redis_that_is_away_is_unavailable():
    stream = BanStream(redis.Redis(port=free_port(), socket_timeout=0.2))
    for call in (stream.ever_told, lambda: stream.tell([Ban("device", "x", 1, "y")])):
        with pytest.raises(Unavailable, match="work Redis"):
            call()
