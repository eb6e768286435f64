-- One round of landing a batch (DESIGN §4.8). `landing.py` runs it until every reservation is decided.
--
-- Reads the temporary table `landing`, in which no reservation stands twice, and the parameter now.
-- `shopper_asks` and `allocation_asks` are running sums over the rows so far, each row's own
-- quantity included: all that its shopper, and all that its allocation, is asked for.
-- Returns what this round decided, three columns: reservation, order or NULL, and why not, '' for an order. And
-- for each allocation a row without a reservation, whose text says in JSON what its orders have in common: written
-- once, since every row of a batch would have to be written here, read there, and wait for both.
--
-- The locks are those of `undisputed.sql`, which says why, in the same order: taken already, unless the
-- batch is judged as a whole.
SELECT FROM inventory_pool pool
 WHERE pool.item_id IN (SELECT item FROM landing)
 ORDER BY pool.item_id
   FOR NO KEY UPDATE;

SELECT FROM inventory_allocation allocation
 WHERE (allocation.item_id, allocation.shard, allocation.epoch)
       IN (SELECT item, shard, epoch FROM landing)
 ORDER BY allocation.item_id, allocation.shard, allocation.epoch
   FOR NO KEY UPDATE;

-- The sums count every earlier row, also one that will be refused, so they are never too low: a row that
-- is within both fits, whatever becomes of the rows before it. A row that does not fit even alone
-- never will, because room and allowance only shrink while we hold the locks. The rest get no verdict
-- and come again in the next round, without the rows that were decided in this one.
WITH lease AS MATERIALIZED (
    SELECT allocation.item_id, allocation.shard, allocation.epoch,
           allocation.state = 'closed' AS closed,
           CASE WHEN allocation.state <> 'closed' THEN allocation.granted - allocation.consumed
                -- The totals are written.
                WHEN campaign.settled_at IS NOT NULL THEN 0
                ELSE pool.unallocated END AS room,
           item.limit_per_shopper, item.price_minor, item.currency, item.sku,
           %(now)s + campaign.pay_minutes * interval '1 minute' AS pay_by,
           campaign.buys_again
      FROM inventory_allocation allocation
      JOIN inventory_pool pool ON pool.item_id = allocation.item_id
      JOIN campaigns_item item ON item.id = allocation.item_id
      JOIN campaigns_campaign campaign ON campaign.id = item.campaign_id
     WHERE (allocation.item_id, allocation.shard, allocation.epoch)
           IN (SELECT item, shard, epoch FROM landing)
),
-- What the closed epochs of an item ask of its pool, in the order of the batch: COPY wrote the rows in
-- that order, and nothing was written between them. Looked up row by row and not joined, since there is
-- nearly always nothing.
late AS MATERIALIZED (
    SELECT landing.reservation_id,
           sum(landing.qty) OVER (PARTITION BY landing.item ORDER BY landing.ctid) AS pool_asks
      FROM lease
      JOIN landing
        ON landing.item = lease.item_id
       AND landing.shard = lease.shard
       AND landing.epoch = lease.epoch
     WHERE lease.closed
),
judged AS MATERIALIZED (
    SELECT landing.*, lease.price_minor, lease.currency, lease.pay_by,
           CASE WHEN lease.item_id IS NULL THEN 'no_allocation'
                WHEN held.units + landing.qty > lease.limit_per_shopper THEN 'over_limit'
                WHEN landing.qty > lease.room
                THEN CASE WHEN lease.closed THEN 'closed_epoch' ELSE 'over_granted' END
                WHEN held.units + landing.shopper_asks <= lease.limit_per_shopper
                 AND CASE WHEN lease.closed
                          THEN (SELECT pool_asks FROM late
                                 WHERE late.reservation_id = landing.reservation_id)
                          ELSE landing.allocation_asks END <= lease.room
                THEN 'fits' END AS verdict
      FROM landing
      LEFT JOIN lease
        ON lease.item_id = landing.item
       AND lease.shard = landing.shard
       AND lease.epoch = landing.epoch
     CROSS JOIN LATERAL (SELECT coalesce(sum(live.qty), 0) AS units FROM orders_order live
                          WHERE live.item_id = landing.item
                            AND live.shopper = landing.shopper
                            AND (live.state IN ('unpaid', 'paid')
                              OR NOT lease.buys_again AND live.state = 'expired'
                             AND NOT EXISTS (SELECT FROM orders_order successor
                                              WHERE successor.replaces_id = live.id))) held
     WHERE NOT EXISTS (SELECT FROM orders_order known
                        WHERE known.reservation_id = landing.reservation_id)
       AND NOT EXISTS (SELECT FROM orders_rejection known
                        WHERE known.reservation_id = landing.reservation_id)
),
made AS (
    INSERT INTO orders_order (reservation_id, item_id, shard, epoch, shopper, qty, amount_minor,
                              currency, state, reserved_at, created_at, pay_by)
    SELECT reservation_id, item, shard, epoch, shopper, qty, qty * price_minor,
           currency, 'unpaid', 'epoch'::timestamptz + at_ms * interval '1 millisecond',
           %(now)s, pay_by
      FROM judged WHERE verdict = 'fits'
    RETURNING id, reservation_id, item_id, shard, epoch, qty
),
-- An item without a pool has no lock: two landings may refuse the same reservation at once. Sorted, so
-- that they cannot wait for each other.
refused AS (
    INSERT INTO orders_rejection (reservation_id, item_id, shard, epoch, shopper, qty, reason,
                                  created_at)
    SELECT reservation_id, item, shard, epoch, shopper, qty, verdict, %(now)s
      FROM judged WHERE verdict <> 'fits'
     ORDER BY reservation_id
    ON CONFLICT (reservation_id) DO NOTHING
    RETURNING reservation_id, item_id, shard, shopper, reason
),
-- The shard still counts them against their shoppers' limit. As for orders that end: once the campaign
-- is over no shard has to hear of it.
to_release AS (
    INSERT INTO orders_holdrelease (reservation_id, item_id, shard, shopper, created_at)
    SELECT refused.reservation_id, refused.item_id, refused.shard, refused.shopper, %(now)s
      FROM refused
      JOIN campaigns_item item ON item.id = refused.item_id
      JOIN campaigns_campaign campaign ON campaign.id = item.campaign_id
     WHERE campaign.state <> 'ended'
),
confirmed AS (
    INSERT INTO orders_ledgerentry (order_id, kind, item_id, qty, created_at)
    SELECT id, 'confirm', item_id, qty, %(now)s FROM made
),
taken AS (
    SELECT item_id, shard, epoch, sum(qty) AS qty FROM made GROUP BY item_id, shard, epoch
),
consumed AS (
    UPDATE inventory_allocation allocation SET consumed = allocation.consumed + taken.qty
      FROM taken
     WHERE allocation.item_id = taken.item_id
       AND allocation.shard = taken.shard
       AND allocation.epoch = taken.epoch
       AND allocation.state <> 'closed'
),
pooled AS (
    UPDATE inventory_pool pool SET unallocated = pool.unallocated - late_units.qty
      FROM (SELECT item_id, sum(taken.qty) AS qty
              FROM taken JOIN lease USING (item_id, shard, epoch)
             WHERE lease.closed
             GROUP BY item_id) late_units
     WHERE pool.item_id = late_units.item_id
)
SELECT NULL AS reservation_id, NULL AS id,
       json_build_object('item', item_id, 'shard', shard, 'epoch', epoch, 'closed', closed, 'sku', sku,
                         'price_minor', price_minor, 'currency', currency, 'pay_by', pay_by,
                         'room', room, 'limit_per_shopper', limit_per_shopper)::text AS text
  FROM lease
UNION ALL
SELECT reservation_id, id, '' FROM made
UNION ALL
SELECT reservation_id, NULL, reason FROM refused;
