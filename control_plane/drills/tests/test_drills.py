"""Drills by the clock: only where the installation has said that it is staging; off at first."""

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from types import SimpleNamespace

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
from tests.redis.waiting import until

pytestmark = pytest.mark.django_db
NAME = "20261126T120000-7"


@pytest.fixture
def begun(monkeypatch):
    """The processes that were started, none of which is."""
    found = []

    def begin(command, **_):
        found.append(command)
        return SimpleNamespace(wait=lambda *_: 0)

    monkeypatch.setattr(subprocess, "Popen", begin)
    monkeypatch.setattr(subprocess, "run", begin)
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


@pytest.mark.parametrize("soak", ["61m", "2h", "9999h", "3601s"])
def test_a_soak_that_would_be_cut_off_is_refused(staging, begun, soak):
    with pytest.raises(services.DrillError, match="60m at most"):
        services.begin(soak, (), timezone.now())
    assert begun == []
    assert services.words_of("60m", (), 7)


def test_an_image_without_the_drills_refuses_at_once(staging, begun, monkeypatch, tmp_path):
    monkeypatch.setattr(services, "ROOT", tmp_path)
    with pytest.raises(services.DrillError, match="source checkout"):
        services.begin("5m", (), timezone.now())
    assert begun == []


def test_a_drill_that_fails_after_it_was_begun_is_logged(staging, monkeypatch, caplog):
    failed = SimpleNamespace(wait=lambda: 3)
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: failed)
    services.begin("5m", (), timezone.now())
    until(lambda: "failed (3)" in caplog.text, "the failure is logged", 60)


def test_the_drills_stack_gets_nothing_of_this_installation(staging, tmp_path, monkeypatch):
    for name in ("SLUICE_SALE_DSN", "DATABASE_URL", "PGPASSWORD", "DJANGO_SETTINGS_MODULE"):
        monkeypatch.setenv(name, "ours")
    monkeypatch.setenv("LC_TIME", "C")
    told = tmp_path / "environment"
    script = f"import json, os; open({str(told)!r}, 'w').write(json.dumps(dict(os.environ)))"
    monkeypatch.setattr(services, "DRILL", ("-c", script))
    with pytest.raises(services.DrillError, match="left no report"):
        services.run("5m", (), 7, timezone.now())
    seen = json.loads(told.read_text())
    assert "ours" not in seen.values()
    assert (seen["PATH"], seen["LC_TIME"]) == (os.environ["PATH"], "C")


def test_what_takes_too_long_is_stopped_and_its_stacks_are_taken_down(staging, monkeypatch):
    down, children = [], []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: down.append(command[1:]))
    real_end = services._end

    def end(child):
        children.append(child)
        real_end(child)

    monkeypatch.setattr(services, "_end", end)
    monkeypatch.setattr(services, "DRILL", ("-c", "import time; time.sleep(600)"))
    monkeypatch.setattr(services, "MOST_S", 0.1)
    with pytest.raises(services.DrillError, match="took longer"):
        services.run("5m", (), 7, timezone.now())
    assert [child.returncode for child in children] == [-signal.SIGTERM]
    words = ["-m", "deploy.local", "down", "--profile"]
    assert down == [[*words, "drill"], [*words, "faults"]]


def test_who_is_stopped_may_end_his_work_and_what_he_has_started_ends_too():
    script = """
import signal, subprocess, sys
def leave(*_):
    print("left", flush=True)
    sys.exit(7)
signal.signal(signal.SIGTERM, leave)
stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True)"
subprocess.Popen([sys.executable, "-c", stubborn + "; time.sleep(600)"])
signal.pause()
"""
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"1\n"
    services._end(child)
    assert child.returncode == 7
    # To its end: nobody of the group has the pipe open any more.
    assert child.stdout.read() == b"left\n"
    child.stdout.close()


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
