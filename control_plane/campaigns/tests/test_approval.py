"""Maker and checker: submitted by one, approved or returned by another who sees what it is."""

from dataclasses import replace
from datetime import timedelta

import pytest

from control_plane.campaigns import services
from control_plane.campaigns.content import digest_of
from control_plane.campaigns.models import Campaign, CampaignState, CampaignStep, Item, StepKind

pytestmark = pytest.mark.django_db


@pytest.fixture
def submitted(draft, maker, now):
    return services.submit(draft, maker, now, "please")


def _kinds(campaign):
    return list(campaign.steps.order_by("pk").values_list("kind", flat=True))


def test_one_submits_and_another_approves(submitted, maker, checker, now):
    assert (submitted.state, submitted.submitted_by) == (CampaignState.DRAFT, maker)
    approved = services.approve(submitted, checker, now, seen=digest_of(submitted), comment="ok")
    assert (approved.state, approved.approved_by) == (CampaignState.APPROVED, checker)
    assert _kinds(approved) == ["created", "submitted", "approved"]
    step = approved.steps.get(kind=StepKind.APPROVED)
    assert (step.by, step.comment, step.details["digest"]) == (checker, "ok", digest_of(approved))


def test_who_submitted_it_does_not_approve_it(submitted, maker, now):
    with pytest.raises(services.SamePerson):
        services.approve(submitted, maker, now)
    submitted.refresh_from_db()
    assert (submitted.state, submitted.approved_by) == (CampaignState.DRAFT, None)


@pytest.mark.parametrize("kind", ["created", "cloned", "edited", "imported", "submitted"])
def test_who_had_a_hand_in_it_does_not_approve_it(draft, maker, checker, now, kind):
    services.note_edit(draft, checker, now, StepKind(kind))
    services.submit(draft, maker, now)
    with pytest.raises(services.SamePerson):
        services.approve(draft, checker, now)


def test_what_nobody_submitted_is_not_approved(draft, checker, now):
    with pytest.raises(services.NotSubmitted):
        services.approve(draft, checker, now)


def test_what_changed_since_it_was_submitted_is_not_approved(submitted, checker, now):
    Item.objects.filter(campaign=submitted).update(price_minor=1)
    with pytest.raises(services.ChangedSince):
        services.approve(submitted, checker, now)
    assert Campaign.objects.get().state == CampaignState.DRAFT


@pytest.mark.parametrize("second", [True, False])
def test_what_is_not_what_the_checker_saw_is_not_approved(
    submitted, checker, now, second, second_person
):
    second_person(second)
    with pytest.raises(services.ChangedSince):
        services.approve(submitted, checker, now, seen="0" * 64)


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Other"},
        {"slug": "other"},
        {"starts_at": timedelta(minutes=1)},
        {"ends_at": timedelta(minutes=1)},
        {"time_zone": "Asia/Shanghai"},
        {"queue_k": 3},
        {"queue_grace_s": 31},
        {"lobby_minutes": 11},
        {"human_check": False},
        {"pay_minutes": 14},
        {"buys_again": False},
    ],
)
def test_the_digest_is_of_every_field_of_the_campaign(draft, change):
    before = digest_of(draft)
    for name, value in change.items():
        old = getattr(draft, name)
        setattr(draft, name, old + value if isinstance(value, timedelta) else value)
    assert digest_of(draft) != before


@pytest.mark.parametrize(
    "change",
    [
        {"sku": "X"},
        {"title": "X"},
        {"units": 11},
        {"price_minor": 1},
        {"currency": "EUR"},
        {"limit_per_shopper": 2},
        {"queue_mode": "draw"},
    ],
)
def test_the_digest_is_of_every_field_of_its_items(draft, change):
    before = digest_of(draft)
    draft.items.update(**change)
    assert digest_of(draft) != before


def test_the_digest_is_of_the_buckets_and_their_order(draft):
    seen = {digest_of(draft)}
    vip = draft.buckets.create(name="vip", weight=3, place=0)
    seen.add(digest_of(draft))
    draft.buckets.create(name="regular", weight=1, place=1)
    seen.add(digest_of(draft))
    vip.place = 2
    vip.save()
    seen.add(digest_of(draft))
    assert len(seen) == 4


def test_an_edit_takes_the_submission_back(submitted, maker, checker, now):
    assert services.note_edit(submitted, maker, now, fields=["title"])
    submitted.refresh_from_db()
    assert (submitted.submitted_at, submitted.submitted_digest) == (None, "")
    with pytest.raises(services.NotSubmitted):
        services.approve(submitted, checker, now)
    assert not services.note_edit(submitted, maker, now)


def test_it_is_returned_with_a_comment_and_submitted_again(submitted, maker, checker, now):
    returned = services.return_draft(submitted, checker, now, " too cheap ")
    assert returned.submitted_at is None
    assert returned.steps.get(kind=StepKind.RETURNED).comment == "too cheap"
    services.submit(returned, maker, now)
    services.approve(returned, checker, now)
    assert _kinds(returned)[1:] == ["submitted", "returned", "submitted", "approved"]


def test_it_is_not_returned_without_a_comment(submitted, checker, now):
    with pytest.raises(services.NoComment):
        services.return_draft(submitted, checker, now, "  ")
    submitted.refresh_from_db()
    assert submitted.submitted_at == now


def test_what_is_not_submitted_is_not_returned(draft, approved, checker, now):
    with pytest.raises(services.NotSubmitted):
        services.return_draft(draft, checker, now, "no")


def test_it_is_submitted_once(submitted, maker, now):
    with pytest.raises(services.AlreadySubmitted):
        services.submit(submitted, maker, now)


def test_what_could_not_be_approved_is_not_submitted(draft, maker, now):
    with pytest.raises(services.StartInThePast):
        services.submit(draft, maker, draft.starts_at + timedelta(seconds=1))
    draft.items.all().delete()
    with pytest.raises(services.NoItems):
        services.submit(draft, maker, now)


def test_an_installation_may_do_without(draft, maker, now, second_person):
    second_person(False)
    services.note_edit(draft, maker, now)
    assert services.approve(draft, maker, now).state == CampaignState.APPROVED


def test_the_command_line_answers_to_nobody(draft, now):
    assert services.approve(draft, None, now).state == CampaignState.APPROVED
    assert CampaignStep.objects.get(kind=StepKind.APPROVED).by is None


def test_a_deleted_draft_leaves_its_steps(submitted):
    pk = submitted.pk
    submitted.delete()
    left = CampaignStep.objects.filter(campaign_id=pk).order_by("pk")
    assert list(left.values_list("slug", "kind")) == [
        ("spring", "created"),
        ("spring", "submitted"),
    ]


def test_fewer_units_than_shards_are_refused(draft, now, settings):
    settings.ENV = replace(settings.ENV, shards_per_item=11)
    with pytest.raises(services.TooFewUnits) as refused:
        services.approve(draft, None, now)
    assert str(refused.value.message).startswith("TEA has 10 units for 11 shards")
