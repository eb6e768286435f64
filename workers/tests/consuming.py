"""Putting reservations before an order consumer, and watching it."""

from tests.redis.waiting import until
from workers.order_consumer import GROUP
from workers.tests.messages import intent


def reserve(broker, item, shoppers):
    """A reservation of each, in Kafka."""
    pairs = [(name, intent(item.pk, name)) for name in shoppers]
    broker.put(broker.names.reservations, pairs)


def all_committed(broker, messages, group=GROUP, topic=None):
    """So many messages are landed and announced; of `reservations`, if nothing else is said."""
    topic = topic or broker.names.reservations
    return until(
        lambda: broker.committed(group, topic) == messages,
        f"{messages} messages committed",
        pause_s=0.1,
    )


def waiting_for_a_lock(observer):
    """Sessions of this database that wait for a lock."""
    with observer.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return {pid for (pid,) in cursor.fetchall()}
