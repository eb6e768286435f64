"""A campaign for a load client, made as a marketer makes one, and the key its tokens need.

Needs Django set up, and SLUICE_* of a running stack.
"""

import json
import os
import subprocess
import sys
import uuid
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.load import purchases


@dataclass(frozen=True)
class Item:
    """What a client must know of the item on sale, and the key that its tokens are signed with."""

    id: int
    slug: str
    starts_at: float
    buy_path: str
    kid: str
    secret: bytes
    port: int


def create(units: int, lead_s: float, lasts_s: float) -> Item:
    """One item, one a shopper, whose sale begins in `lead_s`. It may not be armed yet."""
    from control_plane.snapshot.models import EntryKey

    command = [sys.executable, "-m", "control_plane", "create_campaign", "--approve"]
    command += ["--slug", f"bench-{uuid.uuid4().hex[:8]}", "--title", "Bench"]
    command += ["--price-minor", "1", "--units", str(units), "--limit", "1"]
    command += ["--starts-in-s", str(lead_s), "--lasts-s", str(lasts_s)]
    made = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    number, path_key = made["items"][0]["id"], made["items"][0]["path_key"]
    key = EntryKey.objects.filter(active=True).latest("created_at")
    return Item(
        id=number,
        slug=made["slug"],
        starts_at=made["start_ms"] / 1000,
        buy_path=f"/v1/items/{number}/{path_key}/buy",
        kid=key.kid,
        secret=purchases.secret_of(key.secret),
        port=urlsplit(os.environ["SLUICE_GATEWAY_URL"]).port or 80,
    )


def is_armed(item: int) -> bool:
    """Whether the newest snapshot offers every shard of it."""
    from control_plane.snapshot.models import Snapshot

    document = Snapshot.objects.latest("version").document
    one = document["items"].get(str(item))
    return bool(one) and len(one["shards"]) == one["shard_count"]
