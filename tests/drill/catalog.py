"""Every drill there is, in the order they run."""

from tests.drill import (
    database_drills,
    gateway_drills,
    kafka_drills,
    money_drills,
    node_drills,
    postgres_drills,
    process_drills,
    queue_drills,
    source_drills,
    unit_drills,
    wire_drills,
)

DRILLS = (
    *(*node_drills.DRILLS, *process_drills.DRILLS),
    *(*unit_drills.DRILLS, *source_drills.DRILLS),
    *(*queue_drills.DRILLS, *database_drills.DRILLS),
    *(*gateway_drills.DRILLS, *kafka_drills.DRILLS),
    *(*postgres_drills.DRILLS, *money_drills.DRILLS),
    *wire_drills.DRILLS,
)
