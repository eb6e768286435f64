"""All sides of a real sale compared: nothing, what is under way, and every kind of fault."""

import subprocess
import sys
from collections import Counter
from datetime import timedelta

import pytest
import redis
from django.db import connection, connections
from django.utils import timezone

from control_plane.dead_letters.models import DeadLetter
from control_plane.dead_letters.services import Letter, keep
from control_plane.inventory import services as inventory
from control_plane.inventory.models import Grant, Reclaim
from control_plane.orders.models import Order, OrderEvent, Rejection
from control_plane.orders.services import end_order, land, tell_landed
from control_plane.reconciliation import comparing
from control_plane.reconciliation.models import Finding, Repair, Run
from control_plane.reconciliation.services import open_findings
from tests.redis.waiting import until
from workers.intent import decode
from workers.reconcile import __main__
from workers.reconcile import kafka_side as kafka_sides
from workers.reconcile.__main__ import exit_code
from workers.reconcile.kafka_side import KafkaSide
from workers.reconcile.table import text
from workers.runtime.clock import to_ms
from workers.runtime.env import StockRedis
from workers.runtime.kafka import Names
from workers.stock.cluster import StockClusters
from workers.stock.keys import RELAY_GROUP
from workers.tests.broker import Broker
from workers.tests.messages import intent, reservation_id
from workers.tests.running import ROOT, START_S, environment

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "inventory"])

SHOPPERS = [f"shopper-{number}" for number in range(20)]


def found_by(run: Run) -> Counter:
    return Counter(run.findings.values_list("kind", "what"))


def test_a_clean_sale_balances_whatever_is_under_way(sale, compare):
    sale.sell(*SHOPPERS)
    sale.relay()
    sale.land(len(SHOPPERS))
    run = compare()
    assert (run.outcome, run.counts, run.in_flight, found_by(run)) == ("balanced", {}, {}, {})
    assert exit_code(run) == 0
    (books,) = run.items
    assert (books["total"], books["unallocated"], books["open_leftover"]) == (1000, 900, 80)
    assert (books["live_units"], books["drift"]) == (20, 0)
    assert (books["shards_granted"], books["shards_avail"], books["shards_sold"]) == (100, 80, 20)
    rows = [
        run.sides[name] for name in ("winners", "messages", "orders", "ledger", "stock_entries")
    ]
    assert rows == [20] * 5
    assert "BALANCED" in text(run) and "1000  =   900" in text(run)

    sale.sell("in the outbox".replace(" ", "-"), "too")
    run = compare()
    assert (run.outcome, run.in_flight) == ("balanced", {"outbox": 2})
    sale.relay()
    run = compare()
    assert (run.outcome, run.in_flight) == ("balanced", {"kafka": 2})
    assert "under way, and no error: 2 in kafka" in text(run)
    sale.land(22)
    assert compare().in_flight == {}


def test_orders_the_warehouse_is_yet_to_hear_of_are_under_way(sale, compare, broker):
    sale.sell(*SHOPPERS)
    sale.relay()
    with sale.consume():
        until(lambda: Order.objects.count() == len(SHOPPERS), "all are landed", 60)
        announced = len(SHOPPERS)
        until(lambda: len(broker.events("order.created")) == announced, "all are announced", 60)
    # Of one that ended the courier speaks later.
    end_order(sale.order(SHOPPERS[0]).pk, "cancelled", timezone.now())
    run = compare()
    assert (run.outcome, found_by(run), run.sides["unheard"]) == ("balanced", {}, len(SHOPPERS))
    assert run.sides["unsent"] == 1

    # One whose event somebody gave up is missing, and hides nobody else's.
    now = timezone.now()
    (lost,) = land([decode(intent(sale.item.pk, "unannounced"))], now)
    tell_landed(lost)
    OrderEvent.objects.filter(order_id=lost.order_id).update(discarded_at=now)
    missing = compare().findings.filter(kind="missing_in_pg")
    assert [(one.what, one.order_number) for one in missing] == [("deduct", lost.order_id)]


def _acknowledge_without_sending(sale, shopper):
    sale.sell(shopper)
    ((_, ((entry, _),)),) = _items(sale.node.xreadgroup(RELAY_GROUP, "x", {sale.shard.outbox: ">"}))
    sale.node.xack(sale.shard.outbox, RELAY_GROUP, entry)


def _items(reply):
    return reply.items() if isinstance(reply, dict) else reply


def _skip(sale, broker: Broker, shopper):
    """It is in Kafka, and somebody has set the consumers' offsets behind it."""
    from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
    from confluent_kafka.admin import AdminClient

    from workers import order_consumer

    sale.sell(shopper)
    sale.relay()
    topic = broker.names.reservations
    ends = Counter(one.partition() or 0 for one in broker.read(topic))
    group = broker.names.group(order_consumer.GROUP)
    wanted = [TopicPartition(topic, number, count) for number, count in ends.items()]
    admin = AdminClient({"bootstrap.servers": broker.brokers})

    def set_them():
        asked = admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, wanted)])
        try:
            done = asked[group].result(10)
        except Exception:  # noqa: BLE001  (the stopped consumer is a member until its time is over)
            return False
        return all(one.error is None for one in done.topic_partitions)

    until(set_them, "the offsets are set", 60)


def _forget(table, alias, column, value):
    with connections[alias].cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(f"DELETE FROM {table} WHERE {column} = %s", [value])
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def _seed(sale, broker):
    """Every kind of fault there is without a closed epoch."""
    item = sale.item.pk
    # Its node came back older: an earlier run has seen the hold.
    sale.node.hdel(sale.shard.buyers, "vanished")
    for entry, fields in sale.node.xrange(sale.shard.outbox):
        if b"vanished" in fields[b"lines"]:
            sale.node.xdel(sale.shard.outbox, entry)
    _skip(sale, broker, "skipped")
    _acknowledge_without_sending(sale, "not-sent")
    (ghost,) = land([decode(intent(item, "ghost"))], timezone.now())
    tell_landed(ghost)
    twice = sale.order(SHOPPERS[1])
    Rejection.objects.create(
        reservation_id=twice.reservation_id,
        item_id=item,
        shard=0,
        epoch=1,
        shopper=twice.shopper,
        qty=1,
        reason="over_limit",
        created_at=timezone.now(),
    )
    Order.objects.filter(shopper=SHOPPERS[2]).update(shopper=SHOPPERS[3])
    Order.objects.filter(shopper=SHOPPERS[4]).update(amount_minor=1)
    Order.objects.filter(shopper=SHOPPERS[5]).update(pay_by=timezone.now() - timedelta(hours=1))
    undeducted = sale.order(SHOPPERS[6]).pk
    _forget("warehouse_stockentry", "inventory", "order_id", undeducted)
    now = timezone.now()
    OrderEvent.objects.create(
        order_id=undeducted, type="order.created", created_at=now, sent_at=now
    )
    inventory.begin_grant(sale.allocation.pk, 7)
    inventory.begin_reclaim(sale.allocation.pk, 5, 0)
    letter = Letter("other", "r", "r", 0, 1, intent(item, "letter"), "refused", "no")
    keep([letter], timezone.now())
    DeadLetter.objects.update(state="exception", item_number=item)


SEEDED = {
    ("missing_in_kafka", "relayed"): "done",
    ("missing_in_pg", "undecided"): "done",
    # The courier has told it before, so telling is not what it lacks.
    ("missing_in_pg", "deduct"): "failed",
    ("ghost", "order"): None,
    ("duplicate", "order and rejection"): None,
    ("over_limit", "shopper"): None,
    ("amount_diff", "price"): None,
    ("late", "unpaid"): "done",
    ("stuck_grant", "waiting"): "done",
    ("stuck_reclaim", "waiting"): "done",
    ("stuck_dlq", "exception"): None,
    ("lost_on_failover", "earlier"): None,
}


def test_every_fault_is_named_and_what_is_safe_is_mended(sale, compare, repairs, broker):
    sale.sell(*SHOPPERS)
    sale.relay()
    sale.land(len(SHOPPERS))
    sale.sell("vanished")
    assert compare().outcome == "balanced"
    _seed(sale, broker)

    looked = compare()
    # The ghost's own deduction waits for the courier: under way.
    wanted = Counter(dict.fromkeys(SEEDED, 1))
    assert (found_by(looked), looked.outcome, exit_code(looked)) == (wanted, "findings", 1)
    assert not Repair.objects.exists(), "to look changes nothing"
    assert Grant.objects.filter(applied_at=None).exists()

    with sale.consume():
        run = compare(repairs)
    assert found_by(run) == wanted
    outcomes = {
        (one.kind, one.what): getattr(getattr(one, "repair", None), "outcome", None)
        for one in run.findings.select_related("repair")
    }
    assert outcomes == SEEDED
    for shopper in ("skipped", "not-sent"):
        assert sale.order(shopper).reservation_id == reservation_id(sale.item.pk, shopper)
    assert sale.order(SHOPPERS[5]).state == "expired"
    assert Grant.objects.get(qty=7).applied_at
    assert Reclaim.objects.get().taken == 5
    books = sale.node.hgetall(sale.shard.grants)
    assert sorted(map(int, books.values())) == [7, 100]
    left = set(open_findings(run).values_list("kind", "what"))
    assert left == {what for what, outcome in SEEDED.items() if outcome != "done"}
    assert exit_code(run) == 1
    assert "DOES NOT BALANCE: 7 findings wait" in text(run)

    # Made again it changes nothing: what was mended is found no more, nor is anything moved twice.
    again = compare(repairs)
    repaired = {what for what, outcome in SEEDED.items() if outcome == "done"}
    assert not repaired & found_by(again).keys()
    assert Grant.objects.get(qty=7).applied_at and Reclaim.objects.get().taken == 5
    connection.close()


def _stock_away(compare, monkeypatch):
    away = StockRedis((("127.0.0.1", 1),), "worker", "none")
    return compare(clusters=StockClusters.connect({"primary": away}, "test"))


def _kafka_away(compare, monkeypatch):
    monkeypatch.setattr(kafka_sides, "CALL_S", 1.0)
    return compare(kafka=KafkaSide("127.0.0.1:1", Names()))


def _warehouse_away(compare, monkeypatch):
    warehouse = connections["inventory"]
    warehouse.close()
    monkeypatch.setitem(warehouse.settings_dict, "PORT", "1")
    try:
        return compare()
    finally:
        warehouse.close()


@pytest.mark.parametrize(
    ("away", "said"),
    [(_stock_away, "stock Redis"), (_kafka_away, "Kafka"), (_warehouse_away, "connection")],
)
def test_a_side_that_is_away_is_unknown_and_never_balanced(sale, compare, monkeypatch, away, said):
    run = away(compare, monkeypatch)
    monkeypatch.undo()
    assert (run.outcome, exit_code(run)) == ("unknown", 2)
    assert said in run.problem
    assert "UNKNOWN: could not look" in text(run)
    assert not Finding.objects.exists()


def test_an_outbox_that_may_not_be_read_is_not_an_empty_one(sale, compare, monkeypatch):
    def refused(*_, **__):
        raise redis.exceptions.NoPermissionError("this user has no permissions to run 'xrange'")

    sale.sell("ann")
    monkeypatch.setattr(redis.Redis, "xrange", refused)
    run = compare()
    assert (run.outcome, exit_code(run)) == ("unknown", 2)
    assert f"{sale.shard.outbox} is refused" in run.problem
    assert not Finding.objects.exists()


def test_whatever_breaks_is_no_finding_and_leaves_few_files(sale, compare, monkeypatch, tmp_path):
    assert compare().outcome == "balanced"

    def broken(*_, **__):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(comparing, "compare", broken)
    for _ in range(4):
        with pytest.raises(RuntimeError):
            compare()
    folders = sorted((tmp_path / "spring").iterdir())
    assert len(folders) == 4
    assert (folders[0] / "seen.parquet").exists(), "what was seen stays"


def test_an_exception_is_could_not_look(monkeypatch, capsys, caplog):
    def broken(given):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(__main__, "_look", broken)
    assert __main__.main(["spring"]) == 2
    assert "could not look: RuntimeError: out of memory" in capsys.readouterr().err
    assert caplog.records[-1].exc_info


def _command(broker, folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "control_plane", "reconcile", *arguments],
        env=environment(broker.names, SLUICE_RECONCILE_DIR=str(folder)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )


def test_the_command_ends_with_a_table_and_says_by_its_code_what_it_found(sale, broker, tmp_path):
    sale.sell("ann")
    done = _command(broker, tmp_path, "spring")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("campaign spring, duckdb")
    assert "under way, and no error: 1 in outbox" in done.stdout
    assert done.stdout.endswith("findings: none\n\nBALANCED\n")
    land(
        [decode(intent(sale.item.pk, "ghost", at_ms=to_ms(timezone.now()) + 60_000))],
        timezone.now(),
    )
    sale.relay()
    done = _command(broker, tmp_path, "spring", "--no-repair")
    assert done.returncode == 1, done.stderr
    assert "GHOST order" in done.stdout
    done = _command(broker, tmp_path, "autumn")
    assert (done.returncode, done.stdout) == (2, "")
    assert "could not look: autumn: there is no such campaign" in done.stderr
