-- The change log. `stream` and `pos` order the rows; (user_id, id) makes a push idempotent.
CREATE TABLE IF NOT EXISTS sync_changes (
  id             TEXT    NOT NULL,
  app_id         TEXT    NOT NULL,
  table_name     TEXT    NOT NULL,
  record_id      TEXT    NOT NULL,
  user_id        TEXT    NOT NULL CHECK (user_id <> ''),
  op             TEXT    NOT NULL,
  data           TEXT    NOT NULL,
  field_meta     TEXT    NOT NULL,
  client_id      TEXT    NOT NULL,
  created_at     TEXT    NOT NULL,
  schema_version INTEGER NOT NULL,
  actor          TEXT,
  origin         TEXT    NOT NULL,
  space_id       TEXT,
  stream         TEXT    NOT NULL,
  pos            INTEGER NOT NULL,
  tag            BLOB    NOT NULL,
  visibility     TEXT    NOT NULL,
  at             TEXT    NOT NULL,
  content_hash   BLOB    NOT NULL,
  UNIQUE (user_id, id),
  UNIQUE (stream, pos)
);

-- By these, clients of protocol 1 read: one transaction writes at a time, and no two rows have one time.
CREATE INDEX IF NOT EXISTS sync_changes_by_time ON sync_changes (created_at);
CREATE INDEX IF NOT EXISTS sync_changes_of_stream_by_time ON sync_changes (stream, created_at);

-- What clients of protocol 1 sent and protocol 2 refuses: for those of its author only, and in no stream.
CREATE TABLE IF NOT EXISTS sync_withheld (
  user_id    TEXT NOT NULL CHECK (user_id <> ''),
  id         TEXT NOT NULL,
  app_id     TEXT NOT NULL,
  table_name TEXT NOT NULL,
  client_id  TEXT NOT NULL,
  created_at TEXT NOT NULL,
  code       TEXT NOT NULL,
  space_id   TEXT,
  change     TEXT NOT NULL,
  PRIMARY KEY (user_id, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sync_withheld_by_time ON sync_withheld (created_at);

-- Where each stream stands. `pos` counts on when rows are removed, so a position is never given twice.
CREATE TABLE IF NOT EXISTS streams (
  stream         TEXT    NOT NULL PRIMARY KEY,
  pos            INTEGER NOT NULL DEFAULT 0,
  horizon        INTEGER NOT NULL DEFAULT 0,
  folded_through INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- Author, present visibility and deletion of each record, each with the stamp that it was written under.
CREATE TABLE IF NOT EXISTS sync_records (
  stream        TEXT    NOT NULL,
  app_id        TEXT    NOT NULL,
  table_name    TEXT    NOT NULL,
  record_id     TEXT    NOT NULL,
  author        TEXT,
  author_at     TEXT,
  visibility    TEXT    NOT NULL,
  visibility_at TEXT,
  deleted       INTEGER,
  deleted_at    TEXT,
  PRIMARY KEY (stream, app_id, table_name, record_id)
) WITHOUT ROWID;

-- Whose own a space turned out to be, where memberships do not say it. Nothing more is written to its stream by them.
CREATE TABLE IF NOT EXISTS own_spaces (
  space_id TEXT NOT NULL PRIMARY KEY,
  user_id  TEXT NOT NULL UNIQUE
) WITHOUT ROWID;

-- Who was seen in a space of which memberships do not say the kind: the only person, or NULL where there were several.
CREATE TABLE IF NOT EXISTS sync_members (
  space_id TEXT NOT NULL PRIMARY KEY,
  user_id  TEXT
) WITHOUT ROWID;

-- One row: the log's epoch.
CREATE TABLE IF NOT EXISTS log_epoch (
  one   INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
  epoch TEXT    NOT NULL
);

-- How many bytes of the log each person wrote.
CREATE TABLE IF NOT EXISTS sync_usage (
  user_id TEXT    NOT NULL PRIMARY KEY,
  bytes   INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
