-- Notes that the caller is a member of these spaces, of which nobody says the kind, and says of each whether several people were
-- seen in it, and whether it is somebody else's own. Of somebody who makes one their own at the same time, one waits for the other.
CREATE OR REPLACE FUNCTION sync_note_member(spaces text[]) RETURNS TABLE (space text, is_shared boolean, is_foreign boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  caller text := sync_caller();
BEGIN
  INSERT INTO sync_members AS m (space_id, user_id)
  SELECT asked.id, caller FROM unnest(spaces) AS asked (id) LEFT JOIN sync_members AS known ON known.space_id = asked.id
  WHERE 'space:' || asked.id = ANY (sync_readable()) AND (known.space_id IS NULL OR known.user_id <> caller)
  ORDER BY asked.id
  ON CONFLICT (space_id) DO UPDATE SET user_id = CASE WHEN m.user_id = excluded.user_id THEN m.user_id END;
  -- A statement of its own: it sees what was waited for.
  -- One's own is never shared, whoever was seen in it: everybody else is asked about each time.
  RETURN QUERY SELECT m.space_id, m.user_id IS NULL
      AND NOT EXISTS (SELECT FROM own_spaces AS o WHERE o.space_id = m.space_id AND o.user_id = caller),
    EXISTS (SELECT FROM own_spaces AS o WHERE o.space_id = m.space_id AND o.user_id <> caller)
  FROM sync_members AS m WHERE m.space_id = ANY (spaces) AND 'space:' || m.space_id = ANY (sync_readable());
END $$;

-- The same fields, with another name in `spaceId` where that is a text. Nothing else of the text is written anew: numbers and keys
-- would come out otherwise than they were sent. What the server and the trigger of services.sql write has one or no blank after
-- commas and colons, which says where each value begins.
CREATE OR REPLACE FUNCTION sync_in_space(fields text, space text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  named record;
  gap numeric;
  start bigint;
BEGIN
  IF strpos(fields, '"spaceId"') = 0 OR json_typeof(fields::json -> 'spaceId') IS DISTINCT FROM 'string' THEN
    RETURN fields;
  END IF;
  SELECT * INTO named FROM (
    SELECT sized.key, sized.value, sized.place, count(*) OVER () AS members, sum(sized.length) OVER () AS length,
      sum(sized.length) OVER (ORDER BY sized.place) - sized.length AS before
    FROM (
      SELECT key, value::text AS value, place, length(to_json(key)::text) + length(value::text) AS length
      FROM json_each(fields::json) WITH ORDINALITY AS member (key, value, place)
    ) AS sized
  ) AS placed WHERE placed.key = 'spaceId' ORDER BY placed.place DESC LIMIT 1;
  gap := (length(fields) - 2 - named.length) / (2 * named.members - 1);
  start := 2 + named.before + (2 * named.place - 1) * gap + length('"spaceId"');
  IF substr(fields, start::integer, length(named.value)) = named.value AND gap IN (1, 2) THEN
    RETURN overlay(fields PLACING to_json(space)::text FROM start::integer FOR length(named.value));
  END IF;
  RETURN fields::jsonb || jsonb_build_object('spaceId', space);
END $$;

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
  longer bigint;
  only_member text;
BEGIN
  IF caller IS NULL OR old_stream <> ALL (sync_writable()) OR old_stream <> ALL (sync_readable()) THEN
    RETURN false;
  END IF;
  -- In the order in which pushes lock them.
  INSERT INTO streams AS s (stream) VALUES (own_stream) ON CONFLICT (stream) DO UPDATE SET pos = s.pos RETURNING s.pos INTO newest;
  INSERT INTO streams AS s (stream) VALUES (old_stream) ON CONFLICT (stream) DO UPDATE SET pos = s.pos;
  UPDATE sync_usage AS u SET bytes = u.bytes WHERE u.user_id = caller;
  IF EXISTS (SELECT FROM sync_changes AS c WHERE c.stream = old_stream AND c.user_id <> caller) THEN
    RETURN false;
  END IF;
  INSERT INTO sync_members AS m (space_id, user_id) VALUES (claimed, caller)
  ON CONFLICT (space_id) DO UPDATE SET user_id = CASE WHEN m.user_id = excluded.user_id THEN m.user_id END
  RETURNING m.user_id INTO only_member;
  IF only_member IS NULL THEN
    RETURN false;
  END IF;
  INSERT INTO own_spaces (space_id, user_id) VALUES (claimed, caller) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  WITH renamed AS MATERIALIZED (
    SELECT c.id, c.data, sync_in_space(c.data, alias) AS written, row_number() OVER (ORDER BY c.pos) AS place
    FROM sync_changes AS c WHERE c.stream = old_stream
  ), done AS (
    UPDATE sync_changes AS c SET stream = own_stream, pos = newest + renamed.place, space_id = alias, data = renamed.written
    FROM renamed WHERE c.stream = old_stream AND c.user_id = caller AND c.id = renamed.id
  )
  SELECT count(*), coalesce(sum(octet_length(written) - octet_length(data)), 0) INTO moved, longer FROM renamed;
  UPDATE streams AS s SET pos = newest + moved WHERE s.stream = own_stream;
  UPDATE sync_usage AS u SET bytes = u.bytes + longer WHERE u.user_id = caller;
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
