"""What each finding means, in a sentence for whoever has to do something about it."""

import re

from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from control_plane.orders.models import RejectionReason
from control_plane.reconciliation.models import Finding, Repair

WORDS: dict[tuple[str, str], Promise] = {
    ("missing_in_kafka", "relayed"): _("the relay handed it over, and Kafka has it no more"),
    ("missing_in_kafka", "winner"): _("its shard counts it, and no outbox has it"),
    ("missing_in_pg", "undecided"): _("consumed, and neither order nor rejection"),
    ("missing_in_pg", "confirm"): _("an order without its CONFIRM"),
    ("missing_in_pg", "return"): _("an ended order without its RETURN"),
    ("missing_in_pg", "deduct"): _("the warehouse never deducted it"),
    ("missing_in_pg", "restore"): _("the warehouse never restored it"),
    ("ghost", "order"): _("an order that nobody reserved"),
    ("ghost", "rejection"): _("a rejection of what nobody reserved"),
    ("ghost", "ledger"): _("a ledger entry of no order"),
    ("ghost", "stock"): _("a warehouse entry of no order"),
    ("ghost", "return"): _("a RETURN of an order that counts"),
    ("ghost", "restore"): _("back on the shelf, and sold"),
    ("ghost", "grant"): _("a shard has units that nobody gave it"),
    ("ghost", "reclaim"): _("a shard gave units that nobody asked for"),
    ("late", "order"): _("confirmed after its epoch was closed, with a unit of the pool"),
    ("late", "rejection"): _("told it was reserved, and refused after its epoch was closed"),
    ("late", "unpaid"): _("unpaid beyond its time"),
    ("duplicate", "order and rejection"): _("an order and a rejection"),
    ("duplicate", "orders"): _("several orders of one reservation"),
    ("duplicate", "ledger"): _("several entries of one kind in the ledger"),
    ("duplicate", "stock"): _("several entries of one kind in the warehouse"),
    ("over_limit", "shopper"): _("holds more units than the item's limit"),
    ("amount_diff", "price"): _("the order's money is not its units at the item's price"),
    ("amount_diff", "currency"): _("not the item's currency"),
    ("amount_diff", "message"): _("Kafka says another quantity than the order"),
    ("amount_diff", "winner"): _("its shard says another quantity than the order"),
    ("amount_diff", "ledger"): _("the ledger says another quantity than the order"),
    ("amount_diff", "stock"): _("the warehouse says another quantity than the order"),
    ("amount_diff", "payment"): _("the payment asks for other money than the order"),
    ("amount_diff", "grant"): _("the shard got another number of units than it was given"),
    ("amount_diff", "reclaim"): _("another number of units came back than the shard gave"),
    ("stuck_grant", "waiting"): _("units on their way to a shard that has not taken them"),
    ("stuck_grant", "not in the shard"): _("the shard does not know units it is said to have"),
    ("stuck_reclaim", "waiting"): _("asked back from a shard, and not heard of since"),
    ("stuck_dlq", "exception"): _("every attempt is over"),
    ("stuck_dlq", "overdue"): _("its next attempt was not made"),
    ("lost_on_failover", "winner"): _(
        "counted by a shard whose old epoch is gone, and nowhere else"
    ),
    ("lost_on_failover", "earlier"): _("an earlier run has seen it, and now it is nowhere"),
}

# The actions of `rules`, which cannot be imported here: it needs ibis (a test compares).
ACTIONS: dict[str, Promise] = {
    "relay": _("send to Kafka again"),
    "tell": _("announce again"),
    "expire": _("expire the order"),
    "grant": _("give to its shard again"),
    "reclaim": _("ask its shard again"),
}
# What `workers/reconcile/repairs.py` says of a repair, beside the messages of errors.
REPAIRS: dict[str, Promise] = {
    "paid or ended meanwhile": _("paid or ended meanwhile"),
    "the courier has sent it before; somebody must look at order-events": _(
        "the courier has sent it before; somebody must look at order-events"
    ),
    "another reservation stands there": _("another reservation stands there"),
    "its epoch is unknown": _("its epoch is unknown"),
}
_REJECTED = "rejected: "
_UNITS = re.compile(r"(\d+) units")


def words(finding: Finding) -> str | Promise:
    """For a page; a rule that is no more is named as it was."""
    return WORDS.get((finding.kind, finding.what), finding.what)


def repair_words(repair: Repair) -> str | Promise:
    """What was done, and what became of it; an error in its own words."""
    text = repair.text
    said: str | Promise = REPAIRS.get(text, text)
    if (count := _UNITS.fullmatch(text)) is not None:
        said = format_lazy(_("{count} units"), count=count[1])
    if text.startswith(_REJECTED):
        reason = text.removeprefix(_REJECTED)
        label = dict(RejectionReason.choices).get(reason, reason)
        said = format_lazy(_("rejected: {reason}"), reason=label)
    action = ACTIONS.get(repair.action, repair.action)
    return format_lazy("{} · {}", action, said) if text else action
