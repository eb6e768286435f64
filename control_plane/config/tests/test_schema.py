"""Tables are where they belong and as the models say."""

import pytest
from django.core.management import call_command
from django.db import connections

from control_plane.snapshot.models import Snapshot


@pytest.mark.django_db(databases=["default", "inventory"])
def test_no_migration_is_missing():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.django_db(databases=["default", "inventory"])
def test_only_the_warehouse_lives_in_the_inventory_database():
    tables = {alias: set(connections[alias].introspection.table_names()) for alias in connections}
    warehouse = {"warehouse_stock", "warehouse_stockentry"}
    assert tables["inventory"] == warehouse | {"django_migrations"}
    assert not tables["default"] & warehouse
    assert {"orders_order", "inventory_pool", "snapshot_snapshot"} <= tables["default"]


@pytest.mark.django_db(databases=["default", "inventory"])
def test_prepare_can_run_again(capsys):
    call_command("prepare")
    first = Snapshot.objects.get()
    call_command("prepare")
    assert Snapshot.objects.get() == first
    assert capsys.readouterr().out == "ready\nready\n"
