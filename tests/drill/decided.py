"""What has become an order, or a rejection, and waiting for it."""

from collections.abc import Callable

from tests.drill.drill import DrillBroken
from tests.drill.ground import wait_for
from tests.drill.sale import Sale

DECIDED_S = 60.0
AFTERWARDS_S = 3.0


def undecided(sale: Sale, until: float = float("inf")) -> int:
    """Promises answered until then without order or rejection, but for those of lost shards."""
    truth = sale.books.read()
    known = truth.orders.keys() | truth.rejections.keys()
    return sum(
        one.answered <= until
        and one.reservation_id not in known
        and one.shard not in sale.lost_shards
        for one in sale.crowd.recorder.promises
    )


def until_decided(
    sale: Sale, within_s: float = DECIDED_S, before_each_look: Callable[[], object] | None = None
) -> None:
    """The crowd goes, and orders follow. It is not the drill that is broken where they do not.

    Some come before that: what was mended has to work for those who were not there.
    """
    sale.run_for(AFTERWARDS_S)
    sale.crowd.join()

    def all_are() -> bool:
        if before_each_look is not None:
            before_each_look()
        return not undecided(sale)

    try:
        wait_for(all_are, "every reservation to be decided", within_s, 0.2)
    except DrillBroken as error:
        sale.complain(f"{error}; {undecided(sale)} are not")
