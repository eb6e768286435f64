"""Whoever dies between sending and writing it down loses nothing, and says the same again."""

import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest

from control_plane.conftest import ROOT, dsn
from control_plane.webhooks.claiming import LEASE, Result, claim, record
from control_plane.webhooks.models import Attempt, Delivery

pytestmark = pytest.mark.django_db(transaction=True)

DEADLINE_S = 60
# The real run with one call replaced, so that production code carries no switch for it.
KILLED = """
import os, signal, sys
from datetime import datetime
import django
django.setup()
from control_plane.webhooks import delivering
delivering.record = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
moment = datetime.fromisoformat(sys.argv[1])
delivering.deliver_due(delivering.Way(private=True, clock=lambda: moment))
"""


def run_and_die(now):
    environ = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "control_plane.config.settings",
        "SLUICE_SALE_DSN": dsn("default"),
        "SLUICE_INVENTORY_DSN": dsn("inventory"),
    }
    command = [sys.executable, "-c", KILLED, now.isoformat()]
    done = subprocess.run(
        command, cwd=ROOT, env=environ, timeout=DEADLINE_S, check=False, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_what_was_sent_and_not_written_down_is_sent_again(tell, deliver, shop, endpoint, now):
    reservation = tell("order.confirmed", "order.paid")
    run_and_die(now)
    assert shop.types(reservation) == ["order.confirmed"]
    # Nobody knows whether it arrived: until the lease is over neither it nor what follows goes out.
    assert deliver(LEASE.total_seconds() - 1) == 0
    assert deliver(LEASE.total_seconds()) == 2
    assert shop.types(reservation) == ["order.confirmed", "order.confirmed", "order.paid"]
    first, again, _ = shop.heard
    assert first.event["id"] == again.event["id"]
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}
    log = Attempt.objects.filter(delivery__type="order.confirmed").values_list("number", "error")
    assert list(log) == [(1, "unknown: nobody wrote it down"), (2, "")]


def test_who_comes_late_does_not_undo_what_the_other_wrote(tell, deliver, shop, endpoint, now):
    """Its lease was over, and the delivery is somebody else's by now."""
    tell("order.confirmed")
    (slow,) = claim(now, 1)
    (fast,) = claim(now + LEASE, 1)
    assert (slow.id, slow.attempt, fast.attempt) == (fast.id, 1, 2)
    late = now + LEASE + timedelta(seconds=1)
    record([(slow, Result(now, 1, 500, "status 500"))], late)
    assert Delivery.objects.get().lease_until == now + LEASE + LEASE
    record([(fast, Result(now, 1, 200, ""))], late)
    record([(slow, Result(now, 1, 500, "status 500"))], late)
    assert Delivery.objects.get().state == "delivered"


def test_two_runs_at_once_send_each_event_once(tell, deliver, shop, endpoint, at_once):
    for number in range(1, 31):
        tell("order.confirmed", number=number)
    made = at_once([deliver, deliver])
    assert sum(made) == 30
    assert len(shop.ids()) == len(set(shop.ids())) == 30
