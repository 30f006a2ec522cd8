-- Rows that other services add to `sync_changes` themselves. They name what was changed, in the columns of the production
-- table; `sync_complete` gives such a row everything else that a push gives it, in its writer's transaction: a place in its
-- stream, which stays locked until that ends, a tag, stamps, and the head of its record. What a push would refuse is refused.
-- It runs with its owner's rights, which the owner's policies (policies.sql) limit to the caller's streams.

CREATE OR REPLACE FUNCTION sync_check_size(row_ sync_changes) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF octet_length(row_.data) + octet_length(row_.field_meta) + coalesce(octet_length(row_.actor), 0) > 8 * 1024 * 1024 THEN
    PERFORM sync_refuse('too_large', 'data', 'has more than 8388608 bytes');
  END IF;
END $$;

-- Refuses names and words that a change cannot have.
CREATE OR REPLACE FUNCTION sync_check_row(row_ sync_changes) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  wrong record;
BEGIN
  PERFORM sync_check_size(row_);
  SELECT named.about, named.reason INTO wrong FROM (VALUES
    (row_.id ~ '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$', 'id', 'must be a lower-case hyphenated UUID'),
    (sync_is_name(row_.app_id), 'app_id', 'must have 1 to 64 letters, digits, ''_'' and ''-'''),
    (sync_is_name(row_.table_name) AND row_.table_name !~ '^_', 'table_name',
      'must have 1 to 64 letters, digits, ''_'' and ''-'', and not begin with ''_'''),
    (sync_is_id(row_.record_id), 'record_id', 'must have 1 to 255 bytes without control characters'),
    (sync_is_id(row_.user_id), 'user_id', 'must have 1 to 255 bytes without control characters'),
    (sync_is_id(row_.client_id), 'client_id', 'must have 1 to 255 bytes without control characters'),
    (row_.space_id IS NULL OR sync_is_id(row_.space_id), 'space_id', 'must have 1 to 255 bytes without control characters'),
    (coalesce(row_.op, '') IN ('insert', 'update', 'delete'), 'op', 'must be insert, update or delete'),
    (row_.origin IN ('user', 'agent', 'system', 'migration', 'server-replay'), 'origin',
      'must be user, agent, system, migration or server-replay'),
    (row_.schema_version BETWEEN 1 AND 4294967295, 'schema_version', 'must be 1 to 4294967295'),
    (row_.actor IS NULL OR coalesce(row_.actor::jsonb ->> 'kind', '') IN ('user', 'ai', 'system')
      AND sync_travels(jsonb_build_object('actor', row_.actor::jsonb)), 'actor', 'must be an object with a kind of user, ai or system'),
    (jsonb_typeof(row_.data::jsonb) = 'object', 'data', 'must be an object'),
    (jsonb_typeof(row_.field_meta::jsonb) = 'object', 'field_meta', 'must be an object'),
    (coalesce(jsonb_typeof(row_.data::jsonb -> 'spaceId'), 'null') IN ('string', 'null'), 'data', 'must name its space by a string')
  ) AS named (holds, about, reason) WHERE named.holds IS NOT TRUE LIMIT 1;
  IF FOUND THEN
    PERFORM sync_refuse('invalid_change', wrong.about, wrong.reason);
  END IF;
END $$;

-- The fields that a row writes: without hidden ones, and of a deletion what a deletion says.
CREATE OR REPLACE FUNCTION sync_fields(row_ sync_changes, most text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  fields jsonb;
BEGIN
  SELECT coalesce(jsonb_object_agg(key, value), '{}') INTO fields FROM jsonb_each(row_.data::jsonb)
  WHERE NOT starts_with(key, '__') AND key NOT IN ('_updatedAtIndex', 'updatedAt')
    AND (row_.op <> 'delete' OR key IN ('deletedAt', 'movedTo'));
  IF EXISTS (SELECT FROM jsonb_object_keys(fields) AS name WHERE octet_length(name) NOT BETWEEN 1 AND 255)
    OR NOT sync_travels(fields) THEN
    PERFORM sync_refuse('invalid_change', 'data', 'holds a name, a number or a depth that does not travel');
  END IF;
  IF row_.op = 'update' AND fields = '{}' THEN
    PERFORM sync_refuse('invalid_change', 'data', 'an update needs fields');
  END IF;
  -- Also where it reads the same: a number is no id.
  IF fields -> 'id' <> to_jsonb(row_.record_id) THEN
    PERFORM sync_refuse('invalid_change', 'data', 'names another id than record_id, or by something that is no text');
  END IF;
  IF jsonb_typeof(fields -> 'visibility') <> 'string' THEN
    PERFORM sync_refuse('invalid_change', 'data', 'must say the visibility by a text');
  END IF;
  IF row_.op = 'delete' THEN
    fields := fields || jsonb_build_object('deletedAt', sync_stamp_said('deletedAt', coalesce(fields ->> 'deletedAt',
      row_.field_meta::jsonb #>> '{deletedAt,at}', row_.field_meta::jsonb ->> 'deletedAt', sync_moment(clock_timestamp())), most));
  END IF;
  RETURN fields;
END $$;

-- The head of the row's record after it (server/src/log/head.rs); gives the visibility that the row is stored under. A service
-- changes nobody's visibility: that takes a whole record of its author's and a withdrawal.
CREATE OR REPLACE FUNCTION sync_keep_head(row_ sync_changes, fields jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  stamps jsonb := row_.field_meta::jsonb;
  is_insert boolean := row_.op = 'insert';
  word text := CASE WHEN fields ? 'visibility' THEN CASE fields ->> 'visibility' WHEN 'private' THEN 'private' ELSE 'space' END END;
  said text := CASE WHEN fields ? 'visibility' THEN sync_stamp_of(stamps, 'visibility', row_.at) END;
  named text := CASE WHEN is_insert AND fields ->> 'authorId' = row_.user_id THEN sync_stamp_of(stamps, 'authorId', row_.at) END;
  deletion text := CASE WHEN fields ? 'deletedAt' THEN sync_stamp_of(stamps, 'deletedAt', row_.at) END;
  deleted boolean := fields -> 'deletedAt' <> 'null';
  head sync_records;
  before sync_records;
BEGIN
  SELECT * INTO before FROM sync_records AS r WHERE r.stream = row_.stream AND r.app_id = row_.app_id
    AND r.table_name = row_.table_name AND r.record_id = row_.record_id;
  IF before.visibility = 'private' AND before.author IS DISTINCT FROM row_.user_id THEN
    PERFORM sync_refuse('not_the_author', 'record_id', 'is private to its author');
  END IF;
  IF word <> before.visibility THEN
    PERFORM sync_refuse('visibility_mismatch', 'data', 'says another visibility than the record has');
  END IF;
  head := before;
  head.visibility := coalesce(before.visibility, word, 'space');
  IF before.stream IS NULL THEN
    IF is_insert OR head.visibility = 'private' THEN
      head.author := row_.user_id;
      head.visibility_at := said;
    END IF;
    head.author_at := named;
  ELSE
    -- Of two inserts the earlier gives the author; one that names nobody only to a record without one.
    IF is_insert AND (before.author IS NULL OR before.author_at IS NULL AND named IS NOT NULL
      OR (named, row_.user_id COLLATE "C") < (before.author_at COLLATE "C", before.author COLLATE "C")) THEN
      head.author := row_.user_id;
      head.author_at := named;
    END IF;
    IF is_insert AND before.author IS NULL OR said IS NOT NULL AND head.author = row_.user_id AND (
      before.author_at IS NOT NULL AND before.author <> row_.user_id OR before.visibility_at IS NULL
      OR said > before.visibility_at COLLATE "C") THEN
      head.visibility_at := said;
    END IF;
  END IF;
  IF deletion IS NOT NULL AND (before.deleted_at IS NULL
    OR (deletion, NOT deleted) >= (before.deleted_at COLLATE "C", NOT before.deleted)) THEN
    head.deleted := deleted;
    head.deleted_at := deletion;
  END IF;
  INSERT INTO sync_records VALUES (row_.stream, row_.app_id, row_.table_name, row_.record_id, head.author, head.author_at,
    head.visibility, head.visibility_at, head.deleted, head.deleted_at)
  ON CONFLICT (stream, app_id, table_name, record_id) DO UPDATE SET author = excluded.author, author_at = excluded.author_at,
    visibility_at = excluded.visibility_at, deleted = excluded.deleted, deleted_at = excluded.deleted_at;
  RETURN head.visibility;
END $$;

-- What a row may leave out, and the space it belongs to: `space_id` and `data.spaceId` agree where both are there.
CREATE OR REPLACE FUNCTION sync_filled(row_ sync_changes) RETURNS sync_changes LANGUAGE plpgsql AS $$
DECLARE
  in_data text;
BEGIN
  row_.id := coalesce(row_.id, gen_random_uuid()::text);
  row_.data := coalesce(row_.data, '{}');
  row_.field_meta := coalesce(row_.field_meta, '{}');
  row_.client_id := coalesce(nullif(row_.client_id, ''), 'service');
  row_.origin := coalesce(nullif(row_.origin, ''), 'user');
  row_.schema_version := coalesce(nullif(row_.schema_version, 0), 1);
  row_.space_id := nullif(row_.space_id, '');
  PERFORM sync_check_row(row_);
  in_data := nullif(row_.data::jsonb ->> 'spaceId', '');
  IF in_data <> row_.space_id THEN
    PERFORM sync_refuse('space_mismatch', 'space_id', 'and data.spaceId name different spaces');
  END IF;
  row_.space_id := coalesce(row_.space_id, in_data);
  IF NOT sync_is_id(coalesce(row_.space_id, 'none')) THEN
    PERFORM sync_refuse('invalid_change', 'data', 'names a space by something that is no id');
  END IF;
  IF EXISTS (SELECT FROM own_spaces AS o WHERE o.space_id = row_.space_id AND o.user_id = row_.user_id) THEN
    row_.space_id := '_personal:' || row_.user_id;
  END IF;
  IF in_data IS NOT NULL THEN
    row_.data := row_.data::jsonb || jsonb_build_object('spaceId', row_.space_id);
  END IF;
  row_.stream := CASE WHEN coalesce(row_.space_id, '_personal:' || row_.user_id) = '_personal:' || row_.user_id
    THEN 'user:' || row_.user_id ELSE 'space:' || row_.space_id END;
  RETURN row_;
END $$;

-- Whose row it is: the person of the transaction's settings, in a stream they may write to. Row security says the same once
-- more when the row is whole.
CREATE OR REPLACE FUNCTION sync_check_writer(row_ sync_changes) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF row_.user_id IS DISTINCT FROM sync_caller() THEN
    RAISE EXCEPTION 'a row is written by the person in app.current_user_id, who is not its user_id'
      USING ERRCODE = 'insufficient_privilege', COLUMN = 'user_id', TABLE = 'sync_changes';
  END IF;
  IF row_.stream <> ALL (sync_writable()) THEN
    RAISE EXCEPTION 'app.current_user_writable_space_ids does not name the space of the row'
      USING ERRCODE = 'insufficient_privilege', COLUMN = 'space_id', TABLE = 'sync_changes';
  END IF;
END $$;

CREATE OR REPLACE FUNCTION sync_complete() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  arrived text := sync_moment(clock_timestamp());
  most text := sync_moment(clock_timestamp() + interval '5 min');
  fields jsonb;
  stamps jsonb;
BEGIN
  NEW := sync_filled(NEW);
  PERFORM sync_check_writer(NEW);
  fields := sync_fields(NEW, most);
  stamps := CASE NEW.op WHEN 'delete' THEN '{}' ELSE sync_stamps(fields, NEW.field_meta::jsonb, most) END;
  NEW.at := coalesce(fields ->> 'deletedAt', '');
  IF NEW.op <> 'delete' THEN
    NEW.at := coalesce((SELECT max(sync_stamp_of(stamps, field, arrived) COLLATE "C") FROM jsonb_object_keys(stamps) AS field), arrived);
  END IF;
  NEW.data := fields::text;
  NEW.field_meta := stamps::text;
  -- A number of eight bytes may have sixteen thousand digits.
  PERFORM sync_check_size(NEW);
  NEW.content_hash := sha256(convert_to(NEW.data || NEW.field_meta, 'UTF8'));
  NEW.tag := substring(sha256(uuid_send(gen_random_uuid())) FOR 8);
  -- As the server's transactions do.
  PERFORM sync_begin_writing();
  -- Nobody else writes the stream from here on until this transaction ends. What was acknowledged is on the disk.
  PERFORM set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off';
  INSERT INTO streams AS s (stream) VALUES (NEW.stream) ON CONFLICT (stream) DO UPDATE SET pos = s.pos RETURNING s.pos INTO NEW.pos;
  IF EXISTS (SELECT FROM own_spaces AS o WHERE o.space_id = NEW.space_id AND o.user_id = NEW.user_id) THEN
    RAISE EXCEPTION 'the space has just turned out to be its writer''s own: try again' USING ERRCODE = 'serialization_failure';
  END IF;
  IF EXISTS (SELECT FROM own_spaces AS o WHERE o.space_id = NEW.space_id AND o.user_id <> NEW.user_id) THEN
    PERFORM sync_refuse('not_a_member', 'space_id', 'names a space that is kept as somebody else''s own');
  END IF;
  -- In the order of the positions, whatever the row says.
  NEW.created_at := sync_moment(clock_timestamp());
  NEW.visibility := 'space';
  -- Whoever writes in this person's name holds this row from before their rows to the end, as pushes do: what another of them is
  -- about to add, under the same id in another stream, is there by now or never will be.
  INSERT INTO sync_usage AS u (user_id, bytes) VALUES (NEW.user_id, 0) ON CONFLICT (user_id) DO UPDATE SET bytes = u.bytes;
  PERFORM FROM sync_changes AS c WHERE c.user_id = NEW.user_id AND c.id = NEW.id FOR KEY SHARE;
  IF FOUND THEN
    -- The index refuses it, or ON CONFLICT passes it over: it takes no place. The row that it is refused for cannot be removed
    -- before.
    NEW.pos := 0;
    RETURN NEW;
  END IF;
  NEW.pos := NEW.pos + 1;
  NEW.visibility := sync_keep_head(NEW, fields);
  UPDATE streams AS s SET pos = NEW.pos WHERE s.stream = NEW.stream;
  UPDATE sync_usage AS u
  SET bytes = u.bytes + octet_length(NEW.data) + octet_length(NEW.field_meta) + coalesce(octet_length(NEW.actor), 0) + 256
  WHERE u.user_id = NEW.user_id;
  -- As servers tell each other (server/src/nodes.rs), of which none is number 0: heard when the transaction is through.
  PERFORM pg_notify('mana_sync', jsonb_build_object('from', 0, 'at', sync_moment(clock_timestamp()), 'news', jsonb_build_object(
    CASE NEW.visibility WHEN 'private' THEN 'user:' || NEW.user_id ELSE NEW.stream END,
    jsonb_build_array(NEW.app_id || '/' || NEW.table_name)))::text);
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER sync_complete BEFORE INSERT ON sync_changes
  FOR EACH ROW WHEN (NEW.stream IS NULL) EXECUTE FUNCTION sync_complete();
