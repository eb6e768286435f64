"""Drills by the clock: only where the installation has said that it is staging; off at first."""

import json
import os
import subprocess
import threading
from dataclasses import replace

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from control_plane.config import schedule
from control_plane.config.env import BadEnvironment
from control_plane.config.env import read as read_env
from control_plane.config.singleton import alone
from control_plane.drills import services, tasks

pytestmark = pytest.mark.django_db
NAME = "20261126T120000-7"


@pytest.fixture
def begun(monkeypatch):
    """The processes that were started, none of which is."""
    found = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, **_: found.append(command))
    monkeypatch.setattr(subprocess, "run", lambda command, **_: found.append(command))
    return found


@pytest.fixture
def kept(monkeypatch, tmp_path):
    """An empty folder for reports."""
    monkeypatch.setattr(services, "folder", lambda: tmp_path)
    return tmp_path


@pytest.fixture
def staging(settings, kept):
    """An installation that has said so."""
    settings.ENV = replace(settings.ENV, drills_on="staging")
    return kept


@pytest.mark.parametrize(
    "act",
    [
        lambda: services.begin("5m", (), timezone.now()),
        lambda: services.run("5m", (), 7, timezone.now()),
        services.reports,
        lambda: services.page_of(NAME),
    ],
)
def test_nothing_is_done_where_staging_is_not_declared(act, begun, kept):
    with pytest.raises(services.NotStaging, match="SLUICE_DRILLS_ON"):
        act()
    assert begun == []
    assert list(kept.iterdir()) == []


def test_the_clock_begins_nothing_there_either_and_says_so(begun, kept, caplog):
    tasks.begin()
    assert begun == []
    assert "no drill was begun" in caplog.text


def test_the_command_refuses_there(begun, kept):
    with pytest.raises(CommandError, match="only on a staging installation"):
        call_command("drill")
    assert begun == []


def test_staging_is_declared_by_that_word_alone():
    environ = dict(os.environ)
    environ.pop("SLUICE_DRILLS_ON", None)
    for value in ("1", "production", "Staging", ""):
        with pytest.raises(BadEnvironment, match="SLUICE_DRILLS_ON"):
            read_env(environ | {"SLUICE_DRILLS_ON": value})
    assert read_env(environ).drills_on == "nowhere"
    assert read_env(environ | {"SLUICE_DRILLS_ON": "staging"}).drills_on == "staging"


def test_the_entry_is_delivered_switched_off():
    schedule.sync()
    assert not PeriodicTask.objects.get(name="run-drills").enabled
    assert PeriodicTask.objects.get(name="expire-orders").enabled


def test_on_staging_the_clock_begins_a_process_of_its_own(staging, begun):
    tasks.begin("90s")
    [command] = begun
    assert command[1:4] == ["-m", "control_plane", "drill"]
    assert command[command.index("--soak") + 1] == "90s"
    assert int(command[command.index("--seed") + 1]) > 0


@pytest.mark.parametrize(
    ("soak", "names"), [("5m; rm", ()), ("0m", ()), ("", ()), ("5m", ("--report",)), ("5m", ("X",))]
)
def test_what_the_drills_would_not_understand_is_refused(staging, begun, soak, names):
    with pytest.raises(services.DrillError, match="is no"):
        services.begin(soak, names, timezone.now())
    assert begun == []


def test_the_drills_stack_gets_nothing_of_this_installation(staging, begun, monkeypatch):
    monkeypatch.setenv("SLUICE_SALE_DSN", "postgresql://sale@db.example/sale")
    seen = {}
    monkeypatch.setattr(subprocess, "run", lambda command, **more: seen.update(more))
    with pytest.raises(services.DrillError, match="left no report"):
        services.run("5m", (), 7, timezone.now())
    assert not [name for name in seen["env"] if name.startswith(("SLUICE_", "DJANGO_"))]


def test_two_do_not_run_at_once(staging, begun):
    found = []

    def other():
        """Another process has the lock: a session of its own, as this one may take it twice."""
        with alone(services.DRILL_LOCK) as is_alone:
            found.append(is_alone)
            taken.set()
            over.wait(60)
        connection.close()

    taken, over = threading.Event(), threading.Event()
    thread = threading.Thread(target=other)
    thread.start()
    try:
        assert taken.wait(60)
        with pytest.raises(services.DrillError, match="runs already"):
            services.run("5m", (), 7, timezone.now())
    finally:
        over.set()
        thread.join()
    assert found == [True]
    assert begun == []


def _keep(folder):
    drills = [{"name": "some", "verdict": "pass"}, {"name": "other", "verdict": "fail"}]
    told = {"date": "2026-11-26T12:00:00+00:00", "seed": 7, "drills": drills}
    (folder / f"{NAME}.json").write_text(json.dumps(told))
    (folder / f"{NAME}.html").write_text("<h1>Drills</h1>")


def test_staff_sees_the_reports_and_gets_each(staging, admin_client):
    _keep(staging)
    page = admin_client.get("/admin/drills/").content.decode()
    assert "1 / 2" in page
    assert "other" in page
    answer = admin_client.get(f"/admin/drills/{NAME}/")
    assert answer.content == b"<h1>Drills</h1>"
    assert answer.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("name", ["20261126T120000-8", "..", "secrets"])
def test_there_is_no_other_file_to_get(staging, admin_client, name):
    _keep(staging)
    assert admin_client.get(f"/admin/drills/{name}/").status_code == 404


def test_elsewhere_there_is_no_such_page(kept, admin_client):
    assert admin_client.get("/admin/drills/").status_code == 404


def test_strangers_are_sent_to_the_door(staging, client):
    assert client.get("/admin/drills/").status_code == 302
