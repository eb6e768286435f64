"""Payment against expiry: callbacks late and doubled, expiry run twice, all at one moment."""

import json
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.drill.drill import PATIENT, Control, Drill, DrillBroken, Figures
from tests.drill.ground import Ground
from tests.drill.judge import Promises
from tests.drill.sale import Sale

PAYMENTS = 200
RUNNERS = 2
TRIES = 40
CALL_S = 10.0

_MONEY = """
SELECT payment.id,
       (SELECT count(*) FROM orders_order one
         WHERE one.state = 'paid' AND payment.order_id IN (one.id, one.replaces_id)),
       (SELECT count(*) FROM payments_refund WHERE payment_id = payment.id)
  FROM payments_payment payment JOIN orders_order ON orders_order.id = payment.order_id
 WHERE orders_order.item_id = %s
"""


def payment_against_expiry(ground: Ground, sale: Sale) -> Figures:
    """Each payment is told twice and its order expired twice, at once; then it is told again."""
    from control_plane.orders.models import EventType, Order, OrderEvent

    sale.wait_for(
        lambda: sale.books.read().live_units > 2 * PAYMENTS,
        "orders to pay",
    )
    mine = Order.objects.filter(item_id=sale.item, state="unpaid").order_by("pk")
    orders = list(mine[:PAYMENTS])
    if len(orders) < PAYMENTS:
        raise DrillBroken(f"only {len(orders)} orders to pay")
    tells = [_telling(ground, order) for order in orders]
    # Over, so that Celery's expiry takes part as well.
    Order.objects.filter(pk__in=[order.pk for order in orders]).update(
        pay_by=datetime.now(UTC) - timedelta(seconds=1)
    )
    outcomes: Counter[str] = Counter()
    ids = [order.pk for order in orders]
    # Two payers, from either end of the list, against the runners of expiry.
    _all_at_once(
        [
            lambda: _tell(tells, outcomes),
            lambda: _tell(tells[::-1], outcomes),
            *[lambda: _expire(ids)] * RUNNERS,
        ]
    )
    sale.run_for(1.0)
    again: Counter[str] = Counter()
    _tell(tells, again)
    wrong = [
        f"{payment}: {paid} orders, {refunds} refunds"
        for payment, paid, refunds in sale.books.query(_MONEY, sale.item)
        if paid + refunds != 1
    ]
    if wrong:
        sale.complain(f"money neither kept once nor given back once: {len(wrong)} ({wrong[0]})")
    if again["no answer"] or outcomes["no answer"]:
        sale.complain(f"callbacks without an answer: {outcomes} and {again}")
    expired = OrderEvent.objects.filter(order_id__in=ids, type=EventType.EXPIRED).count()
    # By the events: without its guard a payment says "paid" of an expired order, too.
    if not (expired and again["paid"]):
        raise DrillBroken(f"payment and expiry did not meet: {dict(again)}, {expired} expired")
    return {"told": dict(again), "expired": expired}


def _telling(ground: Ground, order: Any) -> Callable[[], str]:
    """The provider's callback for it, over HTTP; gives the outcome."""
    from control_plane.payments import signature
    from control_plane.payments.services import create_payment

    payment = create_payment(order, "demo", datetime.now(UTC))
    event = {
        "event_id": f"drill-{payment.pk}",
        "type": "payment.succeeded",
        "payment_id": str(payment.pk),
        "order_number": order.number,
        "amount_minor": payment.amount_minor,
        "currency": payment.currency,
    }
    body = json.dumps(event).encode()
    names = ground.environment
    keys = names["SLUICE_DEMO_PAYMENT_KEYS"].split(",")
    url = f"{names['SLUICE_CONTROL_PLANE_URL']}/payments/callbacks/demo"

    def tell() -> str:
        headers = {
            "Content-Type": "application/json",
            signature.HEADER: signature.sign(keys, body, datetime.now(UTC)),
        }
        request = urllib.request.Request(url, body, headers)  # our own
        try:
            with urllib.request.urlopen(request, timeout=CALL_S) as answer:
                return str(json.loads(answer.read())["outcome"])
        except urllib.error.HTTPError as error:
            return "" if error.code == 503 else f"status {error.code}"

    return tell


def _tell(tells: Sequence[Callable[[], str]], outcomes: Counter[str]) -> None:
    """As a provider does: whoever hears 503 is told again."""
    for tell in tells:
        said = next((said for _ in range(TRIES) if (said := tell())), "no answer")
        outcomes[said] += 1


def _expire(ids: Sequence[int]) -> None:
    from django.db import connection

    from control_plane.orders.services import end_order

    try:
        for order in ids:
            end_order(order, "expired", datetime.now(UTC))
    finally:
        connection.close()


def _all_at_once(ways: Sequence[Callable[[], None]]) -> None:
    failed: list[Exception] = []

    def run(way: Callable[[], None]) -> None:
        try:
            way()
        except Exception as error:  # noqa: BLE001  # raised below, in the drill's own thread
            failed.append(error)

    threads = [threading.Thread(target=run, args=(way,)) for way in ways]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise DrillBroken(f"{failed[0]!r}") from failed[0]


PAID_ONCE = Control(
    guard="expiry does not undo a payment",
    file="control_plane/orders/paying.py",
    old="""     WHERE id = %(order)s AND state = 'unpaid'
""",
    new="""     WHERE id = %(order)s
""",
    told="I1|the ledger returns",
)
DRILLS = (
    Drill(
        name="payment-against-expiry",
        fault="payments told late and twice while their orders expire, twice",
        act=payment_against_expiry,
        promises=Promises(returns=True),
        plan=PATIENT,
        controls=(PAID_ONCE,),
        group="money",
    ),
)
