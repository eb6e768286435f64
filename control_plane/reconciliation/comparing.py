"""From the exported sides of a campaign to what is wrong with them."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from control_plane.reconciliation import engines
from control_plane.reconciliation.rules import RULES, Cut, Rule
from control_plane.reconciliation.sides import TABLES, file_of, read

FOUND = "found"


class Found(NamedTuple):
    """What one rule found; its rows are in the file, read them with `sides.read`."""

    rule: Rule
    rows: int
    path: Path


def compare(
    folder: Path,
    cut: Cut,
    engine: str = engines.DUCKDB,
    *,
    memory_mb: int = engines.MEMORY_MB,
    rules: Sequence[Rule] = tuple(RULES),
) -> list[Found]:
    """Every rule over the tables in the folder, one after the other, into files beside them.

    Memory is bounded by the engine's own limit. Raises NoEngine, and the engine's errors.
    """
    results = folder / FOUND
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir()
    with engines.connect(engine, folder, memory_mb) as connection:
        tables = {
            name: connection.read_parquet(str(file_of(folder, name)), table_name=name)
            for name in TABLES
        }
        return [_apply(connection, tables, cut, one, results) for one in rules]


def _apply(connection: Any, tables: Any, cut: Cut, rule: Rule, results: Path) -> Found:
    path = results / f"{rule.kind.value}-{rule.what.replace(' ', '-')}.parquet"
    connection.to_parquet(rule.find(tables, cut), str(path))
    return Found(rule, _count(path), path)


def _count(path: Path) -> int:
    import pyarrow.dataset as dataset

    return int(dataset.dataset(path, format="parquet").count_rows())


def rows(found: Sequence[Found], each_max: int) -> Iterator[tuple[Rule, dict[str, Any]]]:
    """The rows of all of them, at most so many of each rule."""
    for one in found:
        if not one.rows:
            continue
        for number, row in enumerate(read(one.path)):
            if number >= each_max:
                break
            yield one.rule, row


def keep_winners(folder: Path) -> None:
    """What this run and those before it saw in the stock Redis, for the next run's `earlier`.

    By DuckDB whichever engine compares: it needs nothing but the two files.
    """
    with engines.connect(engines.DUCKDB, folder) as connection:
        both = [
            connection.read_parquet(str(file_of(folder, name))).cast(
                {column: str(kind) for column, kind in TABLES["earlier"].items()}
            )
            for name in ("winners", "earlier")
        ]
        seen = both[0].union(both[1])
        first = seen.group_by("reservation_id").agg(
            **{name: seen[name].min() for name in TABLES["earlier"] if name != "reservation_id"}
        )
        ordered = first.select(*TABLES["earlier"])
        connection.to_parquet(ordered, str(file_of(folder, "seen")))
