"""Units and messages that have stopped on their way."""

from control_plane.reconciliation.models import FindingKind
from control_plane.reconciliation.rules.rule import (
    GRANT,
    RECLAIM,
    Cut,
    Expression,
    Tables,
    rule,
)


def _selling(t: Tables) -> Expression:
    """Epochs to which units still go: an ended one's come back when it is closed."""
    allocations = t["allocations"]
    armed = allocations.filter((allocations.state == "selling") & allocations.is_armed)
    return armed.select("item", "shard", "epoch")


@rule(FindingKind.STUCK_GRANT, "waiting", repair=GRANT)
def grant_not_applied(t: Tables, cut: Cut) -> Expression:
    """PostgreSQL gave units away, and their shard has not said that it has them."""
    grants = t["grants"]
    waiting = grants.filter(grants.applied_ms.isnull() & (grants.created_ms < cut.settled))
    stuck = waiting.semi_join(_selling(t), ["item", "shard", "epoch"])
    return stuck.mutate(ref=stuck.id, expected=stuck.qty)


@rule(FindingKind.STUCK_GRANT, "not in the shard", repair=GRANT)
def grant_not_there(t: Tables, cut: Cut) -> Expression:
    """Marked as applied before we looked, and the shard's keys do not know it."""
    grants = t["grants"]
    applied = grants.filter(grants.applied_ms < cut.settled)
    here = t["shards"].select("item", "shard", "epoch").distinct()
    on_sale = applied.semi_join(_selling(t), ["item", "shard", "epoch"])
    stuck = on_sale.semi_join(here, ["item", "shard", "epoch"]).anti_join(t["applied_grants"], "id")
    return stuck.mutate(ref=stuck.id, expected=stuck.qty)


@rule(FindingKind.STUCK_RECLAIM, "waiting", repair=RECLAIM)
def reclaim_not_settled(t: Tables, cut: Cut) -> Expression:
    """Asked for, and PostgreSQL has not heard how many units came."""
    reclaims = t["reclaims"]
    stuck = reclaims.filter(reclaims.taken.isnull() & (reclaims.created_ms < cut.settled))
    return stuck.mutate(ref=stuck.id)


@rule(FindingKind.STUCK_DLQ, "exception")
def letter_for_a_person(t: Tables, cut: Cut) -> Expression:
    """Every attempt is over."""
    return _letters(t, cut, "exception", "created_ms")


@rule(FindingKind.STUCK_DLQ, "overdue")
def letter_nobody_tries(t: Tables, cut: Cut) -> Expression:
    """Its next attempt should have been made."""
    return _letters(t, cut, "pending", "next_ms")


def _letters(t: Tables, cut: Cut, state: str, since: str) -> Expression:
    letters = t["letters"]
    stuck = letters.filter((letters.state == state) & (letters[since] < cut.settled))
    return stuck.mutate(ref=stuck.letter.cast("string"))


@rule(FindingKind.AMOUNT_DIFF, "grant")
def grant_of_another_size(t: Tables, cut: Cut) -> Expression:
    """The shard has more or fewer units than it was given."""
    given = t["grants"].select("id", given=t["grants"].qty)
    both = t["applied_grants"].inner_join(given, "id")
    wrong = both.filter(both.qty != both.given)
    return wrong.mutate(ref=wrong.id, expected=wrong.given, found=wrong.qty)


@rule(FindingKind.AMOUNT_DIFF, "reclaim")
def reclaim_of_another_size(t: Tables, cut: Cut) -> Expression:
    """Settled with 0 is one whose epoch had ended: its units came back by the close."""
    settled = t["reclaims"].select("id", settled=t["reclaims"].taken)
    both = t["taken_reclaims"].inner_join(settled, "id")
    wrong = both.filter((both.settled > 0) & (both.qty != both.settled))
    return wrong.mutate(ref=wrong.id, expected=wrong.qty, found=wrong.settled)
