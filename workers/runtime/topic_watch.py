"""A topic that was deleted and made again ends the process, so that the next one knows it.

librdkafka keeps what it knew of the old one, epochs, sequence numbers and positions, and goes on
with that: a producer whose messages nobody takes, a consumer that reads nothing, and neither says
so (librdkafka issue 4898; seen in the drill topic-lost, 78 s and no end). A client made anew is
what its maintainers advise.
"""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from threading import Event, Thread
from typing import Any

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from workers.runtime.kafka import WIRE_SETTINGS

EVERY_S = 5.0
ANSWER_S = 4.0

_log = logging.getLogger(__name__)


class TopicWatch:
    """Looks at the ids of topics; `stop` is set when one has changed. A thread of its own."""

    def __init__(self, brokers: str, topics: Sequence[str], stop: Event) -> None:
        # Its complaints are the others' too: they are in the log already.
        self._admin = AdminClient({"bootstrap.servers": brokers, "log_level": 0, **WIRE_SETTINGS})
        self._topics = list(topics)
        self._stop = stop
        self.known: dict[str, str] = {}
        # Those that are not the ones that they were.
        self.changed: set[str] = set()

    def begin(self) -> None:
        """Until the process stops."""
        Thread(target=self._run, name="topics", daemon=True).start()

    def look(self) -> set[str]:
        """Once; what does not answer stays as it is known. Those that have changed until now."""
        asked: Mapping[str, Future[Any]]
        asked = self._admin.describe_topics(TopicCollection(self._topics), request_timeout=ANSWER_S)
        for topic, answer in asked.items():
            try:
                found = answer.result(ANSWER_S).topic_id
            except (KafkaException, TimeoutError):
                continue  # Kafka is away, or the topic is, and may come again as another one
            if _is_id(found) and self.known.setdefault(topic, str(found)) != str(found):
                self.changed.add(topic)
        return self.changed

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except KafkaException as error:
                _log.warning("whether topics are the same is unknown: %s", error)
            if self.changed:
                _log.critical(
                    "no longer the topic that it was: %s; ending, to begin anew with it",
                    ", ".join(sorted(self.changed)),
                )
                self._stop.set()
            self._stop.wait(EVERY_S)


def _is_id(found: Any) -> bool:
    """A broker of another version may not say."""
    return bool(found.get_most_significant_bits() or found.get_least_significant_bits())
