"""Purchases that are followed: what a receiver of OTLP hears, and that nothing waits for it."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.otlp import Receiver, Span, receiving
from tests.gateway.conftest import Settings
from tests.gateway.shop import Shop
from tests.gateway.test_reserved import assert_reserved
from tests.redis.waiting import until

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
NOT_FOLLOWED = f"00-{TRACE}-{PARENT}-00"
# Of gateway/trace.lua; gateway/otlp.lua has room for the spans of twice as many.
PER_S_MAX = 100


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """Of this file's gateway."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def settings(receiver: Receiver) -> Settings:
    """A gateway that tells it, and writes two refusals of a kind a second."""
    return {"SLUICE_OTLP_URL": receiver.url, "SLUICE_REFUSALS_LOGGED_PER_S": "2"}


def put_up(shop: Shop, percent: float = 100, **more):
    return shop.put_up(switches={"trace_sampling": percent}, **more)


def trace_of(item) -> str:
    return f"{item.id:032x}"


def buy(item, shopper: str, traceparent: str | None = None):
    own = f"00-{trace_of(item)}-{PARENT}-01"
    return item.buy(shopper, headers={"traceparent": own if traceparent is None else traceparent})


def of_item(receiver: Receiver, item) -> list[Span]:
    """The spans of followed purchases of this item: all of one come in one call."""
    return receiver.of(trace_of(item))


def last_entry(shop: Shop, item) -> list[str]:
    ((_, fields),) = shop.stock.operator.xrevrange(item.shard.shard.outbox, count=1)
    return str(fields["lines"]).split("\n")


def counted(shop: Shop, result: str) -> float:
    return shop.gateway.counted("spans", result)


def test_a_followed_purchase_is_a_span_with_its_steps_and_its_reserve_call(shop, receiver):
    item = put_up(shop)
    answer = buy(item, "ann")
    assert_reserved(answer, item)
    until(lambda: of_item(receiver, item), "the spans come")
    spans = {one.name: one for one in of_item(receiver, item)}
    server, call = spans["POST /v1/items/{item}/{path_key}/buy"], spans["EVALSHA reserve"]
    assert (server.parent, server.kind) == (PARENT, "server")
    assert server.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/items/{item}/{path_key}/buy",
        "http.response.status_code": 200,
        "sluice.outcome": "reserved",
        "sluice.item": str(item.id),
        "sluice.reservation_id": answer.json["reservation_id"],
    }
    assert call.parent == spans["reserve"].id
    assert spans["reserve"].parent == spans["token"].parent == server.id
    assert (call.kind, call.attributes["db.operation.batch.size"]) == ("client", 1)
    assert server.begun_ns <= call.begun_ns <= call.ended_ns <= server.ended_ns
    assert last_entry(shop, item)[0].split(" ")[-1] == f"{trace_of(item)}-{call.id}"
    assert receiver.wrong == []


@pytest.mark.parametrize(
    "traceparent",
    [
        NOT_FOLLOWED,
        "",
        "00",
        f"01-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-0g",
        f"00-{TRACE}{PARENT}--01",
        f"00-{TRACE}-{PARENT}-01-more",
        f'00-{TRACE[:-1]}"-{PARENT}-01',
    ],
)
def test_what_is_not_followed_leaves_no_trace_anywhere(shop, receiver, traceparent):
    item = put_up(shop)
    assert_reserved(buy(item, "ann", traceparent), item)
    assert len(last_entry(shop, item)[0].split(" ")) == 5
    other = put_up(shop)
    buy(other, "bob")
    until(lambda: of_item(receiver, other), "the spans of the one behind it come")
    items = [one.attributes.get("sluice.item") for one in receiver.spans]
    assert str(other.id) in items
    assert str(item.id) not in items


def test_with_the_switch_at_0_the_flag_counts_for_nothing(shop, receiver):
    item = put_up(shop, 0)
    assert_reserved(buy(item, "ann"), item)
    assert len(last_entry(shop, item)[0].split(" ")) == 5


def test_a_refusal_and_the_log_name_the_trace(shop, receiver):
    item = put_up(shop, units=0)
    refused = buy(item, "ann")
    assert (refused.status, refused.json["trace_id"]) == (503, trace_of(item))
    assert "trace_id" not in buy(item, "ann", NOT_FOLLOWED).json
    mine = f'"trace_id":"{trace_of(item)}"'
    until(lambda: mine in shop.gateway.access_log(), "the log has it")


def test_a_receiver_that_hangs_delays_no_purchase_and_what_waits_for_it_is_bounded(shop, receiver):
    item = put_up(shop, units=5000)
    receiver.open.clear()
    calls = receiver.calls
    buy(item, "first")
    until(lambda: receiver.calls > calls, "the receiver hangs")
    # Eleven spans each; more than there is room for, at no more than are followed in a second.
    number = 0
    while counted(shop, "full") == 0:
        number += 1
        assert number < 20 * PER_S_MAX, "never full"
        assert buy(item, f"shopper-{number}").json["outcome"] == "reserved"
    receiver.open.set()
    before = counted(shop, "away")
    until(lambda: counted(shop, "away") + counted(shop, "sent") > before, "it goes on")
    assert receiver.wrong == []


def test_a_receiver_that_refuses_costs_spans_and_nothing_else(shop, receiver):
    item = put_up(shop)
    receiver.status = 503
    lost = counted(shop, "away")
    assert_reserved(buy(item, "ann"), item)
    until(lambda: counted(shop, "away") > lost, "they are lost and counted", 60)
    receiver.status = 200


def test_of_a_flood_of_refusals_few_get_a_line_and_all_are_counted(shop):
    item = put_up(shop, units=0)
    refusals = 12
    for _ in range(refusals):
        assert buy(item, "ann", NOT_FOLLOWED).status == 503
    lines = f'"item":"{item.id}","outcome":"busy"'

    def unwritten() -> float:
        return float(shop.gateway.counted("refusals_unwritten", "busy"))

    until(lambda: unwritten() >= 1, "some have no line")
    until(
        lambda: shop.gateway.access_log().count(lines) + unwritten() >= refusals,
        "every refusal has a line or is counted",
    )
    for line in shop.gateway.access_log().splitlines():
        assert json.loads(line)["process"] == "gateway"
