"""A wrong environment: nginx does not start and says which variable is wrong."""

from pathlib import Path

import pytest

from tests.gateway.gateway import Gateway

GOOD = {
    "SLUICE_STOCK_REDIS": "127.0.0.1:1",
    "SLUICE_WORK_REDIS_URL": "redis://127.0.0.1:1/0",
    "SLUICE_CONTROL_PLANE_URL": "http://127.0.0.1:1",
}

# One value a rule; openresty/spec/config_spec.lua has them all.
WRONG = [
    ("SLUICE_STOCK_REDIS", None),
    ("SLUICE_STOCK_REDIS", "127.0.0.1"),
    ("SLUICE_STOCK_REDIS", "127.0.0.1:7001,"),
    ("SLUICE_STOCK_REDIS_USER", None),
    ("SLUICE_STOCK_REDIS_PASSWORD", ""),
    ("SLUICE_WORK_REDIS_URL", None),
    ("SLUICE_WORK_REDIS_URL", "127.0.0.1:7100"),
    ("SLUICE_CONTROL_PLANE_URL", None),
    ("SLUICE_CONTROL_PLANE_URL", "https://127.0.0.1:8000"),
    ("SLUICE_SNAPSHOT_KEY", None),
    ("SLUICE_SNAPSHOT_KEY", "too-short"),
    ("SLUICE_INTERNAL_TOKEN", None),
    ("SLUICE_INTERNAL_TOKEN", "too-short"),
    ("SLUICE_RESERVATION_KEY", None),
    ("SLUICE_RESERVATION_KEY", "too-short"),
    ("SLUICE_VAR_DIR", None),
    ("SLUICE_BATCH_MAX", "0"),
    ("SLUICE_BATCH_MAX", "1025"),
    ("SLUICE_BATCH_MAX", "many"),
    ("SLUICE_QUEUE_MAX", "0"),
    ("SLUICE_QUEUE_MAX", "1.5"),
    ("SLUICE_RESERVE_TIMEOUT_MS", "9"),
    ("SLUICE_RESERVE_TIMEOUT_MS", "1s"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_it_stops_and_names_the_variable(tmp_path: Path, name: str, value: str | None) -> None:
    gateway = Gateway(tmp_path, GOOD | {name: value})
    process = gateway.launch()
    assert process.wait(timeout=20) != 0
    assert f"SLUICE configuration: {name} " in gateway.errors()
    if value == "too-short":
        assert value not in gateway.errors()


def test_a_batch_larger_than_the_queue_stops_it(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, GOOD | {"SLUICE_BATCH_MAX": "11", "SLUICE_QUEUE_MAX": "10"})
    assert gateway.launch().wait(timeout=20) != 0
    assert "SLUICE_BATCH_MAX must not exceed SLUICE_QUEUE_MAX" in gateway.errors()


def test_with_a_right_one_it_starts_though_nobody_else_is_there(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, GOOD)
    gateway.start()
    assert gateway.get("/healthz").status == 200
    gateway.stop()
    assert gateway.unexpected_errors() == []
