"""What one side has and the next one has not, and what nobody in front of it knows."""

import ibis

from control_plane.reconciliation.models import FindingKind
from control_plane.reconciliation.rules.rule import (
    ENDED,
    LIVE,
    RELAY,
    TELL,
    Cut,
    Expression,
    Tables,
    ids,
    open_letters,
    rule,
    without,
)


def _explained(t: Tables) -> Expression:
    """Decided, or a dead letter: a reservation that somebody answers for."""
    return ids(t["orders"], t["rejections"], open_letters(t))


def _held(t: Tables) -> Expression:
    winners = t["winners"]
    return winners.filter(winners.qty > 0)


def _nowhere(t: Tables, of: Expression) -> Expression:
    """Of these, who stands neither in an outbox nor in Kafka and is explained by nothing."""
    return without(without(without(of, t["outbox"]), t["messages"]), _explained(t))


def _ended_shards(t: Tables) -> Expression:
    """Shards of which an epoch is over: what only that one's node knew may be gone."""
    allocations = t["allocations"]
    return allocations.filter(allocations.state == "closed").select("item", "shard").distinct()


def _orders(t: Tables, states: tuple[str, ...]) -> Expression:
    orders = t["orders"]
    return orders.filter(orders.state.isin(states))


def _entries(t: Tables, table: str, kind: str) -> Expression:
    entries = t[table]
    return entries.filter(entries.kind == kind)


@rule(FindingKind.MISSING_IN_KAFKA, "relayed", repair=RELAY)
def relayed_and_not_there(t: Tables, cut: Cut) -> Expression:
    """The relay has acknowledged it, so Kafka had; the topic has it no more, nor is it decided."""
    outbox = t["outbox"]
    relayed = outbox.filter(
        (outbox.state == "relayed") & (outbox.at_ms < cut.settled) & outbox.reservation_id.notnull()
    )
    lost = without(without(relayed, t["messages"]), _explained(t))
    return lost.mutate(ref=lost.entry)


@rule(FindingKind.MISSING_IN_KAFKA, "winner")
def winner_without_a_trace(t: Tables, cut: Cut) -> Expression:
    """A shard counts it, and its entry is in no outbox; of a shard all of whose epochs sell."""
    return _nowhere(t, _held(t)).anti_join(_ended_shards(t), ["item", "shard"]).distinct()


@rule(FindingKind.LOST_ON_FAILOVER, "winner")
def winner_of_a_lost_epoch(t: Tables, cut: Cut) -> Expression:
    """The same where an epoch of the shard has ended: a rebuild has kept the hold, nobody else."""
    lost = _nowhere(t, _held(t)).semi_join(_ended_shards(t), ["item", "shard"])
    # Each epoch since may count it.
    return lost.group_by("item", "shard", "shopper", "reservation_id").agg(epoch=lost.epoch.min())


@rule(FindingKind.LOST_ON_FAILOVER, "earlier")
def seen_and_gone(t: Tables, cut: Cut) -> Expression:
    """An earlier run has seen it in its shard; now it is nowhere."""
    earlier = t["earlier"]
    return without(_nowhere(t, earlier.filter(earlier.qty > 0)), t["winners"])


@rule(FindingKind.MISSING_IN_PG, "undecided", repair=RELAY)
def landed_and_not_decided(t: Tables, cut: Cut) -> Expression:
    """The consumers have committed an offset behind it, and it is neither order nor rejection."""
    messages = t["messages"]
    consumed = messages.filter(messages.is_landed & (messages.at_ms < cut.settled))
    lost = without(consumed, _explained(t))
    place = lost.partition.cast("string") + ibis.literal("/") + lost.offset.cast("string")
    named = lost.mutate(ref=place)
    # As often as it was sent.
    return named.group_by("item", "shard", "epoch", "shopper", "reservation_id").agg(
        ref=named.ref.min()
    )


@rule(FindingKind.MISSING_IN_PG, "confirm")
def order_without_confirm(t: Tables, cut: Cut) -> Expression:
    """Both are written by one statement."""
    return without(t["orders"], _entries(t, "ledger", "confirm"), "order_id")


@rule(FindingKind.MISSING_IN_PG, "return")
def end_without_return(t: Tables, cut: Cut) -> Expression:
    """Likewise."""
    return without(_orders(t, ENDED), _entries(t, "ledger", "return"), "order_id")


def _on_its_way(t: Tables, kind: str) -> Expression:
    """Orders of which the warehouse is to hear this: the courier has it, or Kafka."""
    unsent, unheard = (
        _entries(t, table, kind).select("order_id") for table in ("unsent", "unheard")
    )
    return unsent.union(unheard)


@rule(FindingKind.MISSING_IN_PG, "deduct", repair=TELL)
def order_not_deducted(t: Tables, cut: Cut) -> Expression:
    """The warehouse has heard whatever was said of it, and does not know the order."""
    orders = t["orders"]
    messages = t["messages"]
    # Its consumer commits when it has announced it.
    announced = without(
        orders.filter(orders.created_ms < cut.settled), messages.filter(~messages.is_landed)
    )
    told = without(announced, _on_its_way(t, "deduct"), "order_id")
    return without(told, _entries(t, "stock_entries", "deduct"), "order_id")


@rule(FindingKind.MISSING_IN_PG, "restore")
def end_not_restored(t: Tables, cut: Cut) -> Expression:
    """Likewise; an order ended when its RETURN was written."""
    returned = _entries(t, "ledger", "return")
    ended = _orders(t, ENDED).semi_join(
        returned.filter(returned.created_ms < cut.settled), "order_id"
    )
    told = without(ended, _on_its_way(t, "restore"), "order_id")
    return without(told, _entries(t, "stock_entries", "restore"), "order_id")


def _reserved_by_nobody(t: Tables, decided: Expression) -> Expression:
    known = ids(t["messages"], t["outbox"], t["winners"], t["earlier"], t["letters"])
    return without(decided, known)


@rule(FindingKind.GHOST, "order")
def order_of_nobody(t: Tables, cut: Cut) -> Expression:
    """Late money makes orders too; they name the one they replace."""
    orders = t["orders"]
    judged = orders.filter(orders.replaces.isnull() & (orders.reserved_ms >= cut.kafka_since))
    return _reserved_by_nobody(t, judged)


@rule(FindingKind.GHOST, "rejection")
def rejection_of_nobody(t: Tables, cut: Cut) -> Expression:
    """Of a reservation that nobody made."""
    rejections = t["rejections"]
    judged = rejections.filter(rejections.created_ms >= cut.kafka_since)
    return _reserved_by_nobody(t, judged)


@rule(FindingKind.GHOST, "ledger")
def entry_of_no_order(t: Tables, cut: Cut) -> Expression:
    """The sale's ledger names an order that there is not."""
    entries = without(t["ledger"], t["orders"], "order_id")
    return entries.mutate(ref=entries.kind, found=entries.qty)


@rule(FindingKind.GHOST, "stock")
def shelf_of_no_order(t: Tables, cut: Cut) -> Expression:
    """Likewise the warehouse's, which was read first."""
    entries = without(t["stock_entries"], t["orders"], "order_id")
    return entries.mutate(ref=entries.kind, found=entries.qty)


@rule(FindingKind.GHOST, "return")
def return_of_a_live_order(t: Tables, cut: Cut) -> Expression:
    """Its units are in the pool and with its shopper."""
    return _orders(t, LIVE).semi_join(_entries(t, "ledger", "return"), "order_id")


@rule(FindingKind.GHOST, "restore")
def restore_of_a_live_order(t: Tables, cut: Cut) -> Expression:
    """On the shelf and sold."""
    return _orders(t, LIVE).semi_join(_entries(t, "stock_entries", "restore"), "order_id")


@rule(FindingKind.GHOST, "grant")
def grant_of_nobody(t: Tables, cut: Cut) -> Expression:
    """A shard has units that PostgreSQL never gave it."""
    granted = t["applied_grants"].anti_join(t["grants"], "id")
    return granted.mutate(ref=granted.id, found=granted.qty)


@rule(FindingKind.GHOST, "reclaim")
def reclaim_of_nobody(t: Tables, cut: Cut) -> Expression:
    """A shard gave units away that nobody asked for."""
    taken = t["taken_reclaims"].anti_join(t["reclaims"], "id")
    return taken.mutate(ref=taken.id, found=taken.qty)
