"""Every address of the API × somebody else's object. Made from the list of addresses: a new one has
to be decided about here, or this fails."""

from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from control_plane.api.tests.conftest import Shop, problem

pytestmark = pytest.mark.django_db

# Decisions, by the name of the address. FOREIGN: how somebody else's is named, by what it takes.
FOREIGN = {
    "campaign-detail": lambda shop: {"slug": shop.draft.slug},
    "campaign-approve": lambda shop: {"slug": shop.draft.slug},
    "campaign-submit": lambda shop: {"slug": shop.draft.slug},
    "campaign-send-back": lambda shop: {"slug": shop.draft.slug},
    "campaign-end": lambda shop: {"slug": shop.campaign.slug},
    "campaign-extend": lambda shop: {"slug": shop.campaign.slug},
    "campaign-pause": lambda shop: {"slug": shop.campaign.slug},
    "campaign-resume": lambda shop: {"slug": shop.campaign.slug},
    "campaign-rotate-path-keys": lambda shop: {"slug": shop.campaign.slug},
    "item-detail": lambda shop: {"pk": shop.item.pk},
    "order-detail": lambda shop: {"number": shop.order.number},
    "order-cancel": lambda shop: {"number": shop.order.number},
    "reservation": lambda shop: {"reservation_id": shop.order.reservation_id},
    "report-detail": lambda shop: {"item": shop.item.pk},
    "reconciliation-detail": lambda shop: {"pk": shop.finding.run_id},
    "switch-detail": lambda shop: {"pk": shop.throw.pk},
    "switch-revert": lambda shop: {"pk": shop.throw.pk},
    "webhook-endpoint-detail": lambda shop: {"pk": shop.endpoint.pk},
    "webhook-endpoint-ping": lambda shop: {"pk": shop.endpoint.pk},
    "webhook-endpoint-rotate-secret": lambda shop: {"pk": shop.endpoint.pk},
    "webhook-endpoint-retire-secret": lambda shop: {"pk": shop.endpoint.pk},
    "webhook-delivery-detail": lambda shop: {"pk": shop.delivery.pk},
    "webhook-delivery-redeliver": lambda shop: {"pk": shop.delivery.pk},
}
APPROVERS = {"campaign-approve", "campaign-send-back"}
# Lists: what of one's own is in them, by which the rows are told apart.
LISTS = {
    "campaign-list": lambda shop: {shop.draft.slug, shop.campaign.slug},
    "item-list": lambda shop: {shop.item.pk, shop.draft.items.get().pk},
    "order-list": lambda shop: {shop.order.number},
    "report-list": lambda shop: {shop.item.pk, shop.draft.items.get().pk},
    "reconciliation-list": lambda shop: {shop.finding.run_id},
    "finding-list": lambda shop: {shop.finding.pk},
    "switch-list": lambda shop: {shop.throw.pk},
    "webhook-endpoint-list": lambda shop: {shop.endpoint.pk},
    "webhook-delivery-list": lambda shop: {shop.delivery.pk},
}
ROW_KEYS = {"campaign-list": "slug", "order-list": "number", "report-list": "item"}
# What a body or a query names: its own test below, with the name of the address.
NAMED_INSIDE = {"payments", "switch-effective"}
# No key may, whatever it holds.
STAFF_ONLY = {
    "risk-rule-list",
    "risk-rule-detail",
    "risk-rule-end",
    "rate-limit-list",
    "rate-limit-detail",
    "ban-list",
    "ban-detail",
    "ban-lift",
    "preset-list",
    "preset-throw",
    "preset-revert",
}
# Nobody is asked who he is.
PUBLIC = {"draw", "draw-record", "demo-sessions", "demo-payments", "api-schema", "api-docs"}
DECIDED = FOREIGN.keys() | LISTS.keys() | NAMED_INSIDE | STAFF_ONLY | PUBLIC


def _addresses() -> dict[str, URLPattern]:
    """Name → pattern of everything under /api/."""
    found: dict[str, URLPattern] = {}

    def walk(patterns: list[Any], prefix: str) -> None:
        for one in patterns:
            path = prefix + str(one.pattern)
            if isinstance(one, URLResolver):
                walk(one.url_patterns, path)
            elif path.startswith("api/"):
                found[str(one.name)] = one

    walk(get_resolver().url_patterns, "")
    return found


ADDRESSES = _addresses()


def _methods(name: str) -> list[str]:
    view: Any = ADDRESSES[name].callback
    actions = getattr(view, "actions", None)
    if actions is not None:
        return [method for method in actions if method != "head"]
    return [method for method in ("get", "post") if hasattr(view.view_class, method)]


def test_every_address_is_decided_about():
    assert ADDRESSES.keys() == DECIDED


# In one test each: the two shops cost more than all the requests.
def test_somebody_elses_cannot_be_told_from_none(call, call_with, shop: Shop, other_shop: Shop):
    before = _state(other_shop)
    # Who approves has a key of his own.
    approver = call_with("campaigns:approve", "campaigns:read")
    for name, kwargs_of in FOREIGN.items():
        ask = approver if name in APPROVERS else call
        for method in _methods(name):
            answer = ask(method, reverse(name, kwargs=kwargs_of(other_shop)), if_match="*")
            assert problem(answer) == (404, "not_found"), (method, name)
    assert _state(other_shop) == before


def test_ones_own_is_found(call, shop: Shop):
    """The control: the addresses above are right."""
    for name, kwargs_of in FOREIGN.items():
        for method in set(_methods(name)) & {"get", "post"}:
            answer = call(method, reverse(name, kwargs=kwargs_of(shop)))
            assert answer.status_code != 404, (method, name)


def test_a_list_has_ones_own_only(call, shop: Shop, other_shop: Shop):
    for name, mine in LISTS.items():
        answer = call("get", reverse(name))
        assert answer.status_code == 200, answer.content
        key = ROW_KEYS.get(name, "id")
        assert {row[key] for row in answer.json()["results"]} == mine(shop), name


def test_no_key_may_do_what_is_for_staff(call):
    for name in STAFF_ONLY:
        key = "name" if name.startswith("preset") else "pk"
        kwargs = {} if name.endswith("-list") else {key: 1}
        for method in _methods(name):
            answer = call(method, reverse(name, kwargs=kwargs))
            assert problem(answer) == (403, "staff_only"), (method, name)


def test_an_order_of_somebody_else_cannot_be_paid(call, other_shop: Shop):
    body = {"order_number": other_shop.order.number, "provider": "demo"}
    assert problem(call("post", "/api/v1/payments", body)) == (404, "not_found")


def test_what_holds_for_somebody_elses_item_is_not_said(call, shop: Shop, other_shop: Shop):
    url = "/api/v1/switches/effective/"
    for item, status in ((other_shop.item.pk, 400), (shop.item.pk, 200)):
        assert call("get", url, {"item": item}).status_code == status


@pytest.mark.parametrize("place", ["campaign", "item"])
def test_a_switch_cannot_be_thrown_for_somebody_else(place, call, shop: Shop, other_shop: Shop):
    def throw(of: Shop) -> Any:
        named = {"campaign": of.campaign.slug, "item": of.item.pk}[place]
        body = {"name": "risk_mode", "value": "off", "reason": "test", place: named}
        return call("post", "/api/v1/switches/", body)

    refused = throw(other_shop)
    assert problem(refused) == (400, "invalid")
    assert refused.json()["errors"].keys() == {place}
    assert "does not exist" in str(refused.json()["errors"])
    assert throw(shop).status_code == 201


def test_a_key_throws_nothing_everywhere(call, shop: Shop):
    answer = call(
        "post", "/api/v1/switches/", {"name": "sale_enabled", "value": False, "reason": "x"}
    )
    assert answer.json()["errors"] == {
        "campaign": ["An API key throws a switch for a campaign or an item, not everywhere."]
    }


@pytest.mark.parametrize("url", ["/api/v1/campaigns/", "/api/v1/webhooks/endpoints/"])
def test_nothing_is_made_for_another_merchant(url, call, shop: Shop, other_shop: Shop):
    answer = call("post", url, {"merchant": "other"})
    assert answer.json()["errors"]["merchant"] == ["Object with slug=other does not exist."]


def _state(shop: Shop) -> list[Any]:
    rows: list[Any] = [shop.draft, shop.campaign, shop.order, shop.endpoint, shop.delivery]
    for row in rows:
        row.refresh_from_db()
    reverted = type(shop.throw).objects.filter(reverted=None).count()
    secrets = list(shop.endpoint.secrets.values_list("secret"))
    return [[row.__dict__ | {"_state": None} for row in rows], reverted, secrets]
