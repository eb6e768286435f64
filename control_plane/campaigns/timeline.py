"""Everything that happened to a campaign, in the order of time and in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.utils.translation import gettext as _

from control_plane.campaigns import timeline_stock
from control_plane.campaigns.local_time import to_wall
from control_plane.campaigns.models import Campaign, StepKind
from control_plane.queues.models import Draw
from control_plane.reconciliation.models import Reconciliation
from control_plane.snapshot.models import Snapshot
from control_plane.switches.models import SwitchThrow

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# Of one kind; a campaign with more of them has a page of their own in the admin.
SHOWN_MAX = 200


@dataclass(frozen=True)
class Entry:
    """`kind` is for the eye: people, clock, switch, units, shard, alarm or books."""

    at: datetime
    kind: str
    words: str
    why: str = ""
    who: str = ""


def timeline(campaign: Campaign) -> list[Entry]:
    """Oldest first. Reads only; a fixed number of queries."""
    found = [
        *_steps(campaign),
        *_published(campaign),
        *_marks(campaign),
        *_draws(campaign),
        *_switches(campaign),
        *(Entry(*one) for one in timeline_stock.entries(campaign, SHOWN_MAX)),
        *_books(campaign),
    ]
    return sorted(found, key=lambda entry: entry.at)


def _steps(campaign: Campaign) -> Iterator[Entry]:
    steps = list(campaign.steps.select_related("by").order_by("at", "pk"))
    for step in steps:
        kind = "clock" if step.kind in (StepKind.OPENED, StepKind.ENDED) else "people"
        who = _("the clock") if kind == "clock" else _who(step.by)
        words = _step_in_words(step.kind, step.details, campaign)
        yield Entry(step.at, kind, words, step.comment, who)
    # Campaigns of before steps were written down.
    kinds = {step.kind for step in steps}
    if not kinds & {StepKind.CREATED, StepKind.CLONED}:
        yield Entry(campaign.created_at, "people", _("Created"))
    if campaign.approved_at and StepKind.APPROVED not in kinds:
        words = _("Approved and published")
        yield Entry(campaign.approved_at, "people", words, who=_who(campaign.approved_by))
    if campaign.ended_at and not kinds & {StepKind.ENDED, StepKind.ENDED_EARLY}:
        yield Entry(campaign.ended_at, "clock", _("Ended"))


def _step_in_words(kind: str, details: dict[str, Any], campaign: Campaign) -> str:
    if kind == StepKind.CLONED:
        return _("Created as a copy of “%(source_slug)s”") % details
    if kind == StepKind.IMPORTED:
        return _("Items imported: %(new)s new, %(update)s changed") % details
    if kind == StepKind.EDITED:
        fields = ", ".join(details.get("fields", []))
        return _("Edited: %s") % fields if fields else _("Edited")
    if kind == StepKind.EXTENDED:
        ends = {name: _wall(details[name], campaign.time_zone) for name in ("before", "after")}
        return _("End moved from %(before)s to %(after)s") % ends
    if kind == StepKind.RESUMED and details.get("sku"):
        return _("%(sku)s resumed") % details
    return {
        StepKind.CREATED: _("Created"),
        StepKind.SUBMITTED: _("Submitted for approval"),
        StepKind.RETURNED: _("Returned to its makers"),
        StepKind.APPROVED: _("Approved and published"),
        StepKind.OPENED: _("The sale opened"),
        StepKind.NEW_ADDRESSES: _("New buy addresses"),
        StepKind.RESUMED: _("Resumed"),
        StepKind.ENDED_EARLY: _("Ended early"),
        StepKind.ENDED: _("The sale ended"),
    }[StepKind(kind)]


def _published(campaign: Campaign) -> Iterator[Entry]:
    reason = f"campaign {campaign.slug} approved"
    for version, at in Snapshot.objects.filter(reason=reason).values_list("version", "created_at"):
        words = _("Published to edge and gateways as version %s") % version
        yield Entry(at, "clock", words)


def _marks(campaign: Campaign) -> Iterator[Entry]:
    if campaign.warmed_at:
        yield Entry(campaign.warmed_at, "clock", _("Every shard is armed and filled"))
    if campaign.settled_at:
        yield Entry(campaign.settled_at, "books", _("Settled: %s") % _totals(campaign))


def _totals(campaign: Campaign) -> str:
    items = campaign.items.filter(settlement__isnull=False).select_related("settlement")
    return "; ".join(
        _("%(sku)s: %(sold)s of %(units)s units sold, %(paid)s orders paid")
        % {
            "sku": item.sku,
            "sold": item.settlement.sold,
            "units": item.settlement.units,
            "paid": item.settlement.orders_paid,
        }
        for item in items.order_by("pk")
    )


def _draws(campaign: Campaign) -> Iterator[Entry]:
    draws = Draw.objects.filter(item__campaign=campaign, revealed_at__isnull=False)
    for draw in draws.select_related("item"):
        words = _("%(sku)s: lobby closed, the draw was made and its seed published")
        assert draw.revealed_at is not None
        yield Entry(draw.revealed_at, "clock", words % {"sku": draw.item.sku})


def _switches(campaign: Campaign) -> Iterator[Entry]:
    ours = Q(campaign=campaign) | Q(item__campaign=campaign)
    throws = SwitchThrow.objects.filter(ours).select_related(
        "by", "campaign", "item__campaign", "reverted__by"
    )
    for throw in throws.order_by("-pk")[:SHOWN_MAX]:
        switch = f"{throw.get_name_display()}: {throw.shown_value} ({throw.where})"
        words = _("Switch thrown · %s") % switch
        yield Entry(throw.created_at, "switch", words, throw.reason, _who(throw.by))
        reverted = getattr(throw, "reverted", None)
        if reverted is not None:
            who = _("the clock") if reverted.by_clock else _who(reverted.by)
            yield Entry(reverted.at, "switch", _("Switch reverted · %s") % switch, who=who)


def _books(campaign: Campaign) -> Iterator[Entry]:
    newest = Reconciliation.objects.filter(item__campaign=campaign).select_related("item")
    for one in newest.order_by("-pk")[:SHOWN_MAX]:
        if one.balanced:
            yield Entry(one.at, "books", _("Reconciled: all books of %s agree") % one.item.sku)
        else:
            words = _("Reconciliation: the books of %(sku)s differ in %(differences)s")
            said = {"sku": one.item.sku, "differences": ", ".join(sorted(one.differences))}
            yield Entry(one.at, "alarm", words % said)


def _wall(moment: str, zone: str) -> str:
    return f"{to_wall(datetime.fromisoformat(moment), zone):%Y-%m-%d %H:%M:%S}"


def _who(user: "User | None") -> str:
    return str(user or _("the command line"))
