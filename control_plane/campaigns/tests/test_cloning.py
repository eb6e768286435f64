"""A new draft like another campaign, without anything that was the other one's alone."""

from datetime import UTC, datetime, timedelta

import pytest
from django.forms.models import model_to_dict

from control_plane.campaigns import cloning, services
from control_plane.campaigns.content import content_of
from control_plane.campaigns.models import Campaign, CampaignState, Item, StepKind
from control_plane.pages.models import CampaignPage, ItemPage, Picture, PictureFile
from control_plane.queues.models import Draw

pytestmark = pytest.mark.django_db

# What is different, and why. A field that somebody adds to a model has to be named here or copied.
NOT_COPIED = {
    Campaign: {
        "id",
        "slug",
        "starts_at",
        "ends_at",
        "state",
        "created_at",
        "submitted_at",
        "submitted_by",
        "submitted_digest",
        "approved_at",
        "approved_by",
        "ended_at",
        "ended_by",
        "warmed_at",
        "settle_after",
        "settled_at",
    },
    Item: {"id", "campaign", "path_key", "path_key_before", "path_key_rotated_at", "shards"},
}


@pytest.fixture
def source(draft, now):
    """Approved, with everything that may be copied and everything that may not."""
    draft.items.update(queue_mode="draw", limit_per_shopper=3, currency="EUR")
    for name, value in {"queue_k": 3, "queue_grace_s": 31, "lobby_minutes": 7}.items():
        setattr(draft, name, value)
    draft.human_check, draft.buys_again, draft.pay_minutes = False, False, 9
    draft.time_zone = "Europe/Berlin"
    draft.save()
    draft.buckets.create(name="vip", weight=3, place=0)
    draft.buckets.create(name="regular", weight=1, place=1)
    return services.approve(draft, None, now)


def test_all_that_is_approved_is_copied_but_dates_and_slug(source, maker, now):
    copy = cloning.clone(source, maker, now)
    changes = {"slug": "spring-2"}
    changes |= {name: getattr(copy, name).timestamp() for name in ("starts_at", "ends_at")}
    assert content_of(copy) == content_of(source) | changes
    assert copy.steps.get().kind == StepKind.CLONED
    assert (copy.steps.get().by, copy.steps.get().details["source"]) == (maker, source.pk)


def test_it_is_a_draft_without_keys_shards_seeds_or_a_past(source, maker, now):
    services.rotate_path_keys(source, None, now)
    copy = cloning.clone(source, maker, now)
    item = copy.items.get()
    assert (copy.state, copy.approved_at, copy.approved_by) == (CampaignState.DRAFT, None, None)
    assert (item.path_key, item.path_key_before, item.path_key_rotated_at) == ("", "", None)
    assert not hasattr(item, "pool")
    assert Draw.objects.filter(item=source.items.get()).exists()
    assert not Draw.objects.filter(item=item).exists()


@pytest.mark.parametrize("model", [Campaign, Item])
def test_every_field_is_copied_or_named_here(source, maker, now, model):
    copy = cloning.clone(source, maker, now)
    pair = (source, copy) if model is Campaign else (source.items.get(), copy.items.get())
    fields = {field.name for field in model._meta.concrete_fields} - NOT_COPIED[model]
    old, new = ({name: getattr(one, name) for name in fields} for one in pair)
    assert new == old


def _draw(picture):
    PictureFile.objects.create(picture=picture, name="a.webp", width=1, height=1, body=b"webp")
    return picture


def test_words_and_pictures_are_copied_and_each_has_its_own(source, maker, now):
    item = source.items.get()
    words = {"title_en": "Sale", "title_zh": "特卖", "text_en": "Tea", "alt_zh": "茶"}
    page = CampaignPage.objects.create(
        campaign=source,
        picture=_draw(Picture.objects.create()),
        pay_href="https://shop.example/pay/{order}",
        shop_href="https://shop.example/",
        **words,
    )
    ItemPage.objects.create(item=item, title_zh="绿茶", picture=_draw(Picture.objects.create()))
    copy = cloning.clone(source, maker, now)
    skip = ["campaign", "item", "picture"]
    assert model_to_dict(copy.page, exclude=skip) == model_to_dict(page, exclude=skip)
    part = copy.items.get().page
    assert part.title_zh == "绿茶"
    assert len({page.picture_id, copy.page.picture_id, item.page.picture_id, part.picture_id}) == 4
    assert part.picture is not None
    assert bytes(part.picture.files.get().body) == b"webp"


@pytest.mark.parametrize(
    ("later", "weeks"),
    [(timedelta(0), 1), (timedelta(days=6), 1), (timedelta(days=7), 2), (timedelta(days=30), 5)],
)
def test_the_same_weekday_in_the_first_week_ahead_is_proposed(source, later, weeks):
    starts_at, ends_at = cloning.proposed_times(source, source.starts_at + later)
    assert starts_at == source.starts_at + timedelta(weeks=weeks)
    assert ends_at - starts_at == source.ends_at - source.starts_at


def test_the_wall_shows_the_same_time_after_the_clocks_were_changed(source):
    source.starts_at = datetime(2026, 10, 23, 18, 0, tzinfo=UTC)
    source.ends_at = source.starts_at + timedelta(hours=1)
    starts_at, _ends_at = cloning.proposed_times(source, source.starts_at)
    assert starts_at == datetime(2026, 10, 30, 19, 0, tzinfo=UTC)


def test_each_copy_has_a_slug_of_its_own(source, maker, now):
    first = cloning.clone(source, maker, now)
    second = cloning.clone(first, maker, now)
    third = cloning.clone(source, maker, now)
    assert [one.slug for one in (first, second, third)] == ["spring-2", "spring-3", "spring-4"]


def test_a_long_slug_stays_within_its_column(draft, maker, now):
    Campaign.objects.filter(pk=draft.pk).update(slug="s" * 50)
    draft.refresh_from_db()
    assert cloning.clone(draft, maker, now).slug == "s" * 48 + "-2"
