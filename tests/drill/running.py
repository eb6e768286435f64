"""Drills on one stack, one after another: brought up from nothing, each drill judged."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import django
import django.db
import psycopg2
import redis
from confluent_kafka import KafkaException
from rich.console import Console

from deploy.local.process import CannotStart
from deploy.local.site import ROOT
from tests.drill import child, history, report
from tests.drill.drill import Drill, DrillBroken, Result
from tests.drill.ground import Ground
from tests.drill.judge import Promises, judge

if TYPE_CHECKING:  # it needs Django's settings
    from tests.drill.sale import Sale

CONSOLE = Console(highlight=False, soft_wrap=True)
HISTORIES = ROOT / "var" / "drill" / "history"
# The fault did not happen, or it hit the drill itself.
BROKEN = (
    *(DrillBroken, CannotStart, OSError, subprocess.SubprocessError),
    *(redis.RedisError, psycopg2.Error, django.db.Error, KafkaException),
)


def on_the_stack(
    profile: str,
    chosen: Sequence[Drill],
    *,
    keep_template: bool = False,
    keep_data: bool = False,
    stay_up: bool = False,
) -> Iterator[Result]:
    """Every drill on the profile's stack, as it ends. Raises CannotStart."""
    ground = Ground(profile)
    if not keep_data:
        ground.down()
        _remove_data(ground)
        ground = Ground(profile)  # with new secrets
    try:
        ground.up()
        if keep_template:
            _keep_template(ground)
        os.environ.update(ground.environment)
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "control_plane.config.settings")
        django.setup()
        for drill in chosen:
            child.leave_if_asked()
            yield run(ground, drill)
    finally:
        if not stay_up:
            ground.down()


def run(ground: Ground, drill: Drill) -> Result:
    """One drill: its sale, its fault, its verdict."""
    from tests.drill.sale import Sale

    CONSOLE.print(f"── {drill.name}: {drill.fault}")
    began = time.monotonic()
    sale = None
    try:
        ground.wait_until_healthy()
        sale = Sale(ground, drill.name, drill.plan)
        sale.open()
        figures = drill.act(ground, sale)
        allowed = drill.promises
        if sale.lost_shards:
            allowed = replace(allowed, failover=True)
        evidence, counted = sale.close(allowed)
        complaints = judge(evidence, allowed) + _of_the_way_there(sale, drill.promises)
        verdict = "fail" if complaints else "pass"
        figures |= counted
    except BROKEN as error:
        child.leave_if_asked()
        verdict, complaints, figures = "broken", [f"{type(error).__name__}: {error}"], {}
        if sale is not None and sale.complaints:
            # It was red before it could not go on.
            verdict, complaints = "fail", [*sale.complaints, *complaints]
        if sale is not None:
            # What came of the sale may explain why the drill could not be done.
            with suppress(*BROKEN):
                figures = sale.abandon()
    if sale is not None:
        _keep_history(sale, drill.name)
    result = Result(drill, verdict, complaints, figures, time.monotonic() - began)
    colour = report.COLOURS[verdict]
    CONSOLE.print(f"   [{colour}]{verdict}[/] in {result.seconds:.1f} s: {report.figures(figures)}")
    for complaint in complaints:
        CONSOLE.print(f"   [red]{complaint}[/]", markup=True)
    return result


def template(profile: str) -> Path:
    """A var/ that is initialised and at rest, for the controls."""
    return ROOT / "var" / f"{profile}-template"


def _keep_history(sale: "Sale", name: str) -> None:
    heard = sale.crowd.recorder.heard()
    HISTORIES.mkdir(parents=True, exist_ok=True)
    began = min((one.asked for one in heard), default=0.0)
    with (HISTORIES / f"{name}.jsonl").open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in history.rows(heard, began))


def _of_the_way_there(sale: "Sale", allowed: Promises) -> list[str]:
    return history.check(
        sale.crowd.recorder.heard(),
        sale.books.read(),
        may_end=allowed.failover or allowed.returns,
        by_hand=allowed.by_hand,
        lost=sale.lost_shards,
    )


def _keep_template(ground: Ground) -> None:
    """Controls begin with a stack that is initialised: half a minute less for each."""
    ground.down()
    kept = template(ground.site.profile)
    shutil.rmtree(kept, ignore_errors=True)
    kept.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", str(ground.site.state), str(kept)], check=True)
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
