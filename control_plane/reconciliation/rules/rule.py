"""What a rule of the comparison is: an ibis expression over the exported tables, and its name."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import ibis

from control_plane.reconciliation.models import FindingKind
from control_plane.reconciliation.sides import FINDINGS

# ibis has no types that a checker could follow through its methods.
Expression = Any
Tables = Mapping[str, Any]

LIVE = ("unpaid", "paid")
ENDED = ("expired", "cancelled")
OPEN_LETTER = ("pending", "exception")

# What mends a finding; whoever has "" waits for a person.
RELAY, TELL, EXPIRE, GRANT, RECLAIM = "relay", "tell", "expire", "grant", "reclaim"


class Cut(NamedTuple):
    """Up to where things must have arrived; all in ms since 1970.

    `started`: before any side was read. `settled`: what is younger is under way. `pay_by`: an
    unpaid order of before has no grace left. `kafka_since`: from then on the topic has everything.
    """

    started: int
    settled: int
    pay_by: int
    kafka_since: int


Find = Callable[[Tables, Cut], Expression]


class Rule(NamedTuple):
    """One way in which sides can disagree; `is_notice`: nothing is left to do about it."""

    kind: FindingKind
    what: str
    find: Find
    repair: str
    is_notice: bool


RULES: list[Rule] = []


def rule(
    kind: FindingKind, what: str, *, repair: str = "", is_notice: bool = False
) -> Callable[[Find], Find]:
    """Register a function; what it gives is brought into the shape of `sides.FINDINGS`."""

    def register(find: Find) -> Find:
        def shaped(tables: Tables, cut: Cut) -> Expression:
            found = find(tables, cut)
            columns = {name: found[name] for name in found.columns}
            columns |= {"kind": ibis.literal(kind.value), "what": ibis.literal(what)}
            # Cast each: an engine may count in another type than it reads.
            return found.select(
                **{
                    name: columns.get(name, ibis.null()).cast(str(kind_of))
                    for name, kind_of in FINDINGS.items()
                }
            )

        RULES.append(Rule(kind, what, shaped, repair, is_notice))
        return find

    return register


def ids(*tables: Expression) -> Expression:
    """The reservation ids that stand in any of them; more than once, where they do."""
    first, *rest = (table.select("reservation_id") for table in tables)
    for table in rest:
        first = first.union(table)
    return first


def without(table: Expression, known: Expression, key: str = "reservation_id") -> Expression:
    """Rows whose key is not among the known ones."""
    return table.anti_join(known, key)


def open_letters(tables: Tables) -> Expression:
    """Dead letters somebody is still to decide; those whose reservation could be read."""
    letters = tables["letters"]
    return letters.filter(letters.state.isin(OPEN_LETTER) & letters.reservation_id.notnull())
