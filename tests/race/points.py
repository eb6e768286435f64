"""The named places where a process may die: between any two of its steps that others can see."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Call = tuple[tuple[Any, ...], dict[str, Any]]


def _every_call(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> bool:
    return True


def _to(stage: str) -> Callable[..., bool]:
    """The call that brings a re-arm to this stage."""

    def has_stage(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> bool:
        return stage in (*args[2:], kwargs.get("to_stage"))

    return has_stage


def _with_barriers(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> bool:
    """The batch of the order consumer that has a barrier in it."""
    return bool(kwargs.get("barriers") or args[2:])


def _with_offsets(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> bool:
    """The commit behind a batch; the others have nothing to commit."""
    return bool(args[1])


def _three_under_way(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> bool:
    """The consumer loop has one batch in each of three places."""
    loop = args[0]
    places = (loop._ahead, loop._applying, loop._applied, loop._announcing)
    return sum(one is not None for one in places) == 3


def _succeeded(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> bool:
    return bool(result)


def _returned_some(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> bool:
    return result is not None and result != []


def _with_messages(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> bool:
    """The delivery that has something to deliver."""
    return bool(args[1])


@dataclass(frozen=True)
class Point:
    """`target` is "module:function" or "module:Class.method" of what `process` calls there.

    It dies `when` the call is about to begin ("before") or has returned ("after"), at the first one
    that `only` is true of; before the call its result is None.
    """

    process: str
    target: str
    when: str
    only: Callable[..., bool] = _every_call


SERVICES = "control_plane.inventory.services"
SHARD = "workers.stock.shard"

# An epoch begins: in order.
OPENING = {
    "agent after opening": Point("stock_agent", f"{SERVICES}:open_epoch", "after", _succeeded),
    "agent after claiming the life": Point("stock_agent", f"{SERVICES}:claim_life", "after"),
    "agent after arming": Point("stock_agent", f"{SHARD}:arm", "after"),
    "agent before publishing": Point("stock_agent", f"{SERVICES}:record_armed", "before"),
    "agent after publishing": Point("stock_agent", f"{SERVICES}:record_armed", "after"),
    "agent after grant in PostgreSQL": Point("stock_agent", f"{SERVICES}:begin_grant", "after"),
    "agent after grant in Redis": Point("stock_agent", f"{SHARD}:grant", "after"),
    "agent after grant is applied": Point("stock_agent", f"{SERVICES}:mark_grant_applied", "after"),
}
# Units travel from one shard to another.
LEVELLING = {
    "agent after reclaim in PostgreSQL": Point("stock_agent", f"{SERVICES}:begin_reclaim", "after"),
    "agent after reclaim in Redis": Point("stock_agent", f"{SHARD}:reclaim", "after"),
    "agent after reclaim is settled": Point("stock_agent", f"{SERVICES}:settle_reclaim", "after"),
}
# An epoch ends, and the next begins.
REARMING = {
    "agent before disarming": Point("stock_agent", f"{SHARD}:disarm", "before"),
    "agent after disarming": Point("stock_agent", f"{SHARD}:disarm", "after"),
    "agent after disarmed": Point("stock_agent", f"{SERVICES}:advance", "after", _to("disarmed")),
    "agent after drained": Point("stock_agent", f"{SERVICES}:advance", "after", _to("drained")),
    "agent while sending the barrier": Point(
        "stock_agent", "workers.agent.barriers:Barriers.send", "after"
    ),
    "agent after sending the barrier": Point(
        "stock_agent", f"{SERVICES}:advance", "before", _to("barrier_sent")
    ),
    "agent after barrier sent": Point(
        "stock_agent", f"{SERVICES}:advance", "after", _to("barrier_sent")
    ),
    "agent before closing": Point("stock_agent", f"{SERVICES}:close_epoch", "before"),
    "agent after closing": Point("stock_agent", f"{SERVICES}:close_epoch", "after"),
    "agent after rebuilding": Point("stock_agent", f"{SHARD}:rebuild", "after"),
}
# It finds out by itself that the shard's node has begun another life.
FENCING = {
    "agent after fencing": Point("stock_agent", f"{SERVICES}:begin_rearm", "after"),
}
RELAYING = {
    "relay after read": Point("relay", "workers.relay:Relay._send", "before"),
    "relay after produce": Point("relay", "workers.relay:Relay._produce", "after"),
    "relay after delivery": Point(
        "relay", "workers.stock.outbox:OutboxReader.acknowledge", "before"
    ),
    "relay after acknowledgement": Point(
        "relay", "workers.stock.outbox:OutboxReader.acknowledge", "after"
    ),
}
COMMIT = "workers.runtime.membership:Membership.commit"
LANDING = {
    "order before landing": Point("order_consumer", "workers.order_consumer:land", "before"),
    "order before commit": Point(
        "order_consumer", "control_plane.orders.undisputed:land_undisputed", "after"
    ),
    "order after commit": Point("order_consumer", "workers.order_consumer:land", "after"),
    "order after events": Point("order_consumer", "workers.runtime.kafka:deliver", "after"),
    "order after announcement": Point(
        "order_consumer", "workers.order_consumer:OrderHandler.announce", "after"
    ),
    "order before offsets": Point("order_consumer", COMMIT, "before", _with_offsets),
    "order after offsets": Point("order_consumer", COMMIT, "after", _with_offsets),
}
# With more than a batch waiting three are under way. Batches of four, so that a test needs few.
BY_FOURS = "order_consumer by fours"
LOOP = "workers.runtime.consumer:ConsumerLoop"
READING_AHEAD = {
    "ahead: one announced, one being landed, one read": Point(
        BY_FOURS, f"{LOOP}._finish_applying", "before", _three_under_way
    ),
    "ahead: one announced, one landed, one being landed": Point(
        BY_FOURS, f"{LOOP}._announce_applied", "before", _three_under_way
    ),
}
LANDING_BARRIERS = {
    "barrier before commit": Point("order_consumer", f"{SERVICES}:note_barriers", "after"),
    "barrier after commit": Point(
        "order_consumer", "workers.order_consumer:land", "after", _with_barriers
    ),
}
DEDUCTING = {
    "deduction before commit": Point(
        "inventory_consumer", "workers.inventory_consumer:move", "before"
    ),
    "deduction after commit": Point(
        "inventory_consumer", "workers.inventory_consumer:move", "after"
    ),
    "deduction after answers": Point(
        "inventory_consumer", "workers.runtime.kafka:deliver", "after"
    ),
    "deduction before offsets": Point("inventory_consumer", COMMIT, "before", _with_offsets),
    "deduction after offsets": Point("inventory_consumer", COMMIT, "after", _with_offsets),
}
EXPIRING = {
    "expiry before commit": Point("expiry", "django.db.transaction:on_commit", "before"),
    "expiry after commit": Point(
        "expiry", "control_plane.orders.projection:write_or_log", "before"
    ),
}
RELEASING = {
    "agent before release": Point("stock_agent", f"{SHARD}:release", "before"),
    "agent after release": Point("stock_agent", f"{SHARD}:release", "after"),
}

# Orders that have ended are told of, and the warehouse's answers come back.
COURIER = "workers.order_courier"
CARRYING = {
    "courier after reading": Point(
        "order_courier", f"{COURIER}:unsent_events", "after", _returned_some
    ),
    "courier after events": Point(
        "order_courier", "workers.runtime.kafka:deliver", "after", _with_messages
    ),
    "courier before the mark": Point("order_courier", f"{COURIER}:mark_sent", "before"),
    "courier after the mark": Point("order_courier", f"{COURIER}:mark_sent", "after"),
    "courier before answers": Point("order_courier", f"{COURIER}:record_answers", "before"),
    "courier after answers": Point("order_courier", f"{COURIER}:record_answers", "after"),
    "courier before offsets": Point("order_courier", COMMIT, "before", _with_offsets),
    "courier after offsets": Point("order_courier", COMMIT, "after", _with_offsets),
}
PAYMENTS = "control_plane.payments"
PAYING = {
    "callback before anything": Point("callback", f"{PAYMENTS}.services:_apply", "before"),
    "callback after the order": Point("callback", f"{PAYMENTS}.services:_apply", "after"),
    "callback before commit": Point("callback", f"{PAYMENTS}.services:_receive", "after"),
    "callback after commit": Point("callback", f"{PAYMENTS}.services:receive", "after"),
}
REFUNDING = {
    "refund after the claim": Point("refund", f"{PAYMENTS}.refunds:_claim", "after", _succeeded),
    "refund after the provider": Point(
        "refund", f"{PAYMENTS}.demo.provider:DemoProvider.refund", "after"
    ),
    "refund after it is done": Point("refund", f"{PAYMENTS}.refunds:perform", "after", _succeeded),
}
LETTERS = "control_plane.dead_letters"
RETRYING = {
    "retry after the claim": Point("retry", f"{LETTERS}.attempts:claim", "after", _returned_some),
    "retry after landing": Point("retry", f"{LETTERS}.retrying:_decided", "before"),
    "retry before commit": Point("retry", f"{LETTERS}.attempts:done", "after"),
    "retry after it is done": Point("retry", f"{LETTERS}.retrying:_decided", "after"),
}
REJECT = "control_plane.orders.services:reject"
DISCARDING = {
    "discard before the rejection": Point("discard", REJECT, "before"),
    "discard after the rejection": Point("discard", REJECT, "after"),
    "discard after the event": Point("discard", f"{LETTERS}.telling:tell", "after"),
    "discard before commit": Point("discard", f"{LETTERS}.by_hand:_note", "after"),
    "discard after commit": Point("discard", f"{LETTERS}.by_hand:discard", "after"),
}
# Dead letters into the retry table, and those of order events to their consumers again.
KEEPING = {
    "compensator before keeping": Point("compensator", "workers.compensator:keep", "before"),
    "compensator after keeping": Point("compensator", "workers.compensator:keep", "after"),
    "compensator before offsets": Point("compensator", COMMIT, "before", _with_offsets),
    "compensator after offsets": Point("compensator", COMMIT, "after", _with_offsets),
}
REPLAYING = {
    "replay after the claim": Point(
        "compensator", f"{LETTERS}.attempts:claim", "after", _returned_some
    ),
    "replay before commit": Point("compensator", "workers.inventory_consumer:move", "before"),
    "replay after commit": Point("compensator", "workers.inventory_consumer:move", "after"),
    "replay after the answer": Point(
        "compensator", "workers.runtime.kafka:deliver", "after", _with_messages
    ),
    "replay before it is done": Point("compensator", f"{LETTERS}.attempts:done", "before"),
    "replay after it is done": Point("compensator", f"{LETTERS}.attempts:done", "after"),
}
NOTING = {
    "webhooks before noting": Point("webhook_consumer", "workers.webhook_consumer:note", "before"),
    "webhooks after noting": Point("webhook_consumer", "workers.webhook_consumer:note", "after"),
    "webhooks before offsets": Point("webhook_consumer", COMMIT, "before", _with_offsets),
    "webhooks after offsets": Point("webhook_consumer", COMMIT, "after", _with_offsets),
}
SETTLING_MODULE = "control_plane.campaigns.settling"
SETTLING = {
    "settling before it is settled": Point("settle", f"{SETTLING_MODULE}:_settle", "before"),
    "settling with the pools locked": Point("settle", f"{SERVICES}:lock_pools", "after"),
    "settling before the totals": Point("settle", f"{SETTLING_MODULE}:_totals", "before"),
    "settling before commit": Point("settle", f"{SETTLING_MODULE}:_totals", "after"),
    "settling after commit": Point("settle", f"{SETTLING_MODULE}:_settle", "after"),
}

POINTS: dict[str, Point] = {
    **OPENING,
    **LEVELLING,
    **REARMING,
    **FENCING,
    **RELAYING,
    **LANDING,
    **READING_AHEAD,
    **LANDING_BARRIERS,
    **DEDUCTING,
    **EXPIRING,
    **RELEASING,
    **CARRYING,
    **PAYING,
    **REFUNDING,
    **RETRYING,
    **DISCARDING,
    **KEEPING,
    **REPLAYING,
    **NOTING,
    **SETTLING,
}
