"""What counts as delivered to Kafka."""

import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException

from workers.runtime.kafka import Outgoing, deliver
from workers.runtime.verdicts import Unavailable

MESSAGE = Outgoing("topic", b"key", b"value")
FATAL = KafkaError(KafkaError._FATAL, "fenced", fatal=True)
REFUSED = KafkaError(KafkaError._MSG_TIMED_OUT)


class _Reporter:
    """A producer that reports one thing of every message."""

    def __init__(self, error: KafkaError | None, offset: int | None) -> None:
        self._error, self._offset = error, offset

    def produce(self, _topic, _value, _key, *, on_delivery):
        on_delivery(self._error, SimpleNamespace(offset=lambda: self._offset))

    def flush(self, _wait_s):
        return 0


def _deliver(error: KafkaError | None, offset: int | None) -> None:
    deliver(cast(Any, _Reporter(error, offset)), [MESSAGE], threading.Event())


def test_a_report_with_an_offset_is_a_yes():
    _deliver(None, 0)


@pytest.mark.parametrize("offset", [None, -1001])
def test_a_report_without_an_offset_is_not(offset):
    with pytest.raises(Unavailable, match="without an offset"):
        _deliver(None, offset)


def test_a_refusal_is_tried_again_and_a_broken_producer_is_not():
    with pytest.raises(Unavailable):
        _deliver(REFUSED, None)
    with pytest.raises(KafkaException):
        _deliver(FATAL, None)


def test_what_is_done_meanwhile_waits_for_no_answer_and_nothing_is_sent_after_it():
    seen: list[str] = []

    class Waiting(_Reporter):
        def produce(self, topic, value, key, *, on_delivery):
            seen.append("produced")
            super().produce(topic, value, key, on_delivery=on_delivery)

        def flush(self, wait_s):
            seen.append("waited")
            return super().flush(wait_s)

    producer = cast(Any, Waiting(None, 0))
    messages = [MESSAGE, MESSAGE]
    deliver(producer, messages, threading.Event(), lambda: seen.append("meanwhile"))
    assert seen == ["produced", "produced", "meanwhile", "waited"]


def test_a_topic_that_is_missing_is_worth_another_try():
    class Missing(_Reporter):
        def produce(self, *_args, **_options):
            raise KafkaException(KafkaError(KafkaError._UNKNOWN_TOPIC))

    producer = cast(Any, Missing(None, 0))
    with pytest.raises(Unavailable, match="topic"):
        deliver(producer, [MESSAGE], threading.Event())
