"""After PostgreSQL was restored from a backup: the order numbers and events it has forgotten."""

from datetime import datetime

from django.db import connection, transaction

from control_plane.orders.models import Order, OrderEvent

# More than are sold between two backups; a bigint has room for all of them.
NUMBERS = 1_000_000


def pass_over_order_numbers(since: datetime, numbers: int = NUMBERS) -> tuple[int, int]:
    """No order gets a number that another one had; what happened since `since` is told again.

    Returns the next order's number and how many events are sent again: some of them were on their
    way to a warehouse whose books are of the same backup. Both sides know what they have seen.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE orders_order IN SHARE ROW EXCLUSIVE MODE")
        last = Order.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        cursor.execute(
            "SELECT setval(pg_get_serial_sequence('orders_order', 'id'),"
            " greatest(%s, nextval(pg_get_serial_sequence('orders_order', 'id'))) + %s)",
            [last, numbers],
        )
        following = int(cursor.fetchone()[0]) + 1
        again = OrderEvent.objects.filter(created_at__gte=since).exclude(sent_at=None)
        return following, again.update(sent_at=None)
