"""What may be done with orders. Nobody else inserts one or changes its state."""

from collections.abc import Collection

from django.db import connection

from control_plane.orders.landing import PAY_WITHIN, Intent, Landed, land

__all__ = ["PAY_WITHIN", "Intent", "Landed", "decided", "land"]


def decided(reservation_ids: Collection[str]) -> set[str]:
    """Those of the reservations that became an order or a rejection. Reads only."""
    if not reservation_ids:
        return set()
    wanted = list(reservation_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT reservation_id FROM orders_order WHERE reservation_id = ANY(%s)
            UNION ALL
            SELECT reservation_id FROM orders_rejection WHERE reservation_id = ANY(%s)
            """,
            [wanted, wanted],
        )
        return {reservation_id for (reservation_id,) in cursor.fetchall()}
