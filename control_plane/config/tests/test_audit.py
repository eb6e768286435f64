"""The whole trail in one list: for auditors, filtered, page by page, and as CSV."""

import csv
import io
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from control_plane.config.audit import page as audit_page
from control_plane.config.audit.trail import SOURCES, Wanted, newest
from control_plane.inventory import services as inventory
from control_plane.risk import services as risk
from control_plane.switches import services as switches

pytestmark = pytest.mark.django_db
AUDIT = "/admin/audit/"


@pytest.fixture
def now():
    """The history is written by the real clock."""
    return timezone.now()


@pytest.fixture
def auditor(log_in):
    return log_in("view_audit")


@pytest.fixture
def trail(item, now):
    """Something of every kind; Bob threw the switch."""
    bob = User.objects.create_user("bob", is_staff=True)
    throw = switches.throw("risk_mode", "off", reason="crawler", by=bob, now=now)
    switches.revert(throw.pk, reason="all is well", by=bob, now=now)
    inventory.top_up(item.pk, 3, "truck came", None)
    rule = {"kind": "cidr", "cidr": "10.0.0.0/8", "action": "deny", "mode": "shadow"}
    risk.create_rule({**rule, "note": "robots"}, None, now)
    return bob


def _text(answer):
    return answer.content.decode()


def test_everything_stands_in_one_list(auditor, trail):
    page = _text(auditor.get(AUDIT))
    for part in ("crawler", "reverted", "truck came", "robots", "created", "bob"):
        assert part in page


def test_it_is_in_order_of_time(trail):
    moments = [entry.at for entry in newest(Wanted(), 100)]
    assert moments == sorted(moments, reverse=True)


def test_by_person(auditor, trail):
    page = _text(auditor.get(AUDIT, {"person": trail.pk}))
    assert "crawler" in page
    assert "truck came" not in page
    assert "truck came" in _text(auditor.get(AUDIT, {"person": "0"}))


def test_by_what(auditor, trail):
    page = _text(auditor.get(AUDIT, {"source": "stock"}))
    assert "truck came" in page
    assert "crawler" not in page


def test_by_time(trail, now):
    assert not newest(Wanted(until=now - timedelta(days=1)), 10)
    assert not newest(Wanted(since=now + timedelta(days=1)), 10)


def test_page_by_page_nothing_is_lost_or_told_twice(auditor, trail, monkeypatch):
    monkeypatch.setattr(audit_page, "PAGE", 3)
    everything = newest(Wanted(), 1000)
    told, address = 0, AUDIT
    while address:
        page = _text(auditor.get(address))
        told += page.count('<td class="when">')
        older = re.search(r'href="\?([^"]*before=[^"]*)"', page)
        address = f"{AUDIT}?{older[1].replace('&amp;', '&')}" if older else ""
    assert told == len(everything)


def test_as_csv_without_formulas(auditor, item):
    inventory.top_up(item.pk, 3, "=cmd()", None)
    answer = auditor.get(f"{AUDIT}trail.csv", {"source": "stock"})
    text = b"".join(answer.streaming_content).decode().removeprefix("\ufeff")
    head, row = csv.reader(io.StringIO(text))
    assert head == list(audit_page.COLUMNS)
    assert row[-1] == "'=cmd()"


def test_nobody_else_reads_it(log_in):
    client = log_in("view_order")
    assert client.get(AUDIT).status_code == 403
    assert client.get(f"{AUDIT}trail.csv").status_code == 403


def test_every_source_can_be_read(trail):
    for source in SOURCES:
        source.newest(Wanted(person=trail.pk, until=timezone.now()), 5)
