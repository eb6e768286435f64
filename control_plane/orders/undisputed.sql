-- Before a batch lands: the locks, and what decides whether anything can be said against one of its
-- reservations (`undisputed.py`). Parameters: now, items, the tags as three arrays, and what may be
-- thousands of texts as one each, with tabs between them: asked_items and asked_shoppers, in pairs.
--
-- Locks: pools in item order, then allocations in (item, shard, epoch) order; the same order in every
-- process, so two batches can wait for each other but never in a circle. A reservation id names its
-- item, so whoever holds the item's pool is alone with everything about it: meanwhile no other
-- landing can insert the same order, use up the same room or the same shopper's limit. NO KEY UPDATE is
-- enough for that and does not hold up the foreign key checks of grants. The locks are statements
-- of their own because a statement of READ COMMITTED sees what was committed before it began: the
-- last one sees everything that was decided while the first two waited.
SET LOCAL lock_timeout = '10s';
SET LOCAL statement_timeout = '30s';

SELECT FROM inventory_pool pool
 WHERE pool.item_id = ANY(%(items)s)
 ORDER BY pool.item_id
   FOR NO KEY UPDATE;

SELECT FROM inventory_allocation allocation
 WHERE (allocation.item_id, allocation.shard, allocation.epoch)
       IN (SELECT * FROM unnest(%(tag_items)s, %(tag_shards)s, %(tag_epochs)s))
 ORDER BY allocation.item_id, allocation.shard, allocation.epoch
   FOR NO KEY UPDATE;

-- A shopper is looked for by one probe of an index, whatever the planner thinks of the table: LIMIT
-- keeps it from making a join of it that reads all orders.
SELECT 'lease' AS kind, allocation.item_id AS item,
       json_build_object('item', allocation.item_id, 'shard', allocation.shard,
                         'epoch', allocation.epoch, 'closed', allocation.state = 'closed',
                         'sku', item.sku, 'price_minor', item.price_minor,
                         'currency', item.currency,
                         'pay_by', %(now)s + campaign.pay_minutes * interval '1 minute',
                         'room', allocation.granted - allocation.consumed,
                         'limit_per_shopper', item.limit_per_shopper)::text AS text
  FROM inventory_allocation allocation
  JOIN inventory_pool pool ON pool.item_id = allocation.item_id
  JOIN campaigns_item item ON item.id = allocation.item_id
  JOIN campaigns_campaign campaign ON campaign.id = item.campaign_id
 WHERE (allocation.item_id, allocation.shard, allocation.epoch)
       IN (SELECT * FROM unnest(%(tag_items)s, %(tag_shards)s, %(tag_epochs)s))
UNION ALL
SELECT 'shopper', asked.item, asked.shopper
  FROM unnest(string_to_array(%(asked_items)s, E'\t')::bigint[],
              string_to_array(%(asked_shoppers)s, E'\t')) AS asked (item, shopper)
 WHERE (SELECT true FROM orders_order stands
         WHERE stands.item_id = asked.item AND stands.shopper = asked.shopper
         LIMIT 1)
UNION ALL
SELECT 'rejections', item, NULL
  FROM unnest(%(items)s) AS asked (item)
 WHERE EXISTS (SELECT FROM orders_rejection known WHERE known.item_id = asked.item)
UNION ALL
SELECT 'order_ids', NULL, string_agg(nextval('orders_order_id_seq')::text, E'\t')
  FROM generate_series(1, %(count)s);
