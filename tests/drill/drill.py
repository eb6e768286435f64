"""What a drill is: a fault with a name, what is promised meanwhile, and its controls."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.drill.judge import Promises

if TYPE_CHECKING:  # the sale needs Django's settings, which `--list` does not
    from tests.drill.ground import Ground
    from tests.drill.sale import Sale

Figures = dict[str, Any]


class DrillBroken(Exception):
    """The drill could not be carried out: its fault did not happen, or nothing was sold.

    Neither green nor red. A fault that did not happen proves nothing.
    """


@dataclass(frozen=True)
class Control:
    """One guard taken out of a copy of the tree; the same drill must then be red, and say why.

    `old` must stand in the file exactly once, else the control is stale. `told` is a regular
    expression that one of the complaints has to match: red for another reason proves nothing.
    """

    guard: str
    file: str
    old: str
    new: str
    told: str


@dataclass(frozen=True)
class Plan:
    """The sale meanwhile: `rate_per_s` shoppers arrive as long as the fault takes.

    At least for `seconds`, and at most for `most_s`, whatever it still needs.
    """

    # More than anybody can buy before they leave, however slow the machine makes the drill.
    units: int = 30_000
    limit: int = 2
    rate_per_s: int = 180
    seconds: float = 6.0
    most_s: float = 90.0
    lead_s: float = 3.0
    queue_mode: str = "off"
    queue_k: int = 4


STRICT = Promises()
USUAL = Plan()
# Few shoppers for long: for drills that wait for something, on a machine with other work too.
PATIENT = Plan(rate_per_s=40, seconds=20.0, most_s=150.0)


@dataclass(frozen=True)
class Drill:
    """`act` does the fault while the sale runs, and raises DrillBroken when it did not happen."""

    name: str
    fault: str
    act: Callable[["Ground", "Sale"], Figures]
    promises: Promises = STRICT
    plan: Plan = USUAL
    controls: tuple[Control, ...] = ()
    group: str = "stock"
    # Which stack: `faults` is the one whose wires can be broken.
    profile: str = "drill"


@dataclass
class Result:
    """What came of a drill; `verdict` is pass, fail or broken."""

    drill: Drill
    verdict: str
    complaints: list[str]
    figures: Figures
    seconds: float
    controls: dict[str, str] = field(default_factory=dict)
    # Whether its controls are to run, too.
    with_controls: bool = False

    @property
    def control(self) -> str:
        """The control runs in a phrase."""
        if not self.drill.controls:
            return "none"
        if self.with_controls and len(self.controls) < len(self.drill.controls):
            return f"{len(self.controls)} of {len(self.drill.controls)} run"
        if not self.controls:
            return "not run"
        bad = [f"{guard}: {said}" for guard, said in self.controls.items() if said != AS_IT_MUST]
        return "; ".join(bad) or AS_IT_MUST

    @property
    def green(self) -> bool:
        """Passed, and every control that ran failed as it must."""
        return self.verdict == "pass" and self.control in ("none", "not run", AS_IT_MUST)


AS_IT_MUST = "fails as it must"
