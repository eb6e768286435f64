"""Two pools of gateways, as behind the edge: they share the stock and the key of ids."""

from pathlib import Path

from tests.gateway.shop import Shop


def test_a_reservation_of_one_pool_is_read_and_repeated_through_the_other(
    shop: Shop, tmp_path: Path
) -> None:
    item = shop.put_up(units=5)
    made = item.buy("ann", key="k-1")
    assert made.outcome == "reserved"
    reservation = made.json["reservation_id"]
    with shop.before(tmp_path, shop.stock.address):
        assert item.status(reservation, "ann").json["state"] == "reserved"
        again = item.buy("ann", key="k-1")
        assert (again.outcome, again.json["reservation_id"]) == ("reserved", reservation)
        elsewhere = item.buy("bob").json["reservation_id"]
    assert item.status(elsewhere, "bob").json["state"] == "reserved"
    assert item.buy("ann", key="k-2").outcome == "limit_reached"
    assert item.shard.books().sold == 2
