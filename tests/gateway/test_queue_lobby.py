"""The lobby of a draw: joined once, closed at the start, and what a ticket of it is worth then."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from control_plane.queues.places import Places, commit_of
from tests.gateway.client import Answer, send
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import HOUR_MS, SWITCHES, Shop
from tests.gateway.test_reserved import assert_reserved
from tests.gateway.waiting_line import (
    MANY,
    SEED,
    Called,
    WaitingLine,
    lobby_token,
    put_in_line,
    starts_later,
)
from tests.gateway.work_redis import WorkRedis
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


def assert_refused_and_untouched(
    line: WaitingLine, code: str, join: Callable[[], Answer]
) -> Answer:
    """No unit, no lobby number and no number was taken."""
    before = line.look()
    with line.item.untouched():
        answer = join()
    assert_refused(answer, code)
    after = line.look()
    assert (after.lobby, after.numbers, after.came) == (before.lobby, before.numbers, before.came)
    return answer


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
    assert_refused_and_untouched(lobby, "bad_token", lambda: lobby.join("ann", **claims))
    assert lobby.look().lobby == [0, 0], why


def test_a_forged_lobby_token_is_refused(lobby: WaitingLine) -> None:
    header, claims, signature = lobby_token(lobby.item, "ann").split(".")
    other = lobby_token(lobby.item, "bob").split(".")[1]
    path = f"/v1/items/{lobby.item.id}/lobby"

    def join(token: str) -> Answer:
        headers = {"Authorization": f"Bearer {token}", "Content-Length": "0"}
        return send(lobby.shop.gateway.port, "POST", path, headers).answer()

    for token in (f"{header}.{other}.{signature}", f"{header}.{claims}.", "a.b.c", ""):
        assert_refused_and_untouched(lobby, "bad_token", partial(join, token))


def test_a_shopper_who_joins_as_often_as_he_likes_has_one_number(lobby: WaitingLine) -> None:
    with lobby.item.untouched():
        tickets = {joined(lobby, "ann", jti=f"token-{n}")["ticket"] for n in range(20)}
    assert len(tickets) == 1
    assert lobby.look().lobby == [0, 1]


def test_before_the_start_a_lobby_ticket_buys_nothing(lobby: WaitingLine) -> None:
    ticket = joined(lobby, "ann")["ticket"]
    assert_refused_and_untouched(lobby, "not_started", lambda: lobby.buy("ann", ticket))


def test_another_shoppers_lobby_ticket_is_refused(lobby: WaitingLine) -> None:
    ticket = joined(lobby, "ann")["ticket"]
    begin(lobby, served=[1, 1])
    assert_refused_and_untouched(lobby, "bad_token", lambda: lobby.buy("bob", ticket))


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
    assert_refused_and_untouched(line, "not_found", lambda: line.join("ann"))


def test_before_it_opens_the_lobby_says_when(lobby: WaitingLine, shop: Shop) -> None:
    lobby.publish(opens_ms=shop.stock.now_ms() + HOUR_MS // 2)
    answer = assert_refused_and_untouched(lobby, "not_started", lambda: lobby.join("ann"))
    assert HOUR_MS / 4 < answer.json["retry_after_ms"] <= HOUR_MS / 2


def test_after_the_start_it_is_closed(lobby: WaitingLine, shop: Shop) -> None:
    shop.change(lobby.item, start_ms=shop.stock.now_ms() - 1)
    assert_refused_and_untouched(lobby, "ended", lambda: lobby.join("ann"))


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
    url = f"/v1/items/{lobby.item.id}/{path}"
    assert_refused_and_untouched(
        lobby, "bad_request", lambda: send(port, method, url, headers, body).answer()
    )


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


@pytest.fixture
def again_without_rules(shop: Shop) -> Iterator[None]:
    """What a case has published for all items is taken back."""
    yield
    shop.publish(rate_limits=[], risk_rules=[], switches=SWITCHES)


def test_a_banned_shopper_does_not_get_in(lobby: WaitingLine, shop: Shop, work: WorkRedis) -> None:
    until_ms = int((time.time() + 600) * 1000)
    ban = {"kind": "shopper", "value": "banned-joiner", "until_ms": until_ms, "reason": "test"}
    assert joined(lobby, "banned-joiner")["lobby_number"] == 0
    work.client.xadd("sluice:bans", ban)
    until(lambda: lobby.join("banned-joiner").status == 403, "it is in force")
    assert_refused(lobby.join("banned-joiner"), "denied")
    assert joined(lobby, "ann")["lobby_number"] == 1
    work.client.xadd("sluice:bans", ban | {"until_ms": 0})
    until(lambda: lobby.join("banned-joiner").status == 200, "it is lifted")


def test_a_banned_address_does_not_get_to_show_its_token(
    lobby: WaitingLine, work: WorkRedis
) -> None:
    until_ms = int((time.time() + 600) * 1000)
    ban = {"kind": "address", "value": "192.0.2.60", "until_ms": until_ms, "reason": "test"}
    work.client.xadd("sluice:bans", ban)
    from_there = {"X-Forwarded-For": "192.0.2.60"}

    def hears(outcome: str) -> bool:
        return bool(lobby.join("ann", headers=from_there, exp=1).outcome == outcome)

    until(lambda: hears("denied"), "it is in force")
    assert_refused(lobby.join("ann", exp=1), "bad_token")
    work.client.xadd("sluice:bans", ban | {"until_ms": 0})
    until(lambda: hears("bad_token"), "it is lifted")


@pytest.mark.usefixtures("again_without_rules")
@pytest.mark.parametrize("risk_mode", ["enforce", "shadow", "off"])
def test_a_device_that_a_rule_denies_does_not_get_in_unless_it_is_only_watched(
    lobby: WaitingLine, shop: Shop, risk_mode: str
) -> None:
    denies = {"id": 1, "kind": "device", "value": "device-of-robots", "action": "deny"}
    rule = denies | {"item": None, "until_ms": None, "mode": "enforce"}
    shop.publish(risk_rules=[rule], switches=SWITCHES | {"risk_mode": risk_mode})
    if risk_mode == "enforce":
        assert_refused(lobby.join("ann", dev="device-of-robots"), "denied")
        assert lobby.look().lobby == [0, 0]
    else:
        joined(lobby, "ann", dev="device-of-robots")
    joined(lobby, "bob", dev="device-of-bob")


@pytest.mark.usefixtures("again_without_rules")
def test_who_is_slowed_down_joins_the_slow_bucket(shop: Shop) -> None:
    line = put_in_line(shop, "vip", "slow", "regular", mode="draw", **starts_later(shop))
    slows = {"id": 1, "kind": "device", "value": "device-doubtful", "action": "slow"}
    shop.publish(risk_rules=[slows | {"item": None, "until_ms": None, "mode": "enforce"}])
    assert joined(line, "ann", dev="device-doubtful", lvl="vip")["bucket"] == "slow"
    assert joined(line, "bob", lvl="vip")["bucket"] == "vip"


@pytest.mark.usefixtures("again_without_rules")
def test_too_many_joins_of_one_address_are_told_to_wait(lobby: WaitingLine, shop: Shop) -> None:
    limit = {"by": "address", "level": "", "per_s": 0.01, "burst": 2}
    shop.publish(rate_limits=[limit], switches=SWITCHES | {"rate_limits": 1})

    def come_from(address: str) -> list[int]:
        headers = {"X-Forwarded-For": address}
        joins = [
            lobby.join(f"s-{address[-2:]}-{n}", headers=headers, dev=f"device-{address[-2:]}-{n}")
            for n in range(4)
        ]
        assert_refused(joins[-1], "rate_limited")
        return [answer.status for answer in joins]

    assert come_from("192.0.2.50") == [200, 200, 429, 429]
    assert come_from("192.0.2.51") == [200, 200, 429, 429]
    assert lobby.look().lobby == [0, 4]


def test_who_comes_behind_a_draw_has_no_gap_before_him(lobby: WaitingLine) -> None:
    for n in range(3):
        joined(lobby, f"s{n}")
    sizes = begin(lobby)
    assert lobby.queued("late")["place"] == 3
    # The controller skips a million numbers and knows that nobody has them.
    gaps = [[(0, MANY)], [(1, MANY)]]
    lobby.open(numbers=[MANY, MANY], ceiling=2 * MANY, gaps=gaps)
    told = lobby.queued("later")
    assert (told["place"], sizes) == (4, [0, 3])
    assert lobby.read(told["ticket"]).number == 3 + MANY
