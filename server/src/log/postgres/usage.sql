-- How many bytes of the log each person wrote. A person counts what is their own, as the trigger of services.sql does for them
-- with its owner's rights; only the compactor takes anything off.
DO $$
BEGIN
  IF to_regclass('sync_usage') IS NULL THEN
    CREATE TABLE sync_usage (
      user_id text   NOT NULL PRIMARY KEY,
      bytes   bigint NOT NULL DEFAULT 0
    );
    -- What is there already is counted once, for which the owner has to see it. Nobody else does meanwhile.
    ALTER TABLE sync_changes NO FORCE ROW LEVEL SECURITY;
    INSERT INTO sync_usage
      SELECT user_id, sum(octet_length(data) + octet_length(field_meta) + coalesce(octet_length(actor), 0) + 256)
      FROM sync_changes GROUP BY user_id;
    ALTER TABLE sync_changes FORCE ROW LEVEL SECURITY;
  END IF;
END $$;

ALTER TABLE sync_usage ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
DO $$
DECLARE
  old record;
BEGIN
  FOR old IN SELECT polname FROM pg_policy WHERE polrelid = 'sync_usage'::regclass LOOP
    EXECUTE format('DROP POLICY %I ON sync_usage', old.polname);
  END LOOP;
END $$;
CREATE POLICY server_counts ON sync_usage FOR ALL TO mana_sync_server USING (user_id = (SELECT sync_caller()));
CREATE POLICY owner_counts ON sync_usage FOR ALL TO CURRENT_USER USING (user_id = (SELECT sync_caller()));
CREATE POLICY compactor_works ON sync_usage FOR ALL TO mana_sync_compactor USING (true);

REVOKE ALL ON sync_usage FROM PUBLIC, mana_sync_server, mana_sync_compactor;
GRANT SELECT, INSERT, UPDATE ON sync_usage TO mana_sync_server;
GRANT SELECT, INSERT, UPDATE, DELETE ON sync_usage TO mana_sync_compactor;
