"""A shopper who is banned in his shard: he hears `denied`, and what was his stays his."""

from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Item, Shop
from tests.gateway.test_reserved import assert_reserved

MINUTE_MS = 60_000


def ban(item: Item, shopper: str, ahead_ms: int = MINUTE_MS) -> None:
    """As the risk scorer does it."""
    item.shard.ban({shopper: item.shard.server.now_ms() + ahead_ms})


def test_he_hears_denied_and_takes_nothing(shop: Shop) -> None:
    item = shop.put_up()
    ban(item, "eve")
    with item.untouched():
        assert_refused(item.buy("eve"), "denied")
    assert_reserved(item.buy("ann"), item)


def test_a_winner_who_is_banned_afterwards_hears_that_it_is_his(shop: Shop) -> None:
    item = shop.put_up()
    first = item.buy("eve")
    assert_reserved(first, item)
    ban(item, "eve")
    again = item.buy("eve")
    assert_reserved(again, item)
    assert again.json["reservation_id"] == first.json["reservation_id"]


def test_when_it_is_over_he_buys(shop: Shop) -> None:
    item = shop.put_up()
    ban(item, "eve", ahead_ms=-1)
    assert_reserved(item.buy("eve"), item)


def test_a_banned_shopper_does_not_make_an_item_sold_out(shop: Shop) -> None:
    item = shop.put_up(units=1)
    ban(item, "eve")
    assert_refused(item.buy("eve"), "denied")
    assert_reserved(item.buy("ann"), item)
