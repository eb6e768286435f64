"""Who gets the next version of the control plane, and what happens when it fails."""

import hashlib
from http.client import HTTPException

import pytest

from tests.gateway.client import Answer
from tests.gateway.console.conftest import Console
from tests.gateway.console.pages import Green
from tests.redis.waiting import until

# Enough for three points: the ids are the same in every run.
VISITORS = 200


@pytest.fixture(scope="module")
def workers() -> int:
    """What one worker learns of green has to count for the other."""
    return 2


@pytest.fixture(autouse=True)
def _green_is_well(console: Console, green: Green) -> None:
    green.start()
    console.gateway.expected_errors += ["green control plane failed", "upstream"]


def cookie(number: int) -> dict[str, str]:
    """A known visitor."""
    return {"Cookie": f"sluice_console={hashlib.sha256(b'%d' % number).hexdigest()[:32]}"}


def give(console: Console, percent: float) -> None:
    """Throw the switch; every worker has it then."""
    console.shop.publish(switches={"sale_enabled": True, "console_canary_percent": percent})


def version(answer: Answer) -> str:
    """Who answered."""
    assert answer.status == 200, answer
    return str(answer.json["version"])


def share(console: Console) -> float:
    """Percent of the known visitors that green answers."""
    pools = [version(console.get("/admin/", cookie(number))) for number in range(VISITORS)]
    return 100 * pools.count("green") / VISITORS


def a_visitor_of_green(console: Console) -> dict[str, str]:
    """One who gets green at the share that is set."""
    return next(
        cookie(number)
        for number in range(1000)
        if version(console.get("/admin/", cookie(number))) == "green"
    )


def until_green_again(console: Console) -> None:
    """The probe has found green well."""
    until(lambda: version(console.get("/admin/")) == "green", "green is asked again")


@pytest.mark.parametrize("percent", [10, 50])
def test_green_gets_its_share(console: Console, percent: int) -> None:
    give(console, percent)
    assert share(console) == pytest.approx(percent, abs=3)


@pytest.mark.parametrize(("percent", "expected"), [(0, 0), (100, 100)])
def test_nobody_and_everybody_are_exact(console: Console, percent: int, expected: int) -> None:
    give(console, percent)
    assert share(console) == expected


def test_a_document_without_the_switch_gives_green_nobody(console: Console) -> None:
    console.shop.publish(switches={"sale_enabled": True})
    assert version(console.get("/admin/", cookie(1))) == "blue"


def test_a_switch_counts_without_a_reload(console: Console) -> None:
    give(console, 0)
    assert version(console.get("/admin/", cookie(1))) == "blue"
    before = console.gateway.worker_pids()
    give(console, 100)
    assert version(console.get("/admin/", cookie(1))) == "green"
    assert console.gateway.worker_pids() == before


def test_a_person_keeps_his_version_through_all_of_his_requests(console: Console) -> None:
    give(console, 50)
    for _ in range(10):
        first = console.get("/admin/")
        crumb = first.headers["set-cookie"].partition(";")[0]
        pools = {version(console.get(path, {"Cookie": crumb})) for path in ("/admin/", "/api/v1/")}
        pools |= {version(console.ask("POST", "/admin/x/", {"Cookie": crumb}, b""))}
        assert pools == {version(first)}


def test_more_for_green_takes_nobody_back_to_blue(console: Console) -> None:
    give(console, 10)
    chosen = [n for n in range(150) if version(console.get("/admin/", cookie(n))) == "green"]
    give(console, 30)
    assert {version(console.get("/admin/", cookie(number))) for number in chosen} == {"green"}


def test_a_cookie_of_another_shape_is_replaced(console: Console) -> None:
    give(console, 0)
    answer = console.get("/admin/", {"Cookie": "sluice_console=1234"})
    assert "sluice_console=" in answer.headers["set-cookie"]
    assert "set-cookie" not in console.get("/admin/", cookie(1)).headers


def test_a_program_that_keeps_no_cookies_is_told_by_its_address(console: Console) -> None:
    give(console, 50)
    addresses = [f"127.9.0.{number}" for number in range(1, 21)]
    pools = {
        address: {version(console.ask("GET", "/api/v1/", address=address)) for _ in range(4)}
        for address in addresses
    }
    assert all(len(seen) == 1 for seen in pools.values())
    assert set.union(*pools.values()) == {"blue", "green"}
    assert "set-cookie" not in console.get("/api/v1/").headers


def test_the_gateway_itself_asks_blue(console: Console, green: Green) -> None:
    give(console, 100)
    polls = len(console.shop.plane.polls)
    until(lambda: len(console.shop.plane.polls) > polls + 2, "the gateway polls on")
    assert not [seen for seen in green.pages.seen if seen.path.startswith("/internal")]


def test_green_that_dies_is_noticed_by_nobody(console: Console, green: Green) -> None:
    give(console, 100)
    assert version(console.get("/admin/")) == "green"
    opened = console.gateway.counted("console_breaker", "opened")
    green.stop()
    # Nothing was sent, so forms go to the other version too.
    for number in range(20):
        method = ("GET", "POST")[number % 2]
        assert version(console.ask(method, "/admin/x/", {}, b"")) == "blue"
    until(lambda: console.gateway.counted("console_breaker", "opened") > opened, "it opens")
    green.start()
    until_green_again(console)


def test_a_form_that_green_took_is_not_sent_twice(console: Console, green: Green) -> None:
    give(console, 100)
    green.pages.hangs_up = True
    answers = [console.ask("POST", "/admin/x/", {}, b"a=1") for _ in range(3)]
    assert [answer.status for answer in answers] == [503] * 3
    assert b"look before you" in answers[0].body
    assert len(green.pages.seen) == 3
    assert console.blue.seen == []
    # The breaker is open: the probe is not answered either, so nobody meets green any more.
    for _ in range(20):
        assert version(console.ask("POST", "/admin/x/", {}, b"a=1")) == "blue"
    assert {seen.path for seen in green.pages.seen[3:]} <= {"/readyz"}
    green.pages.hangs_up = False
    until_green_again(console)


def test_a_page_that_green_took_is_asked_of_blue(console: Console, green: Green) -> None:
    give(console, 100)
    green.pages.hangs_up = True
    assert [version(console.get("/admin/")) for _ in range(6)] == ["blue"] * 6
    green.pages.hangs_up = False
    until_green_again(console)


def test_green_that_answers_with_errors_is_taken_out(console: Console, green: Green) -> None:
    give(console, 100)
    green.pages.status = 500
    pages = [console.ask("POST", "/admin/x/", {}, b"a=1").status for _ in range(4)]
    assert pages == [500, 500, 500, 200]
    green.pages.status = 200
    until_green_again(console)


def test_one_answer_between_failures_keeps_green_in(console: Console, green: Green) -> None:
    give(console, 100)
    for status in (500, 500, 200, 500, 500):
        green.pages.status = status
        assert console.ask("POST", "/admin/x/", {}, b"").status == status
    green.pages.status = 200
    assert version(console.get("/admin/")) == "green"


def test_a_refusal_of_green_is_no_failure(console: Console, green: Green) -> None:
    give(console, 100)
    green.pages.status = 404
    assert [console.get("/admin/x/").status for _ in range(5)] == [404] * 5
    assert len(green.pages.seen) == 5
    assert console.blue.seen == []


def test_half_open_one_more_failure_is_enough(console: Console, green: Green) -> None:
    give(console, 100)
    green.pages.status = 500
    for _ in range(3):
        console.ask("POST", "/admin/x/", {}, b"")
    assert version(console.get("/admin/")) == "blue"
    green.pages.probe_status = 200
    until(lambda: _form(console) == 500, "it half opens, and one form meets green")
    green.pages.probe_status = 500
    # One more at most: a probe may have come in between.
    assert sum(_form(console) == 500 for _ in range(5)) <= 1
    green.pages.status, green.pages.probe_status = 200, None
    until_green_again(console)


def _form(console: Console) -> int:
    return console.ask("POST", "/admin/x/", {}, b"").status


def test_without_green_blue_alone_is_asked(console: Console, green: Green) -> None:
    """And when blue is away, whoever asks is told that nobody answers."""
    give(console, 0)
    plane = console.shop.plane
    plane.stop()
    try:
        answer = console.get("/admin/", cookie(1))
    except (OSError, HTTPException) as error:  # pragma: no cover - a hung-up console is a fault
        raise AssertionError from error
    finally:
        plane.start()
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert "控制面没有响应" in answer.body.decode()
    assert green.pages.seen == []
