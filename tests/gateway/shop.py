"""A sale as a case sees it: what is published, the gateway that runs it, the stock behind it."""

import base64
import copy
import hashlib
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt

from tests.gateway.client import Answer, Headers, Pending, get, send
from tests.gateway.control_plane import ControlPlane, Json
from tests.gateway.gateway import Gateway
from tests.redis.armed_shard import ArmedShard
from tests.redis.books import held_by
from tests.redis.server import StockServer
from tests.redis.waiting import until
from workers.stock.keys import Shard

HOUR_MS = 3_600_000
BODY = b'{"qty":1}'
SWITCHES = {"sale_enabled": True, "rate_limits": 0}


def entry_key(kid: str) -> dict[str, Any]:
    """A key as the snapshot lists it; the same for the same kid."""
    digest = hashlib.sha256(f"entry key {kid}".encode()).digest()
    secret = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return {"kid": kid, "secret": secret, "sign": True}


def signed(claims: Json, kid: str) -> str:
    """An entry token as the edge signs it."""
    secret = base64.urlsafe_b64decode(entry_key(kid)["secret"] + "=")
    return jwt.encode(claims, secret, algorithm="HS256", headers={"kid": kid})


def published(armed: ArmedShard, source: str = "primary") -> dict[str, Any]:
    """An armed shard as the snapshot lists it."""
    return listed(armed.shard.shard, armed.shard.epoch, armed.script.sha, source)


def listed(shard: int, epoch: int, sha: str, source: str = "primary") -> dict[str, Any]:
    """A shard as the snapshot lists it."""
    return {"shard": shard, "epoch": epoch, "sha": sha, "source": source}


class Item:
    """One item on sale in a shop."""

    def __init__(self, shop: "Shop", item: int, armed: ArmedShard) -> None:
        self.id, self.shard = item, armed
        self.path_key = f"path-key-{item:03d}-{secrets.token_urlsafe(8)[:10]}"[:22].ljust(22, "x")
        self.shop = shop

    @property
    def buy_path(self) -> str:
        """Where it is bought."""
        return f"/v1/items/{self.id}/{self.path_key}/buy"

    def token(self, shopper: str, kid: str = "e-1", **changes: Any) -> str:
        """A good entry token, with `changes` to its claims."""
        now = int(time.time())
        claims = {
            "iss": "sluice-edge",
            "aud": "sluice-gateway",
            "sub": shopper,
            "item": self.id,
            "dev": "device-0001",
            "lvl": "regular",
            "rs": 0,
            "jti": secrets.token_urlsafe(9),
            "nbf": now,
            "iat": now,
            "exp": now + 120,
        }
        return signed(claims | changes, kid)

    def headers(self, shopper: str, key: str | None = None, **claims: Any) -> dict[str, str]:
        """What the SDK sends."""
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {self.token(shopper, **claims)}",
        }
        return headers if key is None else headers | {"Idempotency-Key": key}

    def send(
        self,
        shopper: str = "ann",
        body: bytes | None = BODY,
        *,
        key: str | None = None,
        headers: Headers | None = None,
        method: str = "POST",
        path: str | None = None,
        gateway: Gateway | None = None,
        source: str = "",
        **claims: Any,
    ) -> Pending:
        """Try to buy, at the shop's own gateway if none is named, and do not wait."""
        sent = {**self.headers(shopper, key, **claims), **(headers or {})}
        port = (gateway or self.shop.gateway).port
        return send(port, method, path or self.buy_path, sent, body, source)

    def buy(self, shopper: str = "ann", body: bytes | None = BODY, **how: Any) -> Answer:
        """Try to buy; arguments as `send`."""
        return self.send(shopper, body, **how).answer()

    def status(self, reservation_id: str, shopper: str = "ann", **claims: Any) -> Answer:
        """Ask what became of a reservation."""
        headers = {"Authorization": f"Bearer {self.token(shopper, **claims)}"}
        return get(self.shop.gateway.port, f"/v1/reservations/{reservation_id}", headers)

    def knows(self, reservation_id: str, shopper: str) -> str:
        """Ask until somebody can say: the state, or not_found."""

        def told() -> str | None:
            answer = self.status(reservation_id, shopper)
            return None if answer.status == 503 else answer.json.get("state") or answer.outcome

        return str(until(told, "the status is known"))

    def rearm(self, epoch: int, units: int, carry_over: bool = True) -> None:
        """What the stock agent does: the next epoch knows the buyers of the last, and sells."""
        old = self.shard
        held = held_by(old.server.worker, old.shard)
        known = [(shopper, name, qty) for shopper, some in held.items() for name, qty in some]
        self.shard = ArmedShard(old.server, replace(old.shard, epoch=epoch), old.limit)
        if carry_over:
            self.shard.rebuild(*known)
        self.shard.arm()
        self.shard.grant(units)
        self.shop.change(self, shards=[published(self.shard)])

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """Whatever happens inside takes no unit and writes no intent."""
        with self.shard.unchanged():
            yield


class Shop:
    """Publishes to one gateway and waits until it runs what was published."""

    def __init__(self, plane: ControlPlane, gateway: Gateway, stock: StockServer) -> None:
        self.plane, self.gateway, self.stock = plane, gateway, stock
        self.items: list[Item] = []
        self.document: Json = {
            "version": 0,
            "built_at_ms": 0,
            "campaigns": {},
            "items": {},
            "entry_keys": [entry_key("e-1")],
            "stock": {"source": "primary", "generation": 0, "lease_ms": 2000},
            # Everybody here comes from one address.
            "switches": dict(SWITCHES),
        }

    def put_up(self, units: int = 10, limit: int = 1, armed: bool = True, **fields: Any) -> Item:
        """Arm, grant and publish a new item; `fields` change what the snapshot says of it."""
        # Items of all shops on this Redis differ: its keys are theirs for ever.
        number = int(self.stock.operator.incr("{tests}:items"))
        shard = ArmedShard(self.stock, Shard(number, shard=0, epoch=1), limit)
        item = Item(self, number, shard)
        if armed:
            shard.arm()
            if units:
                shard.grant(units)
            self.items.append(item)
        self._describe(item, units, limit, armed)
        self.change(item, **fields)
        return item

    def _describe(self, item: Item, units: int, limit: int, armed: bool) -> None:
        now_ms, slug = int(time.time() * 1000), f"campaign-{item.id}"
        times = {"start_ms": now_ms - HOUR_MS, "end_ms": now_ms + HOUR_MS, "state": "live"}
        self.document["campaigns"][slug] = {
            "id": item.id,
            "slug": slug,
            "title": f"Campaign {item.id}",
            "merchant": "demo",
            "items": [item.id],
            **times,
        }
        self.document["items"][str(item.id)] = {
            "id": item.id,
            "campaign": slug,
            "merchant": "demo",
            "sku": f"SKU-{item.id}",
            "title": f"Item {item.id}",
            "price_minor": 1999,
            "currency": "CNY",
            "units": units,
            "limit": limit,
            "path_key": item.path_key,
            "shard_count": 1,
            "shards": [published(item.shard)] * armed,
            **times,
        }

    @contextmanager
    def before(self, folder: Path, stock_redis: str, **settings: str) -> Iterator[Gateway]:
        """Sell through a gateway of one's own, which stands before another stock Redis."""
        own = {
            **self.gateway.settings,
            "SLUICE_VAR_DIR": str(folder),
            "SLUICE_STOCK_REDIS": stock_redis,
            "SLUICE_RESERVE_TIMEOUT_MS": "500",
            **settings,
        }
        gateway, usual = Gateway(folder, own), self.gateway
        gateway.start()
        self.gateway = gateway
        try:
            until(lambda: gateway.runs(self.document["version"]), "it has the snapshot")
            yield gateway
        finally:
            self.gateway = usual
            gateway.stop()
        assert gateway.unexpected_errors() == []

    def change(self, item: Item, **fields: Any) -> None:
        """Publish other facts about an item."""
        self.document["items"][str(item.id)] |= fields
        self.publish()

    def publish(self, **sections: Any) -> None:
        """Publish the next version, with other `sections` if given; every worker runs it then."""
        self.plane.publish(self.next_version(**sections))
        version = self.document["version"]
        until(lambda: self.gateway.runs(version), f"every worker runs version {version}")

    def next_version(self, **sections: Any) -> Json:
        """The document of the next version, not published."""
        self.document |= sections
        self.document["version"] += 1
        return copy.deepcopy(self.document)
