"""`python3 -m deploy.compose.make_secrets`: the secrets of one installation, a file each.

Runs anywhere with Python 3.11 and nothing else. Makes what is missing and changes nothing that is
there, so it may be repeated after an upgrade. Files whose name begins with SLUICE_ become variables
of that name (deploy/images/start.sh); `kubectl create secret generic sluice --from-file=FOLDER`
makes the Secret the Helm chart refers to.
"""

import argparse
import secrets
import sys
from pathlib import Path

from deploy.local import site

FOLDER = Path(__file__).with_name("secrets")
# Random ones, by file: the local stack's, and those of servers that it does not start. Passwords
# stand in the addresses below as well.
PASSWORDS = (*site.PASSWORDS, "postgres_password", "grafana_password")
KEYS = tuple(site.KEYS.values())
# Given by others, so they cannot be made here; a file that is there already is kept.
GIVEN = {"SLUICE_PAYMENT_PROVIDERS": "{}"}
BYTES = 32


def make(folder: Path, postgres: str, work_redis: str) -> list[str]:
    """Write what is missing into `folder`; the names of what was written.

    `postgres` and `work_redis` are host:port. Files are 0444 in a folder that only we may enter: an
    engine mounts each by itself, and the processes in the containers are other users.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    made = [
        name for name in (*PASSWORDS, *KEYS) if _write(folder / name, secrets.token_urlsafe(BYTES))
    ]
    made += [name for name, value in GIVEN.items() if _write(folder / name, value)]
    for name, value in _addresses(folder, postgres, work_redis).items():
        if _write(folder / name, value):
            made.append(name)
    return made


def _addresses(folder: Path, postgres: str, work_redis: str) -> dict[str, str]:
    """token_urlsafe needs no quoting in a URL; a password of one's own that does is refused."""
    known = {}
    for name in ("sale_password", "inventory_password", "work_redis_password"):
        known[name] = (folder / name).read_text().strip()
        if not all(sign.isalnum() or sign in "-_.~" for sign in known[name]):
            raise SystemExit(f"make_secrets: {folder / name}: only A-Z a-z 0-9 - _ . ~, please")
    return {
        "SLUICE_SALE_DSN": f"postgresql://sale:{known['sale_password']}@{postgres}/sale",
        "SLUICE_INVENTORY_DSN": (
            f"postgresql://inventory:{known['inventory_password']}@{postgres}/inventory"
        ),
        "SLUICE_WORK_REDIS_URL": f"redis://:{known['work_redis_password']}@{work_redis}/0",
    }


def _write(path: Path, value: str) -> bool:
    if path.exists():
        return False
    path.write_text(value)
    path.chmod(0o444)
    return True


def main() -> int:
    """Say what was made, and never what is in it."""
    parser = argparse.ArgumentParser(prog="python3 -m deploy.compose.make_secrets")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--postgres", default="postgres:5432", help="host:port")
    parser.add_argument("--work-redis", default="redis-work:7100", help="host:port")
    chosen = parser.parse_args()
    made = make(chosen.folder, chosen.postgres, chosen.work_redis)
    print(f"{chosen.folder}: made {', '.join(made) if made else 'nothing, all is there'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
