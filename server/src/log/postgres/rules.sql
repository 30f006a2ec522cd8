-- Rules of changes as the engine has them (crate/src/model), for rows that come past the server: stamps, names, and values
-- that travel. What a database takes and a reader does not would keep every reader from going on.

-- Refuses a row under one of the codes of docs/errors.md, which stands as the error's constraint.
CREATE OR REPLACE FUNCTION sync_refuse(code text, about text, reason text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%: % %', code, about, reason
    USING ERRCODE = 'check_violation', CONSTRAINT = code, COLUMN = about, TABLE = 'sync_changes';
END $$;

-- A moment, as stamps are written.
CREATE OR REPLACE FUNCTION sync_moment(moment timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
  RETURN to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');

-- An RFC 3339 time as a stamp: with three fraction digits where it has no more, else with six. Compared as texts by their
-- bytes, stamps are in their order. NULL for anything else, and for years that stamps do not have.
CREATE OR REPLACE FUNCTION sync_stamp(written text) RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
  moment timestamptz;
BEGIN
  IF written IS NULL OR written !~ '^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,12})?([Zz]|[+-]\d\d:\d\d)$' THEN
    RETURN NULL;
  END IF;
  moment := regexp_replace(written, '(\.\d{6})\d+', '\1')::timestamptz;
  IF moment < '1970-01-01T00:00:00Z' OR moment >= '9999-01-01T00:00:00Z' THEN
    RETURN NULL;
  END IF;
  IF written ~ '\.\d{4}' THEN
    RETURN sync_moment(moment);
  END IF;
  RETURN to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
END $$;

-- A stamp that a row says of a field, no later than `most`.
CREATE OR REPLACE FUNCTION sync_stamp_said(field text, written text, most text) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
  stamp text := sync_stamp(written);
BEGIN
  IF stamp IS NULL THEN
    PERFORM sync_refuse('invalid_change', 'field_meta', format('says no time of the field %L', field));
  END IF;
  RETURN least(stamp COLLATE "C", most COLLATE "C");
END $$;

-- The stamps of those of these fields that have any: `{ field: at }`, or `{ field: { at, prev } }`.
CREATE OR REPLACE FUNCTION sync_stamps(fields jsonb, meta jsonb, most text) RETURNS jsonb LANGUAGE sql STABLE
  RETURN (
    SELECT coalesce(jsonb_object_agg(said.field, CASE
        WHEN prev IS NULL THEN to_jsonb(sync_stamp_said(said.field, said.at, most))
        ELSE jsonb_build_object('at', sync_stamp_said(said.field, said.at, most),
          'prev', sync_stamp_said(said.field, said.prev, most))
      END), '{}')
    FROM (
      SELECT key AS field, coalesce(value ->> 'at', value #>> '{}') AS at, value ->> 'prev' AS prev
      FROM jsonb_each(meta) WHERE fields ? key AND value <> 'null'
    ) AS said
  );

-- When a field was written, of a row written at `at`.
CREATE OR REPLACE FUNCTION sync_stamp_of(stamps jsonb, field text, at text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN coalesce(stamps #>> ARRAY[field, 'at'], stamps ->> field, at);

-- As `check_identifier` and `check_id` of crate/src/model/names.rs.
CREATE OR REPLACE FUNCTION sync_is_name(name text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN coalesce(name ~ '^[A-Za-z0-9_-]{1,64}$' AND name NOT IN ('__proto__', 'constructor', 'prototype'), false);

CREATE OR REPLACE FUNCTION sync_is_id(id text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN coalesce(octet_length(id) BETWEEN 1 AND 255 AND id !~ '[\u0001-\u001f\u007f-\u009f\ufffd]'
    AND id NOT IN ('__proto__', 'constructor', 'prototype'), false);

-- As `check_travels` of crate/src/model/travel.rs, of an object whose members are values.
CREATE OR REPLACE FUNCTION sync_travels(members jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN NOT jsonb_path_exists(members, 'strict $.**{65 to last} ? (@.type() == "object" || @.type() == "array")')
    AND NOT jsonb_path_exists(members, 'strict $.** ? (@.type() == "object").keyvalue()
      ? (@.key == "__proto__" || @.key == "constructor" || @.key == "prototype")')
    AND NOT jsonb_path_exists(members, 'strict $.** ? (@.type() == "number")
      ? (@ > 1.7976931348623157e308 || @ < -1.7976931348623157e308)');
