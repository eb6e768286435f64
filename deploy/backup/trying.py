"""`python -m deploy.backup.trying`: lose PostgreSQL in a sale, restore it, count every order.

On profile `test`: a sale runs, a base backup is taken in the middle of it, the sale goes on and
ends; then the databases are thrown away and come back as they were in the middle. Carries out
deploy/runbook/backup.md step by step and judges what came of it. Destroys what profile `test` has.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2

from deploy.local.servers import postgres
from deploy.local.site import ROOT, Site

# Everything that takes or moves units, or reads topics; it stays down until the books are back.
MOVERS = (
    *("edge", "gateway", "risk-scorer", "queue-controller", "webhook-consumer", "compensator"),
    *("order-courier", "inventory-consumer", "order-consumer", "stock-agent", "relay"),
    *("celery-beat", "celery-webhooks", "celery-worker", "control-plane"),
)
BEFORE = timedelta(minutes=10)
LANDED_WITHIN_S = 120
BOOKS = """
import json
from django.db.models import Sum
from control_plane.campaigns.models import Item
from control_plane.inventory import services as inventory
from control_plane.orders.models import Order, Rejection
item = Item.objects.latest("pk")
orders = Order.objects.filter(item=item)
print(json.dumps({
    "orders": orders.count(),
    "units": orders.aggregate(units=Sum("qty"))["units"] or 0,
    "shoppers": orders.values("shopper").distinct().count(),
    "rejections": Rejection.objects.filter(item_id=item.pk).count(),
    "drift": inventory.conservation(item.pk).drift,
    "last": orders.order_by("pk").values_list("pk", flat=True).last() or 0,
}))
"""
Books = dict[str, int]


def stack(*words: str, only: tuple[str, ...] = ()) -> None:
    """`deploy.local` on profile test; CalledProcessError when it fails."""
    chosen = ["--only", ",".join(only)] if only else []
    command = [sys.executable, "-m", "deploy.local", *words, "--profile", "test", *chosen]
    subprocess.run(command, check=True, cwd=ROOT)


def told(*words: str) -> str:
    """What a command in the stack's environment says."""
    inside = [sys.executable, "-m", "deploy.local", "run", "--profile", "test", "--"]
    done = subprocess.run(
        [*inside, *words], check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def orders_so_far(site: Site) -> int:
    """Of all sales; asked often, so without starting Django."""
    connection = psycopg2.connect(
        host="127.0.0.1",
        port=site.port("postgres"),
        dbname="sale",
        user="sale",
        password=site.secrets["sale_password"],
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM orders_order")
        (count,) = cursor.fetchone() or (0,)
    connection.close()
    return int(count)


def books() -> Books:
    """The newest item's."""
    shell = [sys.executable, "-m", "control_plane", "shell", "--no-imports", "-c", BOOKS]
    found: Books = json.loads(told(*shell).splitlines()[-1])
    return found


def back_up(site: Site, into: Path) -> None:
    """Both databases at one instant: books of the sale and of the warehouse fit each other."""
    home = postgres.home(site)
    command = [
        postgres.binary("pg_basebackup", home),
        *("-h", str(site.socket_dir(home / "run")), "-p", str(site.port("postgres"))),
        *("-U", "postgres", "-D", str(into), "--wal-method", "stream", "--checkpoint", "fast"),
    ]
    subprocess.run(postgres.as_system_user(command), check=True, cwd=home)


def restore(site: Site, backup: Path) -> None:
    """The server is down; its data becomes the backup's."""
    data = postgres.home(site) / "data"
    shutil.rmtree(data)
    backup.rename(data)


def wait_until_landed(site: Site, wanted: int) -> None:
    """Poll until as many orders are there, or the time is over."""
    deadline = time.monotonic() + LANDED_WITHIN_S
    while orders_so_far(site) < wanted and time.monotonic() < deadline:
        time.sleep(0.5)


def judge(before: Books, after: Books, in_backup: Books) -> list[str]:
    """What is not as it must be; empty when all is well."""
    wrong = []
    if not in_backup["orders"] < before["orders"]:
        wrong.append("nothing was sold after the backup: this proves nothing")
    for name in ("orders", "units", "shoppers"):
        if after[name] != before[name]:
            wrong.append(f"{name}: {before[name]} before the loss, {after[name]} after it")
    if after["rejections"]:
        wrong.append(f"{after['rejections']} reservations were refused")
    if after["drift"]:
        wrong.append(f"drift {after['drift']}")
    if after["last"] <= before["last"]:
        wrong.append("an order's number was given out twice")
    return wrong


def main() -> int:
    """0 when every order is back."""
    parser = argparse.ArgumentParser(prog="python -m deploy.backup.trying", description=__doc__)
    parser.add_argument("--shoppers", type=int, default=600)
    parser.add_argument("--spike-s", type=int, default=40)
    chosen = parser.parse_args()
    site = Site("test")
    stack("up")
    backup = postgres.home(site) / "backup"
    shutil.rmtree(backup, ignore_errors=True)

    demo = [sys.executable, "-m", "deploy.local", "run", "--profile", "test", "--", sys.executable]
    demo += ["-m", "tests.load.demo", "--shoppers", str(chosen.shoppers)]
    demo += ["--units", str(chosen.shoppers * 2), "--spike-s", str(chosen.spike_s)]
    sold_before = orders_so_far(site)
    sale = subprocess.Popen(demo, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        while orders_so_far(site) < sold_before + chosen.shoppers // 10 and sale.poll() is None:
            time.sleep(0.1)
        since = datetime.now(UTC) - BEFORE
        back_up(site, backup)
        print(f"the backup is made, the sale goes on: {sale.poll() is None}")
        sale.wait(600)
    finally:
        sale.terminate()
    before, sold = books(), orders_so_far(site)
    print(f"before the loss: {before}")

    began = time.monotonic()
    # The relay last but for PostgreSQL: what it has not delivered yet stays in the outboxes.
    stack("down", only=MOVERS)
    stack("down", only=("postgres",))
    restore(site, backup)
    stack("up", only=("postgres",))
    in_backup = books()
    print(f"in the backup: {in_backup}")
    print(told(sys.executable, "-m", "deploy.backup.offsets", "--since", since.isoformat()))
    command = ["after_restore", "--reason", "tried", "--since", since.isoformat()]
    print(told(sys.executable, "-m", "control_plane", *command))
    stack("up", only=("control-plane", "relay", "order-consumer"))
    wait_until_landed(site, sold)
    landed = time.monotonic() - began
    stack("up")
    after = books()
    print(
        f"after it: {after}; landed {landed:.0f} s, everything up {time.monotonic() - began:.0f} s"
    )
    wrong = judge(before, after, in_backup)
    for what in wrong:
        print(f"backup: {what}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
