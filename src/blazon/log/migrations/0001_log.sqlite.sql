-- The log. Sequence numbers have no gaps; facts stay, observations are trimmed.
CREATE TABLE events (
  sequence INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  type TEXT NOT NULL,
  service TEXT NOT NULL,
  kind INTEGER NOT NULL,
  subject TEXT NOT NULL,
  actor TEXT NOT NULL,
  time INTEGER NOT NULL,
  traceparent TEXT NOT NULL,
  data TEXT NOT NULL,
  hash BLOB NOT NULL
);
CREATE INDEX events_observations ON events (sequence) WHERE kind = 1;

-- The end of the log, one row. A transaction that appends takes it first. Observations up to `trimmed` may be gone.
CREATE TABLE log_head (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  sequence INTEGER NOT NULL,
  time INTEGER NOT NULL,
  hash BLOB NOT NULL,
  trimmed INTEGER NOT NULL
);
INSERT INTO log_head (one, sequence, time, hash, trimmed) VALUES (1, 0, 0, zeroblob(32), 0);

-- How far each follower of the log has come.
CREATE TABLE cursors (
  name TEXT PRIMARY KEY,
  position INTEGER NOT NULL,
  moved_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Requests that must have their effect once: which records they made.
CREATE TABLE idempotency_keys (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  digest TEXT NOT NULL,
  first_sequence INTEGER NOT NULL,
  last_sequence INTEGER NOT NULL,
  made_at INTEGER NOT NULL,
  PRIMARY KEY (scope, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_keys_made_at ON idempotency_keys (made_at);

-- A few small facts about this database, such as a sealed word that only the right master key opens.
CREATE TABLE kept (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;
