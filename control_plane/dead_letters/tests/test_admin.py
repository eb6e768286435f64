"""The retry table in the admin, in both languages: what is shown, who may do what, the audit."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import OperationalError

from control_plane.dead_letters import services
from control_plane.dead_letters.admin import readable
from control_plane.dead_letters.models import DeadLetter, HistoryEntry
from control_plane.orders.models import Order, Rejection

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("allocation")]

LIST = "/admin/dead_letters/deadletter/"


def _page(client, path="", language="en"):
    answer = client.get(f"{LIST}{path}", headers={"accept-language": language})
    assert answer.status_code == 200
    return answer.content.decode()


def _post(client, step, letters, reason):
    pks = ",".join(str(one.pk) for one in letters)
    answer = client.post(f"{LIST}{step}/?pk={pks}", {"reason": reason}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.fixture
def staff_with(client):
    """A client of somebody who may look, and has these permissions."""

    def build(*permissions):
        user = User.objects.create(username="yan", is_staff=True)
        for name in ("view_deadletter", *permissions):
            user.user_permissions.add(Permission.objects.get(codename=name))
        client.force_login(user)
        return client

    return build


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("exception order", "Retry now", "refused by the database", "attempt failed")),
        ("zh-hans", ("异常订单", "立即重试", "被数据库拒绝", "尝试失败")),
    ],
)
def test_a_letter_shows_payload_error_and_history(
    admin_client, letter, attempt, refusing, language, words
):
    kept = letter("ann")
    with refusing("ann"):
        for minutes in (1, 6, 36):
            attempt(minutes)
    page = _page(admin_client, f"{kept.pk}/change/", language)
    assert all(word in page for word in words)
    assert "&quot;shopper&quot;: &quot;ann&quot;" in page, "the JSON is set out"
    assert page.count("the trigger says no to ann") >= 4, "the error, and three attempts"


def test_the_list_is_filtered_by_state_and_found_by_reservation(admin_client, letter):
    kept, other = letter("ann"), letter("bob")
    DeadLetter.objects.filter(pk=other.pk).update(state="exception")
    exceptions = _page(admin_client, "?state__exact=exception")
    assert str(other) in exceptions and str(kept) not in exceptions
    found = _page(admin_client, f"?q={kept.reservation_id}")
    assert str(kept) in found and str(other) not in found


def test_many_are_tried_at_once_and_each_says_who_asked(admin_client, letter, now):
    letters = [letter(f"shopper-{n}") for n in range(3)]
    pks = [one.pk for one in letters]
    chosen = {"action": "retry", "_selected_action": pks}
    asked = admin_client.post(LIST, chosen, follow=True).content.decode()
    assert all(str(one) in asked for one in letters)
    assert HistoryEntry.objects.count() == 0, "a question changes nothing"
    page = _post(admin_client, "retry", letters, "the schema is mended")
    assert "Dead letters that are tried within seconds: 3." in page
    assert LogEntry.objects.filter(change_message__contains="the schema is mended").count() == 3
    assert HistoryEntry.objects.filter(step="asked", by__username="admin").count() == 3


@pytest.mark.parametrize("reason", ["", "x", "  no  "])
def test_nothing_is_discarded_without_a_typed_reason(admin_client, letter, reason):
    _post(admin_client, "discard", [letter()], reason)
    assert DeadLetter.objects.get().state == "pending"


def test_many_are_discarded_at_once_and_each_says_who_did_it(admin_client, letter):
    letters = [letter(f"shopper-{n}") for n in range(3)]
    page = _post(admin_client, "discard", letters, "the sale was called off")
    assert "Dead letters discarded: 3." in page
    assert set(DeadLetter.objects.values_list("state", flat=True)) == {"discarded"}
    assert Rejection.objects.count() == 3
    assert LogEntry.objects.filter(change_message__contains="the sale was called off").count() == 3
    assert "None of them waits any more." in _post(admin_client, "discard", letters, "once more")


def test_what_became_an_order_is_named_and_not_discarded(admin_client, letter, attempt):
    kept = letter()
    attempt(1)
    DeadLetter.objects.update(state="pending", finished_at=None)
    page = _post(admin_client, "discard", [kept], "not wanted")
    assert f"They are orders meanwhile: {Order.objects.get().number}." in page
    assert Rejection.objects.count() == 0


def test_a_database_that_does_not_answer_is_said_so(admin_client, letter, monkeypatch):
    letters = [letter("ann"), letter("bob")]
    discard = services.discard

    def second_fails(pk, *rest):
        if pk == letters[1].pk:
            raise OperationalError("lock timeout")
        return discard(pk, *rest)

    monkeypatch.setattr(services, "discard", second_fails)
    page = _post(admin_client, "discard", letters, "not wanted")
    assert "try again. Discarded until then: 1." in page
    assert list(DeadLetter.objects.order_by("pk").values_list("state", flat=True)) == [
        "discarded",
        "pending",
    ]


@pytest.mark.parametrize("step", ["retry", "discard"])
def test_who_may_only_look_has_no_buttons_and_is_refused(staff_with, letter, step):
    kept, client = letter(), staff_with()
    page = _page(client, f"{kept.pk}/change/")
    assert "Retry now" not in page and "Discard" not in page
    answer = client.post(f"{LIST}{step}/?pk={kept.pk}", {"reason": "I want it"})
    assert answer.status_code == 403
    assert HistoryEntry.objects.count() == 0


def test_each_step_has_a_permission_of_its_own(staff_with, letter):
    kept, client = letter(), staff_with("retry_deadletter")
    page = _page(client, f"{kept.pk}/change/")
    assert "Retry now" in page and "Discard" not in page
    answer = client.post(f"{LIST}discard/?pk={kept.pk}", {"reason": "I want it"})
    assert answer.status_code == 403
    assert "tried within seconds: 1." in _post(client, "retry", [kept], "mended")


def test_nobody_edits_a_letter(admin_client, letter):
    kept = letter()
    assert admin_client.post(f"{LIST}{kept.pk}/change/", {"state": "done"}).status_code == 403
    assert admin_client.post(f"{LIST}{kept.pk}/delete/", {"post": "yes"}).status_code == 403
    assert admin_client.get(f"{LIST}add/").status_code == 403


@pytest.mark.parametrize("pks", ["", "x", "999999"])
def test_an_address_that_names_nothing_is_not_found(admin_client, letter, pks):
    assert admin_client.get(f"{LIST}retry/?pk={pks}").status_code == 404
    assert HistoryEntry.objects.count() == 0


@pytest.mark.parametrize(
    ("language", "promised", "missed"),
    [
        ("en", "The shopper was told", "never hears of it"),
        ("zh-hans", "", "将永远收不到它"),
    ],
)
def test_who_discards_an_order_event_reads_what_that_means(
    admin_client, letter, language, promised, missed
):
    reservation = letter("ann")
    event = letter(source="order_events", consumer="order-courier", payload=b"{}")
    for chosen, of_reservation, of_event in (
        ([reservation], True, False),
        ([event], False, True),
        ([reservation, event], True, True),
    ):
        pks = ",".join(str(one.pk) for one in chosen)
        page = _page(admin_client, f"discard/?pk={pks}", language)
        assert (missed in page) == of_event
        if promised:
            assert (promised in page) == of_reservation
    _post(admin_client, "discard", [event], "the merchant was told by telephone")
    event.refresh_from_db()
    assert (event.state, Rejection.objects.count()) == ("discarded", 0)
    assert "order-courier" in _page(admin_client, f"{event.pk}/change/", language)


def test_an_order_event_is_not_the_clocks_to_try(letter, attempt):
    """Its consumer's code is the compensator's."""
    letter(source="order_events", consumer="order-courier")
    assert attempt(1000) is None
    assert DeadLetter.objects.get().attempts == 0


def test_any_payload_can_be_shown():
    assert readable(b'{"name":"\xe8\x8c\xb6"}') == '{\n  "name": "茶"\n}'
    assert readable(b"") == "–"
    assert readable(b"\xff<b>") == "\\xff<b>"
    assert readable(b"[" * 4000) == "[" * 4000
    assert readable(b"x" * 10_000).endswith("… 10000 bytes")
