"""A purchase through the human check, every part real; and the edge in the switch console."""

import json
import uuid

import pytest

from tests.e2e.conftest import wait_for
from tests.e2e.test_campaign_on_time import ask, entered, query, reserved
from tests.load.human_check import answer

RUNS_THE_NEWEST = """
SELECT lowest_version = (SELECT max(version) FROM snapshot_snapshot)
  FROM snapshot_heartbeat
 WHERE kind = 'edge' AND instance = %s AND at > now() - interval '10 seconds'
"""


class Shopper:
    """Somebody at the door of an item."""

    def __init__(self, edge, item):
        self.mark = uuid.uuid4().hex[:12]
        self.device = f"device-{self.mark}"
        self.edge, self.item = edge, item
        body = json.dumps({"shopper": f"person-{self.mark}"}).encode()
        self.session = ask(f"{edge}/demo/sessions", method="POST", body=body)[1]["session"]

    def question(self):
        """The check's question; None while the edge does not know the item."""
        url = f"{self.edge}/v1/items/{self.item}/check?device={self.device}"
        status, asked = ask(url, token=self.session)
        return asked if status == 200 else None

    def enter(self, check=None):
        """Status and answer of one try."""
        wish = {"device": self.device} | ({"check": check} if check else {})
        url = f"{self.edge}/v1/items/{self.item}/entry"
        return ask(url, method="POST", body=json.dumps(wish).encode(), token=self.session)

    def check(self):
        """A right answer to a new question."""
        return answer(wait_for(self.question, "the question"), seed=int(self.mark, 16))


def past_the_clock(tried):
    """Status and answer, or None while the sale has not begun or the edge waits for news."""
    return tried if tried[0] not in (404, 425, 429, 503) else None


@pytest.fixture
def shopper(create_campaign, stack_environment):
    """At an item that asks for the check and has just begun to sell."""
    described = create_campaign("checked", units=5, starts_in_s=2, lasts_s=60, human_check=True)
    return Shopper(stack_environment["SLUICE_EDGE_URL"], described["items"][0]["id"])


def test_who_passes_the_check_buys_and_who_does_not_is_challenged(shopper):
    check = shopper.check()
    status, refused = wait_for(lambda: past_the_clock(shopper.enter()), "the start")
    assert (status, refused["code"]) == (403, "challenge")

    _, entry = wait_for(lambda: entered(shopper.enter(check)), "the entry", 10)
    _, again = wait_for(lambda: past_the_clock(shopper.enter(check)), "an answer", 10)
    assert again["code"] == "challenge", "an answer was taken twice"

    url, token = f"{shopper.edge}{entry['buy_url']}", entry["entry_token"]
    bought = wait_for(
        lambda: reserved(ask(url, method="POST", body=b'{"qty":1}', token=token)), "a unit"
    )
    assert bought["reservation_id"]


def test_operators_switch_the_check_off_for_an_item(shopper, manage):
    wait_for(lambda: past_the_clock(shopper.enter()), "the start")
    words = ["--item", str(shopper.item), "--reason", "test", "--for", "5m"]
    manage("switch", "human_check", "off", *words)

    wait_for(lambda: entered(shopper.enter()), "the edge to let people in without it", 10)
    assert shopper.question() == {"provider": "none"}


def test_the_console_shows_which_version_the_edge_runs(shopper, stack_environment):
    def seen():
        shopper.enter()
        return query(stack_environment, RUNS_THE_NEWEST, "edge") == (True,)

    wait_for(seen, "the edge to say that it runs the newest version", 20)
