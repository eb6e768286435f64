"""What is there twice, too late, too much, or not as much on both sides."""

from control_plane.reconciliation.models import FindingKind
from control_plane.reconciliation.rules.rule import (
    EXPIRE,
    LIVE,
    Cut,
    Expression,
    Tables,
    rule,
)


@rule(FindingKind.LATE, "order", is_notice=True)
def order_of_a_closed_epoch(t: Tables, cut: Cut) -> Expression:
    """Its unit came out of the pool. An order's time was read before its transaction began."""
    return _after_the_end(t, t["orders"])


@rule(FindingKind.LATE, "rejection")
def rejection_of_a_closed_epoch(t: Tables, cut: Cut) -> Expression:
    """A shopper was told "yours" and then refused; a person's discard is none."""
    rejections = t["rejections"]
    return _after_the_end(t, rejections.filter(rejections.reason != "discarded"))


def _after_the_end(t: Tables, decided: Expression) -> Expression:
    closed = t["allocations"].select("item", "shard", "epoch", "closed_ms")
    both = decided.inner_join(closed, ["item", "shard", "epoch"])
    late = both.filter(both.created_ms > both.closed_ms)
    return late.mutate(expected=late.closed_ms, found=late.created_ms)


@rule(FindingKind.LATE, "unpaid", repair=EXPIRE)
def unpaid_beyond_its_time(t: Tables, cut: Cut) -> Expression:
    """The clock should have ended it."""
    orders = t["orders"]
    late = orders.filter((orders.state == "unpaid") & (orders.pay_by_ms < cut.pay_by))
    return late.mutate(expected=late.pay_by_ms)


@rule(FindingKind.DUPLICATE, "order and rejection")
def decided_twice(t: Tables, cut: Cut) -> Expression:
    """A shopper holds what he was refused."""
    return t["orders"].semi_join(t["rejections"], "reservation_id")


@rule(FindingKind.DUPLICATE, "orders")
def two_orders(t: Tables, cut: Cut) -> Expression:
    """Of one reservation."""
    orders = t["orders"]
    groups = orders.group_by("item", "reservation_id").agg(
        shopper=orders.shopper.min(), order_id=orders.order_id.max(), found=orders.count()
    )
    return groups.filter(groups.found > 1)


def _twice(entries: Expression) -> Expression:
    groups = entries.group_by("item", "order_id", "kind").agg(found=entries.count())
    twice = groups.filter(groups.found > 1)
    return twice.rename(ref="kind")


@rule(FindingKind.DUPLICATE, "ledger")
def two_entries(t: Tables, cut: Cut) -> Expression:
    """Of one kind for one order."""
    return _twice(t["ledger"])


@rule(FindingKind.DUPLICATE, "stock")
def two_stock_entries(t: Tables, cut: Cut) -> Expression:
    """Likewise in the warehouse."""
    return _twice(t["stock_entries"])


@rule(FindingKind.OVER_LIMIT, "shopper")
def beyond_the_limit(t: Tables, cut: Cut) -> Expression:
    """Units in a shopper's orders that count, against the item's limit."""
    orders = t["orders"]
    live = orders.filter(orders.state.isin(LIVE))
    held = live.group_by("item", "shopper").agg(found=live.qty.sum())
    both = held.inner_join(t["items"].select("item", "limit"), "item")
    beyond = both.filter(both["found"] > both["limit"])
    return beyond.mutate(expected=beyond["limit"])


@rule(FindingKind.AMOUNT_DIFF, "price")
def not_its_price(t: Tables, cut: Cut) -> Expression:
    """An order's money against its units at the item's price."""
    both = t["orders"].inner_join(t["items"].select("item", "price_minor"), "item")
    wrong = both.filter(both.amount_minor != both.qty * both.price_minor)
    return wrong.mutate(expected=wrong.qty * wrong.price_minor, found=wrong.amount_minor)


@rule(FindingKind.AMOUNT_DIFF, "currency")
def not_its_currency(t: Tables, cut: Cut) -> Expression:
    """Likewise."""
    both = t["orders"].inner_join(
        t["items"].select("item", its_currency=t["items"].currency), "item"
    )
    wrong = both.filter(both.currency != both.its_currency)
    return wrong.mutate(ref=wrong.currency)


def _other_quantity(t: Tables, side: Expression, key: str) -> Expression:
    """Rows of the side whose order has another quantity."""
    orders = t["orders"]
    said = side.select(key, side_qty=side.qty).distinct()
    both = orders.inner_join(said, key)
    wrong = both.filter(both.qty != both.side_qty)
    return wrong.mutate(expected=wrong.side_qty, found=wrong.qty)


@rule(FindingKind.AMOUNT_DIFF, "message")
def not_as_in_kafka(t: Tables, cut: Cut) -> Expression:
    """What was reserved against what was ordered."""
    return _other_quantity(t, t["messages"], "reservation_id")


@rule(FindingKind.AMOUNT_DIFF, "winner")
def not_as_in_redis(t: Tables, cut: Cut) -> Expression:
    """A hold of 0 is one that has ended."""
    winners = t["winners"]
    return _other_quantity(t, winners.filter(winners.qty > 0), "reservation_id")


@rule(FindingKind.AMOUNT_DIFF, "ledger")
def not_as_in_the_ledger(t: Tables, cut: Cut) -> Expression:
    """CONFIRM and RETURN are of the whole order."""
    return _other_quantity(t, t["ledger"], "order_id")


@rule(FindingKind.AMOUNT_DIFF, "stock")
def not_as_in_the_warehouse(t: Tables, cut: Cut) -> Expression:
    """Likewise DEDUCT and RESTORE."""
    return _other_quantity(t, t["stock_entries"], "order_id")


@rule(FindingKind.AMOUNT_DIFF, "payment")
def not_what_is_paid(t: Tables, cut: Cut) -> Expression:
    """What a provider is to collect against the order's money."""
    asked = t["payments"].select("order_id", asked=t["payments"].amount_minor).distinct()
    both = t["orders"].inner_join(asked, "order_id")
    wrong = both.filter(both.amount_minor != both.asked)
    return wrong.mutate(expected=wrong.amount_minor, found=wrong.asked)
