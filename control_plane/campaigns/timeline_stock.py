"""The units' part of a campaign's timeline: what was added, sold out, and re-armed."""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Max
from django.utils.translation import gettext as _

from control_plane.campaigns.models import Campaign
from control_plane.inventory import services as inventory
from control_plane.inventory.models import ChangeKind, Pool, Rearm, RearmStage, StockChange
from control_plane.orders.models import LIVE_STATES, Order

# at, kind, words, why, who
Said = tuple[datetime, str, str, str, str]
# `end_sale` fences every epoch with it: no trouble, and one line for all shards would be noise.
AT_THE_END = "campaign ended"


def entries(campaign: Campaign, most: int) -> Iterator[Said]:
    """In no order."""
    yield from _changes(campaign, most)
    yield from _sold_out(campaign)
    yield from _rearms(campaign, most)


def _changes(campaign: Campaign, most: int) -> Iterator[Said]:
    changes = StockChange.objects.filter(item__campaign=campaign)
    for change in changes.select_related("item", "by", "cancelled_by").order_by("-pk")[:most]:
        said = {"sku": change.item.sku, "qty": change.qty, "done": change.done}
        who = str(change.by or _("the command line"))
        if change.kind == ChangeKind.TOP_UP:
            words = _("%(sku)s: %(qty)s units added") % said
        else:
            words = _("%(sku)s: %(qty)s units to be withdrawn, %(done)s of them done") % said
        yield change.created_at, "units", words, change.reason, who
        if change.cancelled_at is not None:
            words = _("%(sku)s: the rest of a withdrawal was cancelled") % said
            yield change.cancelled_at, "units", words, "", str(change.cancelled_by or "")


def _sold_out(campaign: Campaign) -> Iterator[Said]:
    """Of items of which nothing is left: the moment of the last reservation that is an order."""
    pools = inventory.with_terms(Pool.objects.filter(item__campaign=campaign))
    for pool in pools.select_related("item"):
        books = inventory.Conservation.of(pool)
        if books.total < 1 or books.live_orders < books.total:
            continue
        live = Order.objects.filter(item=pool.pk, state__in=LIVE_STATES)
        last = live.aggregate(at=Max("reserved_at"))["at"]
        words = _("%(sku)s sold out: all %(total)s units")
        yield last, "units", words % {"sku": pool.item.sku, "total": books.total}, "", ""


def _rearms(campaign: Campaign, most: int) -> Iterator[Said]:
    """Fences and failovers while it ran; at the end every shard is closed, and nobody asks."""
    rearms = Rearm.objects.filter(allocation__item__campaign=campaign).exclude(reason=AT_THE_END)
    named = rearms.select_related("allocation__item", "by", "given_up_by")
    for rearm in named.order_by("-created_at")[:most]:
        said = {
            "sku": rearm.allocation.item.sku,
            "shard": rearm.allocation.shard,
            "epoch": rearm.allocation.epoch,
        }
        words = _("%(sku)s: shard %(shard)s fenced, its epoch %(epoch)s ends") % said
        yield rearm.created_at, "shard", words, rearm.reason, str(rearm.by or _("the stock agent"))
        if rearm.given_up_at is not None:
            words = _("%(sku)s: what was left in shard %(shard)s was given up") % said
            who = str(rearm.given_up_by or _("the command line"))
            yield rearm.given_up_at, "alarm", words, rearm.given_up_reason, who
        if rearm.stage == RearmStage.CLOSED:
            words = _("%(sku)s: epoch %(epoch)s of shard %(shard)s is closed") % said
            yield rearm.stage_at, "shard", words, "", ""
