"""`make capacity`: what a sale needs, how it would go, and how far the model can be believed.

    python -m deploy.capacity plan --target-qps 1000000 --units 100000 --shards 64
    python -m deploy.capacity check [--report var/bench/report.json]
    python -m deploy.capacity readme

Exit codes: 0; 1 when the plan has fewer of something than the sale needs; 2 for wrong input.
"""

import argparse
import sys
from pathlib import Path

from deploy.capacity import check, figures, plan, sale
from deploy.capacity.sale import Sale, WrongInput

# The example of the README: the brief's million requests a second.
EXAMPLE = Sale(target_qps=1_000_000, units=100_000, shards=64)
SEED = 1


def main(words: list[str] | None = None) -> int:
    """Run a command."""
    arguments = _parser().parse_args(words)
    try:
        code: int = arguments.run(arguments)
    except WrongInput as wrong:
        print(f"capacity: {wrong}", file=sys.stderr)
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    # Everything is text here: what a person typed is refused by its name, as the Makefile has it.
    parser = argparse.ArgumentParser(prog="python -m deploy.capacity", description=__doc__)
    commands = parser.add_subparsers(required=True)
    planning = commands.add_parser("plan", help="what a sale needs, and how it would go")
    for name, given in (
        ("--target-qps", ""),
        ("--units", ""),
        ("--shards", ""),
        ("--queue", "off"),
        ("--human-check", "on"),
        ("--headroom", "0.3"),
        ("--confirm-within-s", "10"),
        ("--have", ""),
        ("--seed", str(SEED)),
    ):
        planning.add_argument(name, default=given)
    planning.add_argument("--report", default="")
    planning.add_argument("--no-simulation", action="store_true")
    planning.set_defaults(run=_plan)
    checking = commands.add_parser("check", help="predicted beside measured")
    checking.add_argument("--report", default="")
    checking.set_defaults(run=_check)
    commands.add_parser("readme", help="the README's example, as Markdown").set_defaults(
        run=_readme
    )
    return parser


def _plan(arguments: argparse.Namespace) -> int:
    source = figures.read(_report(arguments))
    if arguments.human_check not in ("on", "off"):
        raise WrongInput("HUMAN_CHECK", f"must be on or off, not {arguments.human_check!r}")
    asked = Sale(
        target_qps=sale.whole("TARGET_QPS", arguments.target_qps),
        units=sale.whole("UNITS", arguments.units),
        shards=sale.whole("SHARDS", arguments.shards),
        queue=arguments.queue,
        human_check=arguments.human_check == "on",
        headroom=sale.decimal("HEADROOM", arguments.headroom),
        confirm_within_s=sale.decimal("CONFIRM_WITHIN_S", arguments.confirm_within_s),
        have=sale.counts("HAVE", arguments.have),
    )
    seed = sale.whole("SEED", arguments.seed)
    made = plan.make(asked, source.figures)
    print(f"figures: {source.told}\n")
    print(plan.text(made))
    if not arguments.no_simulation:
        print(f"\nthe same sale, simulated (seed {seed}):\n")
        _simulate(made, seed)
    for lack in made.lacks:
        print(f"capacity: not enough: {lack}", file=sys.stderr)
    return 1 if made.lacks else 0


def _simulate(made: plan.Plan, seed: int) -> None:
    # simpy is a tool of development; a plan alone needs nothing but Python.
    from deploy.capacity import played

    print(played.text(played.play(made, seed)))


def _check(arguments: argparse.Namespace) -> int:
    source = figures.read(_report(arguments))
    print(check.text(check.compare(source), source.told))
    return 0


def _readme(arguments: argparse.Namespace) -> int:
    print(readme_table())
    return 0


def readme_table() -> str:
    """What the README shows: the example, from the checked-in figures alone."""
    return plan.markdown(plan.make(EXAMPLE, figures.checked_in()))


def _report(arguments: argparse.Namespace) -> Path | None:
    return Path(arguments.report) if arguments.report else None


if __name__ == "__main__":
    sys.exit(main())
