"""Celery opens and ends campaigns on time, and edge and gateway hear of it."""

import json
import urllib.error
import urllib.request

import psycopg2

from tests.e2e.conftest import wait_for


def ask(url, *, method="GET", body=None, token=None):
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_a_campaign_goes_live_and_ends_by_itself(create_campaign, stack_environment):
    campaign = create_campaign("on-time", units=5, starts_in_s=8, lasts_s=6)
    url = f"{stack_environment['SLUICE_EDGE_URL']}/v1/campaigns/{campaign['slug']}"

    def state():
        status, body = ask(url)
        return body.get("state") if status == 200 else None

    wait_for(lambda: state() == "approved", "the campaign to be known", 6)
    wait_for(lambda: state() == "live", "the campaign to open")
    wait_for(lambda: state() == "ended", "the campaign to end")


def test_the_public_page_of_a_campaign_holds_no_secret(create_campaign, stack_environment):
    campaign = create_campaign("no-secret", units=5, starts_in_s=60, lasts_s=60)
    url = f"{stack_environment['SLUICE_EDGE_URL']}/v1/campaigns/{campaign['slug']}"

    body = wait_for(lambda: answered(url), "the campaign to be known")

    assert campaign["items"][0]["path_key"] not in json.dumps(body)
    assert {"path_key", "shards", "shard_count", "secret"}.isdisjoint(body["items"][0])


def answered(url):
    status, body = ask(url)
    return body if status == 200 else None


def test_units_nobody_bought_are_back_in_the_pool_after_the_end(create_campaign, stack_environment):
    campaign = create_campaign("left-over", units=5, starts_in_s=1, lasts_s=5)
    item = campaign["items"][0]["id"]

    def granted():
        return query(stack_environment, GRANTED, item)[0] == 5

    def returned():
        return query(stack_environment, RETURNED, item) == (5, True)

    wait_for(granted, "the shards to get the units", 5)
    wait_for(returned, "the units to be back and every epoch closed")


def test_no_entry_before_the_start_and_no_purchase_after_the_end(
    create_campaign, stack_environment
):
    edge = stack_environment["SLUICE_EDGE_URL"]
    campaign = create_campaign("gates", units=5, starts_in_s=8, lasts_s=10)
    item = campaign["items"][0]
    session = ask(f"{edge}/demo/sessions", method="POST", body=b'{"shopper":"gate-shopper"}')[1]

    def enter():
        return ask(
            f"{edge}/v1/items/{item['id']}/entry",
            method="POST",
            body=b'{"device":"device-of-a-shopper"}',
            token=session["session"],
        )

    status, early = wait_for(lambda: known(enter()), "the edge to know the item", 6)
    assert (status, early["code"]) == (425, "not_started")
    assert 0 < early["retry_after_ms"] <= 8000

    _, entry = wait_for(lambda: entered(enter()), "the start")
    token, path = entry["entry_token"], entry["buy_url"]

    def buy():
        return ask(f"{edge}{path}", method="POST", body=b'{"qty":1}', token=token)

    first = wait_for(lambda: reserved(buy()), "the purchase", 8)
    again = wait_for(lambda: reserved(buy()), "the same again, when he may ask again", 8)
    assert again["reservation_id"] == first["reservation_id"]

    status, late = wait_for(lambda: refused(buy()), "the end")
    assert (status, late["code"]) == (410, "ended")
    status, late = wait_for(lambda: refused(enter()), "the edge to end the item")
    assert (status, late["code"]) == (410, "ended")


GRANTED = "SELECT sum(granted) FROM inventory_allocation WHERE item_id = %s"
RETURNED = """
SELECT pool.unallocated, every(allocation.state = 'closed')
  FROM inventory_pool AS pool JOIN inventory_allocation AS allocation USING (item_id)
 WHERE pool.item_id = %s GROUP BY pool.unallocated
"""


def query(stack_environment, statement, item):
    """One row of the stack's own database `sale`."""
    connection = psycopg2.connect(stack_environment["SLUICE_SALE_DSN"])
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, [item])
            return cursor.fetchone()
    finally:
        connection.close()


def known(answer):
    return answer if answer[0] not in (404, 503) else None


def entered(answer):
    return answer if answer[0] == 200 else None


def reserved(answer):
    return answer[1] if answer[1].get("outcome") == "reserved" else None


def refused(answer):
    return answer if answer[0] == 410 else None
