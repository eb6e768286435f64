"""What the gateway tells the risk scorer, through a real Kafka; no purchase waits for it."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.gateway.conftest import Settings
from tests.gateway.kafka import EventTopic
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Shop
from tests.gateway.test_reserved import assert_reserved
from tests.gateway.waiting_line import put_in_line, starts_later
from tests.redis.ports import free_port
from tests.redis.waiting import until

# Answers out of memory are told one in so many, with this weight.
SAMPLE = 16


@pytest.fixture(scope="module")
def topic() -> Iterator[EventTopic]:
    """The topic of this file."""
    topic = EventTopic()
    topic.create()
    yield topic
    topic.delete()


@pytest.fixture(scope="module")
def settings(topic: EventTopic) -> Settings:
    """A gateway that tells them."""
    return {
        "SLUICE_KAFKA_BROKERS": topic.brokers,
        "SLUICE_KAFKA_PREFIX": topic.prefix,
        "SLUICE_INSTANCE": "gateway-a",
    }


def test_a_purchase_is_told_with_all_that_the_scorer_asks_for(
    shop: Shop, topic: EventTopic
) -> None:
    item = shop.put_up()
    assert_reserved(item.buy("ann", headers={"User-Agent": 'x"\\é'}), item)
    (event,) = topic.wait_for(item.id, 1)
    at_ms = event.pop("at_ms")
    assert abs(at_ms - shop.stock.now_ms()) < 60_000
    assert event.pop("_partition") in range(4)
    assert event == {
        "v": 1,
        "gateway": "gateway-a",
        "item": item.id,
        "outcome": "reserved",
        "shopper": "ann",
        "device": "device-0001",
        "address": "127.0.0.1",
        "level": "regular",
        "rs": 0,
        "ua": "x???",
        "_key": "device-0001",
    }


def test_refusals_are_told_and_without_a_token_the_address_is_the_key(
    shop: Shop, topic: EventTopic
) -> None:
    item = shop.put_up()
    item.buy("ann", b"{}")
    item.buy("ann", path=f"/v1/items/{item.id}/wrong-key-wrong-key-00/buy")
    item.buy("ann", headers={"Authorization": "Bearer x"})
    events = topic.wait_for(item.id, 3)
    told = [(one["outcome"], one["device"], one["shopper"], one["_key"]) for one in events]
    assert sorted(told) == [
        (outcome, "", "", "127.0.0.1") for outcome in ("bad_request", "bad_token", "not_found")
    ]


def test_joining_the_lobby_is_told_like_a_purchase(shop: Shop, topic: EventTopic) -> None:
    line = put_in_line(shop, mode="draw", **starts_later(shop))
    line.join("ann")
    line.join("ann", exp=1)
    told = {
        (one["outcome"], one["shopper"], one["device"]) for one in topic.wait_for(line.item.id, 2)
    }
    assert told == {("queued", "ann", "device-0001"), ("bad_token", "", "")}


def test_every_event_of_a_device_is_in_one_partition(shop: Shop, topic: EventTopic) -> None:
    item = shop.put_up(units=200)
    devices = [f"device-{number:04d}" for number in range(20)]
    for number in range(100):
        token = item.token(f"shopper-{number}", dev=devices[number % 20])
        item.buy(f"shopper-{number}", headers={"Authorization": f"Bearer {token}"})
    events = topic.wait_for(item.id, 100)
    assert len(events) == 100
    places = {(one["_key"], one["_partition"]) for one in events}
    assert len(places) == len(devices)
    assert len({partition for _, partition in places}) > 1


def test_a_flood_of_sold_out_is_told_by_its_weight(shop: Shop, topic: EventTopic) -> None:
    """Of 800 some 50 are told; fewer than 20 or more than 100 happen once in a million runs."""
    item = shop.put_up(units=1)
    item.buy("ann")
    item.shard.mark_sold_out()
    assert_refused(item.buy("bob"), "sold_out")

    def ask(number: int) -> None:
        if number % 50 == 0:
            item.shard.mark_sold_out()
        item.buy(f"late-{number}")

    with ThreadPoolExecutor(4) as crowd:
        list(crowd.map(ask, range(800)))
    last = item.buy("ann", headers={"Purchase-Retry": "1"})
    assert_reserved(last, item)
    until(lambda: _is_told(topic, item.id, "reserved", 2), "the last one is told")
    sampled = [one for one in topic.events(item.id) if one.get("n")]
    assert {one["n"] for one in sampled} == {SAMPLE}
    assert 20 < len(sampled) < 100


def _is_told(topic: EventTopic, item: int, outcome: str, times: int) -> bool:
    return [one["outcome"] for one in topic.events(item)].count(outcome) >= times


def test_what_was_told_is_counted(shop: Shop, topic: EventTopic) -> None:
    item = shop.put_up(units=9)
    before = shop.gateway.counted("events", "sent")
    for number in range(5):
        item.buy(f"shopper-{number}")
    until(lambda: shop.gateway.counted("events", "sent") >= before + 5, "five more are counted")


def test_without_kafka_sales_go_on_and_what_is_dropped_is_counted(
    shop: Shop, tmp_path: Path
) -> None:
    away = f"127.0.0.1:{free_port()}"
    with shop.before(tmp_path, shop.stock.address, SLUICE_KAFKA_BROKERS=away) as gateway:
        item = shop.put_up(units=60)
        for number in range(50):
            assert_reserved(item.buy(f"shopper-{number}"), item)
        until(lambda: gateway.counted("events", "away") == 50, "all are counted")
        assert gateway.errors().count("gateway-events") == 1, "said once, not once a flush"
        assert gateway.counted("events", "sent") == 0


def test_a_kafka_that_hangs_holds_up_nobody(shop: Shop, tmp_path: Path) -> None:
    """It takes connections and answers nothing, as a frozen broker does."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as mute:
        hangs = f"127.0.0.1:{mute.getsockname()[1]}"
        with shop.before(tmp_path, shop.stock.address, SLUICE_KAFKA_BROKERS=hangs) as gateway:
            item = shop.put_up(units=60)
            for number in range(50):
                assert_reserved(item.buy(f"shopper-{number}"), item)
            until(lambda: gateway.counted("events", "away") == 50, "all are counted")


def test_a_topic_that_is_made_later_is_told(shop: Shop, tmp_path: Path) -> None:
    late = EventTopic()
    names = {"SLUICE_KAFKA_BROKERS": late.brokers, "SLUICE_KAFKA_PREFIX": late.prefix}
    with shop.before(tmp_path, shop.stock.address, **names) as gateway:
        item = shop.put_up(units=1000)
        item.buy("ann")
        until(lambda: gateway.counted("events", "away") == 1, "nothing takes it")
        late.create()
        numbers = iter(range(1000))

        def is_told() -> bool:
            item.buy(f"shopper-{next(numbers)}")
            return bool(late.events(item.id))

        until(is_told, "events arrive")
        assert "taken again" in gateway.errors()
    late.delete()


def test_a_gateway_without_brokers_tells_nobody(shop: Shop, tmp_path: Path) -> None:
    with shop.before(tmp_path, shop.stock.address, SLUICE_KAFKA_BROKERS="") as gateway:
        item = shop.put_up()
        assert_reserved(item.buy("ann"), item)
        until(lambda: gateway.counted("buys", "reserved") == 1, "it is counted")
        assert not [key for key in gateway.metrics() if key[0] == "sluice_gateway_events_total"]
