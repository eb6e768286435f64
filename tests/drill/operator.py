"""What operators and marketers do mid-sale, by the services behind their commands and pages.

Where a drill follows the runbook to the letter, by the commands themselves.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from deploy.local import environment
from deploy.local.site import ROOT
from tests.drill.drill import DrillBroken
from tests.drill.ground import Ground
from tests.drill.sale import Sale

REASON = "drill"
COMMAND_S = 20.0


def top_up(sale: Sale, units: int) -> None:
    """A marketer adds units."""
    with _services() as inventory:
        inventory.top_up(sale.item, units, REASON, None)


def withdraw(sale: Sale, units: int) -> None:
    """A marketer takes units away; what shards hold follows later."""
    with _services() as inventory:
        inventory.withdraw(sale.item, units, REASON, None)


def rearm(sale: Sale, shard: int, mode: str) -> None:
    """An operator ends the shard's epoch."""
    [(allocation,)] = sale.books.query(
        "SELECT id FROM inventory_allocation WHERE item_id = %s AND shard = %s"
        " AND state = 'selling'",
        sale.item,
        shard,
    )
    with _services() as inventory:
        inventory.begin_rearm(allocation, mode, REASON)


def switch_source(source: str) -> None:
    """An operator sends every sale elsewhere, planned."""
    with _services() as inventory:
        inventory.switch_source(source, reason=REASON, by=None)


def ensure_source(source: str) -> None:
    """As `switch_source`, unless it sells already: who cleans up does not know how far it came."""
    with _services() as inventory:
        if inventory.current_source()[0] != source:
            inventory.switch_source(source, reason=REASON, by=None)


def force_source(ground: Ground, source: str) -> None:
    """An operator sends every sale elsewhere, whatever the old source says; by the command."""
    _command(ground, "stock_source", source, "--forced")


def give_up_all(ground: Ground) -> int:
    """An operator gives up what waits for a source that is gone; by the command. How many."""
    return int(_command(ground, "give_up", "--all").split()[0])


def _command(ground: Ground, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "control_plane", *words, "--reason", REASON],
        check=False,
        cwd=ROOT,
        env=os.environ | environment.of(ground.site, "control-plane"),
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
    )
    if done.returncode != 0:
        raise DrillBroken(f"{' '.join(words)} did not work: {done.stderr.strip()[-400:]}")
    return done.stdout


@contextmanager
def _services() -> Iterator[Any]:
    """Imported late: they need Django's settings."""
    from control_plane.inventory import services

    try:
        yield services
    except services.InventoryError as error:
        raise DrillBroken(repr(error)) from error
