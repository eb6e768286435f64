"""`POST /payments/callbacks/{provider}` of a real server: only the provider changes anything."""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from control_plane.orders.models import Order
from control_plane.orders.services import land
from control_plane.payments import services, signature
from control_plane.payments.events import Event
from control_plane.payments.models import Payment, PaymentEvent, PaymentException
from control_plane.payments.services import open_exceptions
from control_plane.payments.signed_request import BODY_BYTES_MAX

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "inventory"])

DEADLINE_S = 30
PATH = "/payments/callbacks/demo"


@pytest.fixture
def now():
    """The server reads the real clock."""
    return timezone.now()


@pytest.fixture
def body(payment):
    """A builder of what the provider would say."""

    def build(**changes):
        content = {
            "event_id": "e-1",
            "type": "payment.succeeded",
            "payment_id": str(payment.pk),
            "order_number": payment.order.number,
            "amount_minor": payment.amount_minor,
            "currency": payment.currency,
        }
        return json.dumps(content | changes).encode()

    return build


@pytest.fixture
def send(ready, payment):
    """Post a body; (status, problem code or outcome)."""

    def post(content, path=PATH, at=None, keys=None, method="POST", **headers):
        keys = keys or settings.ENV.demo_payment_keys
        signed = signature.sign(keys, content, at or timezone.now())
        sent = {"Content-Type": "application/json", signature.HEADER: signed} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        connection = http.client.HTTPConnection(urlsplit(ready).netloc, timeout=DEADLINE_S)
        with_values = {name: value for name, value in sent.items() if value is not None}
        connection.request(method, path, content, with_values)
        answer = connection.getresponse()
        said = json.loads(answer.read())
        connection.close()
        return answer.status, said.get("outcome") or said["code"], said.get("field")

    return post


@pytest.fixture
def unchanged(order, payment):
    """Asserts that nothing happened."""

    def check():
        assert Order.objects.get(pk=order.pk).state == "unpaid"
        assert Payment.objects.get(pk=payment.pk).state == "pending"
        assert not PaymentEvent.objects.exists()

    return check


def test_a_signed_callback_pays_the_order_and_its_double_changes_nothing(send, body, order):
    assert send(body())[:2] == (200, "paid")
    assert send(body())[:2] == (200, "paid")
    assert send(body(event_id="e-2"))[:2] == (200, "known")
    assert Order.objects.get(pk=order.pk).state == "paid"
    assert PaymentEvent.objects.count() == 2


def test_a_callback_doubled_at_once_is_counted_once(send, body):
    with ThreadPoolExecutor(4) as threads:
        heard = list(threads.map(lambda _: send(body()), range(4)))
    assert {one[:2] for one in heard} == {(200, "paid")}
    assert PaymentEvent.objects.count() == 1


def test_a_forged_signature_is_refused(send, body, unchanged):
    good = signature.sign(settings.ENV.demo_payment_keys, body(), timezone.now())
    assert send(body(), keys=["x" * 43])[:2] == (401, "bad_signature")
    for forged in (
        None,
        "",
        "t=1,v1=00",
        good.upper(),
        good + " ",
        good[:-1] + ("0" if good[-1] != "0" else "1"),
        good.replace("v1=", "v0="),
        good + "," + good,
        good.replace("t=", "t=+"),
        "\u00e9" * 10,
    ):
        assert send(body(), Sluice_Signature=forged)[:2] == (401, "bad_signature"), forged
    unchanged()


def test_a_signature_of_another_body_is_refused(send, body, unchanged):
    other = signature.sign(settings.ENV.demo_payment_keys, body(amount_minor=1), timezone.now())
    assert send(body(), Sluice_Signature=other)[:2] == (401, "bad_signature")
    unchanged()


def test_the_time_belongs_to_the_signature(send, body, unchanged):
    """An old signature with a new time in front of it is none."""
    long_ago = timezone.now() - timedelta(hours=1)
    signed = signature.sign(settings.ENV.demo_payment_keys, body(), long_ago)
    fresh = f"t={int(timezone.now().timestamp())},{signed.split(',')[1]}"
    assert send(body(), Sluice_Signature=fresh)[:2] == (401, "bad_signature")
    unchanged()


def test_a_stale_or_future_callback_is_refused(send, body, unchanged):
    for off_s in (-signature.WINDOW_S - 60, signature.WINDOW_S + 60):
        at = timezone.now() + timedelta(seconds=off_s)
        assert send(body(), at=at)[:2] == (401, "bad_signature")
    unchanged()


def test_another_amount_currency_or_order_is_refused(send, body, unchanged):
    for field, value in (
        ("amount_minor", 1998),
        ("amount_minor", 2000),
        ("currency", "USD"),
        ("order_number", "S0000000000"),
    ):
        assert send(body(**{field: value})) == (422, "mismatch", field)
    unchanged()


def test_unknown_payments_and_providers_are_not_found(send, body, unchanged):
    ghost = "00000000-0000-4000-8000-000000000000"
    assert send(body(payment_id=ghost))[:2] == (404, "not_found")
    for path in ("/payments/callbacks/", "/payments/callbacks/other", f"{PATH}/"):
        assert send(body(), path=path)[:2] == (404, "not_found")
    unchanged()


WRONG = (
    ("event_id", ""),
    ("event_id", "e" * 65),
    ("event_id", 7),
    ("event_id", "a b"),
    ("type", "payment.refunded"),
    ("type", ["payment.succeeded"]),
    ("payment_id", "1"),
    ("payment_id", None),
    ("order_number", 1),
    ("amount_minor", "1999"),
    ("amount_minor", 1999.0),
    ("amount_minor", True),
    ("amount_minor", -1),
    ("amount_minor", 2**63),
    ("currency", "cny"),
    ("currency", "CNY\n"),
)


def test_a_wrong_field_is_named(send, body, unchanged):
    for field, value in WRONG:
        assert send(body(**{field: value})) == (400, "bad_request", field), value
    unchanged()


def test_what_is_no_event_is_refused(send, body, unchanged):
    for content in (
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"event_id":NaN}',
        b"[" * 4000,
        body()[:-1] + b',"amount_minor":1999}',
    ):
        assert send(content) == (400, "bad_request", "body"), content
    unchanged()


def test_a_missing_field_is_named(send, body, unchanged):
    for name in json.loads(body()):
        content = {key: value for key, value in json.loads(body()).items() if key != name}
        assert send(json.dumps(content).encode()) == (400, "bad_request", name)
    unchanged()


def test_a_field_that_nobody_knows_is_left_alone(send, body):
    typed = "application/json; charset=utf-8"
    assert send(body(colour="blue"), Content_Type=typed)[:2] == (200, "paid")


def test_another_content_type_is_refused(send, body, unchanged):
    for content_type in (
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
    ):
        status, code, _ = send(body(), Content_Type=content_type)
        assert (status, code) == (415, "unsupported_media_type"), content_type
    unchanged()


def test_a_huge_body_is_refused(send, body, unchanged):
    huge = body(colour="x" * BODY_BYTES_MAX)
    assert send(huge)[:2] == (413, "too_large")
    unchanged()


def test_a_huge_body_without_a_length_is_refused_while_it_comes(ready, unchanged):
    connection = http.client.HTTPConnection(urlsplit(ready).netloc, timeout=DEADLINE_S)
    chunks = (b"x" * 4096 for _ in range(16))
    headers = {"Content-Type": "application/json"}
    connection.request("POST", PATH, chunks, headers, encode_chunked=True)
    answer = connection.getresponse()
    assert answer.status == 413
    connection.close()
    unchanged()


def test_only_post(send, body, unchanged):
    assert send(body(), method="PUT")[:2] == (405, "method_not_allowed")
    unchanged()


def test_the_key_that_is_being_retired_still_counts(payment, body):
    old, new = "o" * 43, "n" * 43
    now = timezone.now()
    signature.check([new, old], signature.sign([old], body(), now), body(), now)
    with pytest.raises(signature.BadSignature):
        signature.check([new], signature.sign([old], body(), now), body(), now)


@pytest.fixture
def others(order, intent, now):
    """A builder of more orders with their payments, and what the provider would say of each."""

    def build(count):
        made = land([intent(f"shopper-{n}") for n in range(count)], now)
        found = Order.objects.in_bulk([one.order_id for one in made]).values()
        return [(one, services.create_payment(one, "demo", now)) for one in found]

    return build


def test_a_payment_that_somebody_holds_is_not_waited_for_and_the_others_get_their_turn(
    send, body, others, payment
):
    """Four callbacks fill the gate; each gives up after a second, having changed nothing."""
    (other,) = others(1)
    about_other = body(event_id="o-1", payment_id=str(other[1].pk), order_number=other[0].number)
    with ThreadPoolExecutor(5) as threads, transaction.atomic():
        Payment.objects.select_for_update().get(pk=payment.pk)
        stuck = [threads.submit(send, body(event_id=f"e-{n}")) for n in range(4)]
        heard = [one.result(DEADLINE_S) for one in stuck]
        assert {one[:2] for one in heard} == {(503, "busy")}
        assert send(about_other)[:2] == (200, "paid")
        assert Payment.objects.get(pk=payment.pk).state == "pending"
    assert send(body())[:2] == (200, "paid")


def test_a_commit_without_an_answer_is_unknown_and_the_repeat_tells(send, body, order):
    """The session ends in the middle of the commit: here nothing was done, but who can say."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON payments_paymentevent
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION cut();
            """
        )
    try:
        assert send(body())[:2] == (503, "unknown")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER cut ON payments_paymentevent; DROP FUNCTION cut()")
    assert send(body())[:2] == (200, "paid")
    assert PaymentEvent.objects.count() == 1


def test_what_is_taken_and_whose_answer_is_lost_is_told_again(send, body, order):
    """The same callback, after a commit that the provider heard nothing of."""
    told = Event(**json.loads(body()) | {"payment_id": Payment.objects.get().pk})
    assert services.receive("demo", told, timezone.now()) == "paid"
    assert send(body())[:2] == (200, "paid")
    assert PaymentEvent.objects.count() == 1


def test_what_is_signed_and_does_not_fit_is_kept_for_people(send, body, payment, order):
    """Once for each callback, however often it is told; money may have moved at the provider's."""
    for _ in range(3):
        assert send(body(amount_minor=1998))[:2] == (422, "mismatch")
    send(body(currency="USD", event_id="e-2"))
    ghost = "00000000-0000-4000-8000-000000000000"
    send(body(payment_id=ghost, event_id="e-3"))
    rows = list(
        PaymentException.objects.order_by("pk").values_list("event_id", "kind", "times", "currency")
    )
    assert rows == [
        ("e-1", "amount_minor", 3, "CNY"),
        ("e-2", "currency", 1, "USD"),
        ("e-3", "not_found", 1, "CNY"),
    ]
    assert PaymentException.objects.earliest("pk").payment_id == payment.pk
    assert open_exceptions() == 3


def test_what_nobody_signed_leaves_no_row(send, body):
    assert send(body(amount_minor=1), keys=["x" * 43])[:2] == (401, "bad_signature")
    assert not PaymentException.objects.exists()
