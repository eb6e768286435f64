"""A fifo and a draw through edge, gateway, controller and control plane, as the stack runs them."""

import csv
import io
import json
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import pytest

from deploy.local.site import ROOT
from tests.e2e.conftest import wait_for
from tests.e2e.test_campaign_on_time import ask
from tests.load.shoppers import address_of

UNITS, SHOPPERS = 6, 30
# All have joined the draw by then, on a busy machine too.
LEAD_S = 20
PASSING = (202, 429, 503)
# Beyond those of the other sales in this stack.
ADDRESSES = map(address_of, count(1 << 20))


class Shopper:
    """A visitor with an address and a device of his own: limits and risk rules are by both."""

    def __init__(self, name, edge):
        self.name, self._edge, self._address = name, urlsplit(edge), next(ADDRESSES)
        self.device = f"device-of-{name}-{time.time_ns():x}"
        self._session = None

    def post(self, path, body, token=None):
        """The answer of the edge: status and JSON."""
        headers = {"Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        edge = HTTPConnection(
            self._edge.hostname, self._edge.port, timeout=10, source_address=(self._address, 0)
        )
        try:
            edge.request("POST", path, json.dumps(body), headers)
            response = edge.getresponse()
            return response.status, json.load(response)
        finally:
            edge.close()

    def session(self):
        """His session of the demo shop."""
        if not self._session:
            status, answer = self.post("/demo/sessions", {"shopper": self.name})
            assert status in (200, 201), answer
            self._session = answer["session"]
        return self._session


class Sale:
    """One item's sale, from the outside."""

    def __init__(self, described, urls):
        self.item = described["items"][0]["id"]
        self.edge, self.control_plane = urls["SLUICE_EDGE_URL"], urls["SLUICE_CONTROL_PLANE_URL"]
        self._shoppers = {}

    def shopper(self, name):
        """The same one each time."""
        if name not in self._shoppers:
            self._shoppers[name] = Shopper(name, self.edge)
        return self._shoppers[name]

    def door(self, name, door):
        """`entry` or `lobby` of the edge; None while it says that this passes."""
        shopper = self.shopper(name)
        path, body = f"/v1/items/{self.item}/{door}", {"device": shopper.device}
        status, answer = shopper.post(path, body, shopper.session())
        if status != 200 and status in PASSING:
            time.sleep(min(answer["retry_after_ms"], 1000) / 1000)
        return answer if status == 200 else None

    def buy(self, name, ticket=None, deadline_s=60):
        """Enter and ask until it is decided: the last answer, and every place he was told."""
        entry = wait_for(lambda: self.door(name, "entry"), f"{name} to be let in")
        give_up = time.monotonic() + deadline_s
        places: list[int] = []
        while True:
            body = {"qty": 1} | ({"ticket": ticket} if ticket else {})
            status, answer = self.shopper(name).post(entry["buy_url"], body, entry["entry_token"])
            if status not in PASSING or time.monotonic() > give_up:
                return status, answer, places
            ticket = answer.get("ticket", ticket)
            places += [answer["place"]] if "place" in answer else []
            time.sleep(min(answer["retry_after_ms"], 1000) / 1000)


@pytest.fixture
def put_up(manage, stack_environment):
    """Create and approve a campaign of one item with a queue."""

    def create(mode, units=UNITS):
        command = ["create_campaign", "--approve"]
        command += ["--slug", f"{mode}-{time.time_ns():x}", "--title", mode]
        command += ["--price-minor", "1999", "--units", str(units)]
        command += ["--starts-in-s", str(LEAD_S), "--lasts-s", "120", "--queue-mode", mode]
        command += ["--without-human-check"]
        return Sale(manage(*command), stack_environment)

    return create


def outcomes(answers):
    return sorted(answer.get("outcome") or answer["code"] for _, answer, _ in answers)


def test_a_fifo_sells_every_unit_and_tells_the_others(put_up):
    sale, names = put_up("fifo"), [f"fifo-{n}" for n in range(SHOPPERS)]
    with ThreadPoolExecutor(SHOPPERS) as crowd:
        answers = list(crowd.map(sale.buy, names))
    assert outcomes(answers) == ["reserved"] * UNITS + ["sold_out"] * (SHOPPERS - UNITS)


def test_a_draw_is_joined_revealed_sold_and_checked(put_up, tmp_path):
    sale, names = put_up("draw"), [f"draw-{n}" for n in range(SHOPPERS)]

    def join(name: str) -> Any:
        return wait_for(lambda: sale.door(name, "lobby"), f"{name} to join")

    with ThreadPoolExecutor(SHOPPERS) as crowd:
        tickets = dict(zip(names, crowd.map(join, names), strict=True))
    assert sorted(one["lobby_number"] for one in tickets.values()) == list(range(SHOPPERS))
    record_url = f"{sale.control_plane}/api/v1/draws/{sale.item}/"
    assert ask(record_url)[0] == 404, "the seed was shown before the start"

    with ThreadPoolExecutor(SHOPPERS) as crowd:
        answers = list(crowd.map(lambda name: sale.buy(name, tickets[name]["ticket"]), names))
    assert outcomes(answers) == ["reserved"] * UNITS + ["sold_out"] * (SHOPPERS - UNITS)

    status, record = ask(record_url)
    assert (status, record["sizes"], record["commit"]) == (
        200,
        [SHOPPERS],
        tickets[names[0]]["commit"],
    )
    rows = download(f"{record_url}record.csv")
    place_of = {int(row["lobby_number"]): int(row["place"]) for row in csv.DictReader(rows)}
    won = [
        place_of[tickets[name]["lobby_number"]]
        for name, (_, answer, _) in zip(names, answers, strict=True)
        if answer.get("outcome") == "reserved"
    ]
    # With k = 4 the first 24 may come at once; nobody behind them can have won.
    assert max(won) < 4 * UNITS

    files = tmp_path / "draw.json", tmp_path / "draw.csv"
    files[0].write_text(json.dumps(record))
    files[1].write_text(rows.getvalue())
    verify = [sys.executable, "-m", "control_plane.queues.verify", *map(str, files)]
    checked = subprocess.run(
        [*verify, "--ticket", tickets[names[3]]["ticket"]],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr
    assert f"place {place_of[tickets[names[3]]['lobby_number']]} of" in checked.stdout
    files[1].write_text(rows.getvalue().replace("0,5,", "0,6,", 1))
    assert subprocess.run(verify, cwd=ROOT, check=False, capture_output=True).returncode == 1


def download(url):
    with urllib.request.urlopen(url, timeout=10) as response:
        return io.StringIO(response.read().decode())
