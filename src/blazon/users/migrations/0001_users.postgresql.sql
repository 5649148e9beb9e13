-- Made from the log: only `users/apply.py` writes these tables.
CREATE TABLE users (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  identity TEXT NOT NULL,
  secret TEXT NOT NULL,
  tags TEXT NOT NULL,
  owner TEXT NOT NULL,
  metadata TEXT NOT NULL,
  status TEXT NOT NULL,
  role TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  updated_by TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  kept TEXT NOT NULL,
  revision BIGINT NOT NULL
);
CREATE UNIQUE INDEX users_identity ON users (identity);
CREATE INDEX users_created_at ON users (created_at, id);
CREATE INDEX users_owner ON users (owner);
CREATE INDEX users_admins ON users (status) WHERE role = 'admin';

CREATE TABLE groups (
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
CREATE UNIQUE INDEX groups_owner_name ON groups (owner, name);
CREATE INDEX groups_created_at ON groups (created_at, id);
CREATE INDEX groups_parent ON groups (parent) WHERE parent <> '';

CREATE TABLE user_policies (
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
CREATE INDEX user_policies_object ON user_policies (object, subject);
CREATE INDEX user_policies_owner ON user_policies (owner);
