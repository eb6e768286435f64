"""Waiting is not buying: what showing a ticket costs in the rate limits, and what it does not."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.gateway.client import Answer
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import SWITCHES, Shop
from tests.gateway.test_queue_tickets import forged
from tests.gateway.test_reserved import assert_reserved
from tests.gateway.waiting_line import AGAIN, Called, WaitingLine, put_in_line
from tests.redis.waiting import until

WAITING = 60
BURST = 2
# A step is 300 ms; a first report to the work Redis may count what two workers admitted twice.
TICKET_WAIT_MAX_MS = 1500
# Slow enough that nothing comes back during a case.
ADDRESS = {"by": "address", "level": "", "per_s": 0.001, "burst": BURST}
SHOPPER = ADDRESS | {"by": "shopper"}


@pytest.fixture(scope="module")
def workers() -> int:
    """Two: a ticket may be shown so often to the gateway, not to a worker."""
    return 2


Behind = Callable[..., tuple[WaitingLine, dict[str, str], dict[str, Any]]]


@pytest.fixture
def behind(shop: Shop) -> Iterator[Behind]:
    """A function: a line, so many tickets in it, the address of all; then limits are in force."""
    cases = iter(range(2, 250))

    def put_up(*rules: dict[str, Any], waiting: int = WAITING, **how: Any) -> Any:
        line = put_in_line(shop, units=WAITING, **how)
        tickets = {f"{line.item.id}-s{n}": "" for n in range(waiting)}
        for name in tickets:
            tickets[name] = line.queued(name)["ticket"]
        shop.publish(rate_limits=list(rules), switches=SWITCHES | {"rate_limits": 1})
        # What was charged before is another case's.
        return line, tickets, {"source": f"127.0.{line.item.id % 250}.{next(cases)}"}

    yield put_up
    shop.document.pop("rate_limits")
    shop.publish(switches=SWITCHES)


def decided(line: WaitingLine, shopper: str, ticket: str, home: dict[str, Any]) -> Answer:
    """What he hears when his window has moved, asking more often than one may."""

    def asked() -> Answer | None:
        answer = line.buy(shopper, ticket, **home)
        too_often = answer.status == 429 and answer.json["retry_after_ms"] <= TICKET_WAIT_MAX_MS
        return None if too_often or answer.json.get("ticket") == ticket else answer

    answer = until(asked, "his window has moved")
    assert answer
    return answer


def test_many_wait_behind_one_address_and_none_is_refused(behind: Behind) -> None:
    line, tickets, home = behind(ADDRESS, SHOPPER)
    with line.item.untouched():
        for shopper, ticket in tickets.items():
            line.queued(shopper, ticket, **home)


def test_without_tickets_they_are_as_many_as_the_limit_lets_in(behind: Behind) -> None:
    line, _, home = behind(ADDRESS, waiting=0)
    told = [line.buy(f"s{n}", **home).outcome for n in range(6)]
    assert told == ["queued"] * BURST + ["rate_limited"] * 4
    assert line.look().numbers == [BURST]


def test_a_called_one_buys_although_the_others_poll_behind_his_address(behind: Behind) -> None:
    line, tickets, home = behind(ADDRESS)
    first = next(iter(tickets))
    line.move(Called(1, 0))
    for shopper, ticket in tickets.items():
        if shopper != first:
            line.queued(shopper, ticket, **home)
    assert_reserved(decided(line, first, tickets[first], home), line.item)


def test_all_who_are_called_at_once_behind_one_address_buy(behind: Behind) -> None:
    """Their numbers were charged when they were taken; nobody is written off for a neighbour."""
    line, tickets, home = behind(ADDRESS, SHOPPER, ADDRESS | {"by": "device"})
    line.move(Called(WAITING, 0))
    until(lambda: line.look().window == [Called(WAITING, 0)], "all are called")
    for shopper, ticket in tickets.items():
        assert_reserved(decided(line, shopper, ticket, home), line.item)
    until(lambda: line.look().came == [WAITING], "all were noted")
    told = [line.buy(f"{line.item.id}-new-{n}", **home).outcome for n in range(4)]
    assert told == ["queued"] * BURST + ["rate_limited"] * 2


def test_a_called_one_tries_as_often_as_his_ticket_may_be_shown(behind: Behind) -> None:
    line, tickets, home = behind(ADDRESS, waiting=2)
    line.move(Called(2, 0))
    (ann, ticket), (bob, other) = tickets.items()
    assert_reserved(decided(line, ann, ticket, home), line.item)
    told = [line.buy(ann, ticket, **home) for _ in range(8)]
    # Queued: by the worker that has not heard of his call yet.
    assert {one.outcome for one in told} <= {"reserved", "rate_limited", "queued"}
    assert_refused(told[-1], "rate_limited")
    assert told[-1].json["retry_after_ms"] <= TICKET_WAIT_MAX_MS
    assert_reserved(decided(line, bob, other, home), line.item)
    assert line.item.shard.books().sold == 2


def test_one_shopper_with_many_tickets_has_one_allowance(behind: Behind) -> None:
    line, _, home = behind(ADDRESS, waiting=0)
    shown = [line.queued("robot", **home)["ticket"] for _ in range(BURST)]
    line.move(Called(BURST, 0))
    told = [line.buy("robot", shown[n % BURST], **home).outcome for n in range(12)]
    assert told[-1] == "rate_limited"
    assert line.item.shard.books().sold <= 1


def test_another_number_costs_as_much_as_the_first(behind: Behind) -> None:
    """Places that were written off, in turn behind one address."""
    line, tickets, home = behind(ADDRESS, waiting=5)
    line.move(Called(5, 5))
    told = [decided(line, shopper, ticket, home).outcome for shopper, ticket in tickets.items()]
    assert told == ["queued"] * BURST + ["rate_limited"] * 3
    assert line.look().numbers == [5 + BURST]


def test_a_ticket_is_shown_no_more_often_than_we_tell(behind: Behind) -> None:
    line, tickets, home = behind(ADDRESS, waiting=2)
    (ann, ticket), (bob, other) = tickets.items()
    with line.item.untouched():
        answers = [line.buy(ann, ticket, **home) for _ in range(8)]
        refused = answers[-1]
        assert_refused(refused, "rate_limited")
        assert 1 <= refused.json["retry_after_ms"] <= TICKET_WAIT_MAX_MS
        line.queued(bob, other, **home)
        until(lambda: line.buy(ann, ticket, **home).status == 202, "she is heard again")


def test_a_forged_ticket_buys_no_exemption(behind: Behind) -> None:
    line, tickets, home = behind(ADDRESS, waiting=1)
    (_, foreign) = next(iter(tickets.items()))
    before = line.look()
    with line.item.untouched():
        for n in range(5):
            robot = f"robot-{n}"
            wrong_key = forged(line, b"\x05" * 32, shopper=robot)
            for ticket in (wrong_key, foreign, "a.b.c"):
                assert_refused(line.buy(robot, ticket, **home), "bad_token")
    assert line.look().numbers == before.numbers
    told = [line.buy(f"robot-{n}", **home).outcome for n in range(4)]
    assert told == ["queued"] * BURST + ["rate_limited"] * 2


def test_saying_at_sold_out_that_one_asks_again_is_a_purchase(behind: Behind) -> None:
    """It makes the gateway look for a winner, which a poll must not."""
    line, tickets, home = behind(ADDRESS, waiting=5)

    def hears(shopper: str, **how: Any) -> str:
        line.move(Called(0, 0), sold_out=True)
        return decided(line, shopper, tickets[shopper], home | how).outcome

    # As many as the limit lets buy would be two.
    assert [hears(name) for name in tickets] == ["sold_out"] * 5
    told = [hears(name, headers=AGAIN) for name in tickets]
    assert told == ["sold_out"] * BURST + ["rate_limited"] * 3
