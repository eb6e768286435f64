"""The judge: what the shoppers were answered against what PostgreSQL says in the end.

Pure, so that it is tested without a stack (`test_judge.py`): a judge that is never red is no judge.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

# What PostgreSQL may say to a reservation of a state that was lost: its shopper bought again before
# the first purchase was found, or its epoch was closed and the pool is empty.
HONEST_REJECTIONS = frozenset({"over_limit", "closed_epoch"})
LIVE = frozenset({"unpaid", "paid"})
NAMED = 3  # reservations named in a complaint


@dataclass(frozen=True)
class Span:
    """What a fault may have forgotten: answers of these shards in this time (time.monotonic())."""

    shards: frozenset[int]
    since: float
    until: float


@dataclass(frozen=True)
class Promises:
    """What may happen in a drill besides confirmed orders; everything else is a complaint.

    failover: a node lost state, so an answered RESERVED may be lost, late or honestly rejected,
    within the spans that the drill measured (`Evidence.may_be_lost`).
    by_hand: units somebody adds to a counter; PostgreSQL has to refuse them as over_granted.
    returns: orders are cancelled or expire. sells_out: there are more shoppers than units.
    to_the_last: so many more, until the end, that not one unit may be left over.
    letters: something is sent that becomes dead letters; else no reservation may become one.
    rearms: reasons (substrings) of the re-arms that the drill brings about, besides the end.
    """

    failover: bool = False
    by_hand: int = 0
    returns: bool = False
    sells_out: bool = False
    to_the_last: bool = False
    letters: bool = False
    rearms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Promise:
    """A RESERVED that was answered."""

    reservation_id: str
    shopper: str
    qty: int
    shard: int = field(default=0, compare=False)
    answered: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class OrderRow:
    """An order; `late` was made after its epoch was closed."""

    shopper: str
    qty: int
    state: str
    late: bool = False


@dataclass(frozen=True)
class Truth:
    """What PostgreSQL says of the item when the sale is over."""

    total: int
    unallocated: int
    leftover: int
    limit: int
    orders: Mapping[str, OrderRow]
    rejections: Mapping[str, str]
    confirms: int  # ledger rows, in units
    returns: int
    deducted: int  # the warehouse's, in units
    open_epochs: Sequence[str] = ()
    open_rearms: Sequence[str] = ()
    rearm_reasons: Sequence[str] = ()
    dead_letters: int = 0

    @property
    def live_units(self) -> int:
        """Units in orders that count."""
        return sum(order.qty for order in self.orders.values() if order.state in LIVE)

    @property
    def drift(self) -> int:
        """I1; 0 or the books are wrong."""
        return self.total - self.unallocated - self.leftover - self.live_units


@dataclass(frozen=True)
class Evidence:
    """Everything the judge looks at. `seen` are complaints of those who watched meanwhile."""

    promises: Sequence[Promise]
    told_confirmed: frozenset[str]
    outcomes: Mapping[str, int]  # of purchases, by outcome
    truth: Truth
    seen: Sequence[str] = ()
    may_be_lost: Sequence[Span] = ()


@dataclass
class Account:
    """Each answered RESERVED in one class."""

    confirmed: int = 0
    ended: int = 0  # expired or cancelled
    rejected: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    stolen: list[str] = field(default_factory=list)  # the order is somebody else's


def account(promises: Iterable[Promise], truth: Truth) -> Account:
    """What became of each promise."""
    found = Account()
    for promise in promises:
        order = truth.orders.get(promise.reservation_id)
        if order is None:
            reason = truth.rejections.get(promise.reservation_id)
            if reason is None:
                found.lost.append(promise.reservation_id)
            else:
                found.rejected[reason] += 1
        elif (order.shopper, order.qty) != (promise.shopper, promise.qty):
            found.stolen.append(promise.reservation_id)
        elif order.state in LIVE:
            found.confirmed += 1
        else:
            found.ended += 1
    return found


def judge(evidence: Evidence, allowed: Promises) -> list[str]:
    """Every broken promise, one line each; empty when all were kept."""
    return [
        *_books(evidence.truth),
        *_what_became(evidence, allowed),
        *_at_rest(evidence.truth, allowed),
        *_told(evidence, allowed),
        *_left_over(evidence.truth, allowed),
        *(_outside(evidence) if allowed.failover else ()),
        *evidence.seen,
    ]


def _books(truth: Truth) -> list[str]:
    complaints = []
    if truth.drift:
        complaints.append(
            f"I1 is off by {truth.drift}: total {truth.total}, unallocated {truth.unallocated}, "
            f"leftover {truth.leftover}, live orders {truth.live_units}"
        )
    if truth.live_units > truth.total:
        complaints.append(f"{truth.live_units - truth.total} units oversold")
    held: Counter[str] = Counter()
    for order in truth.orders.values():
        if order.state in LIVE:
            held[order.shopper] += order.qty
    beyond = sum(max(0, units - truth.limit) for units in held.values())
    if beyond:
        complaints.append(f"{beyond} units beyond their shoppers' limit")
    every = sum(order.qty for order in truth.orders.values())
    ended = every - truth.live_units
    for name, said, wanted in (
        ("the ledger confirms", truth.confirms, every),
        ("the ledger returns", truth.returns, ended),
        ("the warehouse deducted", truth.deducted, every),
    ):
        if said != wanted:
            complaints.append(f"{name} {said} units, the orders say {wanted}")
    return complaints


def _what_became(evidence: Evidence, allowed: Promises) -> list[str]:
    truth, complaints = evidence.truth, []
    found = account(evidence.promises, truth)
    if found.stolen:
        complaints.append(f"other shopper or quantity than was answered: {_some(found.stolen)}")
    if found.lost and not allowed.failover:
        complaints.append(f"lost without a failover: {_some(found.lost)}")
    # All of them, also those whose answer never arrived.
    for reason, times in Counter(truth.rejections.values()).items():
        honest = (allowed.failover and reason in HONEST_REJECTIONS) or (
            reason == "over_granted" and times <= allowed.by_hand
        )
        if not honest:
            complaints.append(f"{times} reservations rejected as {reason}")
    late = [name for name, order in truth.orders.items() if order.late]
    if late and not allowed.failover:
        complaints.append(f"late without a failover: {_some(late)}")
    ended = sum(1 for order in truth.orders.values() if order.state not in LIVE)
    if ended and not allowed.returns:
        complaints.append(f"{ended} orders ended and nobody ended them")
    ghosts = sorted(evidence.told_confirmed - truth.orders.keys())
    if ghosts:
        complaints.append(f"told confirmed, and there is no order: {_some(ghosts)}")
    return complaints


def _outside(evidence: Evidence) -> list[str]:
    """What a failover excuses, but not this one: another shard, or answered at another time."""
    truth, wrong = evidence.truth, []
    for promise in evidence.promises:
        order = truth.orders.get(promise.reservation_id)
        if order is not None and not order.late:
            continue
        if not any(
            promise.shard in span.shards and span.since <= promise.answered <= span.until
            for span in evidence.may_be_lost
        ):
            wrong.append(promise.reservation_id)
    if not wrong:
        return []
    return [f"lost, late or rejected outside of what the fault may take: {_some(wrong)}"]


def _at_rest(truth: Truth, allowed: Promises) -> list[str]:
    complaints = []
    if truth.dead_letters and not allowed.letters:
        complaints.append(f"{truth.dead_letters} reservations became dead letters")
    if truth.open_epochs:
        complaints.append(f"not closed after the end: {', '.join(truth.open_epochs)}")
    if truth.open_rearms:
        complaints.append(f"re-arms that do not end: {', '.join(truth.open_rearms)}")
    expected = ("campaign ended", *allowed.rearms)
    for reason in dict.fromkeys(truth.rearm_reasons):
        if not any(part in reason for part in expected):
            complaints.append(f"a shard was re-armed without need: {reason}")
    return complaints


def _told(evidence: Evidence, allowed: Promises) -> list[str]:
    told = evidence.outcomes.get("sold_out", 0)
    if told and not allowed.sells_out:
        return [f"{told} times sold_out while there were units"]
    return []


def _left_over(truth: Truth, allowed: Promises) -> list[str]:
    unsold = truth.total - truth.live_units
    if allowed.to_the_last and unsold > 0:
        return [f"{unsold} units left over, and shoppers went away without"]
    return []


def _some(names: Sequence[str]) -> str:
    more = "" if len(names) <= NAMED else " …"
    return f"{len(names)} ({', '.join(names[:NAMED])}{more})"
