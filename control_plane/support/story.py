"""What is known of one reservation, told in the order of time, and what is not known."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.utils.translation import gettext as _

from control_plane.campaigns.models import Campaign, Item
from control_plane.orders.models import (
    DatabaseIntent,
    FollowedReservation,
    HoldRelease,
    LedgerEntry,
    LedgerKind,
    Order,
    OrderEvent,
    Rejection,
    StockAnswer,
)
from control_plane.support import consequences
from control_plane.support.telling import GOOD, WAITING, WRONG, Event, admin_link

User = AbstractBaseUser | AnonymousUser


@dataclass
class Story:
    """The events in order of time, the facts about all of them, and what nobody knows."""

    reservation_id: str
    events: list[Event] = field(default_factory=list)
    facts: list[tuple[str, str, str]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    order: Order | None = None
    shopper: str = ""
    reserved_at: datetime | None = None
    followed: FollowedReservation | None = None


def tell(reservation_id: str, user: User) -> Story | None:
    """The story; None where nothing is known of it. Links only where this person may go."""
    order = Order.objects.filter(reservation_id=reservation_id).select_related("item").first()
    rejection = Rejection.objects.filter(pk=reservation_id).first()
    intent = DatabaseIntent.objects.filter(reservation_id=reservation_id).first()
    followed = FollowedReservation.objects.filter(pk=reservation_id).first()
    letters = list(consequences.letters(reservation_id, user))
    about = order or rejection or intent
    if about is None and not letters and followed is None:
        return None
    item, shard = (int(part) for part in reservation_id.split("-")[:2])
    story = Story(reservation_id, order=order, followed=followed)
    story.shopper = about.shopper if about is not None else consequences.shopper_of(reservation_id)
    story.reserved_at = order.reserved_at if order else intent.created_at if intent else None
    known: list[Iterable[Event]] = [
        _reserved(order, intent, shard, user),
        _kafka(followed),
        letters,
        _rejected(rejection, user),
        _released(reservation_id),
        consequences.webhooks(reservation_id, user),
    ]
    if order is not None:
        known += [_ordered(order, user), consequences.money(order, user), _ended(order)]
    story.events = sorted(chain.from_iterable(known), key=lambda one: one.at)
    story.facts = list(_facts(story, item, shard, about, user))
    story.unknown = list(_unknown(story, item))
    return story


def _facts(
    story: Story, item: int, shard: int, about: object, user: User
) -> Iterator[tuple[str, str, str]]:
    """Name, value, link."""
    known = Item.objects.filter(pk=item).select_related("campaign").first()
    yield _("shopper"), story.shopper or _("not known"), ""
    yield _("item"), known.title if known else str(item), admin_link(user, known)
    campaign: Campaign | None = known.campaign if known else None
    if campaign is not None:
        yield _("campaign"), campaign.title, admin_link(user, campaign)
    if story.order is not None:
        yield _("order"), story.order.number, admin_link(user, story.order)
    epoch = getattr(about, "epoch", None)
    yield (
        _("shard"),
        f"{shard}"
        if epoch is None
        else _("%(shard)s, epoch %(epoch)s")
        % {
            "shard": shard,
            "epoch": epoch,
        },
        "",
    )
    if story.followed is not None:
        yield _("trace"), story.followed.trace_id, ""


def _unknown(story: Story, item: int) -> Iterator[str]:
    yield _(
        "Entry token and queue ticket: signed, carried by the shopper, kept by nobody. How long he"
        " waited in line is not known."
    )
    if story.followed is None:
        yield _(
            "The click and its way through edge and gateway: this purchase was not followed (switch"
            " “Tracing”). The gateway's log has its line under this reservation."
        )
        yield _("The place of its message in Kafka: nobody keeps it. It can be looked up there.")
    if story.order is None and not any(one.tone == WRONG for one in story.events):
        yield _(
            "Whether it will be confirmed: PostgreSQL has decided nothing yet. The shard and the"
            " outbox know more."
        )


def _reserved(
    order: Order | None, intent: DatabaseIntent | None, shard: int, user: User
) -> Iterator[Event]:
    if intent is not None:
        yield Event(
            intent.created_at,
            "database",
            _("reserved in PostgreSQL"),
            _("PostgreSQL itself was the stock source. Quantity %d.") % intent.qty,
        )
        if intent.relayed_at is not None:
            yield Event(intent.relayed_at, "forward", _("sent to Kafka"), f"database-{intent.pk}")
    elif order is not None and order.replaces_id is None:
        yield Event(
            order.reserved_at,
            "touch_app",
            _("reserved"),
            _("The gateway had taken %(qty)d in shard %(shard)d, epoch %(epoch)d.")
            % {"qty": order.qty, "shard": shard, "epoch": order.epoch},
        )


def _kafka(followed: FollowedReservation | None) -> Iterator[Event]:
    if followed is not None:
        yield Event(
            followed.noted_at,
            "forward",
            _("read from Kafka"),
            _(
                "Topic %(topic)s, partition %(partition)d, offset %(offset)d;"
                " outbox entry %(outbox)s."
            )
            % {
                "topic": followed.topic,
                "partition": followed.partition,
                "offset": followed.offset,
                "outbox": followed.outbox,
            },
        )


def _rejected(rejection: Rejection | None, user: User) -> Iterator[Event]:
    if rejection is not None:
        yield Event(
            rejection.created_at,
            "block",
            _("rejected"),
            _("It was reserved and did not become an order: %s.") % rejection.get_reason_display(),
            admin_link(user, rejection),
            WRONG,
        )


def _ordered(order: Order, user: User) -> Iterator[Event]:
    replaces = order.replaces
    text = _("Order %(number)s over %(amount)s; to be paid by %(until)s.") % {
        "number": order.number,
        "amount": consequences.amount(order.amount_minor, order.currency),
        "until": f"{order.pay_by:%Y-%m-%d %H:%M:%S}",
    }
    if replaces is not None:
        text += " " + _("Made of late money for %s, which had expired.") % replaces.number
    yield Event(
        order.created_at, "shopping_bag", _("confirmed"), text, admin_link(user, order), GOOD
    )
    for entry in LedgerEntry.objects.filter(order_id=order.pk):
        if entry.kind == LedgerKind.RETURN:
            yield Event(
                entry.created_at,
                "assignment_return",
                _("units returned"),
                _("%d went back to the pool and can be sold again.") % entry.qty,
            )
    for successor in order.successors.all():
        yield Event(
            successor.created_at,
            "shopping_bag",
            _("ordered again"),
            _("Late money bought %s.") % successor.number,
            admin_link(user, successor),
            GOOD,
        )


def _ended(order: Order) -> Iterator[Event]:
    """What became of the order, and what the warehouse did."""
    tones = {"order.paid": GOOD, "order.expired": WRONG, "order.cancelled": WRONG}
    for event in OrderEvent.objects.filter(order_id=order.pk):
        told = (
            _("Told the other systems at %s.") % f"{event.sent_at:%H:%M:%S}"
            if event.sent_at
            else _("The other systems have not been told yet.")
        )
        title = f"{_('order')}: {event.get_type_display()}"
        yield Event(event.created_at, "flag", title, told, "", tones.get(event.type, ""))
    for answer in StockAnswer.objects.filter(order_id=order.pk):
        title = f"{_('warehouse')}: {answer.get_kind_display()}"
        yield Event(answer.at, "warehouse", title, _("Quantity %d.") % answer.qty)


def _released(reservation_id: str) -> Iterator[Event]:
    release = HoldRelease.objects.filter(pk=reservation_id).first()
    if release is None:
        return
    if release.released_at is None:
        yield Event(
            release.created_at,
            "lock_clock",
            _("the shard is to hear of it"),
            _("Until then the shard counts it against the shopper's limit."),
            "",
            WAITING,
        )
    else:
        yield Event(
            release.released_at,
            "lock_open",
            _("the shard has heard of it"),
            _("It no longer counts against the shopper's limit."),
        )
