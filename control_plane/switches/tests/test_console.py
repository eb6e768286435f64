"""The switch console: what it shows, who may press, what is asked for twice, and who obeys."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from control_plane.inventory import services as inventory
from control_plane.snapshot.models import Heartbeat, Snapshot
from control_plane.switches import console, presets, services
from control_plane.switches.known import SWITCHES
from control_plane.switches.models import SwitchPublished, SwitchRevert, SwitchThrow

pytestmark = pytest.mark.django_db

URL = "/admin/switches/console/"
STOP = {"value": "False", "where": "all", "lasts": "5m", "reason": "robots", "confirm": "STOP"}


@pytest.fixture
def now():
    """The admin reads the real clock."""
    return timezone.now()


@pytest.fixture
def operator(log_in):
    return log_in("view_switchthrow", "throw_switch")


def _row(page, name):
    return page.split(f"switch-{name}")[1].split("</article>")[0]


def _beat(instance, version, at, kind="gateway", applied_at=None):
    applied_ms = int((applied_at or at).timestamp() * 1000)
    workers = [{"id": 0, "version": version, "applied_at_ms": applied_ms}]
    Heartbeat.objects.create(
        instance=instance,
        kind=kind,
        workers=workers,
        lowest_version=version,
        clock_ahead_ms=0,
        at=at,
    )


def test_every_switch_and_the_stock_source_are_there(operator):
    page = operator.get(URL).content.decode()
    for name, switch in SWITCHES.items():
        assert str(switch.label) in _row(page, name)
        assert "nobody has thrown it" in _row(page, name)
    assert "primary cluster" in _row(page, "stock_source")
    assert "Everything is as configured." in page


def test_a_throw_says_who_why_since_and_until_when(operator, now):
    operator.post(f"{URL}throw/risk_mode/", {**STOP, "value": "off"})
    throw = SwitchThrow.objects.get()
    assert throw.until is not None
    for address in (URL, f"{URL}state/"):
        page = operator.get(address).content.decode()
        row = _row(page, "risk_mode")
        for said in (
            "everywhere: off",
            "robots — ann",
            "reverts in",
            throw.until.strftime("%H:%M"),
        ):
            assert said in row
        assert "Not everything is as configured." in page


def test_what_is_grave_needs_the_name_of_what_it_is_about(operator, item):
    where = {
        "all": "STOP",
        f"campaign:{item.campaign_id}": item.campaign.slug,
        f"item:{item.pk}": item.sku,
    }
    for place, name in where.items():
        for typed in ("", "stop", f"{name}x"):
            answer = operator.post(
                f"{URL}throw/sale_enabled/", {**STOP, "where": place, "confirm": typed}
            )
            assert answer.status_code == 422
            assert answer.json()["errors"]["confirm"] == [f"Type {name} to confirm."]
    assert not SwitchThrow.objects.exists()
    for place, name in where.items():
        answer = operator.post(
            f"{URL}throw/sale_enabled/", {**STOP, "where": place, "confirm": name}
        )
        assert answer.status_code == 200, answer.content
    assert SwitchThrow.objects.count() == 3


def test_what_is_not_grave_needs_no_name(operator):
    answer = operator.post(f"{URL}throw/sale_enabled/", {**STOP, "value": "True", "confirm": ""})
    assert answer.status_code == 200
    assert answer.json() == {"done": "Selling: on (everywhere)."}


def test_what_is_wrong_is_named(operator):
    answer = operator.post(f"{URL}throw/risk_mode/", {"value": "x", "where": "all"})
    assert answer.status_code == 422
    assert answer.json()["errors"].keys() == {"value", "lasts", "reason"}


def test_a_throw_is_reverted_with_a_reason(operator, now):
    thrown = services.throw("risk_mode", "off", reason="x", by=None, now=now)
    without = operator.post(f"{URL}revert/{thrown.pk}/")
    assert (without.status_code, set(without.json()["errors"])) == (422, {"reason"})
    why = {"reason": "robots are gone"}
    assert operator.post(f"{URL}revert/{thrown.pk}/", why).status_code == 200
    assert SwitchRevert.objects.get().reason == "robots are gone"
    again = operator.post(f"{URL}revert/{thrown.pk}/", why)
    assert (again.status_code, again.json()) == (
        409,
        {"refused": "This is not in force any more."},
    )


def test_a_preset_is_one_reason_and_one_revert(operator):
    form = {"reason": "risk is slow", "lasts": "5m"}
    assert operator.post(f"{URL}preset/skip/", form).status_code == 200
    thrown = list(SwitchThrow.objects.order_by("name"))
    assert [(one.name, one.value) for one in thrown] == [
        ("human_check", False),
        ("queue_mode", "off"),
        ("risk_mode", "off"),
    ]
    assert {(one.reason, one.preset, one.batch) for one in thrown} == {
        ("risk is slow", "skip", thrown[0].batch)
    }
    assert Snapshot.objects.count() == 1, "one version for all of it"
    assert operator.post(f"{URL}preset/skip/revert/").status_code == 422, "with a reason"
    why = {"reason": "risk is well"}
    assert operator.post(f"{URL}preset/skip/revert/", why).status_code == 200
    assert not services.in_force(timezone.now()).exists()
    assert operator.post(f"{URL}preset/skip/revert/", why).status_code == 409
    assert {one.reason for one in SwitchRevert.objects.all()} == {"risk is well"}


def test_a_preset_that_cannot_be_thrown_whole_throws_nothing(now):
    broken = presets.Preset(
        "x", _("Queue"), _("Queue"), (("risk_mode", "off"), ("queue_mode", "nonsense"))
    )
    with pytest.raises(ValidationError, match="Must be one of"):
        presets.throw_preset(broken, reason="x", by=None, now=now)
    assert not SwitchThrow.objects.exists()


def test_stopping_the_sale_needs_the_word(operator):
    form = {"reason": "fire", "lasts": "reverted"}
    assert operator.post(f"{URL}preset/stop/", form).status_code == 422
    assert operator.post(f"{URL}preset/stop/", {**form, "confirm": "STOP"}).status_code == 200
    assert services.effective(timezone.now()).everywhere()["sale_enabled"] is False


def test_the_stock_source_changes_and_changes_back(log_in):
    operator = log_in("view_switchthrow", "throw_switch", "switch_stocksource")
    form = {"reason": "Redis is gone", "confirm": "STOP"}
    assert operator.post(f"{URL}preset/database/", form).status_code == 200
    assert inventory.current_source()[0] == "database"
    row = _row(operator.get(URL).content.decode(), "stock_source")
    assert "Redis is gone — ann" in row
    assert operator.post(f"{URL}preset/database/revert/").status_code == 422, "with a reason"
    assert operator.post(f"{URL}preset/database/revert/", {"reason": "back"}).status_code == 200
    assert inventory.current_source()[0] == "primary"


def test_who_may_not_change_the_source_is_not_offered_it(operator):
    page = operator.get(URL).content.decode()
    assert 'data-dialog="preset-stop"' in page
    assert 'data-dialog="preset-database"' not in page
    form = {"reason": "x", "confirm": "STOP"}
    assert operator.post(f"{URL}preset/database/", form).status_code == 403


def test_who_may_only_look_has_no_buttons(log_in, now):
    thrown = services.throw("risk_mode", "off", reason="x", by=None, now=now)
    reader = log_in("view_switchthrow")
    page = reader.get(URL).content.decode()
    assert "data-dialog" not in page
    assert "data-post" not in page
    for address in ("throw/risk_mode/", f"revert/{thrown.pk}/", "preset/skip/"):
        assert reader.post(URL + address, STOP).status_code == 403
    assert SwitchThrow.objects.count() == 1


def test_who_may_not_look_does_not(log_in, client):
    assert log_in().get(URL).status_code == 403
    client.logout()
    assert client.get(f"{URL}state/").status_code == 302


def test_it_names_who_does_not_obey_yet(now):
    thrown = services.throw("risk_mode", "off", reason="x", by=None, now=now)
    version = SwitchPublished.objects.get(throw=thrown).version
    _beat("g1", version, now, applied_at=now + timedelta(milliseconds=180))
    _beat("g2", version - 1, now)
    _beat("g3", version, now - timedelta(seconds=60))
    _beat("e1", version + 5, now, kind="edge")
    (row,) = (one for one in console.state(now)["rows"] if one["row"].throws)
    edge, gateway = sorted(row["thrown"][0].kinds, key=lambda one: one.kind)
    assert (gateway.running, gateway.alive, gateway.behind) == (1, 2, ["g2"])
    assert (gateway.silent, gateway.took_ms) == (["g3"], 180)
    assert (edge.running, edge.alive, edge.behind, edge.silent) == (1, 1, [], [])


def test_a_throw_that_changes_nothing_is_obeyed_by_who_has_the_newest(now):
    services.throw("risk_mode", "off", reason="x", by=None, now=now)
    again = services.throw("risk_mode", "off", reason="y", by=None, now=now)
    assert SwitchPublished.objects.get(throw=again).version == Snapshot.objects.get().version


def test_it_costs_the_same_however_many_there_are(operator, now, django_assert_max_num_queries):
    for number in range(8):
        services.throw("risk_mode", "off", reason=str(number), by=None, now=now)
    with django_assert_max_num_queries(18):
        operator.get(f"{URL}state/")


def test_it_speaks_chinese(operator):
    page = operator.get(URL, headers={"accept-language": "zh-hans"}).content.decode()
    assert "停止销售" in page
