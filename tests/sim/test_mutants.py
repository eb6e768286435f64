"""Take one guard out, and the model must see it: else the guard, or the model, is idle."""

import re
from pathlib import Path

import pytest

from tests.sim.mutants import MUTANTS
from tests.sim.run import run

# The rarest needed 234 on 2026-11-22; ten times as many before it counts as unseen.
SEEDS_MAX = 2500
_GUARD = re.compile(r"""guarded\(\s*"([^"]+)"\s*\)""")


@pytest.mark.parametrize("guard", MUTANTS)
def test_without_this_guard_a_seed_fails(guard: str) -> None:
    mutant = MUTANTS[guard]
    for seed in range(SEEDS_MAX):
        outcome = run(seed, frozenset([guard]), mutant.kind, mutant.stall_after)
        if outcome.violation:
            print(f"{guard}: seed {seed}: {outcome.violation}")
            return
    pytest.fail(f"{SEEDS_MAX} seeds passed although {mutant.fault}")


def test_every_guard_of_the_model_has_its_mutant() -> None:
    sources = [path.read_text() for path in Path(__file__).parent.glob("*.py")]
    named = {guard for source in sources for guard in _GUARD.findall(source)}
    assert named == set(MUTANTS)
