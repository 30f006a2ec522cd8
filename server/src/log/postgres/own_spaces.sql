-- Makes a space the caller's own, with all that lies in its stream; says whether it is. The server may neither change nor move
-- rows: this runs with its owner's rights, which the owner's policies (policies.sql) limit to the caller's rows and streams.
CREATE OR REPLACE FUNCTION sync_claim_space(claimed text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  caller text := sync_caller();
  old_stream text := 'space:' || claimed;
  own_stream text := 'user:' || sync_caller();
  alias text := '_personal:' || sync_caller();
  newest bigint;
  moved bigint;
BEGIN
  IF caller IS NULL OR old_stream <> ALL (sync_writable()) OR old_stream <> ALL (sync_readable()) THEN
    RETURN false;
  END IF;
  -- In the order in which pushes lock them.
  INSERT INTO streams AS s (stream) VALUES (own_stream) ON CONFLICT (stream) DO UPDATE SET pos = s.pos RETURNING s.pos INTO newest;
  INSERT INTO streams AS s (stream) VALUES (old_stream) ON CONFLICT (stream) DO UPDATE SET pos = s.pos;
  IF EXISTS (SELECT FROM sync_changes AS c WHERE c.stream = old_stream AND c.user_id <> caller) THEN
    RETURN false;
  END IF;
  INSERT INTO own_spaces (space_id, user_id) VALUES (claimed, caller) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE sync_changes AS c SET stream = own_stream, pos = newest + numbered.place, space_id = alias,
    data = CASE jsonb_typeof(c.data::jsonb -> 'spaceId')
      WHEN 'string' THEN (c.data::jsonb || jsonb_build_object('spaceId', alias))::text ELSE c.data END
  FROM (SELECT id, row_number() OVER (ORDER BY pos) AS place FROM sync_changes WHERE stream = old_stream) AS numbered
  WHERE c.stream = old_stream AND c.user_id = caller AND c.id = numbered.id;
  GET DIAGNOSTICS moved = ROW_COUNT;
  UPDATE streams AS s SET pos = newest + moved WHERE s.stream = own_stream;
  -- As `Head::joined`.
  INSERT INTO sync_records AS r
  SELECT own_stream, o.app_id, o.table_name, o.record_id, o.author, o.author_at, o.visibility, o.visibility_at, o.deleted,
    o.deleted_at
  FROM sync_records AS o WHERE o.stream = old_stream
  ON CONFLICT (stream, app_id, table_name, record_id) DO UPDATE SET
    author = coalesce(r.author, excluded.author), author_at = coalesce(r.author_at, excluded.author_at),
    visibility = CASE WHEN coalesce(excluded.visibility_at, '') COLLATE "C" >= coalesce(r.visibility_at, '')
      THEN excluded.visibility ELSE r.visibility END,
    visibility_at = greatest(excluded.visibility_at COLLATE "C", r.visibility_at COLLATE "C"),
    deleted = CASE WHEN (coalesce(excluded.deleted_at, '') COLLATE "C", NOT coalesce(excluded.deleted, true))
        >= (coalesce(r.deleted_at, ''), NOT coalesce(r.deleted, true)) THEN excluded.deleted ELSE r.deleted END,
    deleted_at = greatest(excluded.deleted_at COLLATE "C", r.deleted_at COLLATE "C");
  DELETE FROM sync_records AS r WHERE r.stream = old_stream;
  RETURN true;
END $$;
