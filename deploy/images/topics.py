"""`python -m deploy.images.topics --replicas 3`: make the sale's topics on brokers of one's own.

Idempotent. A topic that is there keeps its replicas and partitions; what is different is said, and
the exit code is 1, because more partitions would move shoppers between them.
"""

import argparse
import os
import sys

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from deploy.local.servers.kafka import SETTINGS, TOPICS

TIMEOUT_S = 30


def main() -> int:
    """Make what is missing."""
    parser = argparse.ArgumentParser(prog="python -m deploy.images.topics", description=__doc__)
    parser.add_argument("--replicas", type=int, default=3, help="copies of each partition")
    replicas = parser.parse_args().replicas
    admin = AdminClient({"bootstrap.servers": os.environ["SLUICE_KAFKA_BROKERS"]})
    try:
        present = admin.list_topics(timeout=TIMEOUT_S).topics
        wanted = [_topic(name, replicas) for name in TOPICS if name not in present]
        for name, future in admin.create_topics(wanted).items() if wanted else ():
            future.result(TIMEOUT_S)
            print(f"made {name}: {TOPICS[name]} partitions, {replicas} replicas")
    except KafkaException as error:
        print(f"topics: {error}", file=sys.stderr)
        return 1
    wrong = {
        name: len(present[name].partitions)
        for name, partitions in TOPICS.items()
        if name in present and len(present[name].partitions) != partitions
    }
    for name, partitions in wrong.items():
        print(f"{name} has {partitions} partitions, {TOPICS[name]} are meant", file=sys.stderr)
    return 1 if wrong else 0


def _topic(name: str, replicas: int) -> NewTopic:
    """With three copies two have to have a message before it is acknowledged (acks=all)."""
    settings = SETTINGS.get(name, {}) | {"min.insync.replicas": str(max(1, replicas - 1))}
    return NewTopic(name, num_partitions=TOPICS[name], replication_factor=replicas, config=settings)


if __name__ == "__main__":
    sys.exit(main())
