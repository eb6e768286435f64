"""One seed from its first step to the end of its campaign."""

from dataclasses import dataclass

from tests.sim import checks, pg_epochs
from tests.sim.agent import MARK_LIFE_MS
from tests.sim.nouns import Violation
from tests.sim.world import World

STEPS = (150, 450)
# Far more than any rest took; a model that does not come to rest by then never will.
TURNS_MAX = 3000
SELLING_SHARE = 0.8
SELL_OUT_SHARE = 0.3
TRIES_MAX = 60


@dataclass(frozen=True)
class Outcome:
    """What became of a seed; `violation` is empty when nothing was wrong."""

    seed: int
    violation: str
    world: World


def run(
    seed: int, removed: frozenset[str] = frozenset(), kind: str = "", stall_after: str = ""
) -> Outcome:
    """A sale with faults, its end without, the campaign's end. Deterministic."""
    world = World(seed, removed, kind, stall_after)
    try:
        if world.rng.random() < SELLING_SHARE:
            open_the_sale(world)
        for _ in range(world.rng.randint(*STEPS)):
            world.step()
        world.heal()
        come_to_rest(world)
        checks.at_rest(world)
        if world.rng.random() < SELL_OUT_SHARE:
            sell_the_rest(world)
        end_campaign(world)
    except Violation as violation:
        world.say("VIOLATION", str(violation))
        return Outcome(seed, str(violation), world)
    return Outcome(seed, "", world)


def open_the_sale(world: World) -> None:
    """Most seeds begin where something can be lost: armed, granted, known to every gateway."""
    everybody, world.processes = world.processes, world.infrastructure
    while world.pg.unallocated or any(len(one.epochs) < world.shards for one in world.gateways):
        world.turn()
    world.processes = everybody


def come_to_rest(world: World) -> None:
    """Until two rounds of every agent have moved no unit and nothing waits anywhere."""
    version, rounds = -1, 0
    for _ in range(TURNS_MAX):
        world.turn()
        if version != world.pg.version or _something_waits(world):
            version, rounds = world.pg.version, world.agent_rounds
        elif world.agent_rounds - rounds >= 4:
            return
    raise Violation("no rest: units or messages still move, or wait for nobody")


def _something_waits(world: World) -> bool:
    if any(world.kafka.unread(number) for number in range(world.kafka.partitions)):
        return True
    if any(gateway.queue for gateway in world.gateways):
        return True
    rows = world.pg.allocations.values()
    if any(row.state == "draining" for row in rows):
        return True
    if not world.ending and sum(row.state == "selling" for row in rows) < world.shards:
        return True
    for group in world.cluster.groups:
        # Where nothing can be written nothing can be acknowledged; `at_rest` sees what became of it
        if not group.master.bereft and any(not keys.drained for keys in group.master.data.values()):
            return True
    return False


def sell_the_rest(world: World) -> None:
    """One shard's shoppers keep asking: everything that is free must come to them."""
    shard, number = world.rng.randrange(world.shards), 0
    # Marks, and gateways that remember one, are of the time when somebody may still have had units.
    world.now += 2 * MARK_LIFE_MS + 1
    while True:
        number += 1
        shopper = f"last{number}"
        if world.home_of(shopper) != shard:
            continue
        if _outcome_of_asking(world, shopper) == "sold_out":
            break
    checks.sold_out_is_true(world)
    come_to_rest(world)
    checks.at_rest(world)
    if world.pg.live_units() != world.pg.total:
        raise Violation(f"sold out at {world.pg.live_units()} of {world.pg.total} units")


def _outcome_of_asking(world: World, shopper: str) -> str:
    for _ in range(TRIES_MAX):
        told = dict(world.history.outcomes)
        world.gateways[0].queue.append(world.crowd.new_purchase(shopper, 1))
        while world.history.outcomes == told:
            world.turn()
        world.crowd.again = []
        for outcome in ("reserved", "sold_out"):
            if world.history.outcomes.get(outcome, 0) > told.get(outcome, 0):
                return outcome
        for _ in range(10):
            world.turn()
    raise Violation(f"{shopper} asked {TRIES_MAX} times and was never served")


def end_campaign(world: World) -> None:
    """Every epoch is closed and none is opened."""
    world.ending = True
    for row in list(world.pg.allocations.values()):
        if row.state == "selling":
            pg_epochs.begin_rearm(world.pg, row.tag, "full")
    come_to_rest(world)
    checks.at_rest(world)
    checks.all_closed(world)
