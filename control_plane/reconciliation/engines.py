"""Who computes a comparison: DuckDB in this process, or Apache Spark for who outgrows it."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

DUCKDB, SPARK = "duckdb", "spark"
ENGINES = (DUCKDB, SPARK)
# Of DuckDB: beyond it joins go to disk.
MEMORY_MB = 1024
THREADS = 2


class NoEngine(Exception):
    """The engine that was asked for is not installed here."""


@contextmanager
def connect(engine: str, folder: Path, memory_mb: int = MEMORY_MB) -> Iterator[Any]:
    """An ibis connection; what does not fit into memory goes into the folder. Raises NoEngine."""
    if engine == SPARK:
        with _spark(folder) as connection:
            yield connection
        return
    if engine != DUCKDB:
        raise NoEngine(f"{engine!r} is none of {', '.join(ENGINES)}")
    import ibis

    spill = folder / "spill"
    connection = ibis.duckdb.connect(
        threads=THREADS,
        memory_limit=f"{memory_mb}MB",
        temp_directory=str(spill),
        # Or every scan is held back until its rows are in the file's order.
        preserve_insertion_order=False,
    )
    try:
        yield connection
    finally:
        connection.disconnect()


@contextmanager
def _spark(folder: Path) -> Iterator[Any]:
    """The session that there is, or a local one that is ended afterwards."""
    if find_spec("pyspark") is None:
        raise NoEngine(
            "engine spark needs the package pyspark (and Java 17), which is not installed:"
            " pip install -r requirements-dev.txt, or choose --engine duckdb"
        )
    import ibis
    from pyspark.sql import SparkSession

    running = SparkSession.getActiveSession()
    session = running or (
        SparkSession.builder.master("local[1]")
        .appName("sluice-reconcile")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.session.timeZone", "UTC")
        # Two hundred tasks for a handful of rows take minutes.
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.sql.warehouse.dir", str(folder / "spark"))
        .getOrCreate()
    )
    try:
        yield ibis.pyspark.connect(session)
    finally:
        if running is None:
            session.stop()
