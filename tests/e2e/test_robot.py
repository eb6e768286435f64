"""A device that tries many shoppers is banned at every gateway, while people go on buying."""

import time
import uuid

import pytest
import redis
from confluent_kafka.admin import AdminClient, ConfigResource

from deploy.local.servers import kafka
from tests.e2e.conftest import wait_for
from tests.e2e.test_campaign_on_time import ask, entered

# Six are one more than a household has; the others try after the ban.
SHOPPERS = 8


def enter(edge, item, shopper, device):
    """The purchase that this shopper may make on this device: where, and with which token."""
    body = f'{{"shopper":"{shopper}"}}'.encode()
    session = ask(f"{edge}/demo/sessions", method="POST", body=body)[1]["session"]
    url, wish = f"{edge}/v1/items/{item}/entry", f'{{"device":"{device}"}}'.encode()

    def asked():
        return entered(ask(url, method="POST", body=wish, token=session))

    _, entry = wait_for(asked, "the entry", 15)
    return f"{edge}{entry['buy_url']}", entry["entry_token"]


def buy(purchase):
    """The outcome, whatever it is."""
    url, token = purchase
    _, answer = ask(url, method="POST", body=b'{"qty":1}', token=token)
    return answer.get("outcome") or answer.get("code")


def heard(purchase):
    """The first outcome that is not the rate limit's, which comes before everything about bans."""
    return wait_for(
        lambda: outcome if (outcome := buy(purchase)) != "rate_limited" else None, "an answer", 10
    )


@pytest.fixture
def sale(create_campaign, stack_environment):
    """An item that sells, by its id."""
    campaign = create_campaign("robot", units=50, starts_in_s=2, lasts_s=60)
    return campaign["items"][0]["id"]


def test_a_robot_is_banned_and_others_are_not(sale, stack_environment, capsys):
    edge, mark = stack_environment["SLUICE_EDGE_URL"], uuid.uuid4().hex[:8]
    robot, person = f"device-robot-{mark}", f"device-person-{mark}"
    robots = [enter(edge, sale, f"{mark}-{n}", robot) for n in range(SHOPPERS)]
    persons = enter(edge, sale, f"{mark}-person", person)
    wait_for(lambda: buy(robots[0]) == "reserved", "the sale to be open")

    for one in robots[1:6]:
        assert buy(one) in ("reserved", "rate_limited")
    crossed_at = time.monotonic()
    wait_for(lambda: told(stack_environment, robot), "the ban to be told", 10)
    told_after_s = time.monotonic() - crossed_at
    wait_for(lambda: buy(robots[6]) == "denied", "the robot to be denied", 10)
    denied_after_s = time.monotonic() - crossed_at

    assert heard(robots[7]) == "denied"
    assert heard(robots[0]) == "denied", "the device is banned, whoever uses it"
    assert heard(persons) == "reserved"
    with capsys.disabled():
        print(f"\nban told after {told_after_s:.2f} s, in force after {denied_after_s:.2f} s")


def told(stack_environment, device):
    """Whether the stream of bans has the device."""
    with redis.Redis.from_url(stack_environment["SLUICE_WORK_REDIS_URL"]) as client:
        found = client.xrevrange("sluice:bans", count=100)
    return any(fields.get(b"value") == device.encode() for _, fields in found)


def test_events_of_gateways_are_kept_for_minutes_only(stack_environment):
    admin = AdminClient({"bootstrap.servers": stack_environment["SLUICE_KAFKA_BROKERS"]})
    topic = ConfigResource(ConfigResource.Type.TOPIC, "gateway-events")
    (asked,) = admin.describe_configs([topic]).values()
    settings = {name: entry.value for name, entry in asked.result(10).items()}
    wanted = kafka.SETTINGS["gateway-events"]
    assert {name: settings[name] for name in wanted} == wanted
