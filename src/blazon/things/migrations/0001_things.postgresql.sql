-- Made from the log: only `things/apply.py` writes these tables.
CREATE TABLE things (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  identity TEXT NOT NULL,
  key TEXT NOT NULL,
  key_hash TEXT NOT NULL,
  tags TEXT NOT NULL,
  owner TEXT NOT NULL,
  metadata TEXT NOT NULL,
  status TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  updated_by TEXT NOT NULL,
  revision BIGINT NOT NULL
);
CREATE UNIQUE INDEX things_key_hash ON things (key_hash);
CREATE INDEX things_created_at ON things (created_at, id);
CREATE INDEX things_disabled ON things (created_at, id) WHERE status = 'disabled';
CREATE INDEX things_owner ON things (owner, created_at, id);
CREATE INDEX things_name ON things (name) WHERE name <> '';

CREATE TABLE channels (
  id TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  parent TEXT NOT NULL,
  metadata TEXT NOT NULL,
  status TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  updated_by TEXT NOT NULL,
  revision BIGINT NOT NULL
);
CREATE UNIQUE INDEX channels_owner_name ON channels (owner, name) WHERE name <> '';
CREATE INDEX channels_created_at ON channels (created_at, id);
CREATE INDEX channels_parent ON channels (parent) WHERE parent <> '';

CREATE TABLE thing_policies (
  subject TEXT NOT NULL,
  object TEXT NOT NULL,
  actions TEXT NOT NULL,
  mask BIGINT NOT NULL,
  owner TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  updated_by TEXT NOT NULL,
  revision BIGINT NOT NULL,
  PRIMARY KEY (subject, object)
);
CREATE INDEX thing_policies_object ON thing_policies (object, subject);
CREATE INDEX thing_policies_owner ON thing_policies (owner);
