"""The Redis scripts of `lua/`: each one atomic step on one node, checks first, then writes."""

from typing import NamedTuple

from tests.sim.nouns import Fenced, Intent, NoScript, Tag, sha_of
from tests.sim.redis_node import Buyers, Keys, Node


class Answer(NamedTuple):
    """Code of one request, as `reserve.lua` gives it; `counted` is the stored quantity of an A."""

    code: str
    counted: int = 0


class Look(NamedTuple):
    """What the agent sees of a shard."""

    avail: int
    books_balance: bool


def fenced(node: Node, tag: Tag) -> Keys:
    """The keys, if this life of this node was armed for them; raises Fenced."""
    guarded, keys = node.world.guarded, node.data.get(tag)
    if keys is None or not keys.epoch:
        raise Fenced(f"{tag} is not armed")
    if guarded("epoch fence") and (keys.node != node.name or keys.disarmed):
        raise Fenced(f"{tag} was armed elsewhere or is disarmed")
    # A→B→A without a restart: same node id, same script cache, but state that was rolled back.
    if guarded("epoch fence") and guarded("life in the fence") and keys.life != node.life:
        raise Fenced(f"{tag} was armed in an earlier life")
    return keys


def reserve(node: Node, tag: Tag, sha: str, requests: list[Intent]) -> list[Answer]:
    """reserve.lua: check, take, remember the buyer, write the outbox entry."""
    if sha not in node.scripts:
        raise NoScript(sha)
    world, keys = node.world, fenced(node, tag)
    avail, bought, answers, entry = keys.avail, dict[str, dict[str, int]](), [], []
    out_of_stock = "S" if world.now < keys.sold_out_until else "E"
    for intent in requests:
        mine = bought.get(intent.shopper) or keys.buyers.get(intent.shopper, {})
        if intent.rid in mine:
            answers.append(Answer("A", mine[intent.rid]))
        elif sum(mine.values()) + intent.qty > world.limit:
            answers.append(Answer("L"))
        elif intent.qty > avail:
            answers.append(Answer(out_of_stock))
        else:
            answers.append(Answer("R"))
            avail -= intent.qty
            bought[intent.shopper] = {**mine, intent.rid: intent.qty}
            entry.append(intent)
    if entry:
        keys = node.change(tag)
        keys.avail, keys.sold = avail, keys.sold + sum(intent.qty for intent in entry)
        keys.buyers.update(bought)
        keys.outbox.append(tuple(entry))
        world.history.note_holds(entry)
    return answers


def life_of(node: Node, tag: Tag) -> int:
    """INFO replication, master_replid: names the life of the node that answers."""
    return node.life


def buyers_of(node: Node, tag: Tag) -> Buyers:
    """Who holds what in an epoch that sells no more; nobody, when its keys are gone."""
    keys = node.data.get(tag)
    return dict(keys.buyers) if keys else {}


def rebuild(node: Node, tag: Tag, life: int, chunk: Buyers) -> bool:
    """rebuild.lua: write buyers of an epoch that is not armed yet.

    False when it is armed here: then all of them were written before, and shoppers may have bought
    since. Not an error: two agents would re-arm each other for ever.
    """
    _of_life(node, life)
    keys = node.data.get(tag)
    if keys and keys.epoch and node.world.guarded("rebuild only before arming"):
        fenced(node, tag)
        return False
    node.change(tag).buyers.update(chunk)
    return True


def arm(node: Node, tag: Tag, life: int) -> None:
    """arm.lua: the control record. A repeat in the same life changes nothing."""
    _of_life(node, life)
    keys = node.data.get(tag)
    if keys and keys.epoch:
        fenced(node, tag)
        return
    keys = node.change(tag)
    keys.epoch, keys.node, keys.life = tag[1], node.name, node.life


def load_script(node: Node, tag: Tag) -> None:
    """SCRIPT LOAD of the epoch's reserve script: into whatever life answers, it cannot be told."""
    node.scripts[sha_of(tag)] = None


def look(node: Node, tag: Tag) -> Look:
    """What the agent's round reads: is the epoch sellable here, and how many units are free."""
    if sha_of(tag) not in node.scripts:
        raise NoScript(sha_of(tag))
    keys = fenced(node, tag)
    return Look(keys.avail, balance(keys))


def balance(keys: Keys) -> bool:
    """Σ grants − Σ reclaims = avail + sold, in one atomic read."""
    return (
        sum(keys.grants.values()) - sum(keys.reclaims.values()) == keys.avail + keys.sold
        and keys.avail >= 0
    )


def grant(node: Node, tag: Tag, grant_id: int, qty: int) -> None:
    """grant.lua: units in, once per grant id; takes the sold-out mark away."""
    keys = fenced(node, tag)
    if grant_id in keys.grants and node.world.guarded("grant once"):
        return
    keys = node.change(tag)
    keys.grants[grant_id] = qty
    keys.avail += qty
    keys.sold_out_until = -1


def reclaim(node: Node, tag: Tag, reclaim_id: int, want: int, low_water: int) -> int:
    """reclaim.lua: units out, once per reclaim id; a repeat gives what the first one took."""
    keys = fenced(node, tag)
    if reclaim_id not in keys.reclaims:
        keys = node.change(tag)
        taken = min(want, max(keys.avail - low_water, 0))
        keys.reclaims[reclaim_id] = taken
        keys.avail -= taken
    return keys.reclaims[reclaim_id]


def disarm(node: Node, tag: Tag) -> None:
    """disarm.lua: nothing is sold by this epoch any more. Also where its keys are gone: the record
    that is left behind keeps a slow agent from arming the epoch again.
    """
    keys = node.data.get(tag)
    if keys is None or not keys.disarmed:
        keys = node.change(tag)
        keys.epoch, keys.disarmed = tag[1], True


def is_drained(node: Node, tag: Tag) -> bool:
    """Every entry of the outbox was acknowledged by a relay; only asked once disarmed."""
    keys = node.data.get(tag)
    return keys is None or keys.drained


def takes_writes(node: Node, tag: Tag) -> bool:
    """INFO replication, min_slaves_good_slaves."""
    return node.takes_writes


def outbox_of(node: Node, tag: Tag) -> list[Intent]:
    """XRANGE: all that the epoch's outbox holds, acknowledged or not."""
    keys = node.data.get(tag)
    return [intent for entry in keys.outbox for intent in entry] if keys else []


def release(node: Node, tag: Tag, shopper: str, rid: str) -> None:
    """release.lua: a reservation that ended no longer counts against its shopper's limit.

    It stays known with quantity 0. Forgotten, a retry of the same purchase would take another unit
    under the same reservation id, which PostgreSQL has already answered for.
    """
    keys = fenced(node, tag)
    mine = keys.buyers.get(shopper, {})
    if mine.get(rid):
        left = {known: qty for known, qty in mine.items() if known != rid}
        remembered = {rid: 0} if node.world.guarded("ended reservations stay known") else {}
        node.change(tag).buyers[shopper] = {**left, **remembered}


def mark_sold_out(node: Node, tag: Tag, until_ms: int) -> bool:
    """mark_sold_out.lua: an empty shard says sold_out until `until_ms`; False when not empty."""
    keys = fenced(node, tag)
    if keys.avail:
        return False
    node.change(tag).sold_out_until = until_ms
    return True


def read_group(
    node: Node, tag: Tag, relay: str, count: int
) -> list[tuple[int, tuple[Intent, ...]]]:
    """XREADGROUP: the next new entries, pending for `relay` from now on."""
    keys = node.data.get(tag)
    if keys is None or keys.delivered == len(keys.outbox):
        return []
    keys = node.change(tag)
    places = range(keys.delivered, min(keys.delivered + count, len(keys.outbox)))
    keys.delivered = places.stop
    keys.pending.update(dict.fromkeys(places, relay))
    return [(place, keys.outbox[place]) for place in places]


def claim(node: Node, tag: Tag, relay: str, count: int) -> list[tuple[int, tuple[Intent, ...]]]:
    """XAUTOCLAIM: what somebody, also an earlier life of this relay, left unacknowledged."""
    keys = node.data.get(tag)
    if keys is None or not keys.pending:
        return []
    keys = node.change(tag)
    places = list(keys.pending)[:count]
    keys.pending.update(dict.fromkeys(places, relay))
    return [(place, keys.outbox[place]) for place in places]


def acknowledge(node: Node, tag: Tag, place: int) -> None:
    """XACK. A place that a failover took away is no longer pending."""
    keys = node.data.get(tag)
    if keys is not None and place in keys.pending:
        del node.change(tag).pending[place]


def _of_life(node: Node, life: int) -> None:
    if node.life != life and node.world.guarded("one life an epoch"):
        raise Fenced(f"{node.name} lives another life")
