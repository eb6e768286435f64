"""Purchases that are followed, on the order path: what is told of them (config/tracing.py).

Of thousands in a batch a few are followed at most. So nothing here is asked of each message: a
followed one says so itself, by a field that keeps it out of the quick reader (orders/intent.py).
"""

from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import KafkaError, Message

from control_plane.config import tracing
from control_plane.config.tracing import CLIENT, CONSUMER, PRODUCER, Span
from control_plane.orders.services import FollowedRow, Intent, Landed
from control_plane.webhooks.services import Told
from workers.runtime.membership import position_of
from workers.stock.outbox import Entry

KAFKA = {"messaging.system": "kafka"}
Report = Callable[[KafkaError | None, Message], None]


class FollowedIntent(Intent):
    """An intent whose message had a trace; a tuple like any other to whoever lands it."""

    traceparent = ""
    outbox = ""
    topic = ""
    partition = 0
    offset = 0


class Decided(list[Landed]):
    """What landing has decided, and the spans of what is followed, by reservation."""

    def __init__(self, outcomes: Sequence[Landed], spans: dict[str, Span]) -> None:
        super().__init__(outcomes)
        self.spans = spans


def header(message: Message, name: str = tracing.HEADER) -> bytes:
    """A header's bytes, empty without it."""
    headers: Any = message.headers() or ()
    for key, value in headers.items() if isinstance(headers, dict) else headers:
        if key == name:
            return value.encode() if isinstance(value, str) else value or b""
    return b""


def sending(topic: str, parent: str, entry: Entry) -> Span:
    """The relay puts an intent into the topic."""
    return tracing.begin(
        f"send {topic}",
        parent,
        PRODUCER,
        {
            **KAFKA,
            "messaging.operation.type": "send",
            "messaging.destination.name": topic,
            "sluice.outbox": f"{entry.shard.outbox} {entry.id.decode()}",
        },
    )


def ending(span: Span, note: Report) -> Report:
    """`note`, which also ends the span with the place in the topic."""

    def told(error: KafkaError | None, message: Message) -> None:
        note(error, message)
        place = {
            "messaging__destination__partition__id": str(message.partition()),
            "messaging__kafka__offset": message.offset(),
        }
        span.note(**place)
        span.end("" if error is None else str(error.str()))

    return told


def intent_of(intent: Intent, tail: Any, message: Message | None) -> Intent:
    """The intent with its trace, out of the message's header or what the outbox had of it."""
    if message is None or tail is None:
        return intent
    traceparent = tracing.followed(header(message)) or tracing.of_tail(tail)
    if not traceparent:
        return intent
    followed = FollowedIntent(*intent)
    followed.traceparent = traceparent
    followed.outbox = header(message, "outbox").decode("latin-1")
    place = position_of(message)
    followed.topic, followed.partition, followed.offset = place.topic, place.partition, place.offset
    return followed


def of_batch(intents: Sequence[Intent]) -> list[FollowedIntent]:
    """Those that are followed."""
    return [one for one in intents if type(one) is FollowedIntent]


def processing(followed: Sequence[FollowedIntent], group: str) -> dict[str, Span]:
    """The order consumer has read them."""
    return {
        one.reservation_id: tracing.begin(
            f"process {one.topic}",
            one.traceparent,
            CONSUMER,
            {
                **KAFKA,
                "messaging.operation.type": "process",
                "messaging.destination.name": one.topic,
                "messaging.destination.partition.id": str(one.partition),
                "messaging.kafka.offset": one.offset,
                "messaging.consumer.group.name": group,
                "sluice.item": one.item,
                "sluice.reservation_id": one.reservation_id,
            },
        )
        for one in followed
    }


def landing(spans: dict[str, Span], batch_size: int) -> list[Span]:
    """PostgreSQL is asked to decide; to be ended when it has."""
    return [
        tracing.begin(
            "land orders",
            span.traceparent,
            CLIENT,
            {
                "db.system.name": "postgresql",
                "db.operation.name": "COPY",
                "db.operation.batch.size": batch_size,
                "db.namespace": "sale",
            },
        )
        for span in spans.values()
    ]


def rows(followed: Sequence[FollowedIntent]) -> list[FollowedRow]:
    """What support looks up by."""
    return [
        FollowedRow(
            one.reservation_id,
            tracing.trace_id_of(one.traceparent),
            one.outbox,
            one.topic,
            one.partition,
            one.offset,
        )
        for one in followed
    ]


def announcing(applied: Sequence[Landed], topic: str) -> dict[str, Span]:
    """Their events go out; by reservation."""
    spans = applied.spans if isinstance(applied, Decided) else {}
    return {
        reservation_id: tracing.begin(
            f"send {topic}",
            span.traceparent,
            PRODUCER,
            {
                **KAFKA,
                "messaging.operation.type": "send",
                "messaging.destination.name": topic,
            },
        )
        for reservation_id, span in spans.items()
    }


def end(decided: Decided) -> None:
    """All of it is done; what was rejected is a fault to whoever looks at the trace."""
    for one in decided:
        span = decided.spans.get(one.reservation_id)
        if span is not None:
            span.note(sluice__order=None if one.order_id is None else one.number)
            span.end(one.reason)


def noting(told: Sequence[Told]) -> dict[str, Span]:
    """Webhooks of these are written down; by the traceparent that they came with."""
    return {
        one.traceparent: tracing.begin(
            "process order-events",
            one.traceparent,
            CONSUMER,
            {
                **KAFKA,
                "messaging.operation.type": "process",
                "messaging.destination.name": "order-events",
                "sluice.event": one.type.value,
                "sluice.reservation_id": one.reservation_id,
            },
        )
        for one in told
    }
