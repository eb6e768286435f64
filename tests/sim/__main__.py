"""Replay one seed with its trace (`python -m tests.sim --seed 7`), or run many (`--seeds 1000`)."""

import argparse
import sys
import time

from tests.sim.mutants import MUTANTS
from tests.sim.run import run


def main() -> int:
    """Exit code 1 when a seed failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--seed", type=int, help="replay this seed and print its trace")
    chosen.add_argument("--seeds", type=int, help="run this many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first of --seeds")
    parser.add_argument("--without", choices=sorted(MUTANTS), help="remove this guard")
    asked = parser.parse_args()
    removed, kind, stall_after = frozenset[str](), "", ""
    if asked.without:
        # In the worlds in which `test_mutants.py` looks for it.
        removed, (_, kind, stall_after) = frozenset([asked.without]), MUTANTS[asked.without]
    if asked.seed is not None:
        outcome = run(asked.seed, removed, kind, stall_after)
        print("\n".join(outcome.world.trace))
        print(f"trace {outcome.world.trace_hash[:16]}: {outcome.violation or 'nothing is wrong'}")
        return 1 if outcome.violation else 0
    began, failed, steps = time.perf_counter(), 0, 0
    for seed in range(asked.first, asked.first + asked.seeds):
        outcome = run(seed, removed, kind, stall_after)
        steps += outcome.world.steps
        if outcome.violation:
            failed += 1
            print(f"seed {seed}: {outcome.violation}")
    seconds = time.perf_counter() - began
    print(
        f"{asked.seeds} seeds, {steps} steps, {failed} failed, {asked.seeds / seconds:.0f} seeds/s"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
