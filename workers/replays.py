"""Dead letters of topic `order-events`, given once more to the consumer that refused them.

By the retry table: 1, 5 and 30 minutes after they came, or when a person says so. What a consumer
does with a message may be repeated, so nothing is done twice, and it announces the same answer.
"""

import logging
from collections.abc import Mapping
from threading import Event
from typing import Any

from confluent_kafka import Message, Producer

from control_plane.dead_letters.services import (
    NotNow,
    Refused,
    Result,
    Unreadable,
    replay_due,
)
from workers import inventory_consumer, order_courier, webhook_consumer
from workers.inventory_consumer import WarehouseHandler
from workers.order_courier import AnswerHandler
from workers.runtime import kafka
from workers.runtime.clock import Clock
from workers.runtime.consumer import Handler
from workers.runtime.database import unavailable_when_down
from workers.runtime.readiness import SILENT_AFTER_S, Readiness
from workers.runtime.side_thread import SideThread
from workers.runtime.verdicts import InvalidMessage, NotApplied, Unavailable
from workers.webhook_consumer import WebhookHandler

REPLAYS = "replays"
LOOK_S = 1.0
assert LOOK_S < SILENT_AFTER_S
CONSUMERS = (inventory_consumer.GROUP, order_courier.GROUP, webhook_consumer.GROUP)

_log = logging.getLogger(__name__)


def handlers(
    producer: Producer, clock: Clock, stop: Event, names: kafka.Names
) -> dict[str, Handler[Any, Any]]:
    """What each consumer does with a message, by its group."""
    return {
        inventory_consumer.GROUP: WarehouseHandler(producer, clock, stop, names),
        order_courier.GROUP: AnswerHandler(producer, stop, names),
        webhook_consumer.GROUP: WebhookHandler(producer, clock, stop, names),
    }


class Replays(SideThread):
    """One attempt after another while some are due."""

    ends_both = True

    def __init__(
        self,
        handlers: Mapping[str, Handler[Any, Any]],
        clock: Clock,
        stop: Event,
        readiness: Readiness,
    ) -> None:
        super().__init__(REPLAYS, stop)
        self._handlers = handlers
        self._clock = clock
        self._readiness = readiness

    def turn(self) -> float:
        """One attempt; a pause when nothing is due or something is down."""
        try:
            with unavailable_when_down("default"):
                result = replay_due(self._replay, self._clock.now())
        except Unavailable as error:
            _log.warning("dead letters are not tried: %s", error)
            self._readiness.report(REPLAYS, str(error))
            return LOOK_S
        self._readiness.report(REPLAYS)
        return LOOK_S if result in (None, Result.UNAVAILABLE) else 0

    def _replay(self, consumer: str, payload: bytes) -> None:
        """Decode, apply, announce, as the loop does."""
        handler = self._handlers[consumer]
        try:
            content = handler.decode(Message(value=payload))
            if content is not None:
                handler.announce(handler.apply([content]), [])
        except InvalidMessage as error:
            raise Unreadable(str(error)) from error
        except NotApplied as error:
            raise Refused(str(error)) from error
        except Unavailable as error:
            raise NotNow(str(error)) from error
