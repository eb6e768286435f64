"""The stock source changes while people buy: primary, standby cluster, database, and back."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException

import pytest

from tests.gateway.client import Answer
from tests.gateway.conftest import Settings
from tests.gateway.refusals import assert_refused
from tests.gateway.shop import Item, Shop, listed, published
from tests.redis.armed_shard import ArmedShard
from tests.redis.books import held_by
from tests.redis.server import StockServer
from tests.redis.waiting import until
from workers.stock.keys import Shard

LEASE_MS = 2000
UNITS = 100_000
REBUILD_MAX = 1000
SHOPPERS_AT_ONCE = 4


@pytest.fixture(scope="module")
def workers() -> int:
    """Two: both must change over."""
    return 2


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StockServer]:
    """The primary cluster, of this file alone, since it is frozen and killed here."""
    yield from running(tmp_path_factory, "primary")


@pytest.fixture(scope="module")
def standby(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StockServer]:
    """The standby cluster."""
    yield from running(tmp_path_factory, "standby")


def running(factory: pytest.TempPathFactory, name: str) -> Iterator[StockServer]:
    """A Redis that owns all slots."""
    node = StockServer(factory.mktemp("stock") / name)
    node.start()
    node.own_all_slots()
    yield node
    node.stop()


@pytest.fixture(scope="module")
def settings(standby: StockServer) -> Settings:
    """Both clusters are known."""
    return {"SLUICE_STOCK_STANDBY_REDIS": standby.address}


@pytest.fixture(autouse=True)
def back_to_primary(shop: Shop) -> Iterator[None]:
    """Each case begins with the primary cluster."""
    yield
    switch(shop, "primary")


def switch(shop: Shop, source: str) -> None:
    """What the control plane does first: one document in which no old epoch sells any more."""
    generation = shop.document["stock"]["generation"] + 1
    shop.document["stock"] = {"source": source, "generation": generation, "lease_ms": LEASE_MS}
    for item in shop.document["items"].values():
        item["shards"] = []
    shop.publish()


class Sale:
    """An item whose epochs lie in one source after the other."""

    def __init__(self, shop: Shop, standby: StockServer) -> None:
        self.shop = shop
        self.item = shop.put_up(armed=False)
        self.redis = {"primary": shop.stock, "standby": standby}
        self.epoch = 0
        self.armed: list[ArmedShard] = []

    def open(self, source: str, carry_over: bool = True) -> None:
        """The next epoch, which knows the buyers of all before it, and sells."""
        self.epoch += 1
        held = self.held().items() if carry_over else ()
        known = [(who, name, qty) for name, (who, qty) in held]
        if source == "database":
            self.shop.plane.database.sell(self.item.id, 0, self.epoch, UNITS)
            self.shop.plane.database.remember(known)
            entry = listed(0, self.epoch, "", source)
        else:
            shard = ArmedShard(self.redis[source], Shard(self.item.id, 0, self.epoch), limit=1)
            for at in range(0, len(known), REBUILD_MAX):
                shard.rebuild(*known[at : at + REBUILD_MAX])
            shard.arm()
            shard.grant(UNITS)
            self.armed.append(shard)
            entry = published(shard, source)
        self.shop.change(self.item, shards=[entry])

    def held(self) -> dict[str, tuple[str, int]]:
        """Reservation → shopper and quantity, wherever it is."""
        found: dict[str, tuple[str, int]] = {}
        for shard in self.armed:
            for shopper, some in held_by(shard.server.worker, shard.shard).items():
                found |= {name: (shopper, qty) for name, qty in some}
        for intent in self.intents_of_database():
            found[intent["reservation_id"]] = (intent["shopper"], intent["qty"])
        return found

    def intents_of_database(self) -> list[dict]:
        """What the database has sold of this item."""
        intents = self.shop.plane.database.intents
        return [intent for intent in intents if intent["item"] == self.item.id]

    def intents(self) -> list[dict]:
        """Every intent of every source."""
        return [one for shard in self.armed for one in shard.intents()] + self.intents_of_database()


class Crowd:
    """Threads of shoppers, each buying once after the other."""

    def __init__(self, item: Item) -> None:
        self._item = item
        self._over = threading.Event()
        self.answers: dict[str, Answer] = {}
        self.faults: list[Exception] = []

    def _shop(self, thread: int) -> None:
        number = 0
        while not self._over.is_set():
            shopper, number = f"s{thread}-{number}", number + 1
            try:
                self.answers[shopper] = self._item.buy(shopper)
            except (OSError, HTTPException) as error:
                self.faults.append(error)

    def outcomes(self) -> Counter[str]:
        """How often each was told."""
        return Counter(answer.outcome for answer in list(self.answers.values()))

    def sells(self) -> None:
        """Wait until some more have been told reserved."""
        enough = self.outcomes()["reserved"] + 20
        until(lambda: self.outcomes()["reserved"] >= enough, "the sale is running")

    @contextmanager
    def buying(self) -> Iterator[None]:
        """They buy as long as this lasts."""
        threads = [
            threading.Thread(target=self._shop, args=(n,), daemon=True)
            for n in range(SHOPPERS_AT_ONCE)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()


def test_a_sale_goes_through_all_sources_and_back_and_everybody_heard_the_truth(
    shop: Shop, standby: StockServer
) -> None:
    sale = Sale(shop, standby)
    sale.open("primary")
    crowd = Crowd(sale.item)
    with crowd.buying():
        crowd.sells()
        for source in ("standby", "database", "primary", "database", "standby", "primary"):
            switch(shop, source)
            sale.open(source)
            crowd.sells()
    assert crowd.faults == []
    assert set(crowd.outcomes()) <= {"reserved", "busy"}  # nothing failed, so nobody was unsure
    reserved = {
        answer.json["reservation_id"]: shopper
        for shopper, answer in crowd.answers.items()
        if answer.outcome == "reserved"
    }
    told = Counter(intent["reservation_id"] for intent in sale.intents())
    assert told == Counter(dict.fromkeys(reserved, 1)), "each taken once, and no other"
    assert {name: who for name, (who, _) in sale.held().items()} == reserved
    for shard in sale.armed:
        assert shard.faults() == []
    # Who won in an earlier epoch has won in this one too.
    for reservation_id, shopper in list(reserved.items())[:20]:
        assert sale.item.buy(shopper).json["reservation_id"] == reservation_id
        assert sale.item.status(reservation_id, shopper).json["state"] == "reserved"


def test_after_the_switch_nothing_more_reaches_the_old_source(
    shop: Shop, standby: StockServer
) -> None:
    sale = Sale(shop, standby)
    sale.open("primary")
    crowd = Crowd(sale.item)
    with crowd.buying():
        crowd.sells()
        switch(shop, "standby")
        # The agent has not even begun to disarm the old epoch.
        before = sale.armed[0].books().sold
        busy = crowd.outcomes()["busy"]
        until(lambda: crowd.outcomes()["busy"] > busy + 20, "they are told busy")
        assert sale.armed[0].books().sold == before
    assert set(crowd.outcomes()) == {"reserved", "busy"}


def test_who_waits_while_the_old_source_hangs_is_told_at_the_switch(
    shop: Shop, standby: StockServer
) -> None:
    sale = Sale(shop, standby)
    sale.open("primary")
    for n in range(8):  # each worker has its connection
        assert sale.item.buy(f"warm{n}").outcome == "reserved"
    shop.stock.freeze()
    try:
        # More than one of them are the first of their worker, and are sent.
        requests = [sale.item.send(f"s{n}") for n in range(20)]
        until(lambda: shop.gateway.has_read(20), "all wait for the primary cluster")
        switch(shop, "database")
        sale.open("database", carry_over=False)
        until(lambda: sum(one.is_answered() for one in requests) >= 18, "who was not sent is told")
        sent = [request for request in requests if not request.is_answered()]
        assert 1 <= len(sent) <= 2
        assert sale.item.buy("eve").outcome == "reserved"
    finally:
        shop.stock.thaw()
    for request in requests:
        answer = request.answer()
        if request in sent:
            assert answer.outcome == "reserved"
        else:
            assert_refused(answer, "busy")
    bought = {one["shopper"] for one in sale.armed[0].intents()}
    assert len(bought) == 8 + len(sent), "nobody was sent after the switch"


def test_who_waits_for_the_map_of_the_old_source_is_not_sent_to_it(
    shop: Shop, standby: StockServer
) -> None:
    sale = Sale(shop, standby)
    sale.open("primary")
    shop.stock.freeze()
    try:
        shop.gateway.reload()  # the new workers know no map
        requests = [sale.item.send(f"s{n}") for n in range(10)]
        until(lambda: shop.gateway.has_read(10), "all wait for the map")
        switch(shop, "database")
    finally:
        shop.stock.thaw()
    for request in requests:
        assert_refused(request.answer(), "busy")
    assert sale.armed[0].books().sold == 0


def test_the_old_source_may_be_dead(shop: Shop, standby: StockServer) -> None:
    sale = Sale(shop, standby)
    sale.open("standby")
    switch(shop, "standby")
    sale.open("standby")
    assert sale.item.buy("ann").outcome == "reserved"
    shop.stock.kill()
    try:
        switch(shop, "standby")
        sale.open("standby")
        bought = sale.item.buy("bob").json["reservation_id"]
        assert sale.item.status(bought, "bob").json["state"] == "reserved"
        switch(shop, "database")
        sale.open("database")
        assert sale.item.buy("cem").outcome == "reserved"
    finally:
        shop.stock.start()
        until(shop.stock.is_whole, "the primary cluster is back")


def test_a_source_that_the_document_does_not_name_does_not_sell(
    shop: Shop, standby: StockServer
) -> None:
    sale = Sale(shop, standby)
    sale.open("primary")
    shop.document["stock"] = shop.document["stock"] | {"source": "standby"}
    shop.publish()  # the shard of the primary cluster is still in it
    assert_refused(sale.item.buy("ann"), "busy")
    assert sale.armed[0].books().sold == 0


def test_a_standby_that_this_gateway_does_not_know_is_busy(
    shop: Shop, standby: StockServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sale = Sale(shop, standby)
    switch(shop, "standby")
    sale.open("standby")
    folder = tmp_path_factory.mktemp("alone") / "gateway"
    folder.mkdir()
    with shop.before(folder, shop.stock.address, SLUICE_STOCK_STANDBY_REDIS="") as gateway:
        gateway.expected_errors.append("no address is known of the stock source standby")
        answer = sale.item.buy("ann")
        assert_refused(answer, "busy")
        assert_refused(sale.item.status(f"{sale.item.id}-0-{'a' * 22}"), "busy")
        assert gateway.get("/readyz").status == 200


def test_the_generation_is_told_to_operators(shop: Shop) -> None:
    switch(shop, "database")
    name, generation = "sluice_gateway_stock_generation", shop.document["stock"]["generation"]
    told = [value for (metric, _), value in shop.gateway.metrics().items() if metric == name]
    assert told == [generation] * 2
