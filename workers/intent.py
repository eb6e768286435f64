"""What stands in a partition of topic `reservations`: an intent, or a barrier."""

from confluent_kafka import Message

from control_plane.orders.services import (
    BadIntent,
    Intent,
    intent_fields,
    quick_intent,
    read_intent,
    read_intent_fields,
)
from workers import barrier, followed
from workers.barrier import Barrier
from workers.runtime.verdicts import InvalidMessage


def message_of(
    value: bytes | None, partition: int, message: Message | None = None
) -> Intent | Barrier:
    """What stands in a partition of the topic; raises InvalidMessage with field and reason.

    With its message an intent of a purchase that is followed knows its trace.
    """
    try:
        quick = quick_intent(value)
        if quick is not None:
            return quick
        fields = intent_fields(value)
        if "type" not in fields:
            intent = read_intent_fields(fields)
            return followed.intent_of(intent, fields.get("trace"), message)
    except BadIntent as error:
        raise InvalidMessage(str(error)) from None
    return barrier.read(fields, partition)


def decode(value: bytes | None) -> Intent:
    """The intent, or InvalidMessage with the field and the reason."""
    try:
        return read_intent(value)
    except BadIntent as error:
        raise InvalidMessage(str(error)) from None
