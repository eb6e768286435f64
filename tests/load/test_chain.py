"""The chain's ramp: its arrivals, its open-loop clock, what it counts, and whom it blames."""

import asyncio
import itertools
import sys
import time
from collections import Counter
from dataclasses import replace

import pytest
import uvloop

from tests.load.campaign import Item
from tests.load.chain import columns, probe, stages, verdict
from tests.load.chain.crowd import Crowd, Heard, Miscounted
from tests.load.chain.curve import AFTER_S, BEFORE_S, SPIKE_S, Arrival, Kind, arrivals, rate
from tests.load.chain.open_loop import NO_ANSWER, OpenLoop
from tests.load.chain.probe import WANTED, machine_s, wanted
from tests.load.chain.stages import Figures

BUSY = {"gateway": 0.5, "redis": 0.2, "relay": 0.1, "order-consumer": 0.3, "postgres": 0.4}
WELL = Figures(
    late_p99_ms=4,
    gateway_p99_ms=20,
    reserve_p99_ms=40,
    exchange_p99_ms=5,
    relay_lag_s=0.1,
    consumer_lag_s=0.2,
    confirm_p99_ms=400,
    busy=BUSY,
    machine_busy=0.6,
)
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def test_a_sale_is_calm_then_fills_up_then_peaks_at_its_start_and_decays():
    looks = [rate(at_s / 10, 1000) for at_s in range(-int(BEFORE_S * 10), int(AFTER_S * 10))]
    start, end = int(BEFORE_S * 10), int((BEFORE_S + SPIKE_S) * 10)
    assert looks[:start] == sorted(looks[:start]) and looks[start - 1] < 0.5 * looks[start]
    assert set(looks[start:end]) == {1000.0}
    assert looks[end:] == sorted(looks[end:], reverse=True) and looks[-1] < 100
    assert rate(-BEFORE_S - 1, 1000) == rate(AFTER_S, 1000) == 0.0


def test_arrivals_follow_the_curve_and_come_again_from_the_same_seed():
    came = arrivals(400, seed=3)
    assert came == arrivals(400, seed=3) != arrivals(400, seed=4)
    assert [one.clicks_s[0] for one in came] == sorted(one.clicks_s[0] for one in came)
    spike = sum(0 <= one.clicks_s[0] < SPIKE_S for one in came)
    assert abs(spike - 400 * SPIKE_S) < 5 * (400 * SPIKE_S) ** 0.5
    assert {one.kind for one in came if one.clicks_s[0] < 0} == {Kind.LOOKER, Kind.EARLY}
    assert {one.kind for one in came} == set(Kind)
    assert all((len(one.clicks_s) > 1) == (one.kind is Kind.IMPATIENT) for one in came)


async def _stalled(requests: int, connections: int) -> tuple[list[tuple[float, float]], float]:
    """A server that answers nobody until all are due: (planned, ms) of each, and its release."""
    free = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                await free.wait()
                writer.write(ANSWER)
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    loop = asyncio.get_running_loop()
    client = OpenLoop(server.sockets[0].getsockname()[1], connections)
    heard: list[tuple[float, float]] = []
    began = loop.time()

    def plan(due: float) -> None:
        client.plan(due, REQUEST, lambda answer: heard.append((due, answer.ms)))

    for number in range(requests):
        plan(began + number * 0.005)
    running = asyncio.ensure_future(client.run())
    while len(client.late_ms) < requests:  # noqa: ASYNC110 - nobody tells when all are due
        await asyncio.sleep(0.001)
    released = loop.time()
    free.set()
    await running
    server.close()
    return heard, released


def test_a_server_that_stands_still_is_felt_by_everybody_who_was_due_meanwhile():
    # One connection: whoever counts from sending would see one slow answer, and 19 fast ones.
    heard, released = uvloop.run(_stalled(20, connections=1))
    assert len(heard) == 20
    assert all(ms >= (released - due) * 1000 for due, ms in heard)


def test_a_request_without_an_answer_is_unknown_and_told_once():
    async def gone() -> list[int]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        client = OpenLoop(server.sockets[0].getsockname()[1])
        heard: list[int] = []
        for _ in range(5):
            client.plan(0.0, REQUEST, lambda answer: heard.append(answer.status))
        await client.run()
        server.close()
        return heard

    assert uvloop.run(gone()) == [NO_ANSWER] * 5


def test_accepted_refused_landed_and_lost_are_never_one_another():
    heard = Heard(
        requests=9,
        reserved={"r1": "a", "r2": "b", "r3": "c"},
        repeated=2,
        refused=Counter(sold_out=3, bad_token=1),
        unknown=1,
    )
    told = columns.columns(heard, {"r1": "a", "r9": "z"}, {"r2"})
    assert told["refused"] == {"bad_token": 1, "sold_out": 3}
    assert (told["accepted"], told["repeated"], told["unknown"]) == (3, 2, 1)
    assert (told["landed"], told["rejected"], told["lost"]) == (2, 1, 1)
    # An order of another shopper is no order of this one.
    assert columns.columns(heard, {"r1": "x", "r2": "b", "r3": "c"}, set())["lost"] == 1


def test_nobody_is_blamed_while_all_objectives_are_kept():
    assert verdict.judge(WELL) == verdict.Verdict(None, (), ())


@pytest.mark.parametrize(
    ("stage", "changes"),
    [
        ("gateway", {"gateway_p99_ms": 900, "reserve_p99_ms": 800}),
        ("gateway", {"gateway_p99_ms": 300, "reserve_p99_ms": 900, "exchange_p99_ms": 20}),
        ("redis", {"reserve_p99_ms": 900, "exchange_p99_ms": 800}),
        ("redis", {"busy": BUSY | {"redis": 0.99}}),
        ("relay", {"relay_lag_s": 9, "confirm_p99_ms": 5000}),
        ("kafka", {"relay_lag_s": 9, "busy": BUSY | {"kafka": 0.9}}),
        ("order-consumer", {"consumer_lag_s": 9, "busy": BUSY | {"order-consumer": 0.97}}),
        ("postgres", {"consumer_lag_s": 9, "confirm_p99_ms": 5000}),
        ("postgres", {"busy": BUSY | {"postgres": 1.9}}),
        # Late as an order only because it was late as a reservation.
        ("redis", {"reserve_p99_ms": 1000, "exchange_p99_ms": 999, "confirm_p99_ms": 1500}),
        (verdict.GENERATOR, {"late_p99_ms": 300, "gateway_p99_ms": 900, "consumer_lag_s": 9}),
    ],
)
def test_the_stage_that_others_wait_for_is_named(stage, changes):
    judged = verdict.judge(replace(WELL, **changes))
    assert judged.stage == stage
    assert judged.evidence


def test_a_full_machine_is_said_beside_the_stage():
    judged = verdict.judge(replace(WELL, consumer_lag_s=9, machine_busy=1.0))
    assert judged.stage == "postgres"
    assert "machine was full" in judged.evidence[-1]
    assert "the whole stack used at most 1.50" in judged.evidence[-1]


def _sample(at, gateway_s=0.0, **figures):
    return {"at": at, "cpu": {"gateway": gateway_s}, "machine": (at, 2 * at), "figures": figures}


def test_lag_is_the_wait_of_the_same_reservation_at_both_ends():
    steps = zip(range(6), [100, 100, 110, 120, 120, 120], [50, 50, 50, 50, 60, 70], strict=True)
    samples = [
        _sample(
            at,
            sluice_relay_delivered_total=sent,
            **{'sluice_reservations_decided_total{a="b"}': done},
        )
        for at, sent, done in steps
    ]
    reserved_at = [0.5] * 10 + [1.5] * 10
    relay_s, consumer_s = stages.lags_s(samples, reserved_at)
    assert (relay_s, consumer_s) == (1.0, 2.0)
    # Ten more that never arrive wait until the last look.
    assert stages.lags_s(samples, [*reserved_at, *[1.9] * 10])[0] == 3.0


def test_a_process_that_has_counted_nothing_yet_stands_at_zero():
    """A counter with labels is not there before its first count: that was no wait of the others."""
    ten = ['sluice_relay_delivered_total{shard="1"} 10']
    samples = [
        _sample(at, **wanted(lines, WANTED["relay"])) for at, lines in enumerate([[], ten, ten])
    ]
    assert stages.lags_s(samples, [0.5] * 10)[0] == 0.0


def test_busy_is_the_busiest_second_and_the_busiest_of_several_nodes():
    samples = [
        _sample(at / 2, gateway_s=used) for at, used in enumerate([0, 0, 0.1, 0.9, 1.1, 1.1])
    ]
    assert stages.busy_cores(samples) == {"gateway": 1.0}
    assert stages.machine_busy(samples) == 0.5
    nodes = [
        {"at": at, "cpu": {"redis-stock-1": at * 0.2, "redis-stock-2": at * 0.7}} for at in range(3)
    ]
    assert stages.busy_cores(nodes) == {"redis": 0.7}


def test_the_exchange_p99_is_the_bucket_that_holds_it():
    bounds = {"0.001": (50, 60), "0.01": (50, 148), "0.1": (50, 150), "+Inf": (50, 150)}
    series = 'sluice_gateway_exchange_seconds_bucket{le="%s"}'
    samples = [
        _sample(at, **{series % bound: counts[at] for bound, counts in bounds.items()})
        for at in (0, 1)
    ]
    assert stages.exchange_p99_ms(samples) == pytest.approx(100)
    assert stages.exchange_p99_ms([]) == 0.0


def test_a_probe_is_not_held_up_by_whoever_does_not_read_it():
    """A pipe holds 64 kB: what stood in the report was of the calm before the sale."""
    look = {"at": 1.0, "figures": {"x" * 1000: 1.0}}
    writes = f"import json\nfor n in range(300): print(json.dumps({look!r}), flush=True)"
    with probe.beside("dev", 0.0, [sys.executable, "-c", writes]) as looks:
        assert looks() == [look] * 300


def test_a_scrape_is_read_for_what_the_verdict_needs():
    lines = ["# HELP sluice_relay_delivered_total x", "sluice_relay_delivered_total 7", "other 1"]
    assert wanted(lines, WANTED["relay"]) == {"sluice_relay_delivered_total": 7.0}
    # The order consumer shows the relay's name too, and nothing of what the relay did.
    assert set(wanted(lines, WANTED["order-consumer"]).values()) == {0.0}
    busy, every = machine_s("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1\n")
    assert busy / every == pytest.approx(0.2)


def test_seconds_are_counted_from_the_start_of_the_sale():
    heard = Heard(clicked_at=[999.2, 1000.0, 1000.9, 1001.0], reserved_at=[1000.5])
    counted = columns.seconds(1000.0, heard, [1003.0])
    by_second = dict(zip(counted["second"], counted["clicks"], strict=True))
    assert (by_second[-1], by_second[0], by_second[1]) == (1, 2, 1)
    assert sum(counted["landed"]) == 1
    assert list(itertools.accumulate(counted["accepted"]))[-1] == 1


def _answered(*answers: bytes) -> Crowd:
    """A crowd, one shopper for each of these answers, which a server gives in turn."""
    left = iter(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(next(left, _body(b'{"state":"confirmed"}')))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run() -> Crowd:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        item = Item(7, "tea", time.time(), "/v1/items/7/k/reserve", "kid", b"secret", port)
        crowd = Crowd(item, [Arrival(Kind.SHOPPER, (0.0,))] * len(answers), first=1, seed=1)
        await crowd.run()
        server.close()
        return crowd

    return asyncio.run(run())


def _body(body: bytes, status: int = 200) -> bytes:
    return b"HTTP/1.1 %d -\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def test_an_answer_that_nobody_can_read_is_unknown_and_every_click_is_in_one_column():
    heard = _answered(
        _body(b'{"outcome":"reserved","reservation_id":"7-0-x"}'),
        _body(b"<html>Bad gateway</html>", 502),
        _body(b"[]"),
        _body(b'{"outcome":"reserved"}'),
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n{}",
        _body(b'{"code":"sold_out"}', 409),
    ).heard
    assert (len(heard.reserved), heard.refused, heard.unknown) == (1, {"sold_out": 1}, 5)
    assert (len(heard.clicked_at), heard.uncounted) == (7, 0)


def test_a_click_that_is_in_no_column_ends_the_rung(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Crowd, "_clicked", lambda *_: None)
    with pytest.raises(Miscounted, match="1 of 1 clicks"):
        _answered(_body(b"{}"))
