"""What has become an order, or a rejection, and waiting for it."""

from tests.drill.drill import DrillBroken
from tests.drill.ground import wait_for
from tests.drill.sale import Sale

DECIDED_S = 60.0


def undecided(sale: Sale, until: float = float("inf")) -> int:
    """Promises answered until then without order or rejection."""
    truth = sale.books.read()
    known = truth.orders.keys() | truth.rejections.keys()
    promises = sale.crowd.recorder.promises
    return sum(one.answered <= until and one.reservation_id not in known for one in promises)


def until_decided(sale: Sale) -> None:
    """The crowd goes, and orders follow. It is not the drill that is broken where they do not."""
    sale.crowd.join()
    try:
        wait_for(lambda: not undecided(sale), "every reservation to be decided", DECIDED_S, 0.2)
    except DrillBroken as error:
        sale.complain(f"{error}; {undecided(sale)} are not")
