"""A small sale as its export has it, for each item the same, and what may go wrong with one."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from control_plane.reconciliation.rules import Cut
from control_plane.reconciliation.sides import TABLES, write

NOW = 1_800_000_000_000
OLD, YOUNG = NOW - 600_000, NOW - 1_000
CUT = Cut(
    started=NOW,
    settled=NOW - 60_000,
    pay_by=NOW - 60_000,
    kafka_since=NOW - 3_600_000,
)
Rows = dict[str, list[dict[str, Any]]]


class Item:
    """Rows of one item by table; a mutation changes them. Its numbers are nobody else's."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.rows: Rows = {name: [] for name in TABLES}
        self._orders = 0
        self.add("items", limit=2, price_minor=1999, currency="CNY")
        self.add("allocations", source="primary", state="selling", is_armed=True, closed_ms=None)
        self.add("shards", source="primary")
        for name, table, more in (
            ("g", "grants", {"created_ms": OLD, "applied_ms": OLD}),
            ("g", "applied_grants", {}),
            ("r", "taken_reclaims", {}),
        ):
            self.add(table, id=f"{name}{number}", qty=9, **more)
        self.add("reclaims", id=f"r{number}", taken=9, created_ms=OLD)
        # Five shoppers on their way, each a step further than the one before; the last has ended.
        for shopper in ("in_outbox", "in_kafka", "unpaid", "paid", "expired"):
            self.reserve(shopper)

    def add(self, table: str, **fields: Any) -> dict[str, Any]:
        """A row; what is the same for all of the item's need not be said."""
        names = TABLES[table]
        common = {"item": self.number, "shard": 0, "epoch": 1}
        row = dict.fromkeys(names) | {
            name: value for name, value in common.items() if name in names
        }
        assert fields.keys() <= names.keys(), fields
        self.rows[table].append(row | fields)
        return self.rows[table][-1]

    def name(self, shopper: str) -> str:
        """His reservation."""
        return f"{self.number}-0-{shopper}"

    def reserve(self, shopper: str) -> None:
        """One purchase, as far as its shopper's name says."""
        who = {"shopper": shopper, "reservation_id": self.name(shopper), "qty": 1}
        self.add("winners", **who)
        entry = {"source": "primary", "entry": f"{OLD}-0", "at_ms": OLD}
        if shopper == "in_outbox":
            self.add("outbox", **who, **entry, state="waiting")
            return
        is_landed = shopper != "in_kafka"
        self.add("outbox", **who, **entry, state="relayed")
        place = {"partition": 3, "offset": 70, "at_ms": OLD}
        self.add("messages", **who, **place, is_landed=is_landed)
        if is_landed:
            self.order(shopper)

    def order(self, shopper: str, **changed: Any) -> dict[str, Any]:
        """Its order, with both ledgers."""
        self._orders += 1
        number = self.number * 1000 + self._orders
        state = shopper if shopper in ("unpaid", "paid", "expired") else "paid"
        fields = {
            "order_id": number,
            "shopper": shopper,
            "reservation_id": self.name(shopper),
            "qty": 1,
            "amount_minor": 1999,
            "currency": "CNY",
            "state": state,
            "reserved_ms": OLD,
            "created_ms": OLD,
            "pay_by_ms": NOW + 60_000,
        } | changed
        row = self.add("orders", **fields)
        self.add("payments", order_id=number, amount_minor=row["amount_minor"], currency="CNY")
        kinds = [("ledger", "confirm"), ("stock_entries", "deduct")]
        if row["state"] == "expired":
            kinds += [("ledger", "return"), ("stock_entries", "restore")]
        for table, kind in kinds:
            self.add(table, order_id=number, kind=kind, qty=row["qty"], created_ms=OLD)
        return row

    def find(self, table: str, **fields: Any) -> dict[str, Any]:
        """The one row with these values."""
        (row,) = [
            one
            for one in self.rows[table]
            if all(one[name] == value for name, value in fields.items())
        ]
        return row

    def drop(self, table: str, **fields: Any) -> None:
        """That row is not there."""
        self.rows[table].remove(self.find(table, **fields))

    def forget(self, shopper: str, *tables: str) -> None:
        """The shopper's reservation is not in these."""
        for table in tables:
            self.drop(table, shopper=shopper)

    def order_of(self, shopper: str) -> dict[str, Any]:
        """His order's row."""
        return self.find("orders", shopper=shopper)

    def without_order(self, shopper: str) -> None:
        """As if it had never been landed."""
        number = self.order_of(shopper)["order_id"]
        for table in ("orders", "payments", "ledger", "stock_entries"):
            self.rows[table] = [one for one in self.rows[table] if one["order_id"] != number]


Mutation = Callable[[Item], Any]


def export(folder: Path, items: Iterable[Item]) -> None:
    """All of them as one campaign's files."""
    rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in TABLES}
    for item in items:
        for table, some in item.rows.items():
            rows[table] += [tuple(one[name] for name in TABLES[table]) for one in some]
    for table in TABLES:
        write(folder, table, rows[table])
