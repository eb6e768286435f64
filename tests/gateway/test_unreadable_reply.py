"""A reply the gateway cannot read is unknown: the units may be taken, so nobody hears "no"."""

import pytest

from tests.gateway.shop import Shop
from tests.redis.mutants import replaced

RETURNS = 'return { table.concat(codes), table.concat(again, ",") }'


@pytest.mark.parametrize(
    "reply",
    ['{ "", "" }', '{ "?", "" }', "{ 1, 2 }", "1", "false"],
    ids=["a code too few", "a code nobody knows", "integers", "no list", "nil"],
)
def test_it_is_pending_and_the_status_tells_the_truth(shop: Shop, reply: str) -> None:
    shop.gateway.expected_errors.append("the answer to a reserve call cannot be read")
    item = shop.put_up(units=3)
    strange = replaced(item.shard.script, RETURNS, f"return {reply}")
    item.shard.load(strange)
    shop.document["items"][str(item.id)]["shards"][0]["sha"] = strange.sha
    shop.publish()

    answer = item.buy("ann")

    assert (answer.status, answer.json["outcome"]) == (202, "pending")
    assert item.knows(answer.json["reservation_id"], "ann") == "reserved"
    assert item.shard.books().avail == 2
