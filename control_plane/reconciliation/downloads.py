"""A run's findings as a file, streamed: CSV for a spreadsheet, Parquet for whoever computes on."""

import csv
import io
from collections.abc import Iterator
from itertools import islice
from typing import Any

from control_plane.reconciliation.models import Finding, Run

CHUNK = 2_000
# A cell that begins so is a formula to a spreadsheet.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
COLUMNS = (
    *("kind", "what", "is_notice", "item_number", "shard", "epoch", "shopper", "reservation_id"),
    *("order_number", "ref", "expected", "found"),
    *("repair__action", "repair__outcome", "repair__at", "repair__text"),
)
NUMBERS = ("item_number", "shard", "epoch", "order_number", "expected", "found")
NAMES = [name.replace("__", "_") for name in COLUMNS]


def _rows(run: Run) -> Iterator[list[tuple[Any, ...]]]:
    """Some at a time, by a cursor on the server."""
    found = Finding.objects.filter(run=run).order_by("pk").values_list(*COLUMNS)
    rows = found.iterator(chunk_size=CHUNK)
    while some := list(islice(rows, CHUNK)):
        yield some


def as_csv(run: Run) -> Iterator[str]:
    """Text, a piece for some rows. The mark in front tells Excel that it is UTF-8."""
    yield "\ufeff" + _lines([tuple(NAMES)])
    for some in _rows(run):
        yield _lines(some)


def _lines(rows: list[tuple[Any, ...]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    for row in rows:
        writer.writerow(_safe(cell) for cell in row)
    return out.getvalue()


def _safe(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str) and cell.startswith(FORMULA):
        return f"'{cell}"
    return cell.isoformat() if hasattr(cell, "isoformat") else str(cell)


class _Pieces(io.RawIOBase):
    """Where a writer writes to, and a response takes from."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        """Only that."""
        return True

    def tell(self) -> int:
        """Parquet's footer names places."""
        return self._at

    def write(self, data: Any) -> int:
        """Keep it until it is taken."""
        piece = bytes(data)
        self._pieces.append(piece)
        self._at += len(piece)
        return len(piece)

    def take(self) -> bytes:
        """What has been written since."""
        taken, self._pieces = b"".join(self._pieces), []
        return taken


def as_parquet(run: Run) -> Iterator[bytes]:
    """Bytes, a row group for some rows; the footer comes last."""
    # Every process loads the admin, and few ever need this.
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = dict.fromkeys(NAMES, pa.string()) | dict.fromkeys(NUMBERS, pa.int64())
    types |= {"is_notice": pa.bool_(), "repair_at": pa.timestamp("ms", "UTC")}
    schema = pa.schema(list(types.items()))
    pieces = _Pieces()
    file = pq.ParquetWriter(pieces, schema, compression="zstd")
    for some in _rows(run):
        arrays = [
            pa.array(column, field.type)
            for column, field in zip(zip(*some, strict=True), schema, strict=True)
        ]
        file.write_table(pa.Table.from_arrays(arrays, schema=schema))
        yield pieces.take()
    file.close()
    yield pieces.take()
