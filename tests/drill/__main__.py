"""`make drill`: every fault on a real stack, with a verdict, and a control run for the guards.

    python -m tests.drill [--only stock] [--name NAME]… [--no-controls] [--list]
    python -m tests.drill --soak 10m [--seed 7]

The exit code is 1 unless every drill passed and every control run failed as it must.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from deploy.local.ports import PROFILES
from deploy.local.process import CannotStart
from deploy.local.site import ROOT
from tests.drill import child, page, report, running, soak
from tests.drill.catalog import DRILLS
from tests.drill.control import Copies
from tests.drill.drill import Drill, Result

REPORT = ROOT / "var" / "drill" / "report.json"
CONSOLE = running.CONSOLE


def main() -> int:
    """Run the drills that were asked for."""
    child.leave_tidily()
    arguments = _arguments()
    chosen = _chosen(arguments)
    if arguments.list:
        for drill in chosen:
            guards = ", ".join(control.guard for control in drill.controls) or "no control"
            CONSOLE.print(f"{drill.name:<20} {drill.fault} ({guards})")
        return 0
    if not chosen:
        CONSOLE.print("no drill of that name; --list shows them")
        return 2
    began = time.monotonic()
    results: list[Result] = []
    arguments.report.unlink(missing_ok=True)
    try:
        # What is known is kept, whatever becomes of the others and of the controls.
        for result in _run(chosen, arguments):
            result.with_controls = not arguments.no_controls
            results.append(result)
            _keep(results, arguments)
    except CannotStart as error:
        CONSOLE.print(f"drill: {error}")
        return 2
    if not arguments.no_controls:
        _controls(results, arguments)
    report.show(Console(width=160), results)
    red = [result.drill.name for result in results if not result.green]
    CONSOLE.print(
        f"{len(results) - len(red)} of {len(results)} drills green in "
        f"{time.monotonic() - began:.0f} s; report in {os.path.relpath(arguments.report, ROOT)}, "
        "and the page beside it"
    )
    if arguments.soak:
        CONSOLE.print(f"again: make drill SOAK={arguments.soak:g}s SEED={arguments.seed}")
    return 1 if red else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.drill", description=__doc__)
    parser.add_argument("--only", choices=sorted({drill.group for drill in DRILLS}))
    parser.add_argument("--name", action="append", choices=[drill.name for drill in DRILLS])
    parser.add_argument("--no-controls", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--soak", type=soak.duration, help="random faults for so long: 90s, 10m")
    parser.add_argument("--seed", type=int, default=soak.any_seed(), help="of the soak")
    parser.add_argument("--keep-data", action="store_true", help="do not begin with an empty stack")
    parser.add_argument("--report", type=Path, default=REPORT, help="where the JSON goes")
    parser.add_argument("--profile", choices=PROFILES, help="on this stack, not on the drill's own")
    parser.add_argument("--stay-up", action="store_true", help="leave the stack running")
    parser.add_argument("--keep-template", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _chosen(arguments: argparse.Namespace) -> list[Drill]:
    if arguments.soak:
        return soak.drills(arguments.soak, arguments.seed)
    return [
        drill
        for drill in DRILLS
        if (not arguments.only or drill.group == arguments.only)
        and (not arguments.name or drill.name in arguments.name)
    ]


def _run(chosen: Sequence[Drill], arguments: argparse.Namespace) -> Iterator[Result]:
    """One stack after another; of several each in a process, as Django is set up but once."""
    profiles = list(dict.fromkeys(arguments.profile or drill.profile for drill in chosen))
    with_controls = not arguments.no_controls and any(drill.controls for drill in chosen)
    if len(profiles) == 1:
        yield from running.on_the_stack(
            profiles[0],
            chosen,
            keep_template=with_controls or arguments.keep_template,
            keep_data=arguments.keep_data,
            stay_up=arguments.stay_up,
        )
        return
    for profile in profiles:
        here = [drill for drill in chosen if drill.profile == profile]
        yield from _elsewhere(profile, here, arguments)


def _elsewhere(
    profile: str, chosen: Sequence[Drill], arguments: argparse.Namespace
) -> list[Result]:
    path = REPORT.with_name(f"report-{profile}.json")
    path.unlink(missing_ok=True)
    words = [word for drill in chosen for word in ("--name", drill.name)]
    words += ["--no-controls", "--report", str(path)]
    if not arguments.no_controls and any(drill.controls for drill in chosen):
        words.append("--keep-template")
    words += [f"--{name}" for name in ("keep-data", "stay-up") if vars(arguments)[_field(name)]]
    child.run("tests.drill", words, ROOT)
    child.leave_if_asked()
    try:
        return report.read(path, chosen)
    except OSError as error:
        raise CannotStart(f"the drills of profile {profile} left no report") from error


def _field(option: str) -> str:
    return option.replace("-", "_")


def _keep(results: Sequence[Result], arguments: argparse.Namespace) -> None:
    """The report as far as it goes, and its page."""
    target = arguments.report
    report.write(results, target, seed=arguments.seed if arguments.soak else None)
    page.write(json.loads(target.read_text()), target.with_suffix(".html"))


def _controls(results: Sequence[Result], arguments: argparse.Namespace) -> None:
    """The stack is down now, so a copy's can have its ports."""
    for result in results:
        copies = Copies(running.template(result.drill.profile))
        for control in result.drill.controls:
            CONSOLE.print(f"── control of {result.drill.name}: without {control.guard!r}")
            began = time.monotonic()
            child.leave_if_asked()
            said = copies.run(result.drill, control)
            result.controls[control.guard] = said
            CONSOLE.print(f"   {said} ({time.monotonic() - began:.1f} s)")
            _keep(results, arguments)


if __name__ == "__main__":
    sys.exit(main())
