"""A unit that nobody pays for is sold to the next one, who pays for it: the whole chain, all real.

`-s` prints how long it took from the payment to the shopper's `paid`, and from expiry to the next
buyer's `reserved`.
"""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import Any

import pytest

from deploy.local import environment
from deploy.local.site import ROOT, Site
from tests.e2e.conftest import JsonObject, wait_for
from tests.redis.waiting import until

LIMIT_S = 60.0
# One address may not buy as often as a test may ask.
BUY_PAUSE_S = 0.4


@pytest.fixture(scope="module")
def edge() -> str:
    return str(environment.values(Site("test"))["SLUICE_EDGE_URL"])


def _ask(
    url: str, body: JsonObject | None = None, token: str = "", method: str = ""
) -> tuple[int, JsonObject]:
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method or None)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


class Shopper:
    """One person at the edge."""

    def __init__(self, edge: str, item: JsonObject, name: str) -> None:
        self._edge, self._item = edge, item["id"]
        self.session = _ask(f"{edge}/demo/sessions", {"shopper": name})[1]["session"]
        self._device = f"device-{name}"
        self._entry: JsonObject = {}
        self.reservation = ""

    def enter(self) -> int:
        url = f"{self._edge}/v1/items/{self._item}/entry"
        status, self._entry = _ask(url, {"device": self._device}, self.session)
        return status

    def buy(self) -> str:
        """The outcome; what was reserved is kept."""
        if self.enter() != 200:
            return str(self._entry.get("code"))
        url = f"{self._edge}{self._entry['buy_url']}"
        status, answer = _ask(url, {"qty": 1}, self._entry["entry_token"])
        if status == 200:
            self.reservation = answer["reservation_id"]
        return "reserved" if status == 200 else str(answer.get("code") or answer.get("outcome"))

    def state(self) -> JsonObject:
        url = f"{self._edge}/v1/reservations/{self.reservation}"
        return _ask(url, None, self._entry["entry_token"])[1]

    def has(self, state: str) -> bool:
        return self.state().get("state") == state

    def pay(self) -> tuple[int, JsonObject]:
        return _ask(
            f"{self._edge}/demo/payments", {"reservation_id": self.reservation}, self.session
        )


@pytest.fixture
def in_database(stack_environment: dict[str, str]) -> Any:
    """Run a statement in the stack's sale database; the rows."""

    def run(statement: str, *parameters: object) -> list[list[Any]]:
        code = (
            "import django, json, sys; django.setup()\n"
            "from django.db import connection\n"
            "cursor = connection.cursor()\n"
            "cursor.execute(sys.argv[1], json.loads(sys.argv[2]))\n"
            "print(json.dumps(cursor.fetchall() if cursor.description else [], default=str))"
        )
        environ = stack_environment | {"DJANGO_SETTINGS_MODULE": "control_plane.config.settings"}
        done = subprocess.run(
            [sys.executable, "-c", code, statement, json.dumps(parameters)],
            cwd=ROOT,
            env=environ,
            check=True,
            capture_output=True,
            text=True,
        )
        rows: list[list[Any]] = json.loads(done.stdout)
        return rows

    return run


def _sold(edge: str, item: JsonObject, name: str) -> Shopper:
    shopper = Shopper(edge, item, name)
    until(lambda: shopper.buy() == "reserved", f"{name} gets a unit", LIMIT_S, BUY_PAUSE_S)
    wait_for(lambda: shopper.has("confirmed"), f"{name}'s order is confirmed", LIMIT_S)
    return shopper


EXPIRE = "UPDATE orders_order SET pay_by = now() - interval '1 second' WHERE reservation_id = %s"


def test_a_unit_that_is_not_paid_for_is_sold_to_the_next_one_who_pays(
    edge: str, create_campaign: Any, in_database: Any
) -> None:
    campaign = create_campaign("payment", units=1, starts_in_s=3, lasts_s=600)
    item = campaign["items"][0]
    ann = _sold(edge, item, "ann")
    bob = Shopper(edge, item, "bob")
    assert bob.buy() in ("sold_out", "busy")
    in_database(EXPIRE, ann.reservation)
    wait_for(lambda: ann.has("expired"), "ann's order expires", LIMIT_S)
    expired_at = time.monotonic()
    until(lambda: bob.buy() == "reserved", "ann's unit is sold to bob", LIMIT_S, BUY_PAUSE_S)
    sold_s = time.monotonic() - expired_at
    wait_for(lambda: bob.has("confirmed"), "bob's order is confirmed", LIMIT_S)

    status, payment = bob.pay()
    paid_at = time.monotonic()
    assert (status, payment["amount_minor"], payment["currency"]) == (202, 1999, "CNY")
    wait_for(lambda: bob.has("paid"), "bob's order is paid", LIMIT_S)
    print(
        f"\nexpired → reserved by the next one {sold_s:.2f} s, payment asked for → `paid` at the"
        f" shopper {time.monotonic() - paid_at:.2f} s"
    )
    assert bob.state()["order"] == payment["order_number"]
    assert bob.pay() == (202, payment)
    assert ann.pay()[1]["code"] == "not_payable"

    def answers() -> Any:
        return in_database(
            "SELECT ours.state, answer.kind FROM orders_order ours"
            " JOIN orders_stockanswer answer ON answer.order_id = ours.id"
            " WHERE ours.item_id = %s ORDER BY ours.id, answer.kind",
            item["id"],
        )

    told = [["expired", "deducted"], ["expired", "restored"], ["paid", "deducted"]]
    wait_for(lambda: answers() == told, "the warehouse has answered", LIMIT_S)


def test_money_that_comes_after_the_expiry_buys_a_unit_or_goes_back(
    edge: str, create_campaign: Any, in_database: Any
) -> None:
    """The payment is begun in time and its callback comes late, as the provider sends it."""
    campaign = create_campaign("late", units=2, starts_in_s=3, lasts_s=600)
    item = campaign["items"][0]
    ann = _sold(edge, item, "ann")
    # A payment that the provider has not collected: its callback is what is late.
    in_database(
        "INSERT INTO payments_payment (id, order_id, provider, amount_minor, currency, state,"
        " created_at) SELECT gen_random_uuid(), id, 'demo', amount_minor, currency, 'pending',"
        " now()"
        " FROM orders_order WHERE reservation_id = %s",
        ann.reservation,
    )
    in_database(EXPIRE, ann.reservation)
    wait_for(lambda: ann.has("expired"), "ann's order expires", LIMIT_S)
    [[payment_id]] = in_database(
        "SELECT payment.id FROM payments_payment payment JOIN orders_order ours"
        " ON ours.id = payment.order_id WHERE ours.reservation_id = %s",
        ann.reservation,
    )
    _collect(payment_id)

    def ends() -> Any:
        return in_database(
            "SELECT (SELECT count(*) FROM orders_order WHERE replaces_id = payment.order_id),"
            " (SELECT count(*) FROM payments_refund refund"
            "   WHERE refund.payment_id = payment.id AND refund.state = 'done')"
            " FROM payments_payment payment WHERE payment.id = %s",
            payment_id,
        )

    wait_for(lambda: ends() in ([[1, 0]], [[0, 1]]), "the money has found its way", LIMIT_S)
    print(f"\nlate money: {'ordered again' if ends() == [[1, 0]] else 'given back'}")
    if ends() == [[1, 0]]:
        wait_for(lambda: ann.has("paid"), "ann sees it", LIMIT_S)


def _collect(payment_id: str) -> None:
    """Have the running Celery worker's demo provider collect it."""
    code = (
        "import django, sys; django.setup()\n"
        "from control_plane.payments.tasks import demo_collect\n"
        "demo_collect.delay(sys.argv[1])"
    )
    environ = environment.values(Site("test")) | {
        "DJANGO_SETTINGS_MODULE": "control_plane.config.settings"
    }
    subprocess.run([sys.executable, "-c", code, payment_id], cwd=ROOT, env=environ, check=True)
