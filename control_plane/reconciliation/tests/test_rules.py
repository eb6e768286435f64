"""Each rule finds what it is for and nothing else; DuckDB and Spark find the same, row by row."""

import os
from collections import defaultdict
from typing import Any

import pytest

from control_plane.reconciliation import comparing, engines
from control_plane.reconciliation.models import FindingKind
from control_plane.reconciliation.rules import RULES
from control_plane.reconciliation.tests.mutations import IN_FLIGHT, WRONG
from control_plane.reconciliation.tests.parquet_sale import CUT, Item, Mutation, export

CLEAN = 1
ALL: dict[Any, Mutation] = {**WRONG, **IN_FLIGHT}
PLACES = {what: number for number, what in enumerate(ALL, start=2)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One campaign whose every item but the first has something of its own."""
    items = [Item(CLEAN)]
    for what, number in PLACES.items():
        item = Item(number)
        ALL[what](item)
        items.append(item)
    path = tmp_path_factory.mktemp("campaign")
    export(path, items)
    return path


@pytest.fixture(scope="module")
def by_duckdb(folder):
    return list(comparing.rows(comparing.compare(folder, CUT), 1000))


@pytest.fixture(scope="module")
def of_item(by_duckdb):
    found = defaultdict(list)
    for _, row in by_duckdb:
        found[row["item"]].append((row["kind"], row["what"]))
    return found


def test_a_clean_sale_gives_nothing(of_item):
    assert of_item[CLEAN] == []


@pytest.mark.parametrize("what", IN_FLIGHT)
def test_what_is_under_way_is_no_error(of_item, what):
    assert of_item[PLACES[what]] == []


@pytest.mark.parametrize("what", WRONG, ids=" ".join)
def test_what_is_wrong_is_found_once_and_named(of_item, what):
    assert of_item[PLACES[what]] == [what]


def test_every_rule_and_every_kind_has_its_mutation():
    assert {(one.kind.value, one.what) for one in RULES} == WRONG.keys()
    assert {kind for kind, _ in WRONG} == set(FindingKind.values)


def test_a_finding_says_where_it_is(by_duckdb):
    rows = {(row["kind"], row["what"]): row for _, row in by_duckdb}
    row = rows["missing_in_pg", "undecided"]
    number = PLACES["missing_in_pg", "undecided"]
    assert row["reservation_id"] == f"{number}-0-paid"
    assert (row["shopper"], row["shard"], row["epoch"], row["ref"]) == ("paid", 0, 1, "3/70")
    row = rows["amount_diff", "price"]
    assert (row["expected"], row["found"]) == (1999, 1)
    assert rows["over_limit", "shopper"]["found"] == 3


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    """A session for the module: starting one takes ten seconds."""
    sql = pytest.importorskip("pyspark.sql", reason="PySpark is a requirement of development only")
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    session = (
        sql.SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "1")
        # Forty plans over a handful of rows: compiling them well takes longer than running them.
        .config("spark.sql.codegen.wholeStage", "false")
        .config("spark.sql.adaptive.enabled", "false")
        .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        .config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("spark")))
        .getOrCreate()
    )
    yield session
    session.stop()


def test_spark_finds_the_same_as_duckdb(folder, by_duckdb, spark):
    by_spark = comparing.rows(comparing.compare(folder, CUT, engines.SPARK), 1000)

    def in_order(found):
        return sorted((list(row.items()) for _, row in found), key=str)

    assert in_order(by_spark) == in_order(by_duckdb)


def test_an_engine_that_is_not_there_is_named(folder, monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    with pytest.raises(engines.NoEngine, match=r"pyspark .*requirements-dev\.txt"):
        comparing.compare(folder, CUT, engines.SPARK)
    with pytest.raises(engines.NoEngine, match="'flink' is none of duckdb, spark"):
        comparing.compare(folder, CUT, "flink")


def test_what_was_seen_is_kept_for_the_next_run(folder):
    comparing.keep_winners(folder)
    from control_plane.reconciliation.sides import TABLES, file_of, read

    seen = list(read(file_of(folder, "seen")))
    assert list(seen[0]) == list(TABLES["earlier"])
    names = [one["reservation_id"] for one in seen]
    assert len(names) == len(set(names))
    # A winner of now, and one that only an earlier run saw.
    assert f"{CLEAN}-0-paid" in names
    assert f"{PLACES['lost_on_failover', 'earlier']}-0-gone" in names
