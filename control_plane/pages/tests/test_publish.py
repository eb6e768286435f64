"""Publishing: what is written when, in which order, and what is left after a crash."""

import json
import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from django.core.management import call_command

from control_plane.campaigns import services as campaigns
from control_plane.campaigns.models import Campaign
from control_plane.inventory import services as inventory
from control_plane.pages import services
from control_plane.pages.facts import ENDED_KEPT_FOR
from control_plane.pages.pictures import draw, name_of
from control_plane.pages.storage import GRACE, INDEX, PublishedDirectory
from control_plane.pages.tasks import publish_pages
from control_plane.pages.tests.conftest import upload, write

pytestmark = pytest.mark.django_db


def _files(published):
    return {path.name: path.read_bytes() for path in published.iterdir()}


def test_a_draft_is_nobodys_business(draft, now, index):
    assert services.publish(now).campaigns == 0
    assert index() == {}


def test_an_approved_campaign_is_published_with_every_file_it_names(
    approved, now, index, published
):
    services.publish(now)
    entry = index()["spring"]
    assert sorted(_files(published)) == sorted([INDEX, *entry["files"]])
    assert set(entry["pages"]) == {"en", "zh"}
    said = json.loads((published / entry["json"]).read_bytes())
    assert (said["slug"], said["ended"], said["items"][0]["units"]) == ("spring", False, 10)


def test_a_file_is_named_by_its_content(approved, now, published):
    write(approved, draw(upload(), 1))
    services.publish(now)
    for name, body in _files(published).items():
        if name != INDEX:
            assert name == name_of(body, name.partition(".")[2])


def test_publishing_again_changes_nothing(approved, now, published):
    services.publish(now)
    before = {path: path.stat().st_mtime_ns for path in published.iterdir()}
    done = services.publish(now)
    assert (done.rendered, done.changed) == (0, False)
    assert before == {path: path.stat().st_mtime_ns for path in published.iterdir()}


@pytest.mark.parametrize(
    "change",
    [
        lambda campaign, now: write(campaign, title_zh="春天"),
        lambda campaign, now: write(campaign, draw(upload(), 1)),
        lambda campaign, now: campaigns.end_now(campaign, None, now),
        lambda campaign, now: inventory.top_up(campaign.items.get().pk, 5, by=None, reason="more"),
    ],
    ids=["words", "picture", "end", "units"],
)
def test_what_changed_is_published_again(approved, now, index, change):
    services.publish(now)
    before = index()["spring"]
    change(approved, now)
    done = services.publish(now)
    assert (done.rendered, done.changed) == (1, True)
    assert index()["spring"]["pages"] != before["pages"]


def test_new_buy_addresses_are_no_change_of_the_page(approved, now, index):
    services.publish(now)
    campaigns.rotate_path_keys(approved, None, now)
    assert services.publish(now).changed is False


def test_only_the_campaign_that_changed_is_rendered(approved, now, merchant):
    second = campaigns.create_draft(
        merchant,
        slug="summer",
        title="Summer",
        starts_at=now + timedelta(hours=1),
        ends_at=now + timedelta(hours=2),
        items=[{"sku": "ICE", "title": "Ice", "units": 1, "price_minor": 1}],
    )
    campaigns.approve(second, None, now)
    assert services.publish(now).rendered == 2
    write(second, title_en="High summer")
    assert services.publish(now).rendered == 1


def test_the_page_says_that_the_sale_ended_and_goes_after_a_month(approved, now, index, published):
    campaigns.end_now(approved, None, now)
    services.publish(now)
    page = (published / index()["spring"]["pages"]["en"]).read_text()
    assert "This sale has ended." in page
    assert "<flash-sale" not in page
    services.publish(now + ENDED_KEPT_FOR)
    assert index() == {}


def test_a_file_that_was_lost_is_written_again(approved, now, index, published):
    services.publish(now)
    lost = published / index()["spring"]["pages"]["zh"]
    lost.unlink()
    assert services.publish(now).rendered == 1
    assert lost.is_file()


def test_an_index_that_cannot_be_read_is_written_anew(approved, now, index, published):
    services.publish(now)
    good = index()
    (published / INDEX).write_text("{")
    services.publish(now)
    assert index() == good


def test_old_files_are_kept_for_a_day_and_then_removed(approved, now, index, published):
    services.publish(now)
    old = index()["spring"]["pages"]["en"]
    week_ago = (now - timedelta(days=7)).timestamp()
    os.utime(published / old, (week_ago, week_ago))
    (published / f".{'0' * 16}.new").touch()
    write(approved, title_en="Another")
    services.publish(now)
    # A week old, but named until just now.
    assert (published / old).is_file()
    left = (published / old).stat().st_mtime
    later = now.fromtimestamp(left, now.tzinfo) + GRACE + timedelta(seconds=1)
    services.publish(later)
    assert not (published / old).exists()
    assert sorted(path.name for path in published.iterdir()) == sorted(
        [INDEX, *index()["spring"]["files"]]
    )


def test_nobody_elses_file_is_swept(now, published):
    published.mkdir()
    strange = published / "robots.txt"
    strange.touch()
    os.utime(strange, (0, 0))
    services.publish(now)
    assert strange.exists()


def test_no_other_name_is_written(published):
    for name in ("../x.html", "x.html", INDEX, f"{'a' * 32}.js"):
        with pytest.raises(ValueError, match="is not the name"):
            PublishedDirectory(published).write(name, b"")


def test_the_command_does_it_anew(approved, now, capsys):
    call_command("publish_pages")
    call_command("publish_pages", anew=True)
    assert [line.split(",")[1] for line in capsys.readouterr().out.splitlines()] == [
        " 1 of them rendered",
        " 1 of them rendered",
    ]


KILLED = """
import os, signal, sys
from pathlib import Path
from control_plane.pages.storage import INDEX, PublishedDirectory

replace = Path.replace
def dies_before_the_index(self, target):
    if Path(target).name == INDEX:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)
Path.replace = dies_before_the_index
directory = PublishedDirectory(Path(sys.argv[1]))
directory.write("f" * 32 + ".html", b"new page")
directory.write_index({"spring": {"files": ["f" * 32 + ".html"]}})
"""


def test_a_crash_before_the_index_leaves_the_old_one_whole(approved, now, index, published):
    services.publish(now)
    before = index()
    dead = subprocess.run([sys.executable, "-c", KILLED, str(published)], check=False)
    assert dead.returncode == -signal.SIGKILL
    assert (published / f"{'f' * 32}.html").is_file()
    assert index() == before
    assert PublishedDirectory(published).has(before["spring"]["files"])
    # The next run publishes, as if nothing had been.
    write(approved, title_en="Another")
    assert services.publish(now).changed


def test_the_index_is_replaced_last(approved, now, published, monkeypatch):
    order = []
    written = PublishedDirectory._write

    def noted(self, name, body):
        order.append(name)
        written(self, name, body)

    monkeypatch.setattr(PublishedDirectory, "_write", noted)
    services.publish(now)
    assert len(order) == 4
    assert order[-1] == INDEX


@pytest.mark.django_db(transaction=True)
def test_of_two_who_publish_at_once_one_does(approved, now, at_once):
    done = at_once([lambda: services.publish(now)] * 2)
    published = [one for one in done if isinstance(one, services.Published)]
    others = [one for one in done if isinstance(one, services.Elsewhere)]
    assert len(published) + len(others) == 2
    assert sum(one.rendered for one in published) == 1


def test_the_clocks_task_publishes(approved, index):
    publish_pages()
    assert list(index()) == ["spring"]
    assert Campaign.objects.count() == 1
