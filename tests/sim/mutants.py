"""The guards of the protocol, one a line: each can be taken out, and then the checks must fail.

The name is what the code asks for, `world.guarded(name)`: from here a reader finds the rule itself.
"""

from typing import NamedTuple


class Mutant(NamedTuple):
    """What goes wrong without the guard, and in which worlds that shows soonest."""

    fault: str
    kind: str
    # As in `world.STALLS`; the seed's own when empty.
    stall_after: str = ""


MUTANTS = {
    "epoch fence": Mutant("scripts check neither node, nor life, nor disarmed", "lossy", "took"),
    "life in the fence": Mutant(
        "scripts check CLUSTER MYID only, so A→B→A sells older state", "lossy"
    ),
    "one life an epoch": Mutant(
        "two masters of one shard are armed for the same epoch", "lossy", "belongs"
    ),
    "disarm before the rest": Mutant(
        "the old epoch goes on selling to old snapshots", "calm", "sends"
    ),
    "another life instead of a disarm": Mutant(
        "a master that takes no writes counts as disarmed; it goes on selling later", "calm"
    ),
    "grant once": Mutant("grant.lua forgets the ids it has seen", "calm"),
    "grants only to a selling epoch": Mutant(
        "a slow agent grants to an epoch that is over", "zombies", "plans"
    ),
    "reclaim once": Mutant("two agents both move what one script call took", "calm", "took"),
    "reclaim only from a selling epoch": Mutant(
        "a closed epoch's units are returned a second time", "calm", "took"
    ),
    "units travel through the pool": Mutant(
        "an agent levels two shards without PostgreSQL", "calm"
    ),
    "cap in PostgreSQL": Mutant("landing does not look at granted − consumed", "spoilt"),
    "limit in PostgreSQL": Mutant(
        "landing does not look at the shopper's live orders", "lossy", "read"
    ),
    "landed once": Mutant("landing does not know reservation ids", "calm"),
    "returned once": Mutant("a return does not look at the order's state", "calm"),
    "released only when ended": Mutant(
        "a reservation is released although its order was paid", "calm", "picked"
    ),
    "late event takes from the pool": Mutant(
        "an event of a closed epoch becomes an order for nothing", "lossy", "read"
    ),
    "unused holds go back": Mutant(
        "a hold that becomes no order keeps its units in the open epoch", "lossy", "landed"
    ),
    "leftover returned at close": Mutant("a closed epoch's leftover is forgotten", "calm"),
    "leftover only after the barrier": Mutant(
        "an epoch is closed as soon as it is disarmed", "calm"
    ),
    "barrier only after the drain": Mutant(
        "the barrier overtakes what is still in the outbox", "calm"
    ),
    "sent by the agent where no relay can": Mutant(
        "what a promoted master without a replica still holds is never decided", "lossy"
    ),
    "barrier in every partition": Mutant(
        "one partition's barrier is taken for all", "calm", "read"
    ),
    "barrier after what stands before it": Mutant(
        "a barrier counts before its batch is landed", "calm"
    ),
    "acknowledged only after Kafka": Mutant("a relay acknowledges, then produces", "calm"),
    "buyers rebuilt": Mutant("a new epoch knows no buyers", "calm"),
    "old buyers carried over": Mutant(
        "fast mode knows only what PostgreSQL has decided", "calm", "read"
    ),
    "rebuild only before arming": Mutant(
        "a slow agent writes over the buyers of a selling shard", "calm", "knows"
    ),
    "ended reservations stay known": Mutant("release and rebuild forget what has ended", "calm"),
    "sold-out marks expire": Mutant(
        "sold_out stands until the next grant to this very shard", "calm", "nothing left"
    ),
    "mark dated by its look": Mutant(
        "a mark's second begins when it is written", "zombies", "nothing left"
    ),
    "two views around the looks": Mutant(
        "units on their way are seen nowhere", "zombies", "granted"
    ),
}
