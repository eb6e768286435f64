"""The database refuses what no service would do: here by plain SQL."""

import pytest
from django.db import IntegrityError, connection

from control_plane.inventory import services

pytestmark = pytest.mark.django_db


@pytest.fixture
def allocation(item, open_epoch):
    allocation = open_epoch(units=4)
    services.begin_reclaim(allocation.pk, 2, 0)
    services.top_up(item.pk, 1, "more", None)
    return allocation


ADD_ALLOCATION = """
    INSERT INTO inventory_allocation
           (item_id, shard, epoch, source, state, granted, consumed, life, script_sha, created_at)
    SELECT item_id, shard, epoch + {later}, source, '{state}', 0, 0, '', '', created_at
      FROM inventory_allocation WHERE id = %(allocation)s
"""


@pytest.mark.parametrize(
    ("constraint", "sql"),
    [
        (
            "allocation_consumed_within_granted",
            "UPDATE inventory_allocation SET consumed = granted + 1 WHERE id = %(allocation)s",
        ),
        ("allocation_one_selling_per_shard", ADD_ALLOCATION.format(later=1, state="selling")),
        ("allocation_once_per_epoch", ADD_ALLOCATION.format(later=0, state="closed")),
        (
            "pool_unallocated_within_total",
            "UPDATE inventory_pool SET unallocated = total + 1 WHERE item_id = %(item)s",
        ),
        (
            "inventory_pool_unallocated_check",
            "UPDATE inventory_pool SET unallocated = -1 WHERE item_id = %(item)s",
        ),
        (
            "grant_qty_positive",
            "UPDATE inventory_grant SET qty = 0 WHERE allocation_id = %(allocation)s",
        ),
        ("reclaim_want_positive", "UPDATE inventory_reclaim SET want = 0"),
        ("reclaim_taken_within_want", "UPDATE inventory_reclaim SET taken = want + 1"),
        ("stockchange_done_within_qty", "UPDATE inventory_stockchange SET done = qty + 1"),
        ("stockchange_done_within_qty", "UPDATE inventory_stockchange SET qty = 0, done = 0"),
        ("item_shards_bounded", "UPDATE campaigns_item SET shards = 0"),
        ("item_shards_bounded", "UPDATE campaigns_item SET shards = 65"),
        ("campaign_ends_after_start", "UPDATE campaigns_campaign SET ends_at = starts_at"),
        ("item_units_positive", "UPDATE campaigns_item SET units = 0"),
    ],
)
def test_the_database_refuses(item, allocation, constraint, sql):
    with connection.cursor() as cursor, pytest.raises(IntegrityError, match=constraint):
        cursor.execute(sql, {"allocation": allocation.pk, "item": item.pk})


@pytest.mark.parametrize(
    "sql", ["UPDATE inventory_stocksource SET reason = reason", "DELETE FROM inventory_stocksource"]
)
def test_changes_of_the_source_stay_on_record(item, sql):
    services.switch_source("standby", reason="test", by=None)
    refused = pytest.raises(IntegrityError, match="append-only")
    with connection.cursor() as cursor, refused:
        cursor.execute(sql)
