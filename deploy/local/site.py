"""A site is one profile of the stack on this machine: where its files, ports and secrets are."""

import hashlib
import json
import os
import secrets
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from deploy.local.ports import PROFILES, Profile, behind, ports_of

ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"

# What servers and people are asked for; deploy/compose/make_secrets.py makes the same.
PASSWORDS = (
    "admin_password",
    "sale_password",
    "inventory_password",
    "stock_operator_password",
    "stock_worker_password",
    "stock_gateway_password",
    "stock_replica_password",
    "work_redis_password",
)
# What processes are given as they are, and the variable of each.
KEYS = {
    "snapshot_key": "SLUICE_SNAPSHOT_KEY",
    "internal_token": "SLUICE_INTERNAL_TOKEN",
    "reservation_key": "SLUICE_RESERVATION_KEY",
    "check_key": "SLUICE_CHECK_KEY",
    "django_secret_key": "SLUICE_SECRET_KEY",
    "demo_payment_key": "SLUICE_DEMO_PAYMENT_KEYS",
    "monitoring_token": "SLUICE_MONITORING_TOKEN",
}
SECRET_NAMES = (*PASSWORDS, *KEYS)

# sockaddr_un holds 108 bytes; PostgreSQL adds `/.s.PGSQL.15433` and supervisor a temporary suffix.
LONGEST_SOCKET_DIR = 80


@dataclass(frozen=True)
class Site:
    """One profile. Nothing is created before a path is asked for through `folder` or `secret`."""

    profile: str

    def __post_init__(self) -> None:
        """Refuse an unknown profile at once, with the known ones named."""
        if self.profile not in PROFILES:
            known = ", ".join(PROFILES)
            raise SystemExit(f"SLUICE_PROFILE: unknown profile {self.profile!r}; known: {known}")

    @property
    def settings(self) -> Profile:
        """What the table of profiles says of this one."""
        return PROFILES[self.profile]

    @property
    def state(self) -> Path:
        """`var/<profile>`: everything the stack writes."""
        return ROOT / "var" / self.profile

    @property
    def published(self) -> Path:
        """Where the control plane publishes pages and the edge reads them."""
        return self.state / "published"

    @property
    def clone_id(self) -> str:
        """Short hash of where this clone lies, for names outside of it."""
        return hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]

    def folder(self, *parts: str) -> Path:
        """A folder under the state, made when missing."""
        path = self.state.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def socket_dir(self, preferred: Path) -> Path:
        """`preferred`, or a short private folder when a socket path there would not fit."""
        if len(str(preferred)) <= LONGEST_SOCKET_DIR:
            return preferred
        base = Path(tempfile.gettempdir()) / f"sluice-{os.getuid()}-{self.clone_id}"
        base.mkdir(mode=0o755, exist_ok=True)
        if base.stat().st_uid != os.getuid():
            raise SystemExit(f"{base} belongs to somebody else: remove it, it takes our sockets")
        short = base / f"{self.profile}-{preferred.name}"
        short.mkdir(mode=0o700, exist_ok=True)
        return short

    def host(self, name: str) -> str:
        """Where a process is: on this machine. tests/zones lays a stack over three."""
        return LOOPBACK

    def address(self, name: str) -> str:
        """`host:port` of a process."""
        return f"{self.host(name)}:{self.port(name)}"

    def port(self, name: str) -> int:
        """The port of a process in this profile; KeyError when it has none of that name."""
        return ports_of(self.profile)[name]

    def server_port(self, name: str) -> int:
        """Where the server itself listens: `port`, unless the fault proxy stands there."""
        return ports_of(self.profile).get(behind(name), self.port(name))

    @cached_property
    def secrets(self) -> dict[str, str]:
        """The generated secrets; made at the first reading, kept with mode 0600."""
        path = self.folder() / "secrets.json"
        known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        missing = [name for name in SECRET_NAMES if name not in known]
        if missing:
            known |= {name: secrets.token_urlsafe(32) for name in missing}
            write_private(path, json.dumps(known, indent=2) + "\n")
        return known


def write_private(path: Path, text: str) -> bool:
    """Write `text` with mode 0600, whole or not at all; False when it was there already."""
    if path.exists() and path.read_text() == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.replace(path)
    return True
