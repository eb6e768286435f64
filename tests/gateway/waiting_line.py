"""An item's queue in the hands of a case: moved by the real scripts, without a controller."""

import base64
import hashlib
import json
from typing import Any

from control_plane.queues.places import commit_of
from tests.gateway.client import Answer, Headers, send
from tests.gateway.shop import HOUR_MS, Item, Shop, signed
from tests.redis.server import PASSWORDS
from tests.vectors.queue_ticket import Ticket
from tests.vectors.queue_ticket import read as read_ticket
from workers.queue import line
from workers.queue.line import Called, Looked, Opening, QueueKeys
from workers.runtime.env import StockRedis
from workers.stock.cluster import StockCluster

SEED = hashlib.sha256(b"seed of the tests").digest()
MANY = 1_000_000
AGAIN = {"Purchase-Retry": "1"}


def body(ticket: str | None = None, qty: int = 1) -> bytes:
    """A purchase as the SDK writes it."""
    return json.dumps({"qty": qty} | ({"ticket": ticket} if ticket else {})).encode()


class WaitingLine:
    """The queue of one item; `served` and `written_off` have a value for each bucket."""

    def __init__(self, shop: Shop, item: Item, buckets: tuple[str, ...], mode: str) -> None:
        self.shop, self.item, self.buckets, self.mode = shop, item, buckets, mode
        self.generation = 0
        self.keys = QueueKeys(item.id, len(buckets))
        address = StockRedis((("127.0.0.1", shop.stock.port),), "worker", PASSWORDS["worker"])
        self.cluster = StockCluster(address, "test")

    def publish(self, sizes: list[int] | None = None, **changes: Any) -> None:
        """Say it in the snapshot; with `sizes` the draw is revealed."""
        draw = {
            "commit": commit_of(SEED),
            "sizes": sizes,
            "seed": SEED.hex() if sizes is not None else None,
        }
        queue = {
            "mode": self.mode,
            "buckets": [{"name": name, "weight": 1} for name in self.buckets],
            "k": 4,
            "grace_ms": 30_000,
            "opens_ms": 0,
            "draw": draw if self.mode == "draw" else None,
        }
        self.shop.change(self.item, queue=queue | changes)

    def open(
        self, served: int = 0, *, ceiling: int = MANY, lobby: bool = False, **how: Any
    ) -> None:
        """The next generation, each bucket served until `served`."""
        self.generation += 1
        count = len(self.buckets)
        values: dict[str, Any] = {
            "oldest": 1,
            "window": [Called(served, 0)] * count,
            "numbers": [0] * count,
            "lobby": [0] * count,
        }
        line.open_queue(
            self.cluster,
            self.keys,
            Opening(
                generation=self.generation,
                ceilings=[ceiling] * count,
                lobby_ceilings=[ceiling] * count,
                lobby_is_open=lobby,
                **(values | how),
            ),
        )

    def move(self, *window: Called, sold_out: bool = False) -> None:
        """Move every bucket's window."""
        many = [0] * len(self.buckets)
        now_ms = self.shop.stock.now_ms() if sold_out else 0
        line.move(self.cluster, self.keys, self.generation, window, many, many, now_ms)

    def look(self) -> Looked:
        """What the controller sees."""
        return line.look(self.cluster, self.keys, self.generation)

    def buy(
        self, shopper: str = "ann", ticket: str | None = None, *, level: str = "regular", **how: Any
    ) -> Answer:
        """Try to buy as a shopper of a level."""
        token = self.item.token(shopper, lvl=level)
        headers = {"Authorization": f"Bearer {token}", **how.pop("headers", {})}
        return self.item.buy(shopper, body(ticket), headers=headers, **how)

    def queued(self, shopper: str = "ann", ticket: str | None = None, **how: Any) -> Any:
        """The same, and it must be told to wait; what it is told."""
        answer = self.buy(shopper, ticket, **how)
        assert answer.status == 202, answer
        assert answer.json["outcome"] == "queued"
        return answer.json

    def read(self, ticket: str) -> Ticket:
        """What a ticket of this shop's gateway says."""
        return read_ticket(ticket, entry_secrets(self.shop), now=0)

    def join(
        self, shopper: str = "ann", *, headers: Headers | None = None, **claims: Any
    ) -> Answer:
        """Join the lobby."""
        token = lobby_token(self.item, shopper, **claims)
        usual = {"Authorization": f"Bearer {token}", "Content-Length": "0"}
        return send(
            self.shop.gateway.port,
            "POST",
            f"/v1/items/{self.item.id}/lobby",
            usual | dict(headers or {}),
        ).answer()


def lobby_token(of: Item, shopper: str, kid: str = "e-1", **claims: Any) -> str:
    """What the edge signs for the lobby."""
    return of.token(shopper, kid, **({"aud": "sluice-lobby"} | claims))


def entry_secrets(shop: Shop) -> dict[str, bytes]:
    """The entry keys that are published, by kid."""
    keys = shop.document["entry_keys"]
    return {key["kid"]: base64.urlsafe_b64decode(key["secret"] + "==") for key in keys}


def put_in_line(
    shop: Shop,
    *buckets: str,
    mode: str = "fifo",
    units: int = 10,
    served: int = 0,
    **item: Any,
) -> WaitingLine:
    """A new item with a queue that is open, in a fifo's buckets served until `served`."""
    waiting = WaitingLine(shop, shop.put_up(units=units, **item), buckets or ("regular",), mode)
    waiting.open(served, lobby=mode == "draw")
    waiting.publish()
    return waiting


def starts_later(shop: Shop) -> dict[str, int]:
    """Fields of an item whose sale begins in an hour."""
    now_ms = shop.stock.now_ms()
    return {"start_ms": now_ms + HOUR_MS, "end_ms": now_ms + 2 * HOUR_MS}


__all__ = ["AGAIN", "SEED", "Called", "WaitingLine", "put_in_line", "signed", "starts_later"]
