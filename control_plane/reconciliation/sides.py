"""What is exported for a comparison: one Parquet file a table, its columns here and nowhere else.

Times are milliseconds since 1970, so that no engine has to agree with another about zones.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

# Rows in memory at once, of whichever side: some 20 MB of reservations.
CHUNK = 50_000

_INT, _TEXT, _BOOL = pa.int64(), pa.string(), pa.bool_()
_EPOCH = {"item": _INT, "shard": _INT, "epoch": _INT}
_RESERVED = {**_EPOCH, "shopper": _TEXT, "reservation_id": _TEXT, "qty": _INT}

# By the side that says it: PostgreSQL `sale`, `inventory`, the stock Redis, Kafka, earlier runs.
SALE: dict[str, dict[str, pa.DataType]] = {
    "items": {"item": _INT, "limit": _INT, "price_minor": _INT, "currency": _TEXT},
    "allocations": {
        **_EPOCH,
        "source": _TEXT,
        "state": _TEXT,
        "is_armed": _BOOL,
        "closed_ms": _INT,
    },
    "orders": {
        "order_id": _INT,
        **_RESERVED,
        "amount_minor": _INT,
        "currency": _TEXT,
        "state": _TEXT,
        "reserved_ms": _INT,
        "created_ms": _INT,
        "pay_by_ms": _INT,
        "replaces": _INT,
    },
    "rejections": {**_RESERVED, "reason": _TEXT, "created_ms": _INT},
    "ledger": {"order_id": _INT, "kind": _TEXT, "item": _INT, "qty": _INT, "created_ms": _INT},
    "letters": {
        "letter": _INT,
        "item": _INT,
        "reservation_id": _TEXT,
        "state": _TEXT,
        "next_ms": _INT,
        "created_ms": _INT,
    },
    "grants": {"id": _TEXT, **_EPOCH, "qty": _INT, "created_ms": _INT, "applied_ms": _INT},
    "reclaims": {"id": _TEXT, **_EPOCH, "taken": _INT, "created_ms": _INT},
    "payments": {"order_id": _INT, "amount_minor": _INT, "currency": _TEXT},
    # What the courier is still to tell the warehouse; `kind` as its entry will have it.
    "unsent": {"order_id": _INT, "kind": _TEXT},
}
WAREHOUSE: dict[str, dict[str, pa.DataType]] = {"stock_entries": SALE["ledger"]}
STOCK: dict[str, dict[str, pa.DataType]] = {
    # Epochs whose keys are there; `is_whole`: all of them could be read.
    "shards": {**_EPOCH, "source": _TEXT},
    "applied_grants": {"id": _TEXT, **_EPOCH, "qty": _INT},
    "taken_reclaims": {"id": _TEXT, **_EPOCH, "qty": _INT},
    "winners": _RESERVED,
    # `state`: waiting, pending or relayed.
    "outbox": {**_RESERVED, "source": _TEXT, "entry": _TEXT, "state": _TEXT, "at_ms": _INT},
}
KAFKA: dict[str, dict[str, pa.DataType]] = {
    # `is_landed`: in front of the offset that the order consumers had committed before PostgreSQL
    # was read.
    "messages": {
        "partition": _INT,
        "offset": _INT,
        "at_ms": _INT,
        **_RESERVED,
        "is_landed": _BOOL,
    },
    # Behind the offset that the warehouse had committed before it was read; as `unsent`.
    "unheard": {"order_id": _INT, "kind": _TEXT},
}
EARLIER: dict[str, dict[str, pa.DataType]] = {"earlier": _RESERVED}
TABLES = SALE | WAREHOUSE | STOCK | KAFKA | EARLIER

FINDINGS = {
    "kind": _TEXT,
    "what": _TEXT,
    **_EPOCH,
    "shopper": _TEXT,
    "reservation_id": _TEXT,
    "order_id": _INT,
    "ref": _TEXT,
    "expected": _INT,
    "found": _INT,
}


def file_of(folder: Path, table: str) -> Path:
    """Where a table of this export is."""
    return folder / f"{table}.parquet"


class Writer:
    """One table's file, written CHUNK rows at a time; a context manager.

    The file has its name only when it is whole: what a crash leaves is no side of a comparison.
    """

    def __init__(self, folder: Path, table: str) -> None:
        self._schema = pa.schema(list(TABLES[table].items()))
        self._path = file_of(folder, table)
        self._unfinished = self._path.with_suffix(".part")
        self._rows: list[tuple[Any, ...]] = []
        self._file = pq.ParquetWriter(self._unfinished, self._schema, compression="zstd")
        self.count = 0

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._flush()
        self._file.close()
        if kind is None:
            self._unfinished.rename(self._path)

    def add(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Rows with every column, in the schema's order."""
        for row in rows:
            self._rows.append(row)
            if len(self._rows) >= CHUNK:
                self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        columns = zip(*self._rows, strict=True)
        arrays = [
            pa.array(column, field.type)
            for column, field in zip(columns, self._schema, strict=True)
        ]
        self._file.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self.count += len(self._rows)
        self._rows = []


def write(folder: Path, table: str, rows: Iterable[tuple[Any, ...]]) -> int:
    """A whole table; returns how many rows it has."""
    with Writer(folder, table) as file:
        file.add(rows)
    return file.count


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file or of an engine's folder, some at a time."""
    import pyarrow.dataset as dataset

    # With its schema, because a file without rows has none of its own in every engine.
    for batch in dataset.dataset(path, format="parquet").to_batches(batch_size=CHUNK):
        yield from batch.to_pylist()
