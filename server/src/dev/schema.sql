-- The identity service of --dev: its signing key, spaces and memberships.
CREATE TABLE IF NOT EXISTS dev_key (
  one  INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
  seed BLOB    NOT NULL
);

CREATE TABLE IF NOT EXISTS dev_spaces (
  id   TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  type TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS dev_members (
  space_id TEXT NOT NULL REFERENCES dev_spaces (id),
  user_id  TEXT NOT NULL,
  role     TEXT NOT NULL,
  PRIMARY KEY (space_id, user_id)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS dev_members_by_user ON dev_members (user_id);
