"""`python -m deploy.backup.offsets --since 2026-11-26T03:00:00Z`: where consumers go on, restored.

Reservations and dead letters are read again from that time on: landing knows what it has seen, and
announces each order anew. Events of orders are passed over to their end: those since the backup
are of orders that the restored database has under another number or not at all. Run it with the
consumers stopped: Kafka refuses it for a group that has members.
"""

import argparse
import os
import sys
import time
from datetime import UTC, datetime

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from workers import compensator, inventory_consumer, order_consumer, order_courier, webhook_consumer
from workers.runtime.kafka import SESSION_TIMEOUT_MS, Names

TIMEOUT_S = 30
# Longer than a session, which is how long a stopped consumer keeps its place.
EMPTY_WITHIN_S = 3 * SESSION_TIMEOUT_MS / 1000


def groups(names: Names) -> dict[str, tuple[str, bool]]:
    """Group → the topic it reads, and whether it reads it again."""
    return {
        names.group(order_consumer.GROUP): (names.reservations, True),
        names.group(compensator.GROUP): (names.dead_letters, True),
        names.group(inventory_consumer.GROUP): (names.order_events, False),
        names.group(order_courier.GROUP): (names.order_events, False),
        names.group(webhook_consumer.GROUP): (names.order_events, False),
    }


def set_offsets(brokers: str, names: Names, since: datetime) -> dict[str, int]:
    """Group → how many messages it will read again, at most. Raises KafkaException."""
    admin = AdminClient({"bootstrap.servers": brokers})
    # Its group is never used: it only asks which offset a time has.
    asking = Consumer({"bootstrap.servers": brokers, "group.id": "sluice-offsets"})
    again = {}
    for group, (topic, reads_again) in groups(names).items():
        partitions = asking.list_topics(topic, TIMEOUT_S).topics[topic].partitions
        at_ms = int(since.timestamp() * 1000)
        wanted = asking.offsets_for_times(
            [TopicPartition(topic, number, at_ms) for number in partitions], TIMEOUT_S
        )
        ends = {
            one.partition: asking.get_watermark_offsets(TopicPartition(topic, one.partition))[1]
            for one in wanted
        }
        # Behind the last message there is none of that time: nothing to read again.
        found = [
            TopicPartition(
                topic,
                one.partition,
                one.offset if reads_again and one.offset >= 0 else ends[one.partition],
            )
            for one in wanted
        ]
        _alter(admin, ConsumerGroupTopicPartitions(group, found))
        again[group] = sum(ends[one.partition] - one.offset for one in found)
    asking.close()
    return again


def _alter(admin: AdminClient, wanted: ConsumerGroupTopicPartitions) -> None:
    """A consumer that was stopped stays a member until its session is over: wait for that.

    Kafka tells it partition by partition, and the call as a whole succeeds. Raises KafkaException.
    """
    deadline = time.monotonic() + EMPTY_WITHIN_S
    while True:
        changed = admin.alter_consumer_group_offsets([wanted])[wanted.group_id].result(TIMEOUT_S)
        errors = [one.error for one in changed.topic_partitions if one.error is not None]
        if not errors:
            return
        if time.monotonic() > deadline:
            raise KafkaException(errors[0])
        time.sleep(1)


def main() -> int:
    """Print how much each reads again."""
    parser = argparse.ArgumentParser(prog="python -m deploy.backup.offsets", description=__doc__)
    parser.add_argument(
        "--since", required=True, help="when the backup was made, less ten minutes: ISO 8601"
    )
    since = datetime.fromisoformat(parser.parse_args().since)
    if since.tzinfo is None:
        print("offsets: say the time with its zone, 2026-11-26T03:00:00Z", file=sys.stderr)
        return 2
    if since > datetime.now(UTC):
        print("offsets: that time is to come", file=sys.stderr)
        return 2
    try:
        names = Names(os.environ.get("SLUICE_KAFKA_PREFIX", ""))
        for group, count in set_offsets(os.environ["SLUICE_KAFKA_BROKERS"], names, since).items():
            print(f"{group}: {count} messages again")
    except KafkaException as error:
        print(f"offsets: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
