"""Who hears of what became of a dead letter: no order consumer tells the topic of it."""

from datetime import datetime

from control_plane.orders import projection
from control_plane.orders import services as orders
from control_plane.webhooks import services as webhooks
from control_plane.webhooks.models import WebhookType


def show(landed: orders.Landed) -> None:
    """Write a rejection for its shopper; repeat safe. Raises redis.RedisError.

    Not inside a transaction. An order's status is the courier's too, which repeats it.
    """
    if landed.order_id is None:
        projection.write_now([landed])


def tell(landed: orders.Landed, now: datetime) -> None:
    """Have the courier announce an order, and webhooks a rejection; each once, whoever repeats it.

    In the caller's transaction. A rejection has no row in the outbox: its merchant's delivery has
    the event id that the topic's message would give it.
    """
    if landed.order_id is not None:
        orders.tell_landed(landed)
        projection.write_after_commit([landed])
        return
    told = webhooks.Told(
        type=WebhookType.REJECTED,
        reservation_id=landed.reservation_id,
        item=landed.item,
        shopper=landed.shopper,
        qty=landed.qty,
        at=landed.created_at,
        reason=landed.reason,
    )
    webhooks.note([told], now)
