"""The plan: what it says, what it refuses, and that its constants are those of the code."""

import json
import re
from pathlib import Path

import pytest

from control_plane.config import env
from deploy.capacity import crowd, figures, landing, plan, sale, stages, stock
from deploy.capacity.__main__ import main, readme_table
from deploy.capacity.sale import Sale, WrongInput
from workers import relay

ROOT = Path(__file__).resolve().parents[2]
FIGURES = figures.checked_in()
PLAN = ["plan", "--no-simulation"]
ASKED = [*PLAN, "--target-qps", "1000000", "--units", "100000", "--shards", "64"]


def stage(name: str, **asked: object) -> stages.Stage:
    wanted: dict[str, object] = {"target_qps": 1_000_000, "units": 100_000, "shards": 64} | asked
    made = plan.make(Sale(**wanted), FIGURES)  # type: ignore[arg-type]
    return next(one for one in made.stages if one.name == name)


def test_the_readme_shows_what_the_command_prints() -> None:
    assert readme_table() in (ROOT / "deploy/capacity/README.md").read_text()


def test_what_is_planned_keeps_the_head_room() -> None:
    for headroom in (0.0, 0.3, 0.6):
        made = plan.make(Sale(1_000_000, 100_000, 64, headroom=headroom), FIGURES)
        assert all(one.used <= 1 - headroom + 1e-9 for one in made.stages)
        assert not made.lacks
        # And one less would not, where more than the least of each is needed.
        gateway = made.stages[1]
        assert gateway.load_per_s / (gateway.count - 1) > gateway.one_takes_per_s * (1 - headroom)


@pytest.mark.parametrize("name", ["edge", "gateway", "kafka", "scorer"])
def test_a_larger_sale_never_needs_less(name: str) -> None:
    counts = [stage(name, target_qps=qps).needed for qps in (10_000, 100_000, 10**6, 10**7)]
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]


def test_more_shards_are_never_fuller() -> None:
    used = [stage("redis", shards=shards) for shards in (4, 8, 16, 64)]
    assert [one.used for one in used] == sorted((one.used for one in used), reverse=True)
    assert [one.wait_ms for one in used] == sorted((one.wait_ms for one in used), reverse=True)


def test_a_queue_costs_the_gateways_more_and_puts_its_numbers_on_one_node() -> None:
    assert stage("gateway", queue="fifo").count > stage("gateway").count
    assert stage("queue", queue="fifo").count == 1
    with pytest.raises(StopIteration):
        stage("queue")


def test_what_one_has_is_judged_and_not_sized() -> None:
    made = plan.make(Sale(1_000_000, 100_000, 2, have={"gateway": 20}), FIGURES)
    assert made.lacks == ["gateway: 20 planned, 32 needed", "redis: 2 planned, 4 needed"]
    gateway = made.stages[1]
    assert gateway.used == pytest.approx(1_000_000 * 21.9e-6 / 20)


def test_orders_that_one_item_cannot_make_in_time_are_refused_with_the_time_it_takes() -> None:
    with pytest.raises(WrongInput) as wrong:
        stage("orders", units=1_000_000, confirm_within_s=1.0)
    least = float(re.findall(r"at least ([\d.]+)", str(wrong.value))[0])
    assert stage("orders", units=1_000_000, confirm_within_s=least + 0.1).used <= 0.7 + 1e-9
    # Who says what he has wants to hear how full that is.
    had = stage("orders", units=1_000_000, confirm_within_s=1.0, have={"orders": 2})
    assert had.used == pytest.approx(FIGURES.landing_us)


def test_each_consumer_has_a_partition() -> None:
    made = plan.make(Sale(10**6, 10**6, 64, confirm_within_s=30, have={"orders": 9}), FIGURES)
    assert stages.partitions(made.sale, made.stages) == 16


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (PLAN, "TARGET_QPS is missing"),
        ([*ASKED, "--units", ""], "UNITS is missing"),
        ([*ASKED, "--shards", "many"], "SHARDS must be a whole number, not 'many'"),
        ([*ASKED, "--target-qps", "-5"], "TARGET_QPS must be a whole number, not '-5'"),
        ([*ASKED, "--target-qps", "1e6"], "TARGET_QPS must be a whole number, not '1e6'"),
        ([*ASKED, "--target-qps", "0"], "TARGET_QPS must be from 1 to 10,000,000, not 0"),
        ([*ASKED, "--units", "10"], "UNITS must be at least SHARDS (64), not 10"),
        ([*ASKED, "--shards", "65"], "SHARDS must be from 1 to 64, not 65"),
        ([*ASKED, "--queue", "lifo"], "QUEUE must be off or fifo, not 'lifo'"),
        ([*ASKED, "--human-check", "yes"], "HUMAN_CHECK must be on or off, not 'yes'"),
        ([*ASKED, "--headroom", "1"], "HEADROOM must be from 0 to below 1, not 1.0"),
        ([*ASKED, "--headroom", "a lot"], "HEADROOM must be a number, not 'a lot'"),
        ([*ASKED, "--confirm-within-s", "0"], "CONFIRM_WITHIN_S must be from 0.1 to 3600, not 0.0"),
        ([*ASKED, "--confirm-within-s", "1"], "CONFIRM_WITHIN_S must be at least 2.6 for 100,000"),
        ([*ASKED, "--have", "gateway"], "HAVE must be stage=count with commas between"),
        ([*ASKED, "--have", "gateways=3"], "HAVE knows no 'gateways'; it knows edge, gateway"),
        ([*ASKED, "--have", "edge=0"], "HAVE edge must be from 1 to 100,000, not 0"),
        ([*ASKED, "--have", "edge=1,edge=2"], "HAVE names edge twice"),
        ([*ASKED, "--seed", "x"], "SEED must be a whole number, not 'x'"),
        ([*ASKED, "--report", "no/such.json"], "no/such.json cannot be read: No such file"),
    ],
)
def test_wrong_input_is_named_with_the_reason_and_exits_2(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"capacity: {said}")
    assert told.err.count("\n") == 1
    assert told.out == ""


def test_too_few_of_something_exits_1_and_says_of_what(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASKED, "--have", "kafka=1"]) == 1
    assert capsys.readouterr().err == "capacity: not enough: kafka: 1 planned, 5 needed\n"


def test_numbers_may_have_their_thousands_parted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*PLAN, "--target-qps", "20,000", "--units", "2_000", "--shards", "1"]) == 0
    assert "20,000/s purchases" in capsys.readouterr().out


def test_the_command_of_the_makefile_plays_the_sale(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", "--target-qps", "20000", "--units", "2000", "--shards", "2"]
    assert main([*words, "--human-check", "off"]) == 0
    out = capsys.readouterr().out
    assert "2,000 units: 2,000 reserved, 2,000 confirmed" in out
    assert "bottleneck of the answers: " in out
    makefile = (ROOT / "Makefile").read_text()
    for name in ("target-qps", "units", "shards", "queue", "headroom", "have", "confirm-within-s"):
        assert f'--{name} "$({name.replace("-", "_").upper()})"' in makefile


def report_of(tmp_path: Path, **measures: object) -> Path:
    path = tmp_path / "report.json"
    told = {"machine": "m, 8 cores", "commit": "abc", "date": "today", "measures": measures}
    path.write_text(json.dumps(told))
    return path


def test_a_report_stands_above_what_is_checked_in(tmp_path: Path) -> None:
    p1 = {"by_processor_time": 0.5, "product": 1, "limit": 2}
    p4 = {"product": 50_000, "client_us": 10.0, "postgres_us": 9.0}
    source = figures.read(
        report_of(tmp_path, P1=p1, P3={"value": 600_000}, P4=p4, P5={"product": 99})
    )
    found = source.figures
    assert found.gateway_reserved_us == pytest.approx(FIGURES.hello_us / 0.5)
    assert (found.landed_per_s, found.consumer_us, found.postgres_us) == (50_000, 10.0, 9.0)
    assert found.relay_per_s == 99
    assert found.redis_at_p3_us == pytest.approx(1e6 / 600_000)
    assert found.edge_entry_us == FIGURES.edge_entry_us
    assert source.checked_in == FIGURES
    assert "P1, P3, P4, P5" in source.told and "abc" in source.told


def test_a_report_says_what_each_process_costs(tmp_path: Path) -> None:
    everything = {"risk-scorer": {"us": 11.0, "idle_cores": 0.1, "mb": 9}}
    everything |= {"kafka": {"us": 9.0, "idle_cores": 0.2, "mb": 9}}
    alone = {"inventory-consumer": {"us": 1.0, "postgres_us": 2.0}}
    alone |= {"order-courier": {"us": 3.0, "postgres_us": 4.0}}
    alone |= {"webhook-consumer": {"us": 5.0, "postgres_us": 0.0}}
    counted: dict[str, object] = {"orders": 7, "clicks": 14, "us": 20, "wal_bytes": 900}
    costs = counted | {"of": everything, "alone": alone}
    found = figures.read(report_of(tmp_path, costs=costs)).figures
    assert (found.stack_us, found.wal_bytes, found.scorer_us) == (20, 900, 5.5)
    assert (found.inventory_us, found.courier_us, found.webhook_us) == (1.0, 3.0, 5.0)
    assert found.warehouse_postgres_us == 6.0
    assert found.idle_stack_cores == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON:"),
        ("[]", "is no JSON object"),
        ("{}", "has no measures"),
        ('{"measures": {"P1": 5}}', "has no measures"),
        ('{"measures": {"P1": {}}}', "a measure lacks a figure or has a wrong one: 'by_processor"),
        ('{"measures": {"P3": {"value": 0}}}', "a measure lacks a figure or has a wrong one"),
        ('{"measures": {"P5": {"product": -1}}}', "figure relay_per_s must be a number above 0"),
        ('{"measures": {"P5": {"product": "x"}}}', "figure relay_per_s must be a number above 0"),
    ],
)
def test_a_report_that_makes_no_sense_is_refused(
    tmp_path: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    assert main([*ASKED, "--report", str(path)]) == 2
    assert said in capsys.readouterr().err


def test_every_figure_says_where_it_comes_from() -> None:
    known = json.loads(figures.MEASURED.read_text())
    assert {"machine", "date", "commit", "figures", "measures"} == set(known)
    for name, figure in known["figures"].items():
        assert {"value", "unit", "from"} == set(figure), name
        assert len(figure["from"]) > 5, name


def test_the_constants_are_those_of_the_code() -> None:
    lua = (ROOT / "openresty/gateway/config.lua").read_text()
    for variable, value in (
        ("SLUICE_BATCH_MAX", figures.RESERVE_BATCH),
        ("SLUICE_QUEUE_MAX", stock.QUEUE_MAX),
        ("SLUICE_RESERVE_TIMEOUT_MS", round(stock.RESERVE_TIMEOUT_S * 1000)),
    ):
        assert re.search(rf'"{variable}", {value},', lua), variable
    sold_out = (ROOT / "openresty/gateway/sold_out.lua").read_text()
    assert f"local BELIEVED_S = {crowd.BELIEVED_S}" in sold_out
    consumer = (ROOT / "workers/order_consumer.py").read_text()
    assert f"\nBATCH_MAX = {figures.LANDING_BATCH}\n" in consumer
    assert f"\nROUND_S = {stock.AGENT_ROUND_S}\n" in (ROOT / "workers/stock_agent.py").read_text()
    assert stages.AGENT_LOOK_S == stock.AGENT_ROUND_S
    assert landing.ENTRIES_A_READ == relay.ENTRIES_A_READ_MAX
    assert landing.IDLE_S == relay.IDLE_MAX_S
    assert sale.SHARDS_MAX == env.SHARDS_MAX
