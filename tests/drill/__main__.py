"""`make drill`: every fault on a real stack, with a verdict, and a control run for the guards.

    python -m tests.drill [--only stock] [--name NAME]… [--no-controls] [--list]

The exit code is 1 unless every drill passed and every control run failed as it must.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import django
import django.db
import psycopg2
import redis
from confluent_kafka import KafkaException
from rich.console import Console

from deploy.local.process import CannotStart
from deploy.local.site import ROOT
from tests.drill import (
    database_drills,
    node_drills,
    process_drills,
    queue_drills,
    report,
    source_drills,
    unit_drills,
)
from tests.drill.control import Copies
from tests.drill.drill import Drill, DrillBroken, Result
from tests.drill.ground import Ground
from tests.drill.judge import judge

DRILLS = (
    *(*node_drills.DRILLS, *process_drills.DRILLS),
    *(*unit_drills.DRILLS, *source_drills.DRILLS),
    *(*queue_drills.DRILLS, *database_drills.DRILLS),
)
REPORT = ROOT / "var" / "drill" / "report.json"
CONSOLE = Console(highlight=False, soft_wrap=True)
LOCK_TIMEOUT = "SET lock_timeout = '15s'"
# The fault did not happen, or it hit the drill itself.
BROKEN = (
    *(DrillBroken, CannotStart, OSError, subprocess.SubprocessError),
    *(redis.RedisError, psycopg2.Error, django.db.Error, KafkaException),
)


def main() -> int:
    """Run the drills that were asked for."""
    arguments = _arguments()
    chosen = [
        drill
        for drill in DRILLS
        if (not arguments.only or drill.group == arguments.only)
        and (not arguments.name or drill.name in arguments.name)
    ]
    if arguments.list:
        for drill in chosen:
            guards = ", ".join(control.guard for control in drill.controls) or "no control"
            CONSOLE.print(f"{drill.name:<20} {drill.fault} ({guards})")
        return 0
    if not chosen:
        CONSOLE.print("no drill of that name; --list shows them")
        return 2
    began = time.monotonic()
    with_controls = not arguments.no_controls
    try:
        results = _on_the_stack(chosen, with_controls, arguments)
    except CannotStart as error:
        CONSOLE.print(f"drill: {error}")
        return 2
    if with_controls:
        _controls(results)
    report.write(results, arguments.report)
    report.show(Console(width=160), results)
    red = [result.drill.name for result in results if not result.green]
    CONSOLE.print(
        f"{len(results) - len(red)} of {len(results)} drills green in "
        f"{time.monotonic() - began:.0f} s; report in {os.path.relpath(arguments.report, ROOT)}"
    )
    return 1 if red else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.drill", description=__doc__)
    parser.add_argument("--only", choices=sorted({drill.group for drill in DRILLS}))
    parser.add_argument("--name", action="append", choices=[drill.name for drill in DRILLS])
    parser.add_argument("--no-controls", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--keep-data", action="store_true", help="do not begin with an empty stack")
    parser.add_argument("--report", type=Path, default=REPORT, help="where the JSON goes")
    parser.add_argument("--stay-up", action="store_true", help="leave the stack running")
    return parser.parse_args()


def _on_the_stack(
    chosen: Sequence[Drill], with_controls: bool, arguments: argparse.Namespace
) -> list[Result]:
    """Every drill on one stack, one after another."""
    ground = Ground()
    if not arguments.keep_data:
        ground.down()
        _remove_data(ground)
        ground = Ground()  # with new secrets
    ground.up()
    try:
        if with_controls and any(drill.controls for drill in chosen):
            _keep_template(ground)
        os.environ.update(ground.environment)
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "control_plane.config.settings")
        django.setup()
        with django.db.connection.cursor() as cursor:
            # Whoever is frozen in a transaction must not hold up the drills for ever.
            cursor.execute(LOCK_TIMEOUT)
        return [_run(ground, drill) for drill in chosen]
    finally:
        if not arguments.stay_up:
            ground.down()


def _run(ground: Ground, drill: Drill) -> Result:
    from tests.drill.sale import Sale

    CONSOLE.print(f"── {drill.name}: {drill.fault}")
    began = time.monotonic()
    sale = None
    try:
        ground.wait_until_healthy()
        sale = Sale(ground, drill.name, drill.plan)
        sale.open()
        figures = drill.act(ground, sale)
        evidence, counted = sale.close(drill.promises)
        complaints = judge(evidence, drill.promises)
        verdict = "fail" if complaints else "pass"
        figures |= counted
    except BROKEN as error:
        verdict, complaints, figures = "broken", [f"{type(error).__name__}: {error}"], {}
        if sale is not None and sale.complaints:
            # It was red before it could not go on.
            verdict, complaints = "fail", [*sale.complaints, *complaints]
        if sale is not None:
            # What came of the sale may explain why the drill could not be done.
            figures = sale.abandon()
    result = Result(drill, verdict, complaints, figures, time.monotonic() - began)
    colour = report.COLOURS[verdict]
    CONSOLE.print(f"   [{colour}]{verdict}[/] in {result.seconds:.1f} s: {report.figures(figures)}")
    for complaint in complaints:
        CONSOLE.print(f"   [red]{complaint}[/]", markup=True)
    return result


def _controls(results: Sequence[Result]) -> None:
    """The stack is down now, so a copy's can have its ports."""
    copies = Copies(_template())
    for result in results:
        for control in result.drill.controls:
            CONSOLE.print(f"── control of {result.drill.name}: without {control.guard!r}")
            began = time.monotonic()
            said = copies.run(result.drill, control)
            result.controls[control.guard] = said
            CONSOLE.print(f"   {said} ({time.monotonic() - began:.1f} s)")


def _template() -> Path:
    return ROOT / "var" / "drill-template"


def _keep_template(ground: Ground) -> None:
    """Controls begin with a stack that is initialised: half a minute less for each."""
    ground.down()
    shutil.rmtree(_template(), ignore_errors=True)
    _template().parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", str(ground.site.state), str(_template())], check=True)
    ground.up()


def _remove_data(ground: Ground) -> None:
    for path in ground.site.state.iterdir() if ground.site.state.exists() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.is_symlink():
            shutil.rmtree(path.resolve(), ignore_errors=True)
            path.unlink()
        else:
            path.unlink()


if __name__ == "__main__":
    sys.exit(main())
