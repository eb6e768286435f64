"""Nothing secret leaves the gateway: not in any public answer, not in its logs."""

from tests.gateway.client import Answer, get, request_text, speak
from tests.gateway.gateway import Gateway
from tests.gateway.shop import Item, Shop
from tests.redis.waiting import until


def every_kind_of_answer(shop: Shop, item: Item) -> list[Answer]:
    """Each route, each outcome that a healthy stack gives, and refusals by nginx itself."""
    gateway, port = shop.gateway, shop.gateway.port
    bought = item.buy("ann")
    reservation_id = bought.json["reservation_id"]
    token = item.token("ann")
    return [
        bought,
        item.buy("ann", key="another"),
        item.buy("bob", b'{"qty":0}'),
        item.buy("bob", b'{"qty":1}'.ljust(100_000)),
        item.buy("bob", headers={"Authorization": f"Bearer {token}x"}),
        item.buy("bob", path=f"/v1/items/{item.id}/wrong/buy"),
        item.status(reservation_id),
        item.status(reservation_id, "bob"),
        gateway.get(f"/v1/reservations/{reservation_id}"),
        gateway.get(f"/v1/campaigns/campaign-{item.id}"),
        *(gateway.get(path) for path in ("/v1/time", "/healthz", "/readyz", "/", "/v1/items/")),
        *speak(port, request_text("GET", "/v1/\0", [])),
        *speak(port, request_text("POST", item.buy_path, ["X: " + "x" * 9000])),
    ]


def secrets_of(gateway: Gateway, item: Item) -> dict[str, str]:
    """What must stay inside."""
    named = {
        name: value
        for name, value in gateway.settings.items()
        if name.endswith(("_KEY", "_TOKEN", "_PASSWORD"))
    }
    keys = {key["kid"]: key["secret"] for key in item.shop.document["entry_keys"]}
    return named | keys | {"script": item.shard.script.sha}


def test_no_answer_holds_a_secret(shop: Shop) -> None:
    item = shop.put_up()
    answers = every_kind_of_answer(shop, item)
    assert {answer.status for answer in answers} == {200, 400, 401, 404, 409}
    for name, secret in (secrets_of(shop.gateway, item) | {"path_key": item.path_key}).items():
        assert len(secret) >= 8 or name == "SLUICE_STOCK_REDIS_PASSWORD"
        for answer in answers:
            assert secret not in answer.everything, (name, answer)


def test_the_metrics_hold_no_secret(shop: Shop) -> None:
    item = shop.put_up()
    every_kind_of_answer(shop, item)
    text = get(shop.gateway.internal_port, "/metrics").everything
    for name, secret in (secrets_of(shop.gateway, item) | {"path_key": item.path_key}).items():
        assert secret not in text, name


def test_the_access_log_tells_what_happened_and_no_secret(shop: Shop) -> None:
    item = shop.put_up()
    before = len(shop.gateway.access_log().splitlines())
    answers = every_kind_of_answer(shop, item)
    reservation_id = answers[0].json["reservation_id"]
    until(
        lambda: shop.gateway.access_log().count("\n") >= before + len(answers),
        "every request is logged",
    )
    text = shop.gateway.access_log()
    assert f'"route":"buy","item":"{item.id}","outcome":"reserved"' in text
    assert f'"reservation_id":"{reservation_id}","status":200' in text
    assert '"route":"reservation"' in text
    assert '"outcome":"bad_request"' in text
    hidden = secrets_of(shop.gateway, item) | {"path_key": item.path_key, "a token": "eyJ"}
    for name, secret in hidden.items():
        assert secret not in text, name


def test_the_error_log_holds_no_secret(shop: Shop) -> None:
    item = shop.put_up()
    every_kind_of_answer(shop, item)
    hidden = secrets_of(shop.gateway, item) | {"path_key": item.path_key, "a token": "eyJ"}
    for name, secret in hidden.items():
        assert secret not in shop.gateway.errors(), name
