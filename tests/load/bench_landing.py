"""How fast `land` is beside a raw COPY of the same order rows into the same table (MEASURES P4).

    python -m tests.load.bench_landing [rows a round] [rounds]

Needs SLUICE_* of a running stack; works in a scratch database of its own, which it drops. Rounds
alternate, the medians are printed, nothing fails on a time. Both sides commit every batch; the raw
side's text is prepared before its clock starts, `land` is timed with everything it does.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO

import django

# As many as an order consumer takes at once.
BATCH = 4000
SCRATCH_DATABASE = "bench_landing"
TARGET = 0.40


def main(rows: int = 40_000, rounds: int = 5) -> None:
    """Measure and print."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "control_plane.config.settings")
    django.setup()
    raw, landed = [], []
    with scratch_database():
        for number in range(1, rounds + 1):
            raw.append(raw_copy(2 * number, rows))
            landed.append(_land(2 * number + 1, rows))
            print(
                f"round {number}: raw COPY {raw[-1]:7.0f}/s   land {landed[-1]:7.0f}/s", flush=True
            )
    raw_median, land_median = statistics.median(raw), statistics.median(landed)
    print(
        f"median:  raw COPY {raw_median:7.0f}/s   land {land_median:7.0f}/s   "
        f"ratio {land_median / raw_median:.2f} (target {TARGET:.2f}), batches of {BATCH}"
    )


@contextmanager
def scratch_database() -> Iterator[None]:
    """Django's default database is an empty one of its own inside."""
    from django.db import connection

    original = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = SCRATCH_DATABASE
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        yield
    finally:
        connection.creation.destroy_test_db(original, verbosity=0)


def make_item(item_id: int, units: int) -> None:
    """An item whose units are all granted to the first epoch of its shard."""
    from control_plane.campaigns.models import Campaign, Item
    from control_plane.inventory.models import Allocation, Pool
    from control_plane.merchants.models import Merchant

    now = datetime.now(UTC)
    merchant, _ = Merchant.objects.get_or_create(slug="bench", defaults={"name": "bench"})
    campaign, _ = Campaign.objects.get_or_create(
        slug="bench",
        defaults={
            "merchant": merchant,
            "title": "bench",
            "starts_at": now,
            "ends_at": now + timedelta(hours=1),
        },
    )
    item = Item.objects.create(
        id=item_id,
        campaign=campaign,
        sku=f"B-{item_id}",
        title="bench",
        units=units,
        price_minor=1999,
    )
    Pool.objects.create(item=item, total=units, unallocated=0)
    Allocation.objects.create(item=item, shard=0, epoch=1, granted=units)


def _reservation_id(item: int, number: int) -> str:
    # As spread over the index as the real ones, which are keyed hashes.
    return f"{item}-0-{(number * 0x9E3779B97F4A7C15) % 2**64:022d}"


def intents(item: int, rows: int) -> list[tuple[str, bytes]]:
    """Key and message of each reservation, as the relay sends them."""
    at_ms = int(time.time() * 1000)
    names = ("v", "reservation_id", "item", "shard", "epoch", "shopper", "qty", "device", "level")
    messages = []
    for n in range(rows):
        shopper = f"shopper-{n}"
        values = (1, _reservation_id(item, n), item, 0, 1, shopper, 1, "d" * 22, "regular")
        fields = dict(zip(names, values, strict=True)) | {"at_ms": at_ms}
        messages.append((shopper, json.dumps(fields, separators=(",", ":")).encode()))
    return messages


def raw_copy(item: int, rows: int) -> float:
    """Rows a second of COPY alone, its text prepared before."""
    from django.db import connection, transaction

    now = datetime.now(UTC).isoformat()
    texts = [
        "".join(
            f"{_reservation_id(item, n)}\t{item}\t0\t1\tshopper-{n}\t1\t1999\tCNY\tunpaid"
            f"\t{now}\t{now}\t{now}\n"
            for n in range(first, min(first + BATCH, rows))
        )
        for first in range(0, rows, BATCH)
    ]
    started = time.perf_counter()
    for text in texts:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.copy_expert(
                "COPY orders_order (reservation_id, item_id, shard, epoch, shopper, qty,"
                " amount_minor, currency, state, reserved_at, created_at, pay_by) FROM STDIN",
                StringIO(text),
            )
    return rows / (time.perf_counter() - started)


def _land(item: int, rows: int) -> float:
    from control_plane.orders.services import Intent, land

    make_item(item, rows)
    at_ms = int(time.time() * 1000)
    batches = [
        [
            Intent(_reservation_id(item, n), item, 0, 1, f"shopper-{n}", 1, at_ms)
            for n in range(first, min(first + BATCH, rows))
        ]
        for first in range(0, rows, BATCH)
    ]
    started = time.perf_counter()
    confirmed = sum(
        outcome.order_id is not None
        for batch in batches
        for outcome in land(batch, datetime.now(UTC))
    )
    took_s = time.perf_counter() - started
    if confirmed != rows:
        raise SystemExit(f"only {confirmed} of {rows} reservations became orders")
    return rows / took_s


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3]))
