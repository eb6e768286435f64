"""The operators' page: what it shows, who may press, and what a button does."""

from datetime import timedelta

import pytest
from django.utils import timezone

from control_plane.campaigns import services as campaigns
from control_plane.switches import services
from control_plane.switches.known import SWITCHES
from control_plane.switches.models import SwitchThrow

pytestmark = pytest.mark.django_db

LIST = "/admin/switches/switchthrow/"
STOP = f"{LIST}throw/sale_enabled/"
FORM = {"value": "False", "where": "all", "lasts": "5m", "reason": "robots"}


@pytest.fixture
def now():
    """The admin reads the real clock, so a campaign of the future has to be one."""
    return timezone.now()


@pytest.fixture
def operator(log_in):
    return log_in("view_switchthrow", "throw_switch")


@pytest.fixture
def thrown(now):
    return services.throw("sale_enabled", False, reason="robots", by=None, now=now)


def _text(answer):
    return answer.content.decode()


def _row(page, name):
    """The page's text about one switch."""
    return page.split(f'class="switch-{name}"')[1].split("</tr>")[0]


def test_every_switch_is_there_with_what_it_says(operator, db):
    page = _text(operator.get(LIST))
    for name, switch in SWITCHES.items():
        row = _row(page, name)
        assert str(switch.label) in row
        assert f"{LIST}throw/{name}/" in row
        assert "state-normal" in row
        assert "nobody" in row


def test_what_is_thrown_says_by_whom_why_and_until_when(operator, approved, item, now):
    until = now + timedelta(minutes=5)
    services.throw("risk_mode", "off", reason="crawler", by=None, now=now)
    services.throw("risk_mode", "shadow", reason="slow", by=None, now=now, item=item, until=until)
    services.throw("risk_mode", "shadow", reason="newer", by=None, now=now)
    row = _row(_text(operator.get(LIST)), "risk_mode")
    assert '<span class="state state-thrown">shadow</span>' in row
    places = [row.index(reason) for reason in ("newer", "crawler", "slow")]
    assert places == sorted(places)  # everywhere first, the newest of it above
    assert row.count("(covered by a newer one)") == 1
    assert "Spring · TEA · Tea: shadow" in row
    assert f"until {until:%Y-%m-%d %H:%M:%S}" in row
    assert "until somebody reverts it" in row
    assert "the command line" in row


def test_an_operator_throws_a_switch_after_being_asked(operator, now):
    asked = _text(operator.get(STOP))
    assert "nobody can buy" in asked
    assert "Selling — now everywhere: on" in asked
    assert not SwitchThrow.objects.exists()
    done = _text(operator.post(STOP, FORM, follow=True))
    assert "Selling: off (everywhere)." in done
    row = SwitchThrow.objects.get()
    assert (row.value, row.reason, str(row.by), row.scope) == (False, "robots", "ann", "all")
    assert row.until == row.created_at + timedelta(minutes=5)


@pytest.mark.parametrize("where", ["campaign", "item"])
def test_it_is_thrown_for_one_campaign_or_item_until_its_end(operator, approved, item, where):
    pk = {"campaign": approved.pk, "item": item.pk}[where]
    assert f'value="{where}:{pk}"' in _text(operator.get(STOP))
    operator.post(STOP, FORM | {"where": f"{where}:{pk}", "lasts": "end"})
    row = SwitchThrow.objects.get()
    assert (row.scope, getattr(row, f"{where}_id")) == (where, pk)
    assert row.until == approved.ends_at


def test_until_somebody_reverts_it_has_no_end(operator):
    operator.post(STOP, FORM | {"lasts": "reverted"})
    assert SwitchThrow.objects.get().until is None


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("sale_enabled", {"reason": " "}, "This field is required."),
        ("sale_enabled", {"value": "maybe"}, "Select a valid choice."),
        ("sale_enabled", {"where": "item:0"}, "Select a valid choice."),
        ("sale_enabled", {"lasts": "end"}, "Everywhere is not one campaign."),
        ("rate_limits", {"value": "101"}, "less than or equal to 100"),
        ("rate_limits", {"value": "x"}, "Enter a number."),
        ("queue_mode", {"value": "draw"}, "Select a valid choice."),
    ],
)
def test_a_wrong_value_is_explained_at_its_field(operator, name, changes, reason):
    page = _text(operator.post(f"{LIST}throw/{name}/", FORM | changes))
    assert page.count(reason) == 1
    assert not SwitchThrow.objects.exists()


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [("rate_limits", "2", 2), ("rate_limits", "0.5", 0.5), ("queue_mode", "fifo", "fifo")],
)
def test_each_switch_has_a_field_of_its_kind(operator, name, value, stored):
    operator.post(f"{LIST}throw/{name}/", FORM | {"value": value})
    assert SwitchThrow.objects.get().value == stored


def test_what_has_no_smaller_scope_offers_none(operator, approved):
    assert "campaign:" not in _text(operator.get(f"{LIST}throw/console_canary_percent/"))


def test_a_campaign_that_has_ended_is_not_offered(operator, approved, now):
    campaigns.end_now(approved, None, now)
    assert "campaign:" not in _text(operator.get(STOP))


def test_an_operator_reverts_after_being_asked(operator, thrown, now):
    newest = services.throw("sale_enabled", True, reason="newer", by=None, now=now)
    url = f"{LIST}{newest.pk}/revert/"
    assert url in _text(operator.get(LIST))
    assert "in force again, at once" in _text(operator.get(url))
    assert services.in_force(now).count() == 2
    assert "This field is required." in _text(operator.post(url))
    assert services.in_force(now).count() == 2
    done = _text(operator.post(url, {"reason": "robots are gone"}, follow=True))
    assert "Reverted. Selling (everywhere) is now: off." in done
    assert "ann, " in done  # the history says who, and why
    assert "— robots are gone" in done
    again = _text(operator.post(url, {"reason": "robots are gone"}, follow=True))
    assert "This is not in force any more." in again


def test_the_message_after_a_revert_says_what_holds_there(operator, approved, item, now):
    services.throw("rate_limits", 3, reason="x", by=None, now=now, campaign=approved)
    one = services.throw("rate_limits", 0, reason="x", by=None, now=now, item=item)
    done = _text(operator.post(f"{LIST}{one.pk}/revert/", {"reason": "x"}, follow=True))
    assert "Rate limits (Spring · TEA · Tea) is now: 3×." in done


def test_the_page_of_a_throw_has_the_button_while_it_is_in_force(operator, thrown, now):
    page, url = f"{LIST}{thrown.pk}/change/", f"{LIST}{thrown.pk}/revert/"
    assert url in _text(operator.get(page))
    services.revert_due(now)
    services.revert(thrown.pk, reason="all is well", by=None, now=now)
    assert url not in _text(operator.get(page))


def test_the_history_can_be_searched_and_filtered(operator, thrown, now):
    services.revert(thrown.pk, reason="all is well", by=None, now=now)
    services.throw("human_check", False, reason="vendor is down", by=None, now=now)
    in_force = _text(operator.get(LIST, {"state": "in_force"})).split("result_list")[1]
    assert "vendor is down" in in_force
    assert "robots" not in in_force
    over = _text(operator.get(LIST, {"state": "over"})).split("result_list")[1]
    assert "robots" in over
    assert "vendor is down" not in over


def test_seeing_is_not_throwing(log_in, client, thrown):
    urls = [STOP, f"{LIST}{thrown.pk}/revert/"]
    for url in urls:
        assert client.get(url)["Location"].startswith("/admin/login/")
    viewer = log_in("view_switchthrow", "add_switchthrow", "change_switchthrow")
    page = _text(viewer.get(LIST))
    assert "robots" in page
    for url in urls:
        assert url not in page
        assert viewer.get(url).status_code == 403
        assert viewer.post(url, FORM).status_code == 403
    assert viewer.get(f"{LIST}add/").status_code == 403
    assert services.in_force(timezone.now()).count() == 1


def test_an_unknown_switch_is_not_found(operator):
    assert operator.get(f"{LIST}throw/nothing/").status_code == 404


def test_the_page_costs_the_same_however_many_are_thrown(
    operator, item, now, django_assert_max_num_queries
):
    operator.get(LIST)
    for _ in range(20):
        services.throw("sale_enabled", False, reason="x", by=None, now=now, item=item)
    with django_assert_max_num_queries(11):
        operator.get(LIST)


def test_the_page_speaks_chinese(admin_client, thrown):
    admin_client.post("/i18n/setlang/", {"language": "zh-hans", "next": "/admin/"})
    page = _text(admin_client.get(LIST))
    for text in ("开关", "销售", "撤销", "直到有人撤销", "命令行"):
        assert text in page
    assert "设置开关" in _text(admin_client.get(STOP))
