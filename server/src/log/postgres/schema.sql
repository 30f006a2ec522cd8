-- The tables of the change log, as in the SQLite store.

-- `stream` and `pos` order the rows; (user_id, id) makes a push idempotent.
CREATE TABLE IF NOT EXISTS sync_changes (
  id             text    NOT NULL,
  app_id         text    NOT NULL,
  table_name     text    NOT NULL,
  record_id      text    NOT NULL,
  user_id        text    NOT NULL CHECK (user_id <> ''),
  op             text    NOT NULL,
  data           text    NOT NULL,
  field_meta     text    NOT NULL,
  client_id      text    NOT NULL,
  created_at     text    NOT NULL,
  schema_version bigint  NOT NULL,
  actor          text,
  origin         text    NOT NULL,
  space_id       text,
  stream         text    NOT NULL,
  pos            bigint  NOT NULL,
  tag            bytea   NOT NULL,
  visibility     text    NOT NULL,
  at             text    NOT NULL,
  content_hash   bytea   NOT NULL,
  UNIQUE (user_id, id),
  UNIQUE (stream, pos)
);

-- By this, clients of protocol 1 read (by_time.rs).
CREATE INDEX IF NOT EXISTS sync_changes_of_stream_by_time ON sync_changes (stream, created_at COLLATE "C");

-- What clients of protocol 1 sent and protocol 2 refuses: for those of its author only, and in no stream.
CREATE TABLE IF NOT EXISTS sync_withheld (
  user_id    text NOT NULL CHECK (user_id <> ''),
  id         text NOT NULL,
  app_id     text NOT NULL,
  table_name text NOT NULL,
  client_id  text NOT NULL,
  created_at text NOT NULL,
  code       text NOT NULL,
  space_id   text,
  change     text NOT NULL,
  PRIMARY KEY (user_id, id)
);

-- Where each stream stands. `pos` counts on when rows are removed, so a position is never given twice.
CREATE TABLE IF NOT EXISTS streams (
  stream         text    NOT NULL PRIMARY KEY,
  pos            bigint  NOT NULL DEFAULT 0,
  horizon        bigint  NOT NULL DEFAULT 0,
  folded_through bigint  NOT NULL DEFAULT 0
);

-- Author, present visibility and deletion of each record, each with the stamp that it was written under.
CREATE TABLE IF NOT EXISTS sync_records (
  stream        text     NOT NULL,
  app_id        text     NOT NULL,
  table_name    text     NOT NULL,
  record_id     text     NOT NULL,
  author        text,
  author_at     text,
  visibility    text     NOT NULL,
  visibility_at text,
  deleted       boolean,
  deleted_at    text,
  PRIMARY KEY (stream, app_id, table_name, record_id)
);

-- Whose own a space turned out to be, where memberships do not say it. Nothing more is written to its stream by them.
CREATE TABLE IF NOT EXISTS own_spaces (
  space_id text NOT NULL PRIMARY KEY,
  user_id  text NOT NULL UNIQUE CHECK (user_id <> '')
);

-- Who was seen in a space of which memberships do not say the kind: the only person, or NULL where there were several.
CREATE TABLE IF NOT EXISTS sync_members (
  space_id text NOT NULL PRIMARY KEY,
  user_id  text CHECK (user_id <> '')
);

-- One row: the log's epoch, and the layout of these tables.
CREATE TABLE IF NOT EXISTS log_epoch (
  one    integer NOT NULL PRIMARY KEY CHECK (one = 1),
  epoch  text    NOT NULL,
  layout integer NOT NULL
);

-- Rows of the production table that cannot be served, as they were, and why. Nobody reads them but administrators; the
-- compactor may remove them.
CREATE TABLE IF NOT EXISTS sync_unread (
  id      text NOT NULL,
  user_id text,
  reason  text NOT NULL,
  content text NOT NULL
);
