"""What operators see: every outcome and every failure of Redis is counted, once."""

import re

from tests.gateway.client import get
from tests.gateway.shop import Shop, listed
from tests.redis.waiting import until


def test_they_are_prometheus_text_and_every_name_is_described(shop: Shop) -> None:
    item = shop.put_up()
    item.buy()
    gateway = shop.gateway
    until(lambda: gateway.counted("buys", "reserved") >= 1, "the purchase is counted")
    answer = get(gateway.internal_port, "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4"
    lines = answer.body.decode().splitlines()
    series = {line.split("{")[0].split()[0] for line in lines if not line.startswith("#")}
    names = {re.sub(r"_seconds_(bucket|sum|count)$", "_seconds", name) for name in series}
    described = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert names <= described


def test_each_outcome_is_counted(shop: Shop) -> None:
    item = shop.put_up(units=1)
    over = shop.put_up(state="ended")
    settle(shop)
    before = shop.gateway.metrics()
    outcomes = [
        item.buy("ann").outcome,
        item.buy("ann").outcome,
        item.buy("ann", key="two").outcome,
        item.buy("bob").outcome,
        item.buy("bob", b"{}").outcome,
        item.buy("bob", path=f"/v1/items/{item.id}/wrong/buy").outcome,
        item.buy("bob", headers={"Authorization": "Bearer x"}).outcome,
        over.buy("bob").outcome,
    ]
    assert len(set(outcomes)) == 7
    name = "sluice_gateway_buys_total"
    expected = {
        outcome: before.get((name, outcome), 0) + outcomes.count(outcome) for outcome in outcomes
    }

    def counted() -> bool:
        now = shop.gateway.metrics()
        return {outcome: now.get((name, outcome), 0) for outcome in expected} == expected

    until(counted, f"these are counted: {expected}")


def settle(shop: Shop) -> None:
    """Wait until a purchase made now is counted, and so are all before it."""
    limit = "limit_reached"
    item, before = shop.put_up(units=1), shop.gateway.counted("buys", limit)
    item.buy("ann", b'{"qty":99}')
    until(lambda: shop.gateway.counted("buys", limit) > before, "the last purchase is counted")


def test_a_fenced_call_is_counted(shop: Shop) -> None:
    item = shop.put_up()
    before = shop.gateway.counted("redis_errors", "fenced")
    shop.change(item, shards=[listed(0, 1, "0" * 40)])
    item.buy()
    until(lambda: shop.gateway.counted("redis_errors", "fenced") == before + 1, "it is counted")


def test_a_call_of_unknown_result_is_counted(shop: Shop) -> None:
    item = shop.put_up()
    before = shop.gateway.counted("redis_errors", "unknown")
    shop.gateway.expected_errors.append("WRONGTYPE")
    buyers = item.shard.shard.buyers
    with item.shard.replaced(buyers, "SET", buyers, "what is this"):
        item.buy()
    until(lambda: shop.gateway.counted("redis_errors", "unknown") == before + 1, "it is counted")


def test_an_exchange_with_redis_falls_into_one_bound_and_all_above(shop: Shop) -> None:
    name = "sluice_gateway_exchange_seconds"
    item = shop.put_up()

    def figures() -> dict[str, float]:
        text = get(shop.gateway.internal_port, "/metrics").body.decode()
        found = re.findall(rf"^{name}_(\S+) (\S+)$", text, re.MULTILINE)
        return {label: float(value) for label, value in found}

    before = figures()["count"]
    item.buy()
    until(lambda: figures()["count"] > before, "the exchange is counted")
    now = figures()
    bounds = [value for label, value in now.items() if label.startswith("bucket")]
    assert bounds == sorted(bounds)
    assert bounds[-1] == now["count"] == now['bucket{le="+Inf"}']
