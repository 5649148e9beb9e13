-- The log. Sequence numbers have no gaps; facts stay, observations are trimmed.
CREATE TABLE events (
  sequence BIGINT PRIMARY KEY,
  id TEXT NOT NULL,
  type TEXT NOT NULL,
  service TEXT NOT NULL,
  kind SMALLINT NOT NULL,
  subject TEXT NOT NULL,
  actor TEXT NOT NULL,
  time BIGINT NOT NULL,
  traceparent TEXT NOT NULL,
  data TEXT NOT NULL,
  hash BYTEA NOT NULL
);
CREATE INDEX events_observations ON events (sequence) WHERE kind = 1;

-- The end of the log, one row. A transaction that appends takes it first. Observations up to `trimmed` may be gone.
CREATE TABLE log_head (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  sequence BIGINT NOT NULL,
  time BIGINT NOT NULL,
  hash BYTEA NOT NULL,
  trimmed BIGINT NOT NULL
);
INSERT INTO log_head (one, sequence, time, hash, trimmed) VALUES (1, 0, 0, decode(repeat('00', 32), 'hex'), 0);

-- How far each follower of the log has come.
CREATE TABLE cursors (
  name TEXT PRIMARY KEY,
  position BIGINT NOT NULL,
  moved_at BIGINT NOT NULL
);

-- Requests that must have their effect once: which records they made.
CREATE TABLE idempotency_keys (
  scope TEXT NOT NULL,
  key TEXT NOT NULL,
  digest TEXT NOT NULL,
  first_sequence BIGINT NOT NULL,
  last_sequence BIGINT NOT NULL,
  made_at BIGINT NOT NULL,
  PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_keys_made_at ON idempotency_keys (made_at);

-- A few small facts about this database, such as a sealed word that only the right master key opens.
CREATE TABLE kept (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
);
