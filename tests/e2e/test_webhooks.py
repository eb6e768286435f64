"""A merchant's server hears of a real purchase: through Kafka, PostgreSQL and Celery, signed.

`-s` prints how long it took from `paid` at the shopper to `order.paid` at the merchant.
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from control_plane.outgoing.tests.merchant import MerchantServer, serving
from tests.e2e.commands import Commands
from tests.e2e.conftest import JsonObject, wait_for
from tests.e2e.test_payment import EXPIRE, LIMIT_S, _sold, edge, in_database
from tests.vectors.webhook import verify

__all__ = ["edge", "in_database"]


@pytest.fixture
def shop() -> Iterator[MerchantServer]:
    with serving() as merchant:
        yield merchant


@pytest.fixture
def secret(shop: MerchantServer, manage: Commands, in_database: Any) -> Iterator[str]:
    """Of an endpoint of the demo's merchant, which is switched off afterwards."""
    made = manage("create_endpoint", "demo", shop.url())
    yield made["secret"]
    in_database(
        "UPDATE webhooks_endpoint SET active = false, off_reason = 'people' WHERE id = %s",
        made["id"],
    )


def test_a_merchant_hears_of_each_order_in_order(
    edge: str, create_campaign: Any, in_database: Any, shop: MerchantServer, secret: str
) -> None:
    campaign = create_campaign("hooks", units=2, starts_in_s=3, lasts_s=600)
    item: JsonObject = campaign["items"][0]
    ann, bob = _sold(edge, item, "ann"), _sold(edge, item, "bob")
    in_database(EXPIRE, ann.reservation)
    assert bob.pay()[0] == 202
    wait_for(lambda: bob.has("paid"), "bob's order is paid", LIMIT_S)
    paid_at = time.monotonic()
    wait_for(
        lambda: shop.types(bob.reservation) == ["order.confirmed", "order.paid"],
        "the merchant hears of bob",
        LIMIT_S,
    )
    print(
        f"\n`paid` at the shopper → order.paid at the merchant {time.monotonic() - paid_at:.2f} s"
    )
    wait_for(
        lambda: shop.types(ann.reservation) == ["order.confirmed", "order.expired"],
        "the merchant hears of ann",
        LIMIT_S,
    )
    signed = [verify(secret, heard.headers, heard.body, time.time()) for heard in shop.heard]
    # A merchant hears of all his campaigns: an order of an earlier test may expire meanwhile.
    of_both = {ann.reservation, bob.reservation}
    told = [event["data"] for event in signed if event["data"]["reservation_id"] in of_both]
    assert len(told) == 4
    assert {data["campaign"] for data in told} == {campaign["slug"]}
    assert all(data["pay_by"].endswith("Z") for data in told)
