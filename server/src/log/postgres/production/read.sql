-- The rows of the production table in the order of their positions, and before them what an insert without a time of its own
-- needs to know: the earliest edit of its record that came after it. The insert is older, whenever it came.
CREATE TEMP TABLE next_edits ON COMMIT DROP AS
SELECT edits.id, edits.at
FROM (
  SELECT p.id, p.op, min(p.at COLLATE "C") OVER (
    PARTITION BY p.app_id, p.table_name, p.record_id, p.place ORDER BY p.created_at DESC, p.id DESC
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
  ) AS at
  FROM (
    SELECT c.id, c.op, c.app_id, c.table_name, c.record_id, c.created_at,
      coalesce(nullif(c.row ->> 'space_id', ''), c.user_id) AS place,
      CASE WHEN c.op = 'update' THEN (
        SELECT min(said.at COLLATE "C")
        FROM (
          SELECT coalesce(value ->> 'at', value #>> '{}') AS at
          FROM jsonb_each(CASE jsonb_typeof(c.meta) WHEN 'object' THEN c.meta ELSE '{}' END)
        ) AS said
        WHERE said.at ~ '^\d{4}-\d\d-\d\d[Tt ]'
      ) END AS at
    FROM (
      SELECT t.*, to_jsonb(t) - 'data' AS row, coalesce(to_jsonb(t) -> 'field_meta', to_jsonb(t) -> 'field_timestamps') AS meta
      FROM production_changes AS t
    ) AS c
  ) AS p
) AS edits
WHERE edits.op = 'insert' AND edits.at IS NOT NULL;

DECLARE production NO SCROLL CURSOR FOR
SELECT p.id::text, to_jsonb(p)::text, e.at
FROM production_changes AS p LEFT JOIN next_edits AS e ON e.id = p.id
ORDER BY p.created_at, p.id;
