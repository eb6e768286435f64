"""What anybody may read."""

import time

import pytest

from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Shop


def test_a_campaign_is_told_with_its_items_and_the_clock(shop: Shop) -> None:
    item = shop.put_up(units=7, limit=2)
    before = int(time.time() * 1000)
    answer = shop.gateway.get(f"/v1/campaigns/campaign-{item.id}")
    described = shop.document["items"][str(item.id)]
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    campaign = answer.json
    assert before - 50 <= campaign.pop("now_ms") <= int(time.time() * 1000)
    assert campaign == {
        "slug": f"campaign-{item.id}",
        "title": f"Campaign {item.id}",
        "state": "live",
        "start_ms": described["start_ms"],
        "end_ms": described["end_ms"],
        "items": [
            {
                "id": item.id,
                "sku": f"SKU-{item.id}",
                "title": f"Item {item.id}",
                "price_minor": 1999,
                "currency": "CNY",
                "units": 7,
                "limit": 2,
                "state": "live",
                "start_ms": described["start_ms"],
                "end_ms": described["end_ms"],
            }
        ],
    }


def test_titles_in_any_language_arrive_whole(shop: Shop) -> None:
    item = shop.put_up(title='秒杀 "特价" ☕</script>')
    told = shop.gateway.get(f"/v1/campaigns/campaign-{item.id}").json
    assert told["items"][0]["title"] == '秒杀 "特价" ☕</script>'


@pytest.mark.parametrize("state", ["approved", "ended"])
def test_a_campaign_is_told_before_and_after_its_time(shop: Shop, state: str) -> None:
    item = shop.put_up(state=state)
    assert shop.gateway.get(f"/v1/campaigns/campaign-{item.id}").status == 200


@pytest.mark.parametrize("slug", ["none", "", "x/y", "campaign-0", "..."])
def test_another_campaign_is_not_found(shop: Shop, slug: str) -> None:
    assert_refused(shop.gateway.get(f"/v1/campaigns/{slug}"), "not_found")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("route", ["campaigns/campaign-{id}", "time"])
def test_it_is_only_read(shop: Shop, method: str, route: str) -> None:
    item = shop.put_up()
    path = "/v1/" + route.format(id=item.id)
    assert_refused(item.buy("ann", method=method, path=path), "bad_request")


def test_the_time_is_this_machines(shop: Shop) -> None:
    before = time.time_ns() // 1_000_000
    answer = shop.gateway.get("/v1/time")
    after = time.time_ns() // 1_000_000
    assert answer.status == 200
    assert set(answer.json) == {"now_ms"}
    assert before <= answer.json["now_ms"] <= after
    assert answer.headers["cache-control"] == "no-store"


def test_a_gateway_with_a_snapshot_is_alive_and_ready(shop: Shop) -> None:
    shop.publish()
    assert shop.gateway.get("/healthz").status == 200
    ready = shop.gateway.get("/readyz")
    assert (ready.status, ready.body) == (200, b"ok, snapshot %d\n" % shop.document["version"])
