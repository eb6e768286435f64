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


def known() -> set[str]:
    """Every SLUICE_… that stands in a reader."""
    found: set[str] = set()
    for reader in READERS:
        found |= set(re.findall(r"SLUICE_[A-Z_]+[A-Z]", (ROOT / reader).read_text()))
    return found
