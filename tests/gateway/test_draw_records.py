"""The record of a draw: what shoppers may read of the control plane, and nothing else of it."""

import itertools

import pytest

from control_plane.queues.places import commit_of
from tests.gateway.client import Answer, Headers, send
from tests.gateway.control_plane import ControlPlane
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Shop
from tests.gateway.waiting_line import SEED, put_in_line, starts_later

SUMMARY, ROWS = "/v1/draws/{item}", "/v1/draws/{item}/record.csv"


_cases = itertools.count(1)


class Reader:
    """Somebody with an address of his own, who reads of an item that nobody has read of before."""

    def __init__(self, shop: Shop, case: int) -> None:
        self._shop, self._address = shop, f"127.0.1.{case}"
        self.item = 5_000_000 + case

    def get(self, path: str, headers: Headers | None = None, method: str = "GET") -> Answer:
        """`{item}` in the path is his."""
        path, port = path.format(item=self.item), self._shop.gateway.port
        return send(port, method, path, headers, source=self._address).answer()


@pytest.fixture
def reader(shop: Shop) -> Reader:
    """Records are kept and addresses limited, so each case has its own."""
    return Reader(shop, next(_cases))


@pytest.fixture(autouse=True)
def asked(plane: ControlPlane) -> ControlPlane:
    """Nothing so far, and it is well."""
    plane.pages.seen.clear()
    plane.pages.status, plane.pages.headers, plane.pages.hangs_up = 200, {}, False
    return plane


@pytest.mark.parametrize(
    ("path", "behind"),
    [(SUMMARY, "/api/v1/draws/{item}/"), (ROWS, "/api/v1/draws/{item}/record.csv")],
)
def test_a_record_is_the_control_planes(
    reader: Reader, asked: ControlPlane, path: str, behind: str
) -> None:
    asked.pages.headers = {"Content-Type": "text/csv", "Set-Cookie": "a=b", "Vary": "Cookie"}
    answer = reader.get(path + "?q=1", {"Cookie": "a=b", "X-Any": "x"})
    assert (answer.status, answer.json) == (200, {"version": "blue"})
    assert answer.headers["content-type"] == "text/csv"
    assert not {"set-cookie", "vary"} & set(answer.headers)
    (seen,) = asked.pages.seen
    assert (seen.method, seen.path, seen.body) == ("GET", behind.format(item=reader.item), b"")
    assert set(seen.headers) == {"host", "connection", "x-request-id"}
    assert seen.headers["host"] == asked.url.removeprefix("http://")


def test_it_is_asked_for_once_whoever_reads(reader: Reader, asked: ControlPlane) -> None:
    asked.pages.headers = {"Cache-Control": "no-store", "Vary": "Accept-Language"}
    for n in range(5):
        headers = {"Accept-Language": f"x-{n}", "Cache-Control": "no-cache"}
        answer = reader.get(SUMMARY + f"?{n}", headers)
        assert answer.status == 200
    assert len(asked.pages.seen) == 1


def test_what_is_unknown_is_not_found_and_asked_for_again(
    reader: Reader, asked: ControlPlane
) -> None:
    asked.pages.status = 404
    assert_refused(reader.get(SUMMARY), "not_found")
    asked.pages.status = 200
    assert reader.get(SUMMARY).status == 200


def test_before_its_reveal_nobody_asks_the_control_plane(
    shop: Shop, reader: Reader, asked: ControlPlane
) -> None:
    line = put_in_line(shop, mode="draw", **starts_later(shop))
    for path in (SUMMARY, ROWS):
        assert_refused(reader.get(path.format(item=line.item.id)), "not_found")
    assert asked.pages.seen == []
    line.publish([0])
    assert reader.get(SUMMARY.format(item=line.item.id)).status == 200


def test_without_the_control_plane_it_is_busy(
    shop: Shop, reader: Reader, asked: ControlPlane
) -> None:
    shop.gateway.expected_errors += ["connect() failed (111", "prematurely closed"]
    asked.pages.hangs_up = True
    assert_refused(reader.get(SUMMARY), "busy")
    asked.pages.hangs_up, asked.pages.status = False, 500
    assert_refused(reader.get(SUMMARY), "busy")
    asked.stop()
    try:
        assert_refused(reader.get(SUMMARY), "busy")
    finally:
        asked.start()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_it_is_only_read(reader: Reader, asked: ControlPlane, method: str) -> None:
    answer = reader.get(SUMMARY, method=method)
    assert_refused(answer, "bad_request")
    assert asked.pages.seen == []


@pytest.mark.parametrize(
    "rest", ["", "0", "07", "x", "7/", "7/rows", "7/record.csv/", "9" * 19, "%37x", "7%00"]
)
def test_no_other_path_leads_there(reader: Reader, asked: ControlPlane, rest: str) -> None:
    assert reader.get(f"/v1/draws/{rest}").status in (400, 404)
    assert asked.pages.seen == []


@pytest.mark.parametrize("rest", ["7/../{item}", "7%2f..%2f{item}", "x/..//{item}"])
def test_dots_lead_to_another_record_and_nowhere_else(
    reader: Reader, asked: ControlPlane, rest: str
) -> None:
    assert reader.get(f"/v1/draws/{rest}").status == 200
    assert [one.path for one in asked.pages.seen] == [f"/api/v1/draws/{reader.item}/"]


@pytest.mark.parametrize("rest", ["../../internal/snapshot", "7/../../../admin/", "%2e%2e/admin"])
def test_nothing_else_of_the_control_plane_is_reached(
    reader: Reader, asked: ControlPlane, rest: str
) -> None:
    assert reader.get(f"/v1/draws/{rest}").status in (400, 404)
    assert asked.pages.seen == []


def test_who_reads_too_often_is_told_so(reader: Reader, asked: ControlPlane) -> None:
    outcomes = [reader.get(SUMMARY) for _ in range(60)]
    refused = [answer for answer in outcomes if answer.status != 200]
    assert refused
    assert_refused(refused[0], "rate_limited")
    assert len(asked.pages.seen) <= 1


def test_a_campaign_tells_the_commitment_before_the_start(shop: Shop) -> None:
    line = put_in_line(shop, mode="draw", **starts_later(shop))
    told = shop.gateway.get(f"/v1/campaigns/campaign-{line.item.id}").json["items"][0]
    assert told["queue"] == {"mode": "draw", "commit": commit_of(SEED)}
    fifo = put_in_line(shop)
    assert (
        "queue" not in shop.gateway.get(f"/v1/campaigns/campaign-{fifo.item.id}").json["items"][0]
    )
