"""Every port of the local stack, in one table. A profile shifts the whole table."""

# The bus port is explicit: Redis would take port + 10000, the stock port of profile `test`.
BASE_PORTS = {
    "edge": 8700,
    "gateway": 8080,
    "gateway-internal": 9180,
    "redis-stock": 7001,
    "redis-stock-bus": 7201,
    "redis-work": 7100,
    "kafka": 9092,
    "kafka-controller": 9095,
    "postgres": 5433,
    "control-plane": 8000,
    "stock-agent": 9201,
    "relay": 9202,
    "order-consumer": 9203,
    "inventory-consumer": 9204,
}

# `stacktest` is what tests/stack starts and kills, beside a running `dev` and `test`.
PROFILE_OFFSETS = {"dev": 0, "test": 10_000, "stacktest": 20_000}

# Linux hands out ports from 32768 upwards to outgoing connections; a server there may lose its own.
FIRST_EPHEMERAL_PORT = 32_768

assert max(BASE_PORTS.values()) + max(PROFILE_OFFSETS.values()) < FIRST_EPHEMERAL_PORT
assert len(
    {port + offset for port in BASE_PORTS.values() for offset in PROFILE_OFFSETS.values()}
) == len(BASE_PORTS) * len(PROFILE_OFFSETS), "two processes of two profiles share a port"


def port_of(profile: str, name: str) -> int:
    """The port of `name` in `profile`; KeyError when either is unknown."""
    return BASE_PORTS[name] + PROFILE_OFFSETS[profile]
