-- Up Migration

-- Operations of a refused ATOMIC batch are judged one after the other; what an earlier one would have taken is seen in
-- the refusal of a later one, and nowhere else in the log.
ALTER TABLE event_log
  ADD COLUMN judged_net integer,
  ADD CONSTRAINT event_log_judged_net_check CHECK (judged_net IS NULL OR status = 'FAILED');

-- When a stock was last counted: counts are few among its events.
CREATE INDEX event_log_counts ON event_log (product_id, store_id, effective_time)
  WHERE type = 'COUNT' AND status = 'SUCCESS';
