"""How long a comparison of many reservations takes, and how much memory: `make bench-reconcile`.

Generated files, DuckDB, every rule, in a process whose memory is measured from outside. Nothing is
wrong with the sale but what is seeded, and that is found, or the figures are worth nothing.
"""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "control_plane.config.settings")

ROWS = 10_000_000
CHUNK = 500_000
WRONG = 100
NOW = 1_800_000_000_000
OLD = NOW - 3_600_000


def generate(folder: Path, rows: int) -> None:
    """A sale of so many orders, each in every side; the first hundred of some are missing."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from control_plane.reconciliation.sides import TABLES, file_of, write

    schemas = {name: pa.schema(list(columns.items())) for name, columns in TABLES.items()}
    write(folder, "items", [(1, 1, 1999, "CNY")])
    write(folder, "allocations", [(1, 0, 1, "primary", "selling", True, None)])
    write(folder, "shards", [(1, 0, 1, "primary")])
    write(folder, "grants", [("g", 1, 0, 1, rows, OLD, OLD)])
    write(folder, "applied_grants", [("g", 1, 0, 1, rows)])
    written = {"items", "allocations", "shards", "grants", "applied_grants"}
    large = ("winners", "messages", "orders", "ledger", "stock_entries", "payments")
    for name in TABLES.keys() - written - set(large):
        write(folder, name, ())
    files = {name: pq.ParquetWriter(file_of(folder, name), schemas[name]) for name in large}
    for first in range(0, rows, CHUNK):
        number = np.arange(first, min(first + CHUNK, rows), dtype=np.int64)
        columns = _columns(pa, np, number)
        for name in large:
            kind = "deduct" if name == "stock_entries" else "confirm"
            columns["kind"] = pa.array([kind] * len(number))
            table = pa.table({one: columns[one] for one in schemas[name].names}, schemas[name])
            # What a consumer has passed over, and what the warehouse has never heard of.
            if first == 0 and name in ("orders", "stock_entries"):
                table = table.slice(WRONG)
            files[name].write_table(table)
    for file in files.values():
        file.close()


def _columns(pa: Any, np: Any, number: Any) -> dict[str, Any]:
    count = len(number)
    # As a reservation id and a shopper look: 22 and 12 characters that nobody can compress away.
    mixed = number.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    text = np.char.mod("%022d", mixed)
    same = {"item": 1, "shard": 0, "epoch": 1, "qty": 1, "partition": 0, "amount_minor": 1999}
    times = {"at_ms": OLD, "reserved_ms": OLD, "created_ms": OLD, "pay_by_ms": NOW + 60_000}
    columns = {name: np.full(count, value, np.int64) for name, value in (same | times).items()}
    return columns | {
        "reservation_id": pa.array(np.char.add("1-0-", text)),
        "shopper": pa.array(np.char.add("u", np.char.mod("%011d", number))),
        "order_id": number,
        "offset": number,
        "is_landed": np.ones(count, bool),
        "currency": pa.array(["CNY"] * count),
        "state": pa.array(["paid"] * count),
        "replaces": pa.nulls(count, pa.int64()),
    }


def compare(folder: Path, memory_mb: int, answer: Any) -> None:
    """In a process of its own: seconds, peak memory, what was found."""
    django.setup()
    from control_plane.reconciliation import comparing
    from control_plane.reconciliation.rules import Cut

    began, cpu = time.monotonic(), time.process_time()
    cut = Cut(started=NOW, settled=NOW - 60_000, pay_by=NOW, kafka_since=0)
    found = comparing.compare(folder, cut, memory_mb=memory_mb)
    answer.put(
        {
            "seconds": round(time.monotonic() - began, 1),
            "cpu_seconds": round(time.process_time() - cpu, 1),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "found": {f"{one.rule.kind} {one.rule.what}": one.rows for one in found if one.rows},
        }
    )


def measure(rows: int, memory_mb: int) -> dict[str, Any]:
    """Generate, compare, throw away."""
    folder = Path(tempfile.mkdtemp(prefix="bench-reconcile-"))
    try:
        generate(folder, rows)
        size = sum(one.stat().st_size for one in folder.iterdir())
        apart = multiprocessing.get_context("spawn")
        answer = apart.Queue()
        process = apart.Process(target=compare, args=(folder, memory_mb, answer))
        process.start()
        said: dict[str, Any] = answer.get(timeout=3600)
        process.join()
        return {"rows": rows, "memory_limit_mb": memory_mb, "files_mb": size >> 20, **said}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def problems(figures: dict[str, Any]) -> Iterator[str]:
    """What must have been found; a comparison that misses it is quick for nothing."""
    wanted = {
        "missing_in_pg undecided": WRONG,
        # The orders that are not there have entries.
        "ghost ledger": WRONG,
    }
    for name, count in wanted.items():
        if figures["found"].get(name) != count:
            yield f"{name}: {figures['found'].get(name)} instead of {count}"


def main() -> int:
    """Print the figures, and keep them."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.bench_reconcile")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--memory-mb", type=int, default=1024)
    given = parser.parse_args()
    django.setup()
    figures = measure(given.rows, given.memory_mb)
    print(json.dumps({**figures, "machine": platform.processor() or platform.machine()}, indent=2))
    found = list(problems(figures))
    for one in found:
        print(f"bench: {one}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
