"""Which variables some process reads, found in the files that read them."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# One file a process (STYLE): nobody else reads the environment.
READERS = (
    "control_plane/config/env.py",
    "workers/runtime/env.py",
    "openresty/gateway/config.lua",
    "edge-workers/workerd.capnp",
    "deploy/images/gateway.py",
    "deploy/images/start.sh",
    "deploy/local/environment.py",
)
# Read by tracing and the board, whose code comes with them.
AHEAD = {
    "SLUICE_MONITORING_TOKEN",
    "SLUICE_PROMETHEUS_URL",
    "SLUICE_OTLP_URL",
    "SLUICE_PROCESS",
}
EXTERNAL_FILES = (
    "deploy/prometheus/prometheus.yml",
    "deploy/grafana/provisioning",
    "deploy/grafana/dashboards",
)


def known() -> set[str]:
    """Every SLUICE_… that stands in a reader."""
    found = set(AHEAD)
    for reader in READERS:
        found |= set(re.findall(r"SLUICE_[A-Z_]+[A-Z]", (ROOT / reader).read_text()))
    return found
