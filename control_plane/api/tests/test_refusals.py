"""Every refusal is a problem document, whoever makes it."""

import pytest

from control_plane.api.pagination import Pages
from control_plane.api.tests.conftest import problem
from control_plane.campaigns.api import CampaignViewSet

pytestmark = pytest.mark.django_db

URL = "/api/v1/campaigns/"


@pytest.mark.parametrize(
    "path", ["/api/", "/api/v2/campaigns/", f"{URL}a b/", "/api/v1/orders/S1/", f"{URL}%00/"]
)
def test_no_such_address(call, path):
    assert problem(call("get", path)) == (404, "not_found")


def test_elsewhere_a_page_says_so(client):
    assert client.get("/nothing")["Content-Type"].startswith("text/html")


def test_another_method(call):
    answer = call("delete", URL)
    assert problem(answer) == (405, "method_not_allowed")
    assert answer["Allow"] == "GET, POST, HEAD, OPTIONS"


def test_another_format(call):
    assert problem(call("get", URL, accept="text/html")) == (406, "not_acceptable")


def test_another_type_of_body(client, call):
    answer = client.post(URL, "a=1", content_type="text/plain", headers=call.headers)
    assert problem(answer) == (415, "unsupported_media_type")


@pytest.mark.parametrize("body", ["{", "[" * 100_000, b"\xff", '{"a": NaN}', ""])
def test_a_body_that_is_no_json(client, call, body):
    answer = client.post(URL, body, content_type="application/json", headers=call.headers)
    status, code = problem(answer)
    assert (status, code) in {(400, "parse_error"), (400, "invalid")}


def test_a_body_that_is_no_object(client, call):
    answer = client.post(URL, "[]", content_type="application/json", headers=call.headers)
    assert problem(answer) == (400, "invalid")
    assert answer.json()["errors"].keys() == {"non_field_errors"}


def test_a_fault_of_ours(client, call, monkeypatch):
    client.raise_request_exception = False

    def fail(*args):
        raise RuntimeError("secret")

    monkeypatch.setattr(CampaignViewSet, "list", fail)
    answer = call("get", URL)
    assert problem(answer) == (500, "internal_error")
    assert b"secret" not in answer.content


def test_a_request_that_django_itself_refuses(client):
    answer = client.get(URL, headers={"host": "evil.example"})
    assert problem(answer) == (400, "bad_request")


@pytest.mark.parametrize("query", [{"cursor": "x"}, {"cursor": "cD14"}, {"cursor": "cD0lMDA="}])
def test_a_cursor_that_is_none(call, query):
    answer = call("get", URL, query)
    assert problem(answer) == (400, "invalid")
    assert answer.json()["errors"].keys() == {"cursor"}


@pytest.mark.parametrize("size", ["0", "201", "x", "-1", "9" * 99, "²"])
def test_a_page_has_a_size(call, size):
    assert call("get", URL, {"page_size": size}).json()["errors"].keys() == {"page_size"}


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (URL, {"state": "gone"}),
        (URL, {"starts_after": "yesterday"}),
        (URL, {"merchant": "a\0b"}),
        ("/api/v1/orders/", {"item": "x"}),
        ("/api/v1/orders/", {"item": "9" * 30}),
        ("/api/v1/orders/", {"state": "gone"}),
        ("/api/v1/switches/", {"in_force": "x"}),
        ("/api/v1/webhooks/deliveries/", {"type": "x"}),
    ],
)
def test_a_filter_that_means_nothing_is_refused(call, path, query):
    answer = call("get", path, query)
    assert problem(answer) == (400, "invalid")
    assert answer.json()["errors"].keys() == query.keys()


def test_pages_lead_through_everything_once(call, shop, monkeypatch):
    monkeypatch.setattr(Pages, "page_size", 1)
    seen, url = [], URL
    while url:
        page = call("get", url).json()
        seen += [row["slug"] for row in page["results"]]
        url = page["next"]
    assert seen == ["shop-sale", "shop-draft"]


@pytest.mark.parametrize("offset", ["+19:09", "-23:59"])
def test_a_moment_may_have_an_offset_that_postgresql_does_not_know(call, shop, offset):
    answer = call("get", URL, {"starts_after": f"2000-01-01T00:00:00{offset}"})
    assert len(answer.json()["results"]) == 2


def test_a_moment_before_the_first_year_is_refused(call):
    answer = call("get", URL, {"starts_after": "0001-01-01T00:00:00+23:00"})
    assert answer.json()["errors"] == {"starts_after": ["There is no such moment."]}
