"""Switches in force at the gateway, item by item; how fast; and what the gateway says it runs."""

import statistics
import time
from typing import Any

import pytest

from tests.gateway.client import get
from tests.gateway.conftest import Settings
from tests.gateway.control_plane import ControlPlane
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import SWITCHES, Shop
from tests.redis.waiting import until

WORKERS, CHANGES = 4, 100
PROMISED_MS = 500


@pytest.fixture(scope="module")
def workers() -> int:
    """Each is asked what it runs."""
    return WORKERS


@pytest.fixture(scope="module")
def settings() -> Settings:
    """With a name, as operators give one."""
    return {"SLUICE_INSTANCE": "gateway-of-switches"}


def running(shop: Shop) -> list[dict[str, Any]]:
    """What GET /workers on the internal port says."""
    answer = get(shop.gateway.internal_port, "/workers")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    listed: list[dict[str, Any]] = answer.json
    return listed


def test_an_item_that_is_switched_off_stops_alone(shop: Shop) -> None:
    stopped, other = shop.put_up(), shop.put_up()
    shop.change(stopped, switches=SWITCHES | {"sale_enabled": False})
    with stopped.untouched():
        assert_refused(stopped.buy(), "busy")
    assert other.buy().outcome == "reserved"


def test_an_item_may_go_on_when_everything_else_is_off(shop: Shop) -> None:
    open_item, other = shop.put_up(switches=SWITCHES), shop.put_up()
    shop.publish(switches=SWITCHES | {"sale_enabled": False})
    assert open_item.buy().outcome == "reserved"
    with other.untouched():
        assert_refused(other.buy(), "busy")
    shop.publish(switches=SWITCHES)


def test_switches_of_others_and_new_sections_are_not_minded(shop: Shop) -> None:
    item = shop.put_up(
        switches=SWITCHES | {"canary_percent": 5, "some_day": "maybe"}, later={"a": 1}
    )
    shop.publish(later=[1])
    assert item.buy().outcome == "reserved"


@pytest.mark.parametrize(("switch", "value"), [("risk_mode", "perhaps"), ("rate_limits", -1)])
def test_a_switch_that_cannot_be_keeps_the_last_good_snapshot(
    shop: Shop, switch: str, value: object
) -> None:
    item = shop.put_up()
    version = shop.document["version"]
    shop.gateway.expected_errors.append(f"switch {switch} is")
    shop.plane.publish(shop.next_version() | {"switches": SWITCHES | {switch: value}})
    until(lambda: f"switch {switch} is {value}" in shop.gateway.errors(), "it was looked at")
    assert {one["version"] for one in running(shop)} == {version}
    assert item.buy().outcome == "reserved"


def test_every_worker_says_what_it_runs_and_since_when(shop: Shop) -> None:
    before_ms = time.time() * 1000
    shop.put_up()
    listed = until(lambda: current(shop), "all run it")
    assert [one["worker"] for one in listed] == list(range(WORKERS))
    # nginx's clock is cut to whole milliseconds.
    assert all(before_ms - 1 <= one["applied_at_ms"] <= time.time() * 1000 for one in listed)


def current(shop: Shop) -> list[dict[str, Any]]:
    """The workers, when all run the newest version; before, none."""
    listed, version = running(shop), shop.document["version"]
    all_run_it = [one["version"] for one in listed] == [version] * WORKERS
    return listed if all_run_it else []


def test_a_hundred_switches_reach_every_worker(shop: Shop) -> None:
    item, took_ms = shop.put_up(units=CHANGES), []
    for number in range(CHANGES):
        own = SWITCHES | {"sale_enabled": number % 2 == 1}
        shop.document["items"][str(item.id)]["switches"] = own
        document = shop.next_version()
        began_ms = time.time() * 1000
        shop.plane.publish(document)
        listed = until(lambda: current(shop), f"version {document['version']} runs everywhere")
        took_ms += [one["applied_at_ms"] - began_ms for one in listed]
        outcome = item.buy(f"s{number}").outcome
        assert outcome == "reserved" if own["sale_enabled"] else outcome == "busy"
    cuts = statistics.quantiles(took_ms, n=100)
    print(
        f"\npublished → in force in {WORKERS} workers, {CHANGES} changes: "
        f"median {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms, slowest {max(took_ms):.0f} ms"
    )
    # The promise is for the 99th of a hundred, and `make bench` measures it; a busy machine delays
    # some of them, but never most.
    assert cuts[49] < PROMISED_MS


def test_the_control_plane_hears_once_a_second_what_each_worker_runs(
    shop: Shop, plane: ControlPlane
) -> None:
    shop.put_up()
    version = shop.document["version"]

    def told() -> dict[str, Any]:
        newest = plane.heartbeats[-1] if plane.heartbeats else {"workers": []}
        versions = [one["version"] for one in newest["workers"]]
        return newest if versions == [version] * WORKERS else {}

    beat = until(told, "a heartbeat has this version")
    assert (beat["instance"], beat["kind"]) == ("gateway-of-switches", "gateway")
    assert [one["id"] for one in beat["workers"]] == list(range(WORKERS))
    listed = {one["worker"]: one["applied_at_ms"] for one in running(shop)}
    assert {one["id"]: one["applied_at_ms"] for one in beat["workers"]} == listed
    assert beat["at_ms"] >= max(listed.values())
    count = len(plane.heartbeats)
    until(lambda: len(plane.heartbeats) >= count + 2, "it goes on")


def test_without_the_control_plane_nothing_happens(shop: Shop, plane: ControlPlane) -> None:
    item = shop.put_up(units=50)
    lost = shop.gateway.counted("heartbeats", "lost")
    with plane.hanging():
        until(lambda: shop.gateway.counted("heartbeats", "lost") > lost, "one was lost")
        assert item.buy("during").outcome == "reserved"
    taken = shop.gateway.counted("heartbeats", "taken")
    until(lambda: shop.gateway.counted("heartbeats", "taken") > taken, "they are heard again")
    assert item.buy("after").outcome == "reserved"
