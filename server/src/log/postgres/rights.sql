-- Who may run which function; made anew by each migration, after all of them. PostgreSQL lets everybody run everything that is not
-- taken from them, and who may run a function that has its owner's rights can make it the trigger of a table of their own,
-- whose types then decide what is run with these rights.
DO $$
DECLARE
  own regprocedure;
BEGIN
  FOR own IN
    SELECT p.oid FROM pg_proc AS p
    WHERE p.pronamespace = current_schema()::regnamespace AND starts_with(p.proname, 'sync_') AND p.proowner = current_user::regrole
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC, mana_sync_server, mana_sync_compactor', own);
  END LOOP;
END $$;

-- What policies and views ask for whoever reads, and what the server calls itself. Triggers need no such right.
GRANT EXECUTE ON FUNCTION sync_caller(), sync_streams(text), sync_readable(), sync_writable(), sync_begin_writing(),
  sync_claim_space(text), sync_note_member(text[]) TO mana_sync_server;

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'mana_sync_service') THEN
    GRANT EXECUTE ON FUNCTION sync_caller(), sync_streams(text), sync_readable(), sync_writable() TO mana_sync_service;
  END IF;
END $$;
