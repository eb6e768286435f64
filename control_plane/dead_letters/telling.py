"""Who hears of what became of a dead letter: no order consumer tells the topic of it."""

from control_plane.orders import projection
from control_plane.orders import services as orders


def tell(landed: orders.Landed) -> None:
    """Have the courier announce an order or a rejection, once, whoever repeats it.

    In the caller's transaction. The shopper's status follows the commit; the courier writes it once
    more, and waits for the work Redis with that.
    """
    orders.tell_landed(landed)
    projection.write_after_commit([landed])
