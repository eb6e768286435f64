"""The history of what people configure: who, what, why, and nobody can rewrite it."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import DatabaseError, connection, transaction
from django_celery_beat.models import PeriodicTask

from control_plane.config import history, schedule
from control_plane.config.models import TRACKED
from control_plane.merchants.models import Merchant

pytestmark = pytest.mark.django_db


def _records(model: Any) -> Any:
    """The table of a model's history."""
    return model.history.model


def _text(answer):
    return answer.content.decode()


@pytest.fixture
def page(merchant):
    return f"/admin/merchants/merchant/{merchant.pk}/change/"


def _form(**changed):
    keys = {"session_keys-TOTAL_FORMS": 0, "session_keys-INITIAL_FORMS": 0}
    return {"name": "Shop", **keys} | changed


def test_a_change_stands_there_with_who_and_why(admin_client, merchant, page):
    form = _form(name="Tea shop", change_reason="they were bought")
    assert admin_client.post(page, form).status_code == 302
    row = merchant.history.first()
    assert (row.history_type, row.history_user.username) == ("~", "admin")
    assert row.history_change_reason == "they were bought"
    shown = _text(admin_client.get(f"/admin/merchants/merchant/{merchant.pk}/history/"))
    for part in ("they were bought", "<del>Shop</del>", "<ins>Tea shop</ins>", "<b>admin</b>"):
        assert part in shown


def test_without_a_reason_nothing_is_saved(admin_client, merchant, page):
    answer = admin_client.post(page, _form(name="Tea shop"))
    assert answer.status_code == 200
    assert "This field is required." in _text(answer)
    merchant.refresh_from_db()
    assert merchant.name == "Shop"


def test_whoever_may_only_look_is_not_asked_why(log_in, merchant, page):
    assert "change_reason" not in _text(log_in("view_merchant").get(page))


def test_saving_without_a_change_is_no_history(merchant):
    merchant.save()
    assert merchant.history.count() == 1


def test_a_login_and_a_tick_of_the_clock_are_no_history(admin_user, client):
    client.force_login(admin_user)
    assert admin_user.history.count() == 1
    schedule.sync()
    task = PeriodicTask.objects.first()
    task.total_run_count += 1
    task.save()
    assert task.history.count() == 1


def test_no_secret_is_kept(admin_user, merchant):
    for model, how in TRACKED.items():
        kept = {field.name for field in _records(model)._meta.get_fields()}
        assert not kept & set(how.get("excluded_fields", ())), model
    secrets = {"password", "secret", "path_key", "path_key_before"}
    for model in TRACKED:
        assert not secrets & {f.name for f in _records(model)._meta.get_fields()}, model


def test_a_new_permission_of_a_group_is_told_by_name(admin_client):
    group = Group.objects.create(name="interns")
    form = {"name": "interns", "permissions": [_permission("view_order")], "change_reason": "help"}
    assert admin_client.post(f"/admin/auth/group/{group.pk}/change/", form).status_code == 302
    shown = _text(admin_client.get(f"/admin/auth/group/{group.pk}/history/"))
    assert "Can view order" in shown
    assert "help" in shown


def _permission(codename):
    from django.contrib.auth.models import Permission

    return Permission.objects.get(codename=codename).pk


def test_an_update_that_tells_no_signal_can_be_noted(merchant):
    Merchant.objects.filter(pk=merchant.pk).update(name="Other")
    history.note(merchant, "by hand")
    row = merchant.history.first()
    assert (row.name, row.history_change_reason) == ("Other", "by hand")


def test_history_is_append_only(merchant):
    table = _records(Merchant)._meta.db_table
    for statement in (f"UPDATE {table} SET name = 'x'", f"DELETE FROM {table}"):
        with (
            connection.cursor() as cursor,
            pytest.raises(DatabaseError, match="append-only"),
            transaction.atomic(),
        ):
            cursor.execute(statement)


def test_every_table_of_the_trail_has_the_trigger():
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal")
        triggers = {name for (name,) in cursor.fetchall()}
    tables = {"django_admin_log"}
    for model in TRACKED:
        records = history.RECORDS[model]
        ours = [_records(model), *records.m2m_models.values()]
        tables |= {one._meta.db_table for one in ours}
    assert {f"{table}_append_only" for table in tables} <= triggers


def test_nobody_deletes_a_person(admin_client, admin_user):
    other = User.objects.create_user("ann")
    assert admin_client.post(f"/admin/auth/user/{other.pk}/delete/").status_code == 403


def test_what_was_there_before_the_history_gets_a_first_row_once():
    (merchant,) = Merchant.objects.bulk_create([Merchant(slug="old", name="Old")])
    assert history.begin() == 1
    assert history.begin() == 0
    assert _records(Merchant).objects.get(id=merchant.pk).history_type == "+"


def test_the_reason_is_asked_for_once(admin_client, page):
    assert _text(admin_client.get(page)).count('name="change_reason"') == 1
