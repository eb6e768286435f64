"""The buttons of marketers and operators: each asks first and has its own permission."""

from dataclasses import replace

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from control_plane.campaigns import services as campaigns
from control_plane.inventory import services
from control_plane.inventory.models import Allocation, Pool, Rearm, StockChange, StockSource

pytestmark = pytest.mark.django_db

BASE = "/admin/inventory"


@pytest.fixture
def log_in(client):
    """A client of a staff member who holds just these permissions."""

    def with_permissions(*codenames):
        user = User.objects.create_user("staff", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        assert user.user_permissions.count() == len(codenames)
        client.force_login(user)
        return client

    return with_permissions


@pytest.fixture
def now():
    """The admin reads the real clock."""
    return timezone.now()


def _text(answer):
    return answer.content.decode()


# Units


@pytest.mark.parametrize(
    ("name", "permission", "left", "label", "said"),
    [
        ("top_up", "top_up_pool", 13, "Add units", "3 units added."),
        ("withdraw", "withdraw_pool", 7, "Withdraw units", "3 units withdrawn."),
    ],
)
def test_a_marketer_changes_units_after_being_asked(
    log_in, item, name, permission, left, label, said
):
    marketer = log_in("view_pool", permission)
    pool_page, page = f"{BASE}/pool/{item.pk}/change/", f"{BASE}/pool/{item.pk}/{name}/"
    shown = _text(marketer.get(pool_page))
    assert page in shown
    assert shown.count("button-change") == 1  # only what he may
    assert label in _text(marketer.get(page))
    assert Pool.objects.get().total == 10
    answer = marketer.post(page, {"qty": 3, "reason": "truck came"}, follow=True)
    assert said in _text(answer)
    assert "truck came" in _text(answer)
    assert Pool.objects.get().total == left
    assert str(StockChange.objects.get().by) == "staff"


@pytest.mark.parametrize("name", ["top_up", "withdraw"])
@pytest.mark.parametrize(
    "form", [{}, {"qty": 0, "reason": "x"}, {"qty": 3}, {"qty": 3, "reason": "x" * 201}]
)
def test_a_form_that_is_not_whole_changes_nothing(admin_client, item, name, form):
    page = admin_client.post(f"{BASE}/pool/{item.pk}/{name}/", form)
    assert page.status_code == 200
    assert "text-red-600" in _text(page)
    assert not StockChange.objects.exists()


def test_too_much_is_refused_with_a_sentence(admin_client, item):
    form = {"qty": 11, "reason": "all"}
    page = admin_client.post(f"{BASE}/pool/{item.pk}/withdraw/", form, follow=True)
    assert "There are not that many unsold units." in _text(page)
    assert Pool.objects.get().total == 10


def test_what_waits_for_shards_is_said(admin_client, item, open_epoch):
    open_epoch(units=8)
    form = {"qty": 5, "reason": "damaged"}
    page = _text(admin_client.post(f"{BASE}/pool/{item.pk}/withdraw/", form, follow=True))
    assert "2 of 5 units withdrawn, 3 follow." in page
    assert "units withdrawn 2/5 · waiting" in page
    assert f"{BASE}/stockchange/{StockChange.objects.get().pk}/change/" in page
    listed = _text(admin_client.get(f"{BASE}/stockchange/"))
    assert "damaged" in listed


def test_the_rest_of_a_withdrawal_is_cancelled_after_being_asked(log_in, item, open_epoch):
    marketer = log_in("view_stockchange", "cancel_stockchange")
    open_epoch(units=8)
    change = services.withdraw(item.pk, 5, "damaged", None)
    page = f"{BASE}/stockchange/{change.pk}/change/"
    url = f"{BASE}/stockchange/{change.pk}/cancel/"
    assert url in _text(marketer.get(page))
    assert "those that wait stay on sale" in _text(marketer.get(url))
    assert services.waiting_units(item.pk) == 3
    done = _text(marketer.post(url, follow=True))
    assert "2 of 5 units withdrawn, the rest was cancelled." in done
    assert url not in done
    assert services.waiting_units(item.pk) == 0
    assert str(StockChange.objects.get().cancelled_by) == "staff"
    again = marketer.post(url, follow=True)
    assert "Nothing of this change is waiting any more." in _text(again)


def test_after_the_end_there_are_no_buttons(admin_client, approved, item, now):
    campaigns.end_now(approved, None, now)
    page = _text(admin_client.get(f"{BASE}/pool/{item.pk}/change/"))
    assert "button-change" not in page
    form = {"qty": 1, "reason": "late"}
    answer = admin_client.post(f"{BASE}/pool/{item.pk}/top_up/", form, follow=True)
    assert "The campaign has ended." in _text(answer)


def test_the_campaigns_page_leads_to_the_pool(admin_client, approved, item):
    services.top_up(item.pk, 5, "more", None)
    page = _text(admin_client.get(f"/admin/campaigns/campaign/{approved.pk}/change/"))
    assert f'<a href="{BASE}/pool/{item.pk}/change/">15</a>' in page


# Shards


def test_an_operator_rearms_shards_from_the_list(log_in, item, open_epoch):
    operator = log_in("view_allocation", "rearm_allocation", "view_rearm")
    shards = [open_epoch(shard) for shard in range(3)]
    chosen = [shard.pk for shard in shards[:2]]
    asked = operator.post(
        f"{BASE}/allocation/", {"action": "rearm", "_selected_action": chosen}, follow=True
    )
    assert "sells again under a new epoch" in _text(asked)
    assert not Rearm.objects.exists()
    url = asked.redirect_chain[-1][0]
    done = operator.post(url, {"mode": "full", "reason": "new node"}, follow=True)
    assert "Shards that are being re-armed: 2." in _text(done)
    rearms = Rearm.objects.all()
    assert {rearm.allocation_id for rearm in rearms} == set(chosen)
    assert {(rearm.mode, rearm.reason, str(rearm.by)) for rearm in rearms} == {
        ("full", "new node", "staff")
    }


def test_a_shard_is_rearmed_by_its_button_once(admin_client, open_epoch):
    allocation = open_epoch()
    page = f"{BASE}/allocation/{allocation.pk}/change/"
    url = f"{BASE}/allocation/rearm/?pk={allocation.pk}"
    assert url in _text(admin_client.get(page))
    form = {"mode": "fast", "reason": "test"}
    admin_client.post(url, form)
    assert Allocation.objects.get().state == "draining"
    assert url not in _text(admin_client.get(page))
    again = admin_client.post(url, form, follow=True)
    assert "This epoch does not sell any more." in _text(again)


def test_a_lost_node_is_given_up_after_being_asked(log_in, open_epoch):
    operator = log_in("view_rearm", "give_up_rearm")
    rearm = services.begin_rearm(open_epoch().pk, "fast", "node lost")
    page, url = f"{BASE}/rearm/{rearm.pk}/change/", f"{BASE}/rearm/give_up/?pk={rearm.pk}"
    assert url in _text(operator.get(page))
    assert "never come back" in _text(operator.get(url))
    done = operator.post(url, {"reason": "disk is gone"}, follow=True)
    assert "Shards given up: 1." in _text(done)
    rearm.refresh_from_db()
    assert (rearm.stage, str(rearm.given_up_by)) == ("drained", "staff")
    assert url not in _text(operator.get(page))
    Rearm.objects.update(stage="barrier_sent", given_up_at=None)
    assert url in _text(operator.get(page))  # it may wait for its outbox
    Rearm.objects.update(stage="closed")
    assert url not in _text(operator.get(page))
    again = operator.post(url, {"reason": "once more"}, follow=True)
    assert "Only a re-arm that is not closed can be given up." in _text(again)


@pytest.mark.parametrize(
    "path", ["allocation/rearm/?pk=x", "rearm/give_up/?pk=1,2", "rearm/give_up/"]
)
def test_an_address_that_names_nothing_is_not_found(admin_client, path):
    assert admin_client.get(f"{BASE}/{path}").status_code == 404


# Source


def test_an_operator_changes_the_source_after_being_asked(log_in, open_epoch):
    operator = log_in("view_stocksource", "switch_stocksource")
    open_epoch()
    listed = _text(operator.get(f"{BASE}/stocksource/"))
    assert "<strong>primary cluster</strong> (generation 0)" in listed
    page = f"{BASE}/stocksource/switch/"
    assert page in listed
    assert "All shards of all items stop at once" in _text(operator.get(page))
    form = {"source": "standby", "mode": "full", "forced": "on", "reason": "rack is on fire"}
    done = _text(operator.post(page, form, follow=True))
    assert "Shards now change over to: standby cluster." in done
    assert "<strong>standby cluster</strong> (generation 1)" in done
    assert "Old epochs that are not closed yet: 1" in done
    change = StockSource.objects.get()
    assert (change.mode, change.forced, change.reason) == ("full", True, "rack is on fire")
    assert str(change.by) == "staff"
    again = operator.post(page, form, follow=True)
    assert "This stock source is already in use." in _text(again)
    assert operator.get(f"{BASE}/stocksource/{change.pk}/change/").status_code == 200


def test_a_standby_that_is_not_there_is_not_offered(admin_client, db, settings):
    page = f"{BASE}/stocksource/switch/"
    assert 'value="standby"' in _text(admin_client.get(page))
    settings.ENV = replace(settings.ENV, has_standby=False)
    assert 'value="standby"' not in _text(admin_client.get(page))
    admin_client.post(page, {"source": "standby", "mode": "fast", "reason": "x"})
    assert services.current_source() == ("primary", 0)


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("pool", "pool/{item}/top_up/"),
        ("pool", "pool/{item}/withdraw/"),
        ("allocation", "allocation/rearm/?pk={allocation}"),
        ("rearm", "rearm/give_up/?pk={rearm}"),
        ("stocksource", "stocksource/switch/"),
        ("stockchange", "stockchange/{change}/cancel/"),
    ],
)
def test_seeing_is_not_doing(log_in, client, item, open_epoch, model, path):
    allocation = open_epoch(shard=1)
    rearm = services.begin_rearm(open_epoch().pk, "fast", "test")
    change = StockChange.objects.create(item=item, kind="withdraw", qty=1, reason="x")
    names = {"item": item, "allocation": allocation, "rearm": rearm, "change": change}
    url = f"{BASE}/" + path.format(**{name: row.pk for name, row in names.items()})
    form = {"qty": 1, "mode": "fast", "source": "standby", "reason": "x"}
    assert client.get(url)["Location"].startswith("/admin/login/")
    viewer = log_in(f"view_{model}")
    assert viewer.get(url).status_code == 403
    assert viewer.post(url, form).status_code == 403
    page = viewer.get(f"{BASE}/{model}/")
    assert page.status_code == 200
    assert "button-grave" not in _text(page)
    assert StockChange.objects.get().state == "waiting"
    assert Rearm.objects.get().stage == "fenced"


def test_the_pages_speak_chinese(admin_client, item, open_epoch):
    admin_client.post("/i18n/setlang/", {"language": "zh-hans", "next": "/admin/"})
    open_epoch(units=10)
    form = {"qty": 5, "reason": "damaged"}
    waits = admin_client.post(f"{BASE}/pool/{item.pk}/withdraw/", form, follow=True)
    assert "已撤回 0/5 件，其余 5 件随后撤回。" in _text(waits)
    change = StockChange.objects.get()
    assert "取消剩余撤回" in _text(admin_client.get(f"{BASE}/stockchange/{change.pk}/change/"))
    assert "追加库存" in _text(admin_client.get(f"{BASE}/pool/{item.pk}/change/"))
    assert "切换库存来源" in _text(admin_client.get(f"{BASE}/stocksource/"))
