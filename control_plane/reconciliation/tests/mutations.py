"""What may go wrong with a sale, one thing each: by the finding it must be, nothing else."""

from control_plane.reconciliation.tests.parquet_sale import NOW, OLD, YOUNG, Item, Mutation


def _kafka_lost(item: Item) -> None:
    item.without_order("paid")
    item.forget("paid", "messages")


def _outbox_lost(item: Item) -> None:
    item.without_order("paid")
    item.forget("paid", "messages", "outbox")


def _failover(item: Item) -> None:
    _outbox_lost(item)
    item.add("allocations", epoch=0, source="primary", state="closed", is_armed=True, closed_ms=OLD)


def _seen_earlier(item: Item) -> None:
    item.add("earlier", shopper="gone", reservation_id=item.name("gone"), qty=1)


def _not_landed(item: Item) -> None:
    item.without_order("paid")
    # Sent twice, and found once.
    item.rows["messages"].append(item.find("messages", shopper="paid") | {"offset": 71})


def _ghost_order(item: Item) -> None:
    item.order("nobody")


def _late(item: Item) -> None:
    item.find("allocations", epoch=1).update(state="closed", closed_ms=OLD - 1)
    # What else was decided was decided in time.
    for order in item.rows["orders"]:
        if order["shopper"] != "paid":
            order["created_ms"] = OLD - 2


def _late_rejection(item: Item) -> None:
    item.find("allocations", epoch=1).update(state="closed", closed_ms=OLD + 1)
    _reject(item, "paid", created_ms=OLD + 2)


def _reject(item: Item, shopper: str, created_ms: int = OLD, keep_order: bool = False) -> None:
    if not keep_order:
        item.without_order(shopper)
    item.add(
        "rejections",
        shopper=shopper,
        reservation_id=item.name(shopper),
        qty=1,
        reason="over_granted",
        created_ms=created_ms,
    )


def _two_orders(item: Item) -> None:
    item.order("paid")


def _beyond_limit(item: Item) -> None:
    for more in ("paid2", "paid3"):
        item.reserve(more)
        item.order_of(more)["shopper"] = "paid"


def _letter(item: Item, state: str, next_ms: int) -> None:
    item.without_order("paid")
    item.add(
        "letters",
        letter=item.number,
        reservation_id=item.name("paid"),
        state=state,
        next_ms=next_ms,
        created_ms=OLD,
    )


def _quantity(table: str, **fields: str) -> Mutation:
    def change(item: Item) -> None:
        if "kind" in fields:
            number = item.order_of("paid")["order_id"]
            item.find(table, order_id=number, kind=fields["kind"])["qty"] = 2
        else:
            item.find(table, shopper="paid")["qty"] = 2

    return change


def _entry(table: str, shopper: str, kind: str) -> Mutation:
    def drop(item: Item) -> None:
        item.drop(table, order_id=item.order_of(shopper)["order_id"], kind=kind)

    return drop


def _more(table: str, shopper: str, kind: str) -> Mutation:
    """An entry of a live order, or the same once more."""

    def add(item: Item) -> None:
        number = item.order_of(shopper)["order_id"]
        item.add(table, order_id=number, kind=kind, qty=1, created_ms=OLD)

    return add


def _of_no_order(table: str) -> Mutation:
    def add(item: Item) -> None:
        kind = "confirm" if table == "ledger" else "deduct"
        item.add(table, order_id=item.number * 1000 + 999, kind=kind, qty=1, created_ms=OLD)

    return add


def _set(table: str, **fields: object) -> Mutation:
    return lambda item: item.rows[table][0].update(fields)


def _price(item: Item) -> None:
    order = item.order_of("paid")
    order["amount_minor"] = 1
    item.find("payments", order_id=order["order_id"])["amount_minor"] = 1


WRONG: dict[tuple[str, str], Mutation] = {
    ("missing_in_kafka", "relayed"): _kafka_lost,
    ("missing_in_kafka", "winner"): _outbox_lost,
    ("lost_on_failover", "winner"): _failover,
    ("lost_on_failover", "earlier"): _seen_earlier,
    ("missing_in_pg", "undecided"): _not_landed,
    ("missing_in_pg", "confirm"): _entry("ledger", "paid", "confirm"),
    ("missing_in_pg", "return"): _entry("ledger", "expired", "return"),
    ("missing_in_pg", "deduct"): _entry("stock_entries", "paid", "deduct"),
    ("missing_in_pg", "restore"): _entry("stock_entries", "expired", "restore"),
    ("ghost", "order"): _ghost_order,
    ("ghost", "rejection"): lambda item: _reject(item, "nobody", keep_order=True),
    ("ghost", "ledger"): _of_no_order("ledger"),
    ("ghost", "stock"): _of_no_order("stock_entries"),
    ("ghost", "return"): _more("ledger", "paid", "return"),
    ("ghost", "restore"): _more("stock_entries", "paid", "restore"),
    ("ghost", "grant"): lambda item: item.add("applied_grants", id=f"x{item.number}", qty=5),
    ("ghost", "reclaim"): lambda item: item.add("taken_reclaims", id=f"x{item.number}", qty=5),
    ("late", "order"): _late,
    ("late", "rejection"): _late_rejection,
    ("late", "unpaid"): lambda item: item.order_of("unpaid").update(pay_by_ms=OLD),
    ("duplicate", "order and rejection"): lambda item: _reject(item, "paid", keep_order=True),
    ("duplicate", "orders"): _two_orders,
    ("duplicate", "ledger"): _more("ledger", "paid", "confirm"),
    ("duplicate", "stock"): _more("stock_entries", "paid", "deduct"),
    ("over_limit", "shopper"): _beyond_limit,
    ("amount_diff", "price"): _price,
    ("amount_diff", "currency"): lambda item: item.order_of("paid").update(currency="USD"),
    ("amount_diff", "message"): _quantity("messages"),
    ("amount_diff", "winner"): _quantity("winners"),
    ("amount_diff", "ledger"): _quantity("ledger", kind="confirm"),
    ("amount_diff", "stock"): _quantity("stock_entries", kind="deduct"),
    ("amount_diff", "payment"): _set("payments", amount_minor=1),
    ("amount_diff", "grant"): _set("applied_grants", qty=10),
    ("amount_diff", "reclaim"): _set("taken_reclaims", qty=8),
    ("stuck_grant", "waiting"): lambda item: _grant(item, None),
    ("stuck_grant", "not in the shard"): lambda item: _grant(item, OLD),
    ("stuck_reclaim", "waiting"): _set("reclaims", taken=None),
    ("stuck_dlq", "exception"): lambda item: _letter(item, "exception", OLD),
    ("stuck_dlq", "overdue"): lambda item: _letter(item, "pending", OLD),
}


def _grant(item: Item, applied_ms: int | None, created_ms: int = OLD) -> None:
    item.add("grants", id=f"y{item.number}", qty=4, created_ms=created_ms, applied_ms=applied_ms)


def _young_outbox(item: Item) -> None:
    _kafka_lost(item)
    item.find("outbox", shopper="paid")["at_ms"] = YOUNG


def _young_message(item: Item) -> None:
    item.without_order("paid")
    item.find("messages", shopper="paid")["at_ms"] = YOUNG


def _pending_entry(item: Item) -> None:
    _kafka_lost(item)
    item.find("outbox", shopper="paid")["state"] = "pending"


def _behind_the_offset(item: Item) -> None:
    item.without_order("paid")
    item.find("messages", shopper="paid")["is_landed"] = False


def _just_ordered(item: Item) -> None:
    item.order_of("paid")["created_ms"] = YOUNG
    _entry("stock_entries", "paid", "deduct")(item)


def _just_ended(item: Item) -> None:
    number = item.order_of("expired")["order_id"]
    item.find("ledger", order_id=number, kind="return")["created_ms"] = YOUNG
    _entry("stock_entries", "expired", "restore")(item)


def _on_its_way(table: str, shopper: str, kind: str) -> Mutation:
    """However old the order is: what is told late is late in telling, not in the making."""

    def change(item: Item) -> None:
        number = item.order_of(shopper)["order_id"]
        item.add(table, order_id=number, kind=kind)
        _entry("stock_entries", shopper, kind)(item)

    return change


def _not_announced(item: Item) -> None:
    """Its consumer has landed it, and not told Kafka yet."""
    item.find("messages", shopper="paid")["is_landed"] = False
    _entry("stock_entries", "paid", "deduct")(item)


def _draining(item: Item) -> None:
    """What an ended epoch's shard did not get comes back by the close."""
    item.find("allocations", epoch=1)["state"] = "draining"
    _grant(item, None)


def _before_kafka(item: Item) -> None:
    """Retention has taken the messages of that time."""
    item.forget("paid", "messages", "outbox", "winners")
    item.order_of("paid")["reserved_ms"] = NOW - 7_200_000


def _late_money(item: Item) -> None:
    item.order("again", replaces=item.order_of("expired")["order_id"])


def _released(item: Item) -> None:
    """A hold of 0 has ended, and is nobody's any more."""
    item.add("winners", shopper="old", reservation_id=item.name("old"), qty=0)


def _rebuilt(item: Item) -> None:
    """The next epoch's shard counts the same holds again."""
    item.rows["winners"] += [one | {"epoch": 2} for one in item.rows["winners"]]
    item.add("allocations", epoch=2, source="primary", state="selling", is_armed=True)


IN_FLIGHT: dict[str, Mutation] = {
    "relayed a moment ago": _young_outbox,
    "read by a relay, not acknowledged": _pending_entry,
    "landed a moment ago": _young_message,
    "behind the consumers' offset": _behind_the_offset,
    "the warehouse is about to hear": _just_ordered,
    "the warehouse is about to hear of the end": _just_ended,
    "an old order the courier has not sent": _on_its_way("unsent", "paid", "deduct"),
    "an old end the courier has not sent": _on_its_way("unsent", "expired", "restore"),
    "an old order the warehouse has not consumed": _on_its_way("unheard", "paid", "deduct"),
    "an end that was sent late and not consumed": _on_its_way("unheard", "expired", "restore"),
    "landed and not announced": _not_announced,
    "a grant of a moment ago": lambda item: _grant(item, None, YOUNG),
    "a grant applied while we looked": lambda item: _grant(item, YOUNG, YOUNG),
    "a grant of an epoch that has ended": _draining,
    "a reclaim of a moment ago": _set("reclaims", taken=None, created_ms=YOUNG),
    "a reclaim settled with 0": _set("reclaims", taken=0),
    "a dead letter whose attempt is to come": lambda item: _letter(item, "pending", NOW),
    "an order from before Kafka's first message": _before_kafka,
    "an order of late money": _late_money,
    "a hold that was released": _released,
    "holds that were rebuilt": _rebuilt,
    "paid a moment late": lambda item: item.order_of("unpaid").update(pay_by_ms=YOUNG),
}
