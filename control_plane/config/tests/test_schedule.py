"""The clock's schedule stands in PostgreSQL, is edited in the admin, and is in force at once."""

import pytest
from django.db import connection
from django.db.backends.signals import connection_created
from django.db.models import ProtectedError
from django_celery_beat.models import (
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    PeriodicTasks,
)
from django_celery_beat.schedulers import DatabaseScheduler

from control_plane.config import schedule
from control_plane.config.celery import (
    SLOW,
    SLOW_TASKS,
    TASK_LIMIT_S,
    TICKS,
    WAITED_FOR,
    WEBHOOKS,
    app,
    bound_statements,
)
from control_plane.webhooks.tasks import DELIVER_LOCKS
from deploy.local.servers.control_plane import CELERY_WEBHOOKS
from deploy.local.site import Site

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def delivered():
    schedule.sync()
    return {task.name: task for task in PeriodicTask.objects.all()}


def test_every_delivered_entry_is_written_once(delivered):
    assert delivered.keys() == {one.name for one in schedule.BUILT_IN}
    assert schedule.sync() == 0
    for one in schedule.BUILT_IN:
        task = delivered[one.name]
        assert (task.task, task.expire_seconds) == (one.task, one.expires_s)
        assert (task.interval.every, task.interval.period) == (one.every_s, "seconds")


def test_every_entrys_task_exists():
    app.loader.import_default_modules()
    assert {one.task for one in schedule.BUILT_IN} <= app.tasks.keys()


def _queue_of(task):
    return app.amqp.router.route({}, task)["queue"].name


def test_what_somebody_waits_for_does_not_stand_behind_the_ticks():
    # With one key for both, each message would come twice.
    assert {queue.routing_key for queue in app.amqp.queues.values()} >= {TICKS, WAITED_FOR}
    assert _queue_of("payments.demo_collect") == WAITED_FOR


def test_what_takes_long_does_not_hold_up_the_ticks():
    """Orders that should end, above all."""
    # The worker without `-Q`.
    assert app.amqp.queues.consume_from.keys() == {TICKS, WAITED_FOR}
    to_merchants = {"webhooks.deliver", "webhooks.tend"}
    assert {_queue_of(one) for one in to_merchants} == {WEBHOOKS}
    assert {_queue_of(one) for one in SLOW_TASKS} == {SLOW}
    ticks = {one.task for one in schedule.BUILT_IN} - to_merchants - set(SLOW_TASKS)
    assert {_queue_of(one) for one in ticks} == {TICKS}
    assert "orders.expire_orders" in ticks


def test_the_worker_of_what_takes_long_has_a_thread_for_each_run_there_can_be():
    """So that none of them waits for another either."""
    command = CELERY_WEBHOOKS.command(Site("test"))
    queues, threads = (command[command.index(name) + 1] for name in ("-Q", "--concurrency"))
    assert set(queues.split(",")) == {WEBHOOKS, SLOW}
    to_merchants = len(DELIVER_LOCKS) + 1
    assert int(threads) >= to_merchants + len(SLOW_TASKS)


def test_a_statement_that_hangs_is_ended_where_no_process_is():
    """The tasks in threads have no time limit of Celery's."""
    bound_statements()
    try:
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == (f"{TASK_LIMIT_S}s",)
    finally:
        connection_created.disconnect(dispatch_uid="bound_statements")
        connection.close()


def test_a_tick_is_worthless_before_the_second_one_after_it():
    for one in schedule.BUILT_IN:
        assert one.every_s < one.expires_s <= 2 * one.every_s


def test_what_people_edited_stays(delivered):
    PeriodicTask.objects.filter(name="settle-campaigns").update(enabled=False, expire_seconds=99)
    schedule.sync()
    task = PeriodicTask.objects.get(name="settle-campaigns")
    assert (task.enabled, task.expire_seconds) == (False, 99)


def test_a_task_that_was_renamed_and_intervals_that_are_there_twice_stop_no_upgrade(delivered):
    IntervalSchedule.objects.create(every=1, period="seconds")
    PeriodicTask.objects.filter(name="expire-orders").delete()
    PeriodicTask.objects.filter(name="settle-campaigns").update(task="campaigns.old_name")
    assert schedule.sync() == 1
    assert PeriodicTask.objects.get(name="expire-orders").interval.every == 1
    settle = PeriodicTask.objects.get(name="settle-campaigns")
    assert settle.task == schedule.entry("settle-campaigns").task


def test_beat_runs_what_the_tables_say(delivered):
    beat = DatabaseScheduler(app=app, lazy=True)
    assert beat.schedule.keys() == {task.name for task in delivered.values() if task.enabled}
    assert "run-drills" not in beat.schedule
    entry = beat.schedule["expire-orders"]
    assert (entry.task, entry.schedule.seconds) == ("orders.expire_orders", 1)
    assert entry.options["expires"] == 2


def test_an_edit_in_the_admin_is_in_force_without_a_restart(delivered, admin_client):
    beat = DatabaseScheduler(app=app, lazy=True)
    assert beat.schedule["expire-orders"].schedule.seconds == 1
    assert not beat.schedule_changed()
    slower, _ = IntervalSchedule.objects.get_or_create(every=30, period="seconds")
    task = delivered["expire-orders"]
    page = f"/admin/django_celery_beat/periodictask/{task.pk}/change/"
    form = admin_client.get(page).context["adminform"].form
    values = {
        name: "" if form[name].value() is None else form[name].value() for name in form.fields
    }
    values |= {
        "interval": slower.pk,
        "regtask": task.task,
        "headers": "{}",
        "change_reason": "calmer",
    }
    values |= {"start_time_0": "", "start_time_1": "", "expires_0": "", "expires_1": ""}
    answer = admin_client.post(
        page, {name: values[name] for name in values if values[name] is not False}
    )
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert PeriodicTasks.last_change() is not None
    assert beat.schedule["expire-orders"].schedule.seconds == 30


@pytest.mark.parametrize(
    ("language", "text"),
    [("en", "Opens and ends campaigns on time."), ("zh-hans", "按时开始和结束活动。")],
)
def test_the_admin_says_what_each_entry_is_for(delivered, admin_client, language, text):
    page = admin_client.get(
        "/admin/django_celery_beat/periodictask/", headers={"accept-language": language}
    )
    assert text in page.content.decode()


def test_what_is_not_used_has_no_page(admin_client):
    for unused in ("solarschedule", "clockedschedule"):
        assert admin_client.get(f"/admin/django_celery_beat/{unused}/").status_code == 404


def test_a_rhythm_that_a_delivered_entry_has_cannot_be_deleted(delivered, admin_client):
    """Its rows would go with it, and nothing of them would run any more."""
    rhythm = delivered["expire-orders"].interval
    url = "/admin/django_celery_beat/intervalschedule"
    page = admin_client.post(f"{url}/{rhythm.pk}/delete/", {"post": "yes"})
    assert page.status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [rhythm.pk], "post": "yes"}
    assert admin_client.post(f"{url}/", chosen).status_code == 403
    with pytest.raises(ProtectedError, match=r"is what .* runs by"):
        rhythm.delete()
    with pytest.raises(ProtectedError):
        IntervalSchedule.objects.all().delete()
    assert PeriodicTask.objects.count() == len(schedule.BUILT_IN)


def test_a_crontab_that_a_delivered_entry_has_cannot_be_deleted_either(delivered):
    nightly = CrontabSchedule.objects.create(hour="3")
    task = delivered["settle-campaigns"]
    task.interval, task.crontab = None, nightly
    task.save()
    with pytest.raises(ProtectedError):
        nightly.delete()


def test_a_rhythm_of_somebody_elses_entry_goes_with_it(delivered, admin_client):
    own = IntervalSchedule.objects.create(every=7, period="minutes")
    PeriodicTask.objects.create(name="mine", task="pages.publish_pages", interval=own)
    url = f"/admin/django_celery_beat/intervalschedule/{own.pk}/delete/"
    assert admin_client.post(url, {"post": "yes"}).status_code == 302
    assert not PeriodicTask.objects.filter(name="mine").exists()


def test_a_delivered_entry_can_be_switched_off_and_not_deleted(delivered, admin_client):
    url = "/admin/django_celery_beat/periodictask"
    ours = delivered["expire-orders"]
    assert admin_client.post(f"{url}/{ours.pk}/delete/", {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [ours.pk], "post": "yes"}
    admin_client.post(f"{url}/", chosen)
    assert PeriodicTask.objects.filter(pk=ours.pk).exists()
