-- Up Migration

-- The service's own role: it may change stock, and only add to the event log. Roles belong to the whole cluster, so
-- another database may have made it already, or may be making it right now. Who owns the database without the right to
-- make roles needs it made beforehand: CREATE ROLE onhand_app; GRANT onhand_app TO <owner>.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'onhand_app') THEN
    CREATE ROLE onhand_app NOLOGIN;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL;
END
$$;
-- Whoever migrates may also serve (npm start and the tests use one login); sessions of the service take the role on. An
-- owner that did not make the role cannot grant it, and has been granted it.
DO $$
BEGIN
  EXECUTE format('GRANT onhand_app TO %I', current_user);
EXCEPTION WHEN insufficient_privilege THEN
  IF NOT pg_has_role(current_user, 'onhand_app', 'MEMBER') THEN
    RAISE EXCEPTION 'The role onhand_app is there, and % may not take it on: GRANT onhand_app TO %', current_user, current_user
      USING ERRCODE = 'insufficient_privilege';
  END IF;
END
$$;

CREATE TYPE operation_type AS ENUM ('SALE', 'RESTOCK', 'RETURN', 'COUNT', 'WASTE');
CREATE TYPE event_status AS ENUM ('SUCCESS', 'FAILED');
CREATE TYPE effect AS ENUM ('APPLIED', 'OVERSOLD', 'ABSORBED', 'REFUSED');
CREATE TYPE origin AS ENUM ('GRPC', 'CONNECT', 'REST', 'SYNC', 'SYSTEM');

-- What each store has of each product. Ids compare by code point, as the service does. A row at version 0 is a
-- placeholder: made so that it can be locked, and not yet written by anybody.
CREATE TABLE stock (
  store_id    text COLLATE "C" NOT NULL CHECK (char_length(store_id) BETWEEN 1 AND 50),
  product_id  text COLLATE "C" NOT NULL CHECK (char_length(product_id) BETWEEN 1 AND 50),
  net         integer NOT NULL DEFAULT 0 CHECK (net BETWEEN -1000000000 AND 1000000000),
  version     bigint NOT NULL DEFAULT 0 CHECK (version >= 0),
  create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
  update_time timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (store_id, product_id),
  CHECK (version > 0 OR net = 0)
) WITH (fillfactor = 70);
CREATE INDEX stock_by_product ON stock (product_id, store_id);

-- What happened, in full: the stock table can be rebuilt from it. requested_delta is signed; for COUNT it is the
-- counted quantity. version is the stock's after the event; for a refused one the version that it met.
CREATE TABLE event_log (
  store_id         text COLLATE "C" NOT NULL,
  seq              bigint GENERATED ALWAYS AS IDENTITY,
  event_id         uuid NOT NULL,
  product_id       text COLLATE "C" NOT NULL,
  type             operation_type NOT NULL,
  status           event_status NOT NULL,
  effect           effect NOT NULL,
  reason           text COLLATE "C",
  requested_delta  integer NOT NULL,
  applied_delta    integer NOT NULL,
  net_before       integer NOT NULL,
  net_after        integer NOT NULL,
  version          bigint NOT NULL,
  occurred_time    timestamptz NOT NULL,
  effective_time   timestamptz NOT NULL,
  recorded_time    timestamptz NOT NULL,
  actor            text NOT NULL,
  actor_store_id   text COLLATE "C",
  origin           origin NOT NULL,
  metadata         jsonb NOT NULL DEFAULT '{}',
  fingerprint      text COLLATE "C" NOT NULL,
  operation_reason text,
  sync_epoch       bigint,
  sync_sequence    bigint,
  xid              xid8 NOT NULL DEFAULT pg_current_xact_id(),
  CONSTRAINT event_log_event_id_key UNIQUE (store_id, event_id),
  CHECK (net_after = net_before + applied_delta),
  CHECK ((status = 'FAILED') = (reason IS NOT NULL)),
  CHECK ((status = 'FAILED') = (effect = 'REFUSED')),
  CHECK (effect IN ('APPLIED', 'OVERSOLD') OR applied_delta = 0),
  CHECK (effect = 'OVERSOLD' OR net_after >= 0 OR net_before < 0),
  CHECK (actor_store_id IS NULL OR actor_store_id = store_id)
);
-- Product first: with store_id in front, a plan made while the table is empty takes this index to look up event ids
-- (the costs tie), and reads a store's whole history for each until the table is next analyzed.
CREATE INDEX event_log_by_time ON event_log (product_id, store_id, effective_time);
CREATE INDEX event_log_by_xid ON event_log (xid);

-- History is never rewritten, not even by the owner's slip.
CREATE FUNCTION refuse_event_log_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'event_log is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER event_log_no_rewrite BEFORE UPDATE OR DELETE ON event_log
  FOR EACH ROW EXECUTE FUNCTION refuse_event_log_change();
CREATE TRIGGER event_log_no_truncate BEFORE TRUNCATE ON event_log
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_event_log_change();

-- How far each store's own log has been taken in.
CREATE TABLE sync_cursor (
  store_id            text COLLATE "C" PRIMARY KEY,
  epoch               bigint NOT NULL CHECK (epoch >= 1),
  sequence            bigint NOT NULL DEFAULT 0 CHECK (sequence >= 0),
  last_effective_time timestamptz
);

-- One row that ticks: its number in a snapshot tells how fresh the snapshot is.
CREATE TABLE heartbeat (
  id   boolean PRIMARY KEY DEFAULT true CHECK (id),
  n    bigint NOT NULL,
  time timestamptz NOT NULL
);
INSERT INTO heartbeat (n, time) VALUES (1, clock_timestamp());

GRANT USAGE ON SCHEMA public TO onhand_app;
GRANT SELECT, INSERT, UPDATE ON stock, sync_cursor TO onhand_app;
GRANT SELECT, UPDATE ON heartbeat TO onhand_app;
GRANT SELECT, INSERT ON event_log TO onhand_app;
