"""The lobby of a draw: joined once, closed at the start, and what a ticket of it is worth then."""

from typing import Any

import pytest

from control_plane.queues.places import Places, commit_of
from tests.gateway.client import send
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import HOUR_MS, Shop
from tests.gateway.test_reserved import assert_reserved
from tests.gateway.waiting_line import (
    SEED,
    Called,
    WaitingLine,
    lobby_token,
    put_in_line,
    starts_later,
)
from tests.redis.waiting import until
from workers.queue import line as lines


@pytest.fixture
def lobby(shop: Shop) -> WaitingLine:
    """Of a draw in an hour."""
    return put_in_line(shop, "vip", "regular", mode="draw", **starts_later(shop))


def joined(line: WaitingLine, shopper: str, **claims: Any) -> Any:
    answer = line.join(shopper, **claims)
    assert answer.status == 200, answer
    return answer.json


def begin(line: WaitingLine, served: list[int] | None = None) -> list[int]:
    """Close the lobby, reveal the draw, start the sale; the sizes of the lobby."""
    sizes = lines.close_lobby(line.cluster, line.keys, line.generation)
    line.publish(sizes)
    line.shop.change(line.item, start_ms=line.shop.stock.now_ms() - 1000)
    if served:
        line.move(*(Called(until_place, 0) for until_place in served))
    return sizes


def test_who_joins_has_a_number_and_the_commitment(lobby: WaitingLine) -> None:
    told = joined(lobby, "ann")
    assert (told["lobby_number"], told["commit"]) == (0, commit_of(SEED))
    assert told["bucket"] == "regular"
    ticket = lobby.read(told["ticket"])
    assert (ticket.kind, ticket.number, ticket.shopper, ticket.bucket) == ("lobby", 0, "ann", 1)
    assert joined(lobby, "bob")["lobby_number"] == 1
    assert joined(lobby, "vera", lvl="vip")["lobby_number"] == 0


def test_a_place_in_the_draw_is_good_again_after_the_queue_was_off(lobby: WaitingLine) -> None:
    tickets = {name: joined(lobby, name)["ticket"] for name in ("ann", "bob")}
    lobby.publish(mode="off")
    lobby.publish()
    assert joined(lobby, "cy")["lobby_number"] == 2
    sizes = begin(lobby)
    assert sizes == [0, 3]
    drawn = Places(SEED, lobby.item.id, 1, 3)
    lobby.publish(sizes, mode="off")
    lobby.publish(sizes)
    for number, name in enumerate(tickets):
        assert lobby.queued(name, tickets[name])["place"] == drawn.place_of(number)


def test_a_retry_whose_answer_was_lost_gets_the_same_ticket(lobby: WaitingLine) -> None:
    assert joined(lobby, "ann") == joined(lobby, "ann")
    assert lobby.look().lobby == [0, 1]


def test_who_joins_often_at_another_gateway_has_one_chance_all_the_same(
    lobby: WaitingLine, shop: Shop
) -> None:
    joined(lobby, "ann")
    with shop.before(
        shop.gateway.folder / "another", shop.stock.address, SLUICE_RESERVE_TIMEOUT_MS="3000"
    ):
        told = joined(lobby, "ann")
    assert "lobby_number" not in told
    ticket = lobby.read(told["ticket"])
    assert (ticket.kind, ticket.number) == ("fifo", 0)
    assert lobby.look().lobby == [0, 1]


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"aud": "sluice-gateway"}, "an entry token"),
        ({"item": 1}, "another item"),
        ({"exp": 1}, "expired"),
        ({"kid": "e-2"}, "another key"),
    ],
)
def test_a_bad_lobby_token_is_refused(lobby: WaitingLine, claims: Any, why: str) -> None:
    assert_refused(lobby.join("ann", **claims), "bad_token")
    assert lobby.look().lobby == [0, 0], why


def test_a_lobby_token_buys_nothing(shop: Shop) -> None:
    item = shop.put_up()
    token = lobby_token(item, "ann")
    with item.untouched():
        for _ in range(3):  # also once the worker could know it
            answer = item.buy("ann", headers={"Authorization": f"Bearer {token}"})
            assert_refused(answer, "bad_token")


@pytest.mark.parametrize("mode", ["fifo", "off"])
def test_without_a_draw_there_is_no_lobby(shop: Shop, mode: str) -> None:
    line = put_in_line(shop, mode=mode, **starts_later(shop))
    assert_refused(line.join("ann"), "not_found")


def test_before_it_opens_the_lobby_says_when(lobby: WaitingLine, shop: Shop) -> None:
    lobby.publish(opens_ms=shop.stock.now_ms() + HOUR_MS // 2)
    answer = lobby.join("ann")
    assert_refused(answer, "not_started")
    assert HOUR_MS / 4 < answer.json["retry_after_ms"] <= HOUR_MS / 2


def test_after_the_start_it_is_closed(lobby: WaitingLine, shop: Shop) -> None:
    shop.change(lobby.item, start_ms=shop.stock.now_ms() - 1)
    assert_refused(lobby.join("ann"), "ended")


def test_whoever_comes_while_it_is_being_closed_is_not_in_the_draw(lobby: WaitingLine) -> None:
    joined(lobby, "ann")
    assert lines.close_lobby(lobby.cluster, lobby.keys, lobby.generation) == [0, 1]
    assert_refused(lobby.join("bob"), "ended")
    assert lobby.look().lobby == [0, 1]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("GET", "lobby", None), ("POST", "lobby?a=1", None), ("POST", "lobby", b'{"qty":1}')],
)
def test_only_an_empty_post_joins(
    lobby: WaitingLine, method: str, path: str, body: bytes | None
) -> None:
    headers = {"Authorization": f"Bearer {lobby_token(lobby.item, 'ann')}"}
    port = lobby.shop.gateway.port
    answer = send(port, method, f"/v1/items/{lobby.item.id}/{path}", headers, body).answer()
    assert_refused(answer, "bad_request")


def test_places_are_drawn_and_later_ones_come_behind(lobby: WaitingLine) -> None:
    tickets = [joined(lobby, f"s{n}")["ticket"] for n in range(8)]
    sizes = begin(lobby)
    assert sizes == [0, 8]
    places = Places(SEED, lobby.item.id, 1, 8)
    for n, ticket in enumerate(tickets):
        told = lobby.queued(f"s{n}", ticket)
        assert told["place"] == places.place_of(n)
        # From then on with the place itself, and no better one.
        again = lobby.read(told["ticket"])
        assert (again.kind, again.number) == ("place", places.place_of(n))
        assert lobby.queued(f"s{n}", told["ticket"])["place"] == places.place_of(n)
    assert lobby.queued("late")["place"] == 8
    assert lobby.queued("later")["place"] == 9


def test_the_drawn_ones_are_served_in_their_order(lobby: WaitingLine) -> None:
    tickets = {n: joined(lobby, f"s{n}")["ticket"] for n in range(4)}
    begin(lobby, served=[0, 2])
    places = Places(SEED, lobby.item.id, 1, 4)
    for n, ticket in tickets.items():
        answer = lobby.buy(f"s{n}", ticket)
        if places.place_of(n) < 2:
            assert_reserved(answer, lobby.item)
        else:
            assert answer.status == 202


def test_until_the_draw_is_revealed_all_wait(lobby: WaitingLine, shop: Shop) -> None:
    ticket = joined(lobby, "ann")["ticket"]
    shop.change(lobby.item, start_ms=shop.stock.now_ms() - 1)
    for told in (lobby.queued("ann", ticket), lobby.queued("bob")):
        assert "place" not in told
        assert told["retry_after_ms"] <= 1000
    assert lobby.read(lobby.queued("ann", ticket)["ticket"]).kind == "lobby"


def test_a_lobby_number_beyond_the_lobby_is_none(lobby: WaitingLine) -> None:
    """A counter that was rolled back: its number was drawn by nobody."""
    ticket = joined(lobby, "ann")["ticket"]
    lobby.shop.change(lobby.item, start_ms=lobby.shop.stock.now_ms() - 1)
    lobby.publish(sizes=[0, 0])
    told = lobby.queued("ann", ticket)
    assert lobby.read(told["ticket"]).number == 0
    assert told["ticket"] != ticket


def test_a_frozen_redis_turns_nobody_away_for_good(lobby: WaitingLine, shop: Shop) -> None:
    shop.stock.freeze()
    try:
        assert_refused(lobby.join("ann"), "busy")
    finally:
        shop.stock.thaw()
    until(lambda: lobby.join("ann").status == 200, "she is in")
