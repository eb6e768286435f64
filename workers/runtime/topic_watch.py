"""A topic that was deleted and made again ends the process, so that the next one knows it.

librdkafka keeps what it knew of the old one, epochs, sequence numbers and positions, and goes on
with that: a producer whose messages nobody takes, a consumer that reads nothing, and neither says
so (librdkafka issue 4898; seen in the drill topic-lost, 78 s and no end). A client made anew is
what its maintainers advise.
"""

import logging
from collections.abc import Mapping
from concurrent.futures import Future
from threading import Event, Thread
from typing import Any

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from workers.runtime.kafka import WIRE_SETTINGS, Names

EVERY_S = 5.0
ANSWER_S = 4.0

_log = logging.getLogger(__name__)


class TopicWatch:
    """Looks at the ids of topics; `stop` is set when one has changed. A thread of its own."""

    def __init__(self, brokers: str, names: Names, stop: Event) -> None:
        # Its complaints are the others' too: they are in the log already.
        self._admin = AdminClient({"bootstrap.servers": brokers, "log_level": 0, **WIRE_SETTINGS})
        self._names = names
        self._stop = stop
        self.known: dict[str, str] = {}
        self._changed: set[str] = set()

    @property
    def is_changed(self) -> bool:
        """Whether that happened to `reservations`."""
        return self._names.reservations in self._changed

    def begin(self) -> None:
        """Until the process stops."""
        Thread(target=self._run, name="topics", daemon=True).start()

    def look(self) -> set[str]:
        """Topics that are not the ones that they were; none while nobody knows."""
        names = self._names
        topics = [names.reservations, names.order_events, names.gateway_events, names.dead_letters]
        wanted = TopicCollection(topics)
        asked: Mapping[str, Future[Any]]
        asked = self._admin.describe_topics(wanted, request_timeout=ANSWER_S)
        for topic, answer in asked.items():
            try:
                found = str(answer.result(ANSWER_S).topic_id)
            except (KafkaException, TimeoutError):
                continue  # Kafka is away, or the topic is, and may come again as another one
            if self.known.setdefault(topic, found) != found:
                self._changed.add(topic)
        return self._changed

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            if changed := self.look():
                _log.critical(
                    "no longer the topic that it was: %s; ending, to begin anew with it",
                    ", ".join(sorted(changed)),
                )
                self._stop.set()
