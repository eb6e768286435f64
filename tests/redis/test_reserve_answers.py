"""reserve.lua: what each request of a batch is told, and what is taken for it."""

import pytest

from tests.redis.armed_shard import Answer, ArmedShard, Request
from tests.redis.books import held_by
from tests.redis.conftest import Arm
from tests.redis.waiting import until


def test_a_shopper_gets_the_unit_and_is_remembered(arm: Arm) -> None:
    shard = arm(units=3)
    ann = Request("ann")
    assert shard.reserve(ann) == Answer("R")
    books = shard.books()
    assert (books.avail, books.sold, books.winners, books.outbox) == (2, 1, 1, 1)
    assert held_by(shard.server.worker, shard.shard) == {"ann": [(shard.reservation_id(ann), 1)]}


def test_a_repeat_gets_the_first_answer_and_takes_nothing(arm: Arm) -> None:
    shard = arm(units=10, limit=3)
    assert shard.reserve(Request("ann", 2)) == Answer("R")
    with shard.unchanged():
        assert shard.reserve(Request("ann", 2)) == Answer("A", (2,))


def test_a_repeat_with_another_quantity_is_told_the_stored_one(arm: Arm) -> None:
    shard = arm(units=10, limit=3)
    shard.reserve(Request("ann", 2))
    with shard.unchanged():
        assert shard.reserve(Request("ann", 1), Request("ann", 3)) == Answer("AA", (2, 2))


def test_the_stored_quantities_stand_in_the_order_of_the_repeats(arm: Arm) -> None:
    shard = arm(units=100, limit=20)
    shard.reserve(Request("ann", 2), Request("bob", 13), Request("cem", 1))
    answer = shard.reserve(Request("bob", 13), Request("dee", 5), Request("ann", 2))
    assert answer == Answer("ARA", (13, 2))


def test_two_equal_requests_in_one_batch_are_one_reservation(arm: Arm) -> None:
    shard = arm(units=10, limit=5)
    assert shard.reserve(Request("ann", 2), Request("ann", 2)) == Answer("RA", (2,))
    assert shard.books().sold == 2


def test_two_orders_of_one_shopper_in_one_batch_stay_within_the_limit(arm: Arm) -> None:
    shard = arm(units=10, limit=1)
    assert shard.reserve(Request("ann", key="one"), Request("ann", key="two")) == Answer("RL")
    assert shard.books().sold == 1


def test_another_idempotency_key_at_the_limit_is_refused(arm: Arm) -> None:
    shard = arm(units=10, limit=1)
    shard.reserve(Request("ann", key="one"))
    with shard.unchanged():
        assert shard.reserve(Request("ann", key="two")) == Answer("L")


def test_several_orders_add_up_to_the_limit_and_no_further(arm: Arm) -> None:
    shard = arm(units=20, limit=5)
    asked = [Request("ann", 2, "a"), Request("ann", 2, "b"), Request("ann", 2, "c")]
    assert shard.reserve(*asked) == Answer("RRL")
    assert shard.reserve(Request("ann", 1, "d"), Request("ann", 1, "e")) == Answer("RL")
    assert shard.reserve(*asked[:2], Request("ann", 1, "d")) == Answer("AAA", (2, 2, 1))
    assert shard.books().sold == 5


def test_more_than_the_limit_at_once_is_refused(arm: Arm) -> None:
    shard = arm(units=20, limit=5)
    with shard.unchanged():
        assert shard.reserve(Request("ann", 6), Request("bob", 1_000_000_000)) == Answer("LL")


def test_an_order_is_never_filled_in_part(arm: Arm) -> None:
    shard = arm(units=3, limit=5)
    with shard.unchanged():
        assert shard.reserve(Request("ann", 4)) == Answer("E")
    assert shard.reserve(Request("ann", 3)) == Answer("R")


def test_the_first_in_the_batch_is_served_first(arm: Arm) -> None:
    shard = arm(units=3, limit=3)
    asked = [Request("ann", 2), Request("bob", 2), Request("cem", 1), Request("dee", 1)]
    assert shard.reserve(*asked) == Answer("RERE")
    assert [intent["shopper"] for intent in shard.intents()] == ["ann", "cem"]


def test_an_empty_shard_says_empty_until_it_is_marked(arm: Arm) -> None:
    shard = arm(units=1)
    shard.reserve(Request("ann"))
    with shard.unchanged():
        assert shard.reserve(Request("bob")) == Answer("E")
    assert shard.mark_sold_out() == 1
    with shard.unchanged():
        assert shard.reserve(Request("bob")) == Answer("S")


def test_a_shard_that_never_got_a_unit_is_empty(arm: Arm) -> None:
    shard = arm(units=0)
    with shard.unchanged():
        assert shard.reserve(Request("ann")) == Answer("E")


def test_who_wants_more_than_is_left_anywhere_hears_it_and_others_may_come(arm: Arm) -> None:
    shard = arm(units=2, limit=9)
    shard.mark_sold_out(left=5)
    asked = [Request("ann", 6), Request("bob", 5), Request("cem", 3), Request("dee", 2)]
    assert shard.reserve(*asked) == Answer("PEER")
    assert shard.lacking() == 5


@pytest.mark.parametrize(
    ("age_ms", "code"), [(0, "S"), (500, "S"), (1000, "E"), (1500, "E"), (10**9, "E"), (-5000, "E")]
)
def test_a_mark_is_believed_for_a_second_from_its_date(arm: Arm, age_ms: int, code: str) -> None:
    shard = arm(units=0)
    assert shard.mark_sold_out(version_ms=shard.server.now_ms() - age_ms) == 1
    assert shard.reserve(Request("ann")) == Answer(code)


def test_a_mark_that_nobody_renews_ends_by_itself(arm: Arm) -> None:
    shard = arm(units=0)
    shard.mark_sold_out()
    assert shard.reserve(Request("ann")) == Answer("S")
    until(lambda: shard.reserve(Request("ann")) == Answer("E"), "the mark is over")


@pytest.mark.parametrize("field", ["sold_out", "left"])
@pytest.mark.parametrize("value", ["", "soon", None])
def test_half_a_mark_is_none(arm: Arm, field: str, value: str | None) -> None:
    shard = arm(units=0)
    shard.mark_sold_out()
    if value is None:
        shard.server.operator.hdel(shard.shard.ctl, field)
    else:
        shard.server.operator.hset(shard.shard.ctl, field, value)
    assert shard.reserve(Request("ann")) == Answer("E")


def test_what_was_lacking_is_the_largest_refused(arm: Arm) -> None:
    shard = arm(units=1, limit=9)
    shard.reserve(Request("ann", 3), Request("bob", 5), Request("cem", 4), Request("dee", 1))
    assert shard.lacking() == 5
    shard.reserve(Request("ann", 2))
    assert shard.lacking() == 5
    shard.reserve(Request("ann", 7))
    assert shard.lacking() == 7


def test_only_a_refusal_for_want_of_units_is_lacking(arm: Arm) -> None:
    shard = arm(units=2, limit=2)
    assert shard.reserve(Request("ann", 2), Request("ann", 1, "b"), Request("bob", 3)).codes == (
        "RLL"
    )
    shard.mark_sold_out()
    assert shard.reserve(Request("bob"), Request("ann", 2)).codes == "SA"
    assert "lacking" not in shard.ctl()


def test_what_was_lacking_is_written_once(arm: Arm) -> None:
    shard = arm(units=0)
    written = writes(shard)
    shard.reserve(Request("ann"), Request("bob"))
    assert writes(shard) == written + 1
    for _ in range(3):
        shard.reserve(Request("cem"))
    assert writes(shard) == written + 1


def writes(shard: ArmedShard) -> int:
    """How many writes this server has seen."""
    return int(shard.server.operator.info("persistence")["rdb_changes_since_last_save"])


def test_units_sold_are_counted(arm: Arm) -> None:
    shard = arm(units=9, limit=5)
    shard.reserve(Request("ann", 3), Request("bob", 5), Request("cem", 2), Request("dee", 1))
    assert shard.ctl()["sold"] == "9"
    shard.reserve(Request("ann", 3))
    assert shard.ctl()["sold"] == "9"


def test_an_id_that_ends_like_another_is_another(arm: Arm) -> None:
    shard = arm(limit=5)
    shard.evalsha("ann xa=2 device-of-it regular 1800000000000")
    assert shard.evalsha("ann a=1 device-of-it regular 1800000000000") == Answer("R")
    shard.server.operator.delete(shard.shard.buyers, shard.shard.outbox)
    shard.server.operator.hset(shard.shard.ctl, "sold", 0)
    shard.server.operator.set(shard.shard.avail, 10)


def test_a_repeat_after_sold_out_is_still_reserved(arm: Arm) -> None:
    shard = arm(units=1)
    shard.reserve(Request("ann"))
    shard.mark_sold_out()
    assert shard.reserve(Request("bob"), Request("ann")) == Answer("SA", (1,))


def test_who_has_his_share_hears_limit_even_when_all_is_sold(arm: Arm) -> None:
    shard = arm(units=1)
    shard.reserve(Request("ann", key="one"))
    shard.mark_sold_out()
    assert shard.reserve(Request("ann", key="two"), Request("bob")) == Answer("LS")


def test_units_granted_later_are_sold(arm: Arm) -> None:
    shard = arm(units=1)
    shard.reserve(Request("ann"))
    shard.mark_sold_out()
    shard.grant(1)
    assert shard.reserve(Request("bob"), Request("cem")) == Answer("RE")


def test_the_outbox_holds_the_winners_lines_verbatim(arm: Arm) -> None:
    shard = arm(units=2)
    asked = [Request("ann"), Request("ann", key="two"), Request("bob"), Request("cem")]
    assert shard.reserve(*asked) == Answer("RLRE")
    ((_, fields),) = shard.server.worker.xrange(shard.shard.outbox)
    assert fields == {
        "v": "2",
        "n": "2",
        "lines": shard.line(asked[0]) + "\n" + shard.line(asked[2]),
    }


def test_a_batch_without_a_winner_writes_no_entry(arm: Arm) -> None:
    shard = arm(units=1)
    shard.reserve(Request("ann"))
    with shard.unchanged():
        assert (
            shard.reserve(Request("ann"), Request("bob"), Request("ann", key="two")).codes == "AEL"
        )


def test_the_relays_group_has_every_entry_before_it(arm: Arm) -> None:
    shard = arm(units=5)
    for shopper in ("ann", "bob"):
        shard.reserve(Request(shopper))
    (group,) = shard.server.worker.xinfo_groups(shard.shard.outbox)
    assert (group["name"], group["last-delivered-id"], group["lag"]) == ("relay", "0-0", 2)


def test_the_largest_batch_is_one_entry(arm: Arm) -> None:
    shard = arm(units=1000)
    answer = shard.reserve(*(Request(f"shopper-{n}") for n in range(1024)))
    assert answer == Answer("R" * 1000 + "E" * 24)
    assert shard.books().outbox == 1
    assert len(shard.intents()) == 1000


def test_shoppers_of_every_allowed_letter_are_kept_apart(arm: Arm) -> None:
    shard = arm(units=10)
    names = ["a.b", "a:b", "a-b", "a_b", "aXb", "A-B", "%", "s" * 64]
    asked = [Request(name) for name in names]
    assert shard.reserve(*asked) == Answer("R" * len(names))
    assert shard.reserve(*asked) == Answer("A" * len(names), (1,) * len(names))
