"""One rate limit over two gateways: who alternates between them gets what one would give him."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.client import Connection
from tests.gateway.gateway import Gateway
from tests.gateway.shop import SWITCHES, Item, Shop
from tests.gateway.work_redis import WorkRedis
from tests.redis.ports import free_port
from tests.redis.waiting import until

PER_S, BURST = 40, 20
LASTS_S = 4.0
TIMES_THE_RATE = 5
ADDRESS = "198.51.100.77"
USUAL = [{"by": "address", "level": "", "per_s": 3, "burst": 3}]
# Long enough that the first burst, which each gives before it hears of the other, is little.
USUAL_LASTS_S = 15.0
RULES = [{"by": "shopper", "level": "", "per_s": PER_S, "burst": BURST}]


@pytest.fixture(scope="module")
def workers() -> int:
    """Two in each gateway, which report each for itself."""
    return 2


@pytest.fixture
def item(shop: Shop) -> Item:
    """An item under RULES; repeats of a purchase are admitted as any other."""
    shop.publish(rate_limits=RULES, switches=SWITCHES | {"rate_limits": 1})
    return shop.put_up()


def second(shop: Shop, folder: Path, **settings: str) -> Gateway:
    """Another gateway of the same shop, running what it runs."""
    own = {**shop.gateway.settings, "SLUICE_VAR_DIR": str(folder), **settings}
    gateway = Gateway(folder, own, workers=2)
    gateway.start()
    until(lambda: gateway.runs(shop.document["version"]), "it has the snapshot")
    return gateway


@pytest.fixture
def in_step(shop: Shop, item: Item, tmp_path: Path) -> Iterator[list[Gateway]]:
    """Two gateways on one work Redis."""
    gateway = second(shop, tmp_path)
    yield [shop.gateway, gateway]
    gateway.stop()
    assert gateway.unexpected_errors() == []


@pytest.fixture
def apart(shop: Shop, item: Item, tmp_path: Path) -> Iterator[list[Gateway]]:
    """Two gateways, of which one reaches no work Redis."""
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    gateway = second(shop, tmp_path, SLUICE_WORK_REDIS_URL=nowhere)
    yield [shop.gateway, gateway]
    gateway.stop()
    assert gateway.unexpected_errors() == []


def admitted(item: Item, shopper: str, gateways: list[Gateway]) -> tuple[int, float]:
    """How often somebody is admitted who alternates as fast as he is served, and in what time."""
    doors = [Connection(gateway.port) for gateway in gateways]
    headers, told = item.headers(shopper), Counter[str]()
    began = time.monotonic()
    while (lasted := time.monotonic() - began) < LASTS_S:
        for door in doors:
            told[door.ask("POST", item.buy_path, headers, b'{"qty":1}').outcome] += 1
    for door in doors:
        door.close()
    assert set(told) == {"reserved", "rate_limited"}
    assert told.total() >= TIMES_THE_RATE * PER_S * lasted, "he was too slow to prove anything"
    return told["reserved"], lasted


def test_who_alternates_gets_what_one_gateway_gives(item: Item, in_step: list[Gateway]) -> None:
    count, lasted = admitted(item, "alternating", in_step)
    due = PER_S * lasted + BURST
    print(f"\n{count} admitted in {lasted:.2f} s through two gateways, due {due:.0f}")
    assert 0.9 * due <= count <= 1.1 * due


def test_an_address_gets_its_three_a_second_from_both_together(
    shop: Shop, in_step: list[Gateway]
) -> None:
    """The rule that everybody has, over many shoppers behind one address."""
    item = shop.put_up(units=100)
    shop.publish(rate_limits=USUAL)
    version = shop.document["version"]
    until(lambda: in_step[1].runs(version), "both have the rule")
    doors, told = [Connection(gateway.port) for gateway in in_step], Counter[str]()
    began, number = time.monotonic(), 0
    while (lasted := time.monotonic() - began) < USUAL_LASTS_S:
        for door in doors:
            number += 1
            headers = item.headers(f"neighbour-{number}") | {"X-Forwarded-For": ADDRESS}
            told[door.ask("POST", item.buy_path, headers, b'{"qty":1}').outcome] += 1
    for door in doors:
        door.close()
    due = 3 * lasted + 3
    print(f"\n{told['reserved']} admitted in {lasted:.2f} s through two gateways, due {due:.0f}")
    assert set(told) == {"reserved", "rate_limited"}
    assert told["rate_limited"] > TIMES_THE_RATE * due
    assert 0.9 * due <= told["reserved"] <= 1.1 * due


def test_without_the_reports_he_gets_twice_as_much(item: Item, apart: list[Gateway]) -> None:
    count, lasted = admitted(item, "unreported", apart)
    due = PER_S * lasted + BURST
    print(f"\n{count} admitted in {lasted:.2f} s through two gateways apart, due {due:.0f} of one")
    assert 1.8 * due <= count <= 2.2 * due


def test_one_gateway_alone_is_exact(item: Item, shop: Shop) -> None:
    count, lasted = admitted(item, "alone", [shop.gateway])
    due = PER_S * lasted + BURST
    print(f"\n{count} admitted in {lasted:.2f} s through one gateway, due {due:.0f}")
    assert 0.95 * due <= count <= 1.02 * due


def test_without_the_work_redis_each_limits_for_itself_and_says_so_once(
    item: Item, apart: list[Gateway]
) -> None:
    _, lonely = apart
    count, lasted = admitted(item, "lonely", [lonely])
    due = PER_S * lasted + BURST
    assert 0.95 * due <= count <= 1.02 * due

    def given_up() -> float:
        return lonely.counted("limit_reports", "failed")

    assert until(given_up, "failures are counted") < 60, "it went on asking as if it were there"
    lines = [line for line in lonely.errors().splitlines() if "limits of other" in line]
    assert 1 <= len(lines) <= 3 * 2, "a line a failure until the breaker opens, in each worker"


def test_the_first_report_brings_the_visit_before_it(shop: Shop, work: WorkRedis) -> None:
    step_ms = 60_000
    slow = [{"by": "shopper", "level": "", "per_s": 1000 / step_ms, "burst": 5}]
    shop.publish(rate_limits=slow, switches=SWITCHES | {"rate_limits": 1})
    item, key = shop.put_up(), "sluice:limits:shopper:first-report"
    for _ in range(2):
        item.buy("first-report")
    until(lambda: work.client.pttl(key) > 1.5 * step_ms, "both visits are known to all gateways")
    item.buy("first-report")
    until(lambda: work.client.pttl(key) > 2.5 * step_ms, "the next one too")
    assert work.client.pttl(key) < 3.5 * step_ms, "one visit was reported twice"


def test_a_visitor_who_comes_once_is_not_reported(item: Item, shop: Shop, work: WorkRedis) -> None:
    for number in range(20):
        assert item.buy(f"once-{number}").outcome != "rate_limited"
    for _ in range(2):
        item.buy("twice")
    until(lambda: work.client.keys("sluice:limits:shopper:twice"), "who came twice is reported")
    assert work.client.keys("sluice:limits:shopper:once-*") == []
