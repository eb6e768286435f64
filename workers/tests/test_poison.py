"""One message in ten thousand that nobody understands; and then all of them."""

import pytest

from control_plane.orders.models import Order
from workers.runtime.kafka import consumer_settings
from workers.tests.consuming import all_committed
from workers.tests.messages import intent

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("allocation")]

MESSAGES = 10_000
POISON = b'{"v":1,"item":"seven"}'


@pytest.fixture
def units() -> int:
    """One for each shopper."""
    return MESSAGES


def test_among_ten_thousand_messages_one_is_dead_lettered_and_nothing_waits(consume, broker, item):
    pairs = [(f"shopper-{n}", intent(item.pk, f"shopper-{n}")) for n in range(MESSAGES)]
    pairs[MESSAGES // 2] = ("mallory", POISON)
    broker.put(broker.names.reservations, pairs)
    with consume():
        all_committed(broker, MESSAGES)
    assert Order.objects.count() == MESSAGES - 1
    (letter,) = broker.read(broker.names.dead_letters)
    assert (letter.key(), letter.value()) == (b"mallory", POISON)
    assert len(broker.events("order.created")) == MESSAGES - 1


def test_a_consumer_never_begins_at_the_end_nor_commits_by_itself():
    settings = consumer_settings("nowhere:1", "group", "one")
    assert settings["auto.offset.reset"] == "earliest"
    assert not settings["enable.auto.commit"] and not settings["enable.auto.offset.store"]
    assert settings["group.instance.id"] == "group-one"
