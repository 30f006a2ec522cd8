-- Who may see and write which rows, whatever a statement asks for. Made anew by each migration, so that nothing older
-- stays in force. The identity is said by three settings that end with their transaction (identity.rs).

-- The person a transaction is for; NULL, which no row matches, while none is said.
CREATE OR REPLACE FUNCTION sync_caller() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
  RETURN nullif(current_setting('app.current_user_id', true), '');

-- The person's own stream and those of these spaces, a JSON array. A list joined by commas would let a space called
-- `a,b` open the space `b`. Every statement asks for this: in PL/pgSQL it is planned once a session, not at each call.
CREATE OR REPLACE FUNCTION sync_streams(space_ids text) RETURNS text[] LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
  RETURN (
    SELECT array_agg(named.stream)
    FROM (
      SELECT 'user:' || sync_caller() AS stream
      UNION ALL
      SELECT 'space:' || spaces.id FROM jsonb_array_elements_text(nullif(space_ids, '')::jsonb) AS spaces (id)
      WHERE spaces.id <> ''
    ) AS named
    WHERE named.stream IS NOT NULL AND sync_caller() IS NOT NULL
  );
END $$;

CREATE OR REPLACE FUNCTION sync_readable() RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE
  RETURN sync_streams(current_setting('app.current_user_space_ids', true));

CREATE OR REPLACE FUNCTION sync_writable() RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE
  RETURN sync_streams(current_setting('app.current_user_writable_space_ids', true));

-- Called by a transaction before it takes the time that it dates its rows by: until it ends, who reads by time goes no further
-- than that. The number of the lock is 19822 * 2^48 and the time in milliseconds; nobody ever waits for a shared lock.
CREATE OR REPLACE FUNCTION sync_begin_writing() RETURNS void LANGUAGE sql VOLATILE
  BEGIN ATOMIC
    SELECT pg_advisory_xact_lock_shared(
      5579396988358623232 + floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint
    );
  END;

-- Two narrow looks at rows that the server may not read. They run with their owner's rights, which the owner's policy below
-- limits to the caller's streams and events. A tag is random and says that the log goes on at a position whose row was
-- hidden from the caller; an event's hash tells somebody who left a space that what they sent there was taken.
CREATE OR REPLACE VIEW sync_tags WITH (security_barrier) AS
  SELECT stream, pos, tag FROM sync_changes WHERE stream = ANY ((SELECT sync_readable())::text[]);

CREATE OR REPLACE VIEW sync_events WITH (security_barrier) AS
  SELECT user_id, id, content_hash FROM sync_changes WHERE user_id = (SELECT sync_caller());

DO $$
DECLARE
  old record;
BEGIN
  FOR old IN
    SELECT polname, polrelid::regclass AS on_table FROM pg_policy
    WHERE polrelid IN ('sync_changes'::regclass, 'streams'::regclass, 'sync_records'::regclass, 'sync_withheld'::regclass,
      'log_epoch'::regclass, 'own_spaces'::regclass, 'sync_members'::regclass, 'sync_unread'::regclass)
  LOOP
    EXECUTE format('DROP POLICY %I ON %s', old.polname, old.on_table);
  END LOOP;
END $$;

ALTER TABLE sync_changes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE streams      ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE sync_records ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE sync_withheld ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE own_spaces   ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE sync_members ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE log_epoch    ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE sync_unread  ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

-- Rows of a record that is private now go to its author alone, whatever they said when they were written. A scalar query:
-- one look at one head for each row, where NOT EXISTS may read all heads there are.
CREATE POLICY server_reads ON sync_changes FOR SELECT TO mana_sync_server USING (
  stream = ANY ((SELECT sync_readable())::text[])
  AND (
    op = 'withdraw'
    -- Where a record has no head, a row's own word decides.
    OR coalesce(
      (
        SELECT r.visibility = 'private' AND r.author IS DISTINCT FROM (SELECT sync_caller())
        FROM sync_records AS r
        WHERE r.stream = sync_changes.stream AND r.app_id = sync_changes.app_id
          AND r.table_name = sync_changes.table_name AND r.record_id = sync_changes.record_id
      ),
      visibility = 'private' AND user_id <> (SELECT sync_caller())
    ) IS NOT TRUE
  )
);
-- A row is its writer's, lies in a stream they may write to, and names the space of that stream.
CREATE POLICY server_writes ON sync_changes FOR INSERT TO mana_sync_server WITH CHECK (
  user_id = (SELECT sync_caller())
  AND stream = ANY ((SELECT sync_writable())::text[])
  AND CASE
    WHEN stream = 'user:' || user_id THEN coalesce(space_id, '_personal:' || user_id) = '_personal:' || user_id
    ELSE stream = 'space:' || space_id
  END
);
CREATE POLICY owner_looks ON sync_changes FOR SELECT TO CURRENT_USER USING (
  stream = ANY ((SELECT sync_readable())::text[]) OR user_id = (SELECT sync_caller())
);

CREATE POLICY server_reads ON streams FOR SELECT TO mana_sync_server
  USING (stream = ANY ((SELECT sync_readable())::text[]));
CREATE POLICY server_writes ON streams FOR INSERT TO mana_sync_server
  WITH CHECK (stream = ANY ((SELECT sync_writable())::text[]));
CREATE POLICY server_advances ON streams FOR UPDATE TO mana_sync_server
  USING (stream = ANY ((SELECT sync_writable())::text[]));

-- Members need to know that a record is private, and whose, to leave it alone.
CREATE POLICY server_reads ON sync_records FOR SELECT TO mana_sync_server
  USING (stream = ANY ((SELECT sync_readable())::text[]));
CREATE POLICY server_writes ON sync_records FOR INSERT TO mana_sync_server WITH CHECK (
  stream = ANY ((SELECT sync_writable())::text[]) AND (visibility <> 'private' OR author = (SELECT sync_caller()))
);
CREATE POLICY server_changes ON sync_records FOR UPDATE TO mana_sync_server USING (
  stream = ANY ((SELECT sync_writable())::text[]) AND (visibility <> 'private' OR author = (SELECT sync_caller()))
);

-- What the trigger of services.sql needs, which runs with the owner's rights: the caller's streams and no others.
CREATE POLICY owner_counts ON streams FOR ALL TO CURRENT_USER
  USING (stream = ANY ((SELECT sync_writable())::text[]));
CREATE POLICY owner_keeps ON sync_records FOR ALL TO CURRENT_USER
  USING (stream = ANY ((SELECT sync_writable())::text[]));

-- And what `sync_claim_space` needs (own_spaces.sql): the caller's entry, and their rows on their way to their own stream.
CREATE POLICY server_reads ON own_spaces FOR SELECT TO mana_sync_server USING (user_id = (SELECT sync_caller()));
CREATE POLICY owner_keeps ON own_spaces FOR ALL TO CURRENT_USER USING (user_id = (SELECT sync_caller()));
-- Of a space that the caller is in, also whether it is somebody else's own, and who was seen in it. The functions say no more of that
-- than yes or no.
CREATE POLICY owner_looks ON own_spaces FOR SELECT TO CURRENT_USER
  USING ('space:' || space_id = ANY ((SELECT sync_readable() || sync_writable())::text[]));
CREATE POLICY owner_keeps ON sync_members FOR ALL TO CURRENT_USER
  USING ('space:' || space_id = ANY ((SELECT sync_readable())::text[]));
CREATE POLICY owner_moves ON sync_changes FOR UPDATE TO CURRENT_USER USING (user_id = (SELECT sync_caller()))
  WITH CHECK (user_id = (SELECT sync_caller()) AND stream = 'user:' || user_id);

-- What was withheld is its author's alone, whatever space it names.
CREATE POLICY server_reads ON sync_withheld FOR SELECT TO mana_sync_server USING (user_id = (SELECT sync_caller()));
CREATE POLICY server_writes ON sync_withheld FOR INSERT TO mana_sync_server
  WITH CHECK (user_id = (SELECT sync_caller()));

CREATE POLICY epoch_is_known ON log_epoch FOR SELECT TO mana_sync_server, mana_sync_compactor USING (true);
CREATE POLICY owner_names_it ON log_epoch FOR ALL TO CURRENT_USER USING (true);

CREATE POLICY compactor_works ON sync_changes FOR ALL TO mana_sync_compactor USING (true);
CREATE POLICY compactor_works ON streams FOR ALL TO mana_sync_compactor USING (true);
CREATE POLICY compactor_works ON sync_records FOR ALL TO mana_sync_compactor USING (true);
CREATE POLICY compactor_works ON sync_withheld FOR ALL TO mana_sync_compactor USING (true);
CREATE POLICY compactor_works ON own_spaces FOR ALL TO mana_sync_compactor USING (true);
CREATE POLICY compactor_works ON sync_members FOR ALL TO mana_sync_compactor USING (true);
CREATE POLICY compactor_works ON sync_unread FOR ALL TO mana_sync_compactor USING (true);

REVOKE ALL ON sync_changes, streams, sync_records, sync_withheld, own_spaces, sync_members, log_epoch, sync_unread, sync_tags,
    sync_events
  FROM PUBLIC, mana_sync_server, mana_sync_compactor;
GRANT SELECT, INSERT ON sync_changes, streams, sync_records, sync_withheld TO mana_sync_server;
GRANT UPDATE (pos) ON streams TO mana_sync_server;
GRANT UPDATE ON sync_records TO mana_sync_server;
GRANT SELECT ON own_spaces, log_epoch, sync_tags, sync_events TO mana_sync_server;
GRANT SELECT, INSERT, UPDATE, DELETE ON sync_changes, streams, sync_records, sync_withheld TO mana_sync_compactor;
GRANT SELECT ON log_epoch TO mana_sync_compactor;
GRANT SELECT, DELETE ON own_spaces, sync_unread TO mana_sync_compactor;
GRANT SELECT, UPDATE, DELETE ON sync_members TO mana_sync_compactor;

-- Other services, where there are any: they see what the server would see for the same person, and add rows that name no
-- stream and no position (services.sql).
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'mana_sync_service') THEN
    ALTER POLICY server_reads ON sync_changes TO mana_sync_server, mana_sync_service;
    ALTER POLICY server_writes ON sync_changes TO mana_sync_server, mana_sync_service;
    ALTER POLICY server_reads ON sync_records TO mana_sync_server, mana_sync_service;
    REVOKE ALL ON sync_changes, streams, sync_records, sync_withheld, own_spaces, sync_members, log_epoch, sync_unread, sync_tags,
      sync_events
      FROM mana_sync_service;
    GRANT SELECT ON sync_changes, sync_records TO mana_sync_service;
    GRANT INSERT (id, app_id, table_name, record_id, user_id, op, data, field_meta, client_id, created_at, schema_version, actor,
      origin, space_id) ON sync_changes TO mana_sync_service;
  END IF;
END $$;
