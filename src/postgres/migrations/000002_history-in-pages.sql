-- Up Migration

-- History is read in pages by (recorded_time, seq), of a store or of one stock. seq follows the order in which the
-- commands of a batch were decided: the ledger takes the numbers itself, in that order, before it sorts the events by id.
GRANT USAGE ON SEQUENCE event_log_seq_seq TO onhand_app;

-- Partial, though its condition always holds: a statement that does not repeat the condition cannot take the index. Else
-- a plan made while the table is empty would look up event ids in it (the costs tie), and read a store's whole history
-- for each id.
CREATE INDEX event_log_by_store ON event_log (store_id, recorded_time, seq) WHERE seq > 0;
CREATE INDEX event_log_by_stock ON event_log (product_id, store_id, recorded_time, seq);

-- No event counts from a time after it was recorded. So what has effective_time > t has recorded_time > t as well: the
-- index of a stock's history serves the rules for counts too, where both conditions are given.
ALTER TABLE event_log ADD CONSTRAINT event_log_effective_time_check CHECK (effective_time <= recorded_time);
DROP INDEX event_log_by_time;
