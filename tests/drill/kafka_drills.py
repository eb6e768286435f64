"""Faults of Kafka and of what stands in it: gone, a topic lost, messages nobody understands."""

import time
import urllib.request
from datetime import UTC, datetime

from tests.drill import topics
from tests.drill.decided import undecided, until_decided
from tests.drill.drill import PATIENT, Control, Drill, DrillBroken, Figures
from tests.drill.ground import SECOND_PORT, Ground, memory_mb
from tests.drill.judge import Promises
from tests.drill.process_drills import LANDED_ONCE
from tests.drill.sale import Sale

CONSUMER = "order-consumer"
AWAY_S = 5.0
# The relay's own bound is 20,000 intents, some 12 MB (workers/relay.py).
GROWS_MB = 64
# A static member's partitions wait for it (workers/runtime/kafka.py SESSION_TIMEOUT_MS) …
SESSION_S = 10.0
# … and go to somebody else then.
MOVED_S = 30.0
POISON = (
    *(b"", b"not json", b"\xff\xfe", b"[]", b"{}", b'{"v":99}', b"[" * 5000),
    *(b'{"v":1,"item":"seven"}', b'{"v":1,"item":1e400}', b"x" * 600_000),
)
# The cap's window (workers/runtime/verdicts.py): fewer never stop anybody.
WINDOW = 100


def kafka_killed(ground: Ground, sale: Sale) -> Figures:
    """Killed at any moment, then killed and kept away: shoppers do not notice."""
    sale.run_for(0.5)
    ground.kill_and_wait("kafka")
    sale.run_for(2.0)
    relay = ground.running("relay")
    before_mb = memory_mb(relay)
    with ground.held_down("kafka") as died:
        sale.run_for(AWAY_S)
        gone = time.monotonic()
        grown_mb = round(memory_mb(relay) - before_mb, 1)
    meanwhile = sale.crowd.recorder.reserved(range(sale.shards), died)
    sold = [one for one in meanwhile if one.answered < gone]
    if not sold:
        sale.complain("nothing was sold while Kafka was away")
    if grown_mb > GROWS_MB:
        sale.complain(f"the relay grew by {grown_mb} MB")
    back = time.monotonic()
    until_decided(sale)
    return {
        "sold_meanwhile": len(sold),
        "relay_grew_mb": grown_mb,
        "orders_follow_after_s": round(time.monotonic() - back, 1),
    }


def topic_lost(ground: Ground, sale: Sale) -> Figures:
    """The topic goes with reservations that are not orders yet, and is made again, empty."""
    sale.run_for(1.0)
    with ground.frozen(CONSUMER):
        sale.run_for(1.0)
        stood = topics.count(ground, topics.RESERVATIONS)
        topics.drop(ground, topics.RESERVATIONS)
        sale.run_for(1.0)
    sale.run_for(1.0)
    topics.make_again(ground)
    back = time.monotonic()
    sale.run_for(2.0)
    until_decided(sale)
    return {"stood_there": stood, "orders_follow_after_s": round(time.monotonic() - back, 1)}


def consumer_paused(ground: Ground, sale: Sale) -> Figures:
    """Frozen until another one has its partitions; then it wakes in the middle of its batch."""
    sale.run_for(0.5)
    with ground.second(CONSUMER):
        sale.run_for(5.0)
        with ground.frozen(CONSUMER):
            began = time.monotonic()
            sale.run_for(SESSION_S)
            sale.wait_for(lambda: undecided(sale, began) == 0, "the takeover", MOVED_S)
            took = time.monotonic() - began
        sale.run_for(2.0)
    # The second one's partitions come back when its session is over.
    until_decided(sale)
    return {"taken_over_s": round(took, 1)}


def poison(ground: Ground, sale: Sale) -> Figures:
    """Messages nobody understands, among those that everybody waits for."""
    sale.run_for(1.0)
    before = topics.count(ground, topics.DEAD_LETTERS)
    topics.put(ground, topics.RESERVATIONS, POISON)
    put = time.monotonic()
    sale.run_for(2.0)
    try:
        sale.wait_for(
            lambda: topics.count(ground, topics.DEAD_LETTERS) - before >= len(POISON),
            "every one of them to be a dead letter",
        )
    except DrillBroken as error:
        sale.complain(str(error))
    until_decided(sale)
    letters = topics.count(ground, topics.DEAD_LETTERS) - before
    if letters != len(POISON):
        sale.complain(f"{letters} dead letters of {len(POISON)} messages")
    return {"dead_letters": letters, "within_s": round(time.monotonic() - put, 1)}


def every_message_fails(ground: Ground, sale: Sale) -> Figures:
    """A release that understands nothing takes over: it must stop, and drain nothing."""
    sale.run_for(0.5)
    before = topics.count(ground, topics.DEAD_LETTERS)
    with ground.stopped(CONSUMER):
        sale.run_for(2.0)
        with ground.second(CONSUMER, "tests.drill.bad_release"):
            try:
                sale.wait_for(_has_halted, "it to stop", MOVED_S * 2)
            except DrillBroken:
                sale.complain("the bad release does not stop by itself")
        letters = topics.count(ground, topics.DEAD_LETTERS) - before
    if letters >= WINDOW:
        sale.complain(f"it drained {letters} messages into the dead letters")
    _mend(sale)
    return {"dead_letters": letters}


def _has_halted() -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{SECOND_PORT}/metrics", timeout=2) as said:
            return any(
                line.startswith(b"sluice_consumer_halted{") and line.split()[-1] == b"1.0"
                for line in said.read().splitlines()
            )
    except OSError:
        return False


def _mend(sale: Sale) -> None:
    """The good release is back; what the bad one put aside is tried at once, not in a minute."""
    from control_plane.dead_letters.models import DeadLetter

    def try_now() -> None:
        waiting = DeadLetter.objects.filter(item_number=sale.item, state="pending")
        waiting.update(next_at=datetime.now(UTC))

    until_decided(sale, before_each_look=try_now)


ALONE = Control(
    guard="one message alone",
    file="workers/order_consumer.py",
    old="""        return intent.message_of(message.value(), partition, message)
""",
    new="""        try:
            return intent.message_of(message.value(), partition, message)
        except ValueError as error:
            raise RuntimeError("a message that is not understood") from error
""",
    told="to be decided|lost|dead letter",
)
NOT_DRAINED = Control(
    guard="cap on dead letters",
    file="workers/runtime/verdicts.py",
    old="""        if self._invalid > self._share * self._messages:
""",
    new="""        if self._invalid < 0:
""",
    told="drained|stop by itself",
)
FILLED_AGAIN = Control(
    guard="another topic is filled again",
    file="workers/relayed_topic.py",
    old="""        if before not in (None, now):
            self._send_again(shards)
""",
    new="",
    told="to be decided",
)
LETTERS = Promises(letters=True)
DRILLS = (
    Drill(
        "kafka-killed", "Kafka killed -9, then kept down", kafka_killed, plan=PATIENT, group="kafka"
    ),
    Drill(
        "topic-lost",
        "topic reservations deleted with what waits in it, made again empty",
        topic_lost,
        plan=PATIENT,
        group="kafka",
        controls=(FILLED_AGAIN,),
    ),
    Drill(
        "consumer-paused",
        "order consumer frozen until its partitions are another one's; then it wakes",
        consumer_paused,
        plan=PATIENT,
        group="kafka",
        controls=(LANDED_ONCE,),
    ),
    Drill(
        "poison",
        "messages in the topic that nobody understands",
        poison,
        promises=LETTERS,
        plan=PATIENT,
        group="kafka",
        controls=(ALONE,),
    ),
    Drill(
        "every-message-fails",
        "an order consumer that understands no message takes over",
        every_message_fails,
        promises=LETTERS,
        plan=PATIENT,
        group="kafka",
        controls=(NOT_DRAINED,),
    ),
)
