-- Up Migration

-- The number of the newest stream of each store. Each hello raises it, and each message is checked against it under the
-- cursor's lock: so the newest stream wins, through whatever processes they come.
ALTER TABLE sync_cursor ADD COLUMN stream bigint NOT NULL DEFAULT 0 CHECK (stream >= 0);
