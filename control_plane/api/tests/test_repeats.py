"""`Idempotency-Key`: once, and the first answer again."""

from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone

from control_plane.api import idempotency
from control_plane.api.models import KeptAnswer
from control_plane.api.tests.conftest import problem
from control_plane.campaigns import services as campaigns
from control_plane.campaigns.models import Campaign
from control_plane.webhooks.models import Delivery, EndpointSecret

pytestmark = pytest.mark.django_db

CAMPAIGNS = "/api/v1/campaigns/"


@pytest.fixture
def body(merchant, now):
    return {
        "slug": "autumn",
        "title": "Autumn",
        "merchant": merchant.slug,
        "starts_at": (now + timedelta(hours=1)).isoformat(),
        "ends_at": (now + timedelta(hours=2)).isoformat(),
        "items": [{"sku": "TEA", "title": "Tea", "units": 5, "price_minor": 100}],
    }


def test_a_repeat_gets_the_first_answer_and_does_nothing(call, body):
    first = call("post", CAMPAIGNS, body, idempotency_key="1")
    assert first.status_code == 201
    assert not first.has_header("Idempotency-Replayed")
    Campaign.objects.update(title="Changed meanwhile")
    again = call("post", CAMPAIGNS, body, idempotency_key="1")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again["Idempotency-Replayed"] == "true"
    assert again["Content-Type"] == "application/json"
    assert Campaign.objects.count() == 1


def test_the_key_is_of_one_address_and_one_caller(call, call_with, body, shop):
    ping = f"/api/v1/webhooks/endpoints/{shop.endpoint.pk}/ping/"
    rotate = f"/api/v1/webhooks/endpoints/{shop.endpoint.pk}/rotate_secret/"
    somebody_else = call_with()
    for caller in (call, somebody_else):
        assert caller("post", ping, idempotency_key="1").status_code == 202
        assert caller("post", rotate, idempotency_key="1").status_code == 201
    assert Delivery.objects.count() == 1 + 2
    assert EndpointSecret.objects.count() == 2


def test_a_refusal_is_an_answer_too(call, body):
    refused = call("post", CAMPAIGNS, body | {"title": ""}, idempotency_key="1")
    again = call("post", CAMPAIGNS, body | {"title": ""}, idempotency_key="1")
    assert problem(again) == problem(refused) == (400, "invalid")
    assert again.json() == refused.json()
    assert again["Idempotency-Replayed"] == "true"


def test_another_body_is_refused(call, body):
    call("post", CAMPAIGNS, body, idempotency_key="1")
    answer = call("post", CAMPAIGNS, body | {"slug": "winter"}, idempotency_key="1")
    assert problem(answer) == (422, "idempotency_key_reused")
    assert Campaign.objects.count() == 1


def test_what_is_under_way_is_not_begun_again(call, body, monkeypatch):
    answers = []
    real = campaigns.create_draft

    def slowly(*args, **kwargs):
        answers.append(call("post", CAMPAIGNS, body, idempotency_key="1"))
        return real(*args, **kwargs)

    monkeypatch.setattr(campaigns, "create_draft", slowly)
    assert call("post", CAMPAIGNS, body, idempotency_key="1").status_code == 201
    assert [problem(answer) for answer in answers] == [(409, "in_flight")]


def test_what_its_doer_died_of_is_done_by_a_repeat_after_the_lease(call, body, monkeypatch):
    """As after kill -9: the claim is there, its transaction is not."""
    first = call("post", CAMPAIGNS, body, idempotency_key="1")
    Campaign.objects.all().delete()
    soon = timezone.now() + timedelta(seconds=1)
    KeptAnswer.objects.update(status=None, lease_until=soon)
    assert problem(call("post", CAMPAIGNS, body, idempotency_key="1")) == (409, "in_flight")
    KeptAnswer.objects.update(lease_until=timezone.now())
    again = call("post", CAMPAIGNS, body, idempotency_key="1")
    assert again.status_code == 201
    assert again.json()["id"] != first.json()["id"]


def test_who_lost_the_lease_undoes_what_he_did(call, body, client):
    client.raise_request_exception = False

    def lose(*args, **kwargs):
        KeptAnswer.objects.update(lease="0" * 32)
        return real(*args, **kwargs)

    real = campaigns.create_draft
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(campaigns, "create_draft", lose)
        answer = call("post", CAMPAIGNS, body, idempotency_key="1")
    assert problem(answer) == (500, "internal_error")
    assert not Campaign.objects.exists()


def test_a_fault_of_ours_is_no_answer(call, body, client, monkeypatch):
    client.raise_request_exception = False
    with pytest.MonkeyPatch.context() as patched:

        def fail(*args, **kwargs):
            raise DatabaseError

        patched.setattr(campaigns, "create_draft", fail)
        answer = call("post", CAMPAIGNS, body, idempotency_key="1")
        assert problem(answer) == (500, "internal_error")
    assert call("post", CAMPAIGNS, body, idempotency_key="1").status_code == 201


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
def test_it_has_to_be_a_key(call, body, key):
    answer = call("post", CAMPAIGNS, body, idempotency_key=key)
    assert problem(answer) == (400, "invalid")
    assert answer.json()["errors"].keys() == {"Idempotency-Key"}


def test_it_is_kept_for_a_day(call, body):
    call("post", CAMPAIGNS, body, idempotency_key="1")
    assert idempotency.forget_old() == 0
    KeptAnswer.objects.update(created_at=timezone.now() - idempotency.KEPT - timedelta(seconds=1))
    # What the clock has not forgotten yet does not count either.
    answer = call("post", CAMPAIGNS, body, idempotency_key="1")
    assert answer.json()["errors"] == {"slug": ["campaign with this slug already exists."]}
    KeptAnswer.objects.update(created_at=timezone.now() - idempotency.KEPT - timedelta(seconds=1))
    assert idempotency.forget_old() == 1
    assert not KeptAnswer.objects.exists()


def test_staff_have_it_too(staff, body):
    ann = staff("add_campaign")
    first = ann("post", CAMPAIGNS, body, idempotency_key="1")
    assert ann("post", CAMPAIGNS, body, idempotency_key="1").json() == first.json()
    assert Campaign.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_does_it(at_once, new_key, body):
    _, token = new_key()

    def post():
        headers = {"authorization": f"Bearer {token}", "idempotency-key": "1"}
        return Client().post(CAMPAIGNS, body, content_type="application/json", headers=headers)

    answers = at_once([post] * 4)
    assert Campaign.objects.count() == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert sum(answer.status_code == 201 for answer in answers) >= 1
