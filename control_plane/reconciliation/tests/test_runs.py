"""Which comparisons the clock makes, what is kept of them, and who sees it."""

import csv
import io
import re
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import IntegrityError, transaction
from django.utils import timezone

from control_plane.campaigns import services as campaigns
from control_plane.campaigns.models import Campaign
from control_plane.reconciliation import child, services, tasks
from control_plane.reconciliation.models import Finding, Run
from control_plane.reconciliation.rules import RULES
from control_plane.reconciliation.whats import ACTIONS, REPAIRS, WORDS
from workers.reconcile import repairs

pytestmark = pytest.mark.django_db(databases=["default", "inventory"])
HOURS = timedelta(hours=24)


@pytest.fixture
def ended(item, now):
    campaigns.end_now(item.campaign, None, now)
    return Campaign.objects.get()


@pytest.fixture
def day_after(ended, now):
    return now + HOURS + timedelta(minutes=ended.pay_minutes)


def looked(campaign, now, **changed):
    fields = {
        "campaign": campaign,
        "kind": "by_hand",
        "day": None,
        "started_at": now,
        "engine": "duckdb",
        "folder": "/nowhere",
        "sides": {"orders": 3},
        "in_flight": {},
        "items": [{**services.books_of(campaign)[0]}],
        "counts": {},
    }
    return services.Looked(**(fields | changed))


def a_finding(**changed):
    row = dict.fromkeys(("item", "shard", "epoch", "order_id", "expected", "found"))
    row |= dict.fromkeys(("shopper", "reservation_id", "ref"))
    row |= {"kind": "ghost", "what": "order", "reservation_id": "1-0-x", "shopper": "=ann"}
    return services.finding_of(row | changed, is_notice=False)


def test_a_campaign_is_compared_soon_after_its_end_and_a_day_later(ended, day_after, now):
    assert services.due(now + timedelta(minutes=1), HOURS) == []
    assert services.due(now + timedelta(minutes=3), HOURS) == [("spring", "at_end", None)]
    services.store(looked(ended, now, kind="at_end"), [], 0, now)
    assert services.due(now + timedelta(minutes=3), HOURS) == []
    assert services.due(day_after - timedelta(seconds=1), HOURS) == []
    assert services.due(day_after, HOURS) == [("spring", "day_after", 0)]


def test_what_balances_is_done_and_what_does_not_is_looked_at_again_each_day(ended, day_after, now):
    day = timedelta(days=1)
    first = looked(ended, day_after, kind="day_after", day=0)
    services.store(first, [a_finding()], 1, now)
    assert services.due(day_after + day - timedelta(seconds=1), HOURS) == []
    assert services.due(day_after + day, HOURS) == [("spring", "day_after", 1)]
    services.store(first._replace(day=1), [], 0, now)
    assert services.due(day_after + 2 * day, HOURS) == []


def test_a_side_that_was_away_is_asked_again_after_a_pause(ended, day_after, now):
    times = (day_after, day_after)
    run = services.store_unknown(ended, "day_after", 0, "duckdb", "Kafka: away", times)
    assert (run.outcome, run.problem) == ("unknown", "Kafka: away")
    assert services.due(day_after + timedelta(minutes=9), HOURS) == []
    assert services.due(day_after + timedelta(minutes=11), HOURS) == [("spring", "day_after", 0)]


def test_nobody_goes_on_looking_for_ever(ended, day_after):
    assert services.due(day_after + timedelta(days=7), HOURS)
    assert not services.due(day_after + timedelta(days=8), HOURS)


def test_the_clock_starts_one_process_for_what_is_due(ended, day_after, monkeypatch, settings):
    started = []
    monkeypatch.setattr(child, "compare", lambda *one: started.append(one))
    monkeypatch.setattr(timezone, "now", lambda: day_after)
    tasks.compare_sides()
    assert started == [("spring", "day_after", 0)]


@pytest.mark.parametrize(
    ("code", "said"),
    [(None, "too long"), (-9, "ended with -9"), (2, "ended with 2"), (0, "ended with 0")],
)
def test_a_comparison_that_broke_is_unknown_and_rests(
    ended, day_after, monkeypatch, settings, code, said
):
    monkeypatch.setattr(child, "compare", lambda *one: code)
    monkeypatch.setattr(timezone, "now", lambda: day_after)
    tasks.compare_sides()
    run = Run.objects.get()
    assert (run.kind, run.day, run.outcome) == ("day_after", 0, "unknown")
    assert said in run.problem
    assert services.due(day_after + timedelta(minutes=9), HOURS) == []


def test_a_comparison_that_wrote_its_run_down_gets_no_other(ended, day_after, now, monkeypatch):
    def compare(slug, kind, day):
        services.store(looked(ended, now, kind=kind, day=day), [], 0, now)
        return 0

    monkeypatch.setattr(child, "compare", compare)
    monkeypatch.setattr(timezone, "now", lambda: day_after)
    tasks.compare_sides()
    assert Run.objects.get().outcome == "balanced"


def test_the_look_at_the_end_rests_too_but_not_until_the_keys_are_gone(ended, now):
    soon, times = now + timedelta(minutes=3), [now + timedelta(minutes=3)] * 2
    services.store_unknown(ended, "at_end", None, "duckdb", "Kafka: away", times)
    assert services.due(soon + timedelta(minutes=1), HOURS) == []
    assert services.due(soon + timedelta(minutes=3), HOURS) == [("spring", "at_end", None)]


def test_one_that_took_half_an_hour_rests_from_its_end(ended, day_after):
    times = (day_after, day_after + timedelta(minutes=30))
    services.store_unknown(ended, "day_after", 0, "duckdb", "it took too long", times)
    assert services.due(day_after + timedelta(minutes=39), HOURS) == []


def test_an_equation_that_does_not_hold_is_no_balance(ended, now):
    (books,) = services.books_of(ended)
    assert services.store(looked(ended, now), [], 0, now).outcome == "balanced"
    off = looked(ended, now, items=[{**books, "drift": 1}])
    assert services.store(off, [], 0, now).outcome == "findings"
    shards = looked(ended, now, items=[{**books, "shards_off": 1}])
    assert services.store(shards, [], 0, now).outcome == "findings"


def test_what_was_mended_waits_for_nobody(ended, now):
    mended, tried, notice, other = a_finding(), a_finding(), a_finding(), a_finding()
    notice.is_notice = True
    run = services.store(looked(ended, now), [mended, tried, notice, other], 3, now)
    services.note_repair(mended, "relay", "done", "", now)
    services.note_repair(tried, "relay", "tried", "", now)
    services.note_repair(tried, "relay", "done", "a repeat", now)
    assert set(services.open_findings(run)) == {tried, other}


def test_what_was_written_stays(ended, now):
    services.store(looked(ended, now), [a_finding()], 1, now)
    for change in (
        lambda: Run.objects.update(outcome="balanced"),
        lambda: Finding.objects.update(what="x"),
        lambda: Finding.objects.all().delete(),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()


@pytest.fixture
def run(ended, now):
    findings = [a_finding(), a_finding(kind="amount_diff", what="price", expected=2, found=1)]
    counts = {"ghost": 1, "amount_diff": 1}
    stored = services.store(looked(ended, now, counts=counts), findings, 2, now)
    services.note_repair(findings[0], "relay", "failed", "rejected: over_limit", now)
    return stored


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "en",
            (
                *("Findings by kind", "an order that nobody reserved", "for a person", "10"),
                "send to Kafka again · rejected: over limit",
            ),
        ),
        (
            "zh-hans",
            (
                *("按种类的发现", "没有人预订过的订单", "待人工处理", "10"),
                "重新发送到 Kafka · 被拒绝：超出限购",
            ),
        ),
    ],
)
def test_the_report_has_equation_findings_and_what_was_done(admin_client, run, language, said):
    page = admin_client.get(
        f"/admin/reconciliation/run/{run.pk}/change/", headers={"accept-language": language}
    ).content.decode()
    for words in said:
        assert words in page
    assert "1-0-x" in page and "findings.parquet" in page
    assert re.search(r'\?kind=ghost">[^<]', page), "a kind that was found is named and leads to it"


def test_campaign_and_books_lead_to_it(admin_client, run):
    link = f"/admin/reconciliation/run/?campaign__id__exact={run.campaign_id}"
    assert (
        link
        in admin_client.get(f"/admin/campaigns/campaign/{run.campaign_id}/change/").content.decode()
    )
    listed = admin_client.get(link).content.decode()
    assert f"/admin/reconciliation/run/{run.pk}/change/" in listed


def test_the_list_says_how_many_wait_for_a_person(admin_client, run, ended, now):
    """Of each run its own: notices and what was mended wait for nobody."""
    findings = [a_finding() for _ in range(4)]
    findings[3].is_notice = True
    other = services.store(looked(ended, now), findings, 3, now)
    services.note_repair(findings[0], "relay", "done", "", now)
    services.store(looked(ended, now), [], 0, now)
    page = admin_client.get("/admin/reconciliation/run/")
    waiting = [one.waiting for one in page.context["cl"].result_list]
    assert (waiting, other.outcome) == ([0, 2, 2], "findings")


def _names(run):
    return [(one.kind, one.reservation_id) for one in run.findings.order_by("pk")]


def test_findings_are_downloaded_in_pieces(admin_client, run):
    answer = admin_client.get(f"/admin/reconciliation/run/{run.pk}/findings.csv")
    assert answer.streaming
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))
    assert [(row["kind"], row["reservation_id"]) for row in rows] == _names(run)
    assert rows[0]["shopper"] == "'=ann", "no cell is a formula"
    assert (rows[0]["repair_outcome"], rows[1]["repair_outcome"]) == ("failed", "")
    answer = admin_client.get(f"/admin/reconciliation/run/{run.pk}/findings.parquet")
    assert answer.streaming
    table = pq.read_table(io.BytesIO(answer.getvalue())).to_pylist()
    assert [(row["kind"], row["reservation_id"]) for row in table] == _names(run)
    assert (table[1]["expected"], table[1]["found"], table[0]["shopper"]) == (2, 1, "=ann")
    # The trail says who took shoppers' names along.
    deeds = LogEntry.objects.values_list("user__username", "object_id", "change_message")
    assert list(deeds) == [("admin", str(run.pk), "Findings downloaded")] * 2


def test_who_may_look_may_not_download(client, run):
    person = User.objects.create_user("ann", is_staff=True)
    person.user_permissions.add(Permission.objects.get(codename="view_run"))
    client.force_login(person)
    page = client.get(f"/admin/reconciliation/run/{run.pk}/change/")
    assert page.status_code == 200 and "findings.csv" not in page.content.decode()
    for kind in ("csv", "parquet"):
        path = f"/admin/reconciliation/run/{run.pk}/findings.{kind}"
        assert client.get(path).status_code == 403
    assert client.get("/api/v1/reconciliations/").status_code == 200
    assert client.get(f"/api/v1/findings/?run={run.pk}").status_code == 403


def test_the_api_gives_runs_and_findings(admin_client, run):
    (one,) = admin_client.get("/api/v1/reconciliations/?campaign=spring").json()["results"]
    assert (one["outcome"], one["counts"]) == ("findings", {"ghost": 1, "amount_diff": 1})
    assert "folder" not in one
    address = f"/api/v1/findings/?run={run.pk}&kind=ghost"
    (finding,) = admin_client.get(address).json()["results"]
    assert (finding["what"], finding["repair"]["outcome"]) == ("order", "failed")


def test_every_rule_has_its_sentence():
    assert {(one.kind.value, one.what) for one in RULES} == WORDS.keys()


def test_every_action_has_its_words_and_no_words_are_left_over():
    assert {one.repair for one in RULES if one.repair} == ACTIONS.keys()
    said = Path(repairs.__file__).read_text()
    assert [text for text in REPAIRS if f'"{text}"' not in said] == []
