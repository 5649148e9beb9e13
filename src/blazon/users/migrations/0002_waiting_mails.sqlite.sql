-- Not made from the log: mails the server did not take yet. Only `users/waiting.py` writes this table.
-- IF NOT EXISTS, because a rebuild runs the migrations of a room again and keeps this table.
CREATE TABLE IF NOT EXISTS waiting_mails (
  id TEXT PRIMARY KEY,
  sequence INTEGER NOT NULL,
  tries INTEGER NOT NULL,
  next_at INTEGER NOT NULL,
  reason TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS waiting_mails_next_at ON waiting_mails (next_at);
