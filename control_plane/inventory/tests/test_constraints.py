"""The database refuses what no service would do: here by plain SQL."""

import pytest
from django.db import IntegrityError, connection

from control_plane.inventory import services

pytestmark = pytest.mark.django_db


@pytest.fixture
def allocation(item):
    allocation = services.open_allocation(item.pk, shard=0)
    services.begin_grant(allocation.pk, 4)
    return allocation


ADD_ALLOCATION = """
    INSERT INTO inventory_allocation
           (item_id, shard, epoch, granted, consumed, closed, script_sha, created_at)
    SELECT item_id, shard, epoch + {later}, 0, 0, {closed}, '', created_at
      FROM inventory_allocation WHERE id = %(allocation)s
"""


@pytest.mark.parametrize(
    ("constraint", "sql"),
    [
        (
            "allocation_consumed_within_granted",
            "UPDATE inventory_allocation SET consumed = granted + 1 WHERE id = %(allocation)s",
        ),
        ("allocation_one_open_per_shard", ADD_ALLOCATION.format(later=1, closed=False)),
        ("allocation_once_per_epoch", ADD_ALLOCATION.format(later=0, closed=True)),
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
        ("campaign_ends_after_start", "UPDATE campaigns_campaign SET ends_at = starts_at"),
        ("item_units_positive", "UPDATE campaigns_item SET units = 0"),
    ],
)
def test_the_database_refuses(item, allocation, constraint, sql):
    with connection.cursor() as cursor, pytest.raises(IntegrityError, match=constraint):
        cursor.execute(sql, {"allocation": allocation.pk, "item": item.pk})
