"""One purchase, followed from the shopper's click to the merchant's server, read at a receiver."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from control_plane.outgoing.tests.merchant import MerchantServer, serving
from deploy.local.ports import TRACES_OF_TESTS
from tests.e2e.commands import Commands
from tests.e2e.conftest import JsonObject, wait_for
from tests.e2e.otlp import Receiver, Span, receiving
from tests.e2e.storefront.shop import Shop

LIMIT_S = 60.0
# Whose child is whose: from the page to the merchant.
WAY = (
    "sluice-sdk: purchase",
    "sluice-edge: POST /v1/items/{item}/{path_key}/buy",
    "sluice-gateway: POST /v1/items/{item}/{path_key}/buy",
    "sluice-gateway: reserve",
    "sluice-gateway: EVALSHA reserve",
    "sluice-relay: send reservations",
    "sluice-order-consumer: process reservations",
    "sluice-order-consumer: send order-events",
    "sluice-webhook-consumer: process order-events",
    "sluice-celery-webhooks: POST webhook",
)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Where the processes of the test stack send their spans."""
    with receiving(TRACES_OF_TESTS) as receiver:
        yield receiver


@pytest.fixture
def merchant(manage: Commands) -> Iterator[MerchantServer]:
    """An endpoint of the demo's merchant, switched off afterwards."""
    with serving() as merchant:
        made = manage("create_endpoint", "demo", merchant.url())
        yield merchant
        code = "from control_plane.webhooks.models import Endpoint\n"
        code += f"Endpoint.objects.filter(pk={made['id']})"
        manage("shell", "-v", "0", "-c", code + ".update(active=False, off_reason='people')")


def test_one_trace_goes_from_the_click_to_the_merchant(
    put_up: Callable[..., JsonObject],
    visit: Callable[..., Shop],
    manage: Commands,
    receiver: Receiver,
    merchant: MerchantServer,
) -> None:
    campaign = put_up("Followed lamp", units=5, starts_in_s=8)
    words = ["--campaign", campaign["slug"], "--reason", "a whole trace", "--for", "5m"]
    manage("switch", "trace_sampling", "100", *words)
    shop = visit(campaign)
    shop.buy()
    shop.expect_state("confirmed", "paid")
    (purchase,) = shop.purchases()
    _, trace, root, flags = purchase.headers["traceparent"].split("-")
    assert flags == "01", "the edge has not chosen it"
    wait_for(
        lambda: {*WAY} <= {span.what for span in receiver.of(trace)}, "the whole trace", LIMIT_S
    )
    assert receiver.wrong == []
    spans = receiver.of(trace)
    by_id = {span.id: span for span in spans}
    assert len(by_id) == len(spans), "every span has a name of its own"
    assert [span.id for span in spans if span.parent == ""] == [root]
    assert {span.parent for span in spans if span.parent} <= {*by_id}, "no link leads nowhere"
    assert _way(next(one for one in spans if one.what == WAY[-1]), by_id) == [*WAY]
    _expect_in_order(spans, by_id)
    _expect_steps(spans)
    reservation = {one.attributes.get("sluice.reservation_id") for one in spans} - {None}
    assert len(reservation) == 1, "one purchase"
    (heard,) = [one for one in merchant.heard if reservation & {_reservation(one.body)}]
    assert heard.headers["traceparent"] == f"00-{trace}-{_named(spans, WAY[-1]).id}-01"
    _expect_nothing_personal(spans, purchase.headers)


def _named(spans: list[Span], what: str) -> Span:
    return next(one for one in spans if one.what == what)


def _way(span: Span, by_id: dict[str, Span]) -> list[str]:
    """From the root to the span."""
    return [*(_way(by_id[span.parent], by_id) if span.parent else ()), span.what]


def _reservation(body: bytes) -> Any:
    return json.loads(body)["data"]["reservation_id"]


def _expect_in_order(spans: list[Span], by_id: dict[str, Span]) -> None:
    """Nothing ends before it begins; behind the edge, whose clock only moves when it waits, no
    child begins before its parent."""
    for span in spans:
        assert span.begun_ns <= span.ended_ns, span
        above = by_id.get(span.parent)
        if above is not None and "sluice-sdk" not in above.service + span.service:
            begins_later = above.service == "sluice-edge" or span.begun_ns >= above.begun_ns
            assert begins_later, (above, span)


def _expect_steps(spans: list[Span]) -> None:
    steps = [
        one.name for one in spans if one.service == "sluice-gateway" and one.kind == "internal"
    ]
    assert steps == [
        *("banned_address", "shape", "path_key", "token", "ticket", "rate_limit", "risk"),
        *("queue", "reserve"),
    ]
    assert _named(spans, "sluice-order-consumer: land orders").kind == "client"


def _expect_nothing_personal(spans: list[Span], sent: dict[str, str]) -> None:
    text = repr(spans)
    token = sent["authorization"].removeprefix("Bearer ")
    path_key = _named(spans, WAY[1])
    assert token not in text
    assert "Mozilla" not in text
    assert path_key.attributes["http.route"] == "/v1/items/{item}/{path_key}/buy"
