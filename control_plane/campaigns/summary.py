"""What a campaign will do, in sentences, for those who submit it and those who approve it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.utils.timesince import timeuntil
from django.utils.translation import gettext as _

from control_plane.campaigns.clashes import clashes
from control_plane.campaigns.errors import clash_in_words
from control_plane.campaigns.local_time import to_wall
from control_plane.campaigns.models import (
    REGULAR,
    Campaign,
    CampaignState,
    Item,
    QueueBucket,
    QueueMode,
)
from control_plane.pages.render import price

UTC = "UTC"


class Line(NamedTuple):
    """`about` in a word or two, and what will happen."""

    about: str
    words: str


def summary(campaign: Campaign, now: datetime) -> list[Line]:
    """What will happen, in the order in which it does. Reads only."""
    items = list(campaign.items.order_by("pk"))
    return [
        Line(_("Opens"), _opens(campaign, now)),
        Line(_("Ends"), _ends(campaign)),
        *(Line(item.sku, _sells(item)) for item in items),
        *_queue(campaign, items),
        Line(_("Human check"), _check(campaign)),
        Line(_("Payment"), _pays(campaign)),
        Line(_("In all"), _in_all(items)),
    ]


def hints(campaign: Campaign, now: datetime) -> list[str]:
    """What is allowed and perhaps not meant."""
    items = list(campaign.items.order_by("pk"))
    queued = [item for item in items if item.queue_mode != QueueMode.OFF]
    found = []
    lobby = campaign.starts_at - timedelta(minutes=campaign.lobby_minutes)
    if any(item.queue_mode == QueueMode.DRAW for item in items) and lobby < now:
        found.append(_("The lobby of the draw should be open already: it opens at the approval."))
    if not queued and campaign.buckets.exists():
        found.append(_("There are buckets, but no item has a queue: they do nothing."))
    if not hasattr(campaign, "page"):
        found.append(_("Its page has no words or pictures of its own yet."))
    elsewhere = clashes(
        campaign.merchant_id,
        [item.sku for item in items],
        campaign.starts_at,
        campaign.ends_at,
        besides=campaign.pk,
        states=[CampaignState.DRAFT],
    )
    found += [_("Another draft: %s") % clash_in_words(clash) for clash in elsewhere]
    return found


def shares(buckets: list[QueueBucket]) -> list[tuple[str, str]]:
    """Of each bucket the part of those who are let in, while all have demand."""
    total = sum(bucket.weight for bucket in buckets) or 1
    return [(bucket.name, f"{100 * bucket.weight / total:.3g} %") for bucket in buckets]


def when(moment: datetime, zone: str) -> str:
    """By the clocks of the zone, and in UTC where that is another time."""
    wall = f"{to_wall(moment, zone):%Y-%m-%d %H:%M:%S} {zone}"
    is_same = to_wall(moment, zone) == to_wall(moment, UTC)
    return wall if is_same else f"{wall} ({to_wall(moment, UTC):%Y-%m-%d %H:%M:%S} UTC)"


def _opens(campaign: Campaign, now: datetime) -> str:
    moment = when(campaign.starts_at, campaign.time_zone)
    if campaign.starts_at <= now:
        return moment
    return _("%(moment)s, in %(time)s") % {
        "moment": moment,
        "time": timeuntil(campaign.starts_at, now),
    }


def _ends(campaign: Campaign) -> str:
    return _("%(moment)s, after %(time)s") % {
        "moment": when(campaign.ends_at, campaign.time_zone),
        "time": timeuntil(campaign.ends_at, campaign.starts_at) or "0",
    }


def _sells(item: Item) -> str:
    return _("%(title)s: %(units)s units at %(price)s, at most %(limit)s for each shopper") % {
        "title": item.title,
        "units": f"{item.units:,}",
        "price": price(item.price_minor, item.currency),
        "limit": item.limit_per_shopper,
    }


def _queue(campaign: Campaign, items: list[Item]) -> Iterator[Line]:
    by_mode = {
        mode: ", ".join(item.sku for item in items if item.queue_mode == mode)
        for mode in QueueMode.values
    }
    if by_mode[QueueMode.OFF]:
        words = _("%s: none; whoever is first buys") % by_mode[QueueMode.OFF]
        yield Line(_("Queue"), words)
    if by_mode[QueueMode.FIFO]:
        words = _("%s: first come, first served") % by_mode[QueueMode.FIFO]
        yield Line(_("Queue"), words)
    if by_mode[QueueMode.DRAW]:
        lobby = campaign.starts_at - timedelta(minutes=campaign.lobby_minutes)
        words = _(
            "%(skus)s: a draw among those who join the lobby from %(lobby)s on; who comes later "
            "stands behind them"
        )
        said = {"skus": by_mode[QueueMode.DRAW], "lobby": when(lobby, campaign.time_zone)}
        yield Line(_("Queue"), words % said)
    if by_mode[QueueMode.FIFO] or by_mode[QueueMode.DRAW]:
        words = _(
            "%(k)s shoppers are let in for each unit that is left; who does not come within "
            "%(grace)s s loses the place"
        )
        yield Line(_("Counter"), words % {"k": campaign.queue_k, "grace": campaign.queue_grace_s})
        buckets = shares(list(campaign.buckets.order_by("place", "pk")))
        parts = [f"{name} {share}" for name, share in buckets] or [f"{REGULAR} 100 %"]
        yield Line(_("Let in"), " · ".join(parts))


def _check(campaign: Campaign) -> str:
    if campaign.human_check:
        return _("Shoppers prove that they are people before they buy")
    return _("None: programs can buy as well as people")


def _pays(campaign: Campaign) -> str:
    within = _("Within %s min; after that the units go back on sale")
    again = (
        _("and the shopper may buy again")
        if campaign.buys_again
        else _("and it goes on counting against the shopper's limit")
    )
    said = {"within": within % campaign.pay_minutes, "again": again}
    return _("%(within)s, %(again)s") % said


def _in_all(items: list[Item]) -> str:
    worth: dict[str, int] = {}
    for item in items:
        worth[item.currency] = worth.get(item.currency, 0) + item.units * item.price_minor
    money = " + ".join(price(amount, currency) for currency, amount in worth.items())
    shards = settings.ENV.shards_per_item
    words = (
        _("%(units)s units worth %(money)s, each item in one shard")
        if shards == 1
        else _("%(units)s units worth %(money)s, each item over up to %(shards)s shards")
    )
    units = f"{sum(item.units for item in items):,}"
    return words % {"units": units, "money": money or "0", "shards": shards}
