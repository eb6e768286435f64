"""How much of everything a sale needs: one function a stage, each returns a Stage."""

import math
from dataclasses import dataclass, replace

from deploy.capacity import figures as known
from deploy.capacity.figures import Figures
from deploy.capacity.queueing import BatchServer, mgc_wait_s
from deploy.capacity.sale import Sale, WrongInput

# Two of each, so that one may die (deploy/helm/sluice/values.yaml has two as well).
AT_LEAST = 2
BROKERS_AT_LEAST = 3
REPLICAS = 3
# Nobody has measured a broker's limit here; the highest seen is 31 MB/s on half a core (P5).
BROKER_BYTES_PER_S = 100e6
# Of answers out of memory one in 16 is told to the scorer, with its weight (openresty/README.md).
TOLD_OF_MEMORY = 1 / 16
# How often the stock agent looks, and so how late the sold-out mark may come.
AGENT_LOOK_S = 0.2
# Of a topic: never fewer than the stack has, and a power of two, so that it can be doubled.
PARTITIONS_AT_LEAST = 8
# Service times vary as an exponential does: pessimistic for code that always does the same.
VARIATION = 1.0
MB_PER_GB = 1024


@dataclass(frozen=True)
class Stage:
    """One part of the chain, at the worst moment that is planned for."""

    name: str
    unit: str
    load_per_s: float
    one_takes_per_s: float
    count: int
    needed: int
    cores: float
    memory_gb: float
    wait_ms: float
    # Whether its load grows with TARGET_QPS; what follows the orders does not: they wait in a line.
    answers: bool

    @property
    def used(self) -> float:
        """The share of what it can take; above 1 it does not keep up."""
        return self.load_per_s / (self.count * self.one_takes_per_s)

    @property
    def takes_per_s(self) -> float:
        """What all of it can take."""
        return self.count * self.one_takes_per_s


def of(sale: Sale, figures: Figures) -> list[Stage]:
    """Every stage in the order in which a purchase meets them."""
    gateway = _gateway(sale, figures)
    orders = _orders(sale, figures)
    return [
        _edge(sale, figures),
        gateway,
        _redis(sale, figures, gateway.count),
        *([_numbers(sale, figures, gateway.count)] if sale.queue == "fifo" else []),
        _relay(sale, figures),
        _kafka(sale, figures),
        orders,
        _postgres(sale, figures),
        _warehouse(sale, figures),
        _scorer(sale, figures),
    ]


def entry_us(sale: Sale, figures: Figures) -> float:
    """Of an entry token, one for each purchase: at the start nobody has one yet."""
    return figures.edge_checked_entry_us if sale.human_check else figures.edge_entry_us


def purchase_us(sale: Sale, figures: Figures) -> float:
    """Of a gateway worker for a purchase that goes the whole way."""
    return figures.gateway_queued_us if sale.queue == "fifo" else figures.gateway_reserved_us


def stock_node(figures: Figures) -> BatchServer:
    """One stock Redis as the gateways meet it."""
    return BatchServer(
        cycle_s=figures.redis_cycle_us / 1e6,
        call_s=figures.redis_call_us / 1e6,
        request_s=figures.redis_request_us / 1e6,
        fsync_s=figures.redis_fsync_us / 1e6,
        batch_max=known.RESERVE_BATCH,
    )


def _edge(sale: Sale, figures: Figures) -> Stage:
    return _single_threads(
        sale, "edge", "entry tokens", entry_us(sale, figures), figures.edge_mb, sale.target_qps
    )


def _gateway(sale: Sale, figures: Figures) -> Stage:
    # All go the whole way until the first one has heard that nothing is left.
    each_us = purchase_us(sale, figures)
    return _single_threads(
        sale, "gateway", "purchases", each_us, figures.gateway_mb, sale.target_qps
    )


def _single_threads(
    sale: Sale, name: str, unit: str, each_us: float, mb: float, per_s: float
) -> Stage:
    """Processes of one thread among which the kernel deals connections: each a line of its own."""
    one_takes = 1e6 / each_us
    needed = max(AT_LEAST, math.ceil(per_s / (one_takes * sale.usable)))
    count = sale.have.get(name, needed)
    wait_s = mgc_wait_s(per_s / count, each_us / 1e6, 1, VARIATION)
    return Stage(
        name=name,
        unit=unit,
        load_per_s=per_s,
        one_takes_per_s=one_takes,
        count=count,
        needed=needed,
        cores=float(count),
        memory_gb=count * mb / MB_PER_GB,
        wait_ms=wait_s * 1000,
        answers=True,
    )


def _redis(sale: Sale, figures: Figures, callers: int) -> Stage:
    node = stock_node(figures)
    one_takes = node.most_per_s(callers)
    count = sale.have.get("redis", sale.shards)
    winners_mb = sale.units / count * figures.winner_bytes / 1e6
    turn_s = node.steady_turn_s(sale.target_qps / count, callers)
    return Stage(
        name="redis",
        unit="reservations",
        load_per_s=float(sale.target_qps),
        one_takes_per_s=one_takes,
        count=count,
        needed=math.ceil(sale.target_qps / (one_takes * sale.usable)),
        # A master and its replica, which executes the same writes.
        cores=2.0 * count,
        memory_gb=2 * count * (figures.redis_mb + winners_mb) / MB_PER_GB,
        wait_ms=turn_s * 1000,
        answers=True,
    )


def _numbers(sale: Sale, figures: Figures, callers: int) -> Stage:
    """The queue's counters: all of an item's lie on one node, whatever the shards (lua/README.md).

    A call for numbers is taken to cost what one for units does; a number in it is next to nothing.
    """
    node = replace(stock_node(figures), request_s=figures.queue_number_us / 1e6)
    one_takes = node.most_per_s(callers)
    return Stage(
        name="queue",
        unit="numbers",
        load_per_s=float(sale.target_qps),
        one_takes_per_s=one_takes,
        count=1,
        needed=math.ceil(sale.target_qps / (one_takes * sale.usable)),
        cores=2.0,
        memory_gb=2 * figures.redis_mb / MB_PER_GB,
        wait_ms=node.steady_turn_s(float(sale.target_qps), callers) * 1000,
        answers=True,
    )


def _relay(sale: Sale, figures: Figures) -> Stage:
    needed = max(AT_LEAST, math.ceil(sale.orders_per_s / (figures.relay_per_s * sale.usable)))
    count = sale.have.get("relay", needed)
    return _behind(
        sale,
        "relay",
        "reservations",
        figures.relay_per_s,
        needed,
        cores=sale.orders_per_s * figures.relay_us / 1e6 / sale.usable,
        memory_gb=count * figures.worker_mb / MB_PER_GB,
        wait_s=mgc_wait_s(sale.orders_per_s, 1 / figures.relay_per_s, count, VARIATION),
    )


def _events_per_s(sale: Sale) -> float:
    """In the worst second everybody goes the whole way until the mark stands, then hears of it."""
    whole_way = min(float(sale.target_qps), sale.units + AGENT_LOOK_S * sale.target_qps)
    return whole_way + (sale.target_qps - whole_way) * TOLD_OF_MEMORY


def _kafka(sale: Sale, figures: Figures) -> Stage:
    """Bytes: of what is on its way to an order, and of the events that the risk scorer reads."""
    per_order = figures.reservation_bytes + figures.order_event_bytes
    events = _events_per_s(sale)
    bytes_per_s = sale.orders_per_s * per_order + events * figures.gateway_event_bytes
    needed = max(
        BROKERS_AT_LEAST, math.ceil(bytes_per_s * REPLICAS / (BROKER_BYTES_PER_S * sale.usable))
    )
    count = sale.have.get("kafka", needed)
    busy = (
        sale.orders_per_s * figures.kafka_us + events
    ) / 1e6  # an event is 1 µs, in large batches
    return _behind(
        sale,
        "kafka",
        "bytes, with replicas",
        BROKER_BYTES_PER_S,
        needed,
        cores=max(float(count), busy * REPLICAS / sale.usable),
        memory_gb=count * figures.kafka_mb / MB_PER_GB,
        wait_s=figures.kafka_ack_us / 1e6,
        load_per_s=bytes_per_s * REPLICAS,
    )


def item_lands_per_s(figures: Figures) -> float:
    """Orders of one item a second, however many consumers: each batch holds the item's pool."""
    return 1e6 / figures.landing_us


def _orders(sale: Sale, figures: Figures) -> Stage:
    limit = item_lands_per_s(figures) * sale.usable
    if "orders" not in sale.have and sale.orders_per_s > limit:
        least = sale.units / limit
        raise WrongInput(
            "CONFIRM_WITHIN_S",
            f"must be at least {least:.1f} for {sale.units:,} units: the orders of one item are "
            f"made one batch after the other, {limit:,.0f} a second with the head-room",
        )
    needed = max(AT_LEAST, math.ceil(sale.orders_per_s / (figures.landed_per_s * sale.usable)))
    count = sale.have.get("orders", needed)
    batch_s = known.LANDING_BATCH / figures.landed_per_s
    batches = sale.orders_per_s / known.LANDING_BATCH
    return _behind(
        sale,
        "orders",
        "orders",
        min(figures.landed_per_s, item_lands_per_s(figures) / count),
        needed,
        cores=sale.orders_per_s * figures.consumer_us / 1e6 / sale.usable,
        memory_gb=count * figures.worker_mb / MB_PER_GB,
        # Batches always take the same.
        wait_s=mgc_wait_s(batches, batch_s, count, 0.0),
    )


def _postgres(sale: Sale, figures: Figures) -> Stage:
    each_us = figures.postgres_us + figures.warehouse_postgres_us
    needed = max(AT_LEAST, math.ceil(sale.orders_per_s * each_us / 1e6 / sale.usable))
    count = sale.have.get("postgres", needed)
    return _behind(
        sale,
        "postgres",
        "orders, by cores",
        1e6 / each_us,
        needed,
        # A primary and the replica that takes over.
        cores=2.0 * count,
        memory_gb=2 * count * figures.postgres_mb / MB_PER_GB,
        wait_s=mgc_wait_s(sale.orders_per_s, each_us / 1e6, count, VARIATION),
    )


def _warehouse(sale: Sale, figures: Figures) -> Stage:
    """Inventory consumer, courier, webhooks, each a process: the slowest decides how many."""
    slowest_us = max(figures.inventory_us, figures.courier_us, figures.webhook_us)
    each_us = figures.inventory_us + figures.courier_us + figures.webhook_us
    needed = max(AT_LEAST, math.ceil(sale.orders_per_s * slowest_us / 1e6 / sale.usable))
    count = sale.have.get("warehouse", needed)
    return _behind(
        sale,
        "warehouse",
        "orders",
        1e6 / slowest_us,
        needed,
        cores=sale.orders_per_s * each_us / 1e6 / sale.usable,
        memory_gb=3 * count * figures.worker_mb / MB_PER_GB,
        wait_s=mgc_wait_s(sale.orders_per_s, slowest_us / 1e6, count, VARIATION),
    )


def _scorer(sale: Sale, figures: Figures) -> Stage:
    """Reads an event for each purchase; who is late bans late, and nobody waits for it."""
    events, each_s = _events_per_s(sale), figures.scorer_us / 1e6
    needed = math.ceil(events * each_s / sale.usable)
    count = sale.have.get("scorer", needed)
    return _behind(
        sale,
        "scorer",
        "events",
        1 / each_s,
        needed,
        cores=events * each_s / sale.usable,
        memory_gb=count * figures.scorer_mb / MB_PER_GB,
        wait_s=mgc_wait_s(events, each_s, count, VARIATION),
        load_per_s=events,
    )


def _behind(
    sale: Sale,
    name: str,
    unit: str,
    one_takes: float,
    needed: int,
    *,
    cores: float,
    memory_gb: float,
    wait_s: float,
    load_per_s: float | None = None,
) -> Stage:
    """A stage that nobody waits for with his finger on the button."""
    return Stage(
        name=name,
        unit=unit,
        load_per_s=sale.orders_per_s if load_per_s is None else load_per_s,
        one_takes_per_s=one_takes,
        count=sale.have.get(name, needed),
        needed=needed,
        cores=cores,
        memory_gb=memory_gb,
        wait_ms=wait_s * 1000,
        answers=False,
    )


def partitions(sale: Sale, stages: list[Stage]) -> int:
    """Of `reservations` and `order-events`: each consumer needs one of its own."""
    readers = max(one.count for one in stages if one.name in ("orders", "warehouse"))
    return max(PARTITIONS_AT_LEAST, 1 << (readers - 1).bit_length())
