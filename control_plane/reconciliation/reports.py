"""An item's sale in figures: I1 filled in, orders by state, settlement, the books compared."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Count, Sum

from control_plane.campaigns.models import Item, Settlement
from control_plane.inventory import services as inventory
from control_plane.orders.models import Order, OrderState, Rejection
from control_plane.reconciliation.models import Reconciliation


def reports_of(items: Iterable[Item]) -> list[dict[str, Any]]:
    """As `ReportSerializer` has them. Five queries, however many items; each of one moment."""
    items = list(items)
    ids = [item.pk for item in items]
    books = inventory.conservations(ids)
    orders = _orders(ids)
    rejections = dict(
        Rejection.objects.filter(item_id__in=ids)
        .values_list("item_id")
        .annotate(rows=Count("pk"))
        .order_by()
    )
    settlements = Settlement.objects.in_bulk(ids)
    # The newest day of each.
    compared = Reconciliation.objects.filter(item__in=ids).order_by("item", "day")
    reconciliations = {one.item_id: one for one in compared}
    return [
        {
            "item": item.pk,
            "sku": item.sku,
            "title": item.title,
            "campaign": item.campaign.slug,
            "state": item.campaign.state,
            "equation": _equation(books.get(item.pk)),
            "orders": orders[item.pk],
            "rejections": rejections.get(item.pk, 0),
            "settlement": settlements.get(item.pk),
            "reconciliation": reconciliations.get(item.pk),
        }
        for item in items
    ]


def _orders(ids: list[int]) -> dict[int, dict[str, dict[str, int]]]:
    nothing = {"orders": 0, "units": 0, "amount_minor": 0}
    found = {pk: {state: dict(nothing) for state in OrderState.values} for pk in ids}
    rows = (
        Order.objects.filter(item__in=ids)
        .values_list("item_id", "state")
        .annotate(Count("pk"), Sum("qty"), Sum("amount_minor"))
        .order_by()
    )
    for item_id, state, *figures in rows:
        found[item_id][state] = dict(zip(nothing, figures, strict=True))
    return found


def _equation(books: inventory.Conservation | None) -> dict[str, Any] | None:
    """None for a draft: it has no pool yet."""
    if books is None:
        return None
    return {
        "total": books.total,
        "unallocated": books.unallocated,
        "open_leftover": books.open_leftover,
        "live_orders": books.live_orders,
        "drift": books.drift,
        "holds": books.drift == 0,
        "text": (
            f"{books.total} = {books.unallocated} unallocated + {books.open_leftover} in shards"
            f" + {books.live_orders} in live orders"
            + (f" + {books.drift} missing" if books.drift else "")
        ),
    }
