-- Made from the log: only `ca/apply.py` writes these tables.
CREATE TABLE cas (
  id TEXT PRIMARY KEY,
  serial TEXT NOT NULL,
  issuer_serial TEXT NOT NULL,
  issuer_id TEXT NOT NULL,
  status TEXT NOT NULL,
  certificate BYTEA NOT NULL,
  key_type TEXT NOT NULL,
  key_bits BIGINT NOT NULL,
  common_name TEXT NOT NULL,
  subject TEXT NOT NULL,
  valid_from BIGINT NOT NULL,
  valid_to BIGINT NOT NULL,
  near_at BIGINT NOT NULL,
  critical_at BIGINT NOT NULL,
  due BIGINT NOT NULL,
  revoked_at BIGINT NOT NULL,
  reason TEXT NOT NULL,
  type TEXT NOT NULL,
  engine_id TEXT NOT NULL,
  metadata TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  issuance_expiration TEXT NOT NULL,
  key TEXT NOT NULL,
  chain TEXT NOT NULL,
  level BIGINT NOT NULL,
  profile_id TEXT NOT NULL,
  near BIGINT,
  critical BIGINT,
  revision BIGINT NOT NULL
);
CREATE INDEX cas_serial ON cas (serial);
CREATE INDEX cas_common_name ON cas (common_name);
CREATE INDEX cas_issuer ON cas (issuer_id, status);
CREATE INDEX cas_due ON cas (due) WHERE due > 0;
CREATE INDEX cas_profile ON cas (profile_id) WHERE profile_id <> '';

CREATE TABLE certificates (
  serial TEXT PRIMARY KEY,
  issuer_serial TEXT NOT NULL,
  issuer_id TEXT NOT NULL,
  status TEXT NOT NULL,
  certificate BYTEA NOT NULL,
  key_type TEXT NOT NULL,
  key_bits BIGINT NOT NULL,
  common_name TEXT NOT NULL,
  subject TEXT NOT NULL,
  valid_from BIGINT NOT NULL,
  valid_to BIGINT NOT NULL,
  near_at BIGINT NOT NULL,
  critical_at BIGINT NOT NULL,
  due BIGINT NOT NULL,
  revoked_at BIGINT NOT NULL,
  reason TEXT NOT NULL,
  type TEXT NOT NULL,
  engine_id TEXT NOT NULL,
  metadata TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  created BIGINT NOT NULL,
  revision BIGINT NOT NULL
);
-- A list is in the order of creation: these indexes grow at their ends, where serial numbers are spread at random.
CREATE UNIQUE INDEX certificates_created ON certificates (created);
CREATE INDEX certificates_issuer ON certificates (issuer_id, created, status);
CREATE INDEX certificates_status ON certificates (status, created);
CREATE INDEX certificates_common_name ON certificates (common_name, created);
CREATE INDEX certificates_valid_to ON certificates (valid_to, created);
CREATE INDEX certificates_due ON certificates (due) WHERE due > 0;
CREATE INDEX certificates_living ON certificates (issuer_id, due) WHERE due > 0;
CREATE INDEX certificates_revoked ON certificates (issuer_id, serial) WHERE status = 'REVOKED';

CREATE TABLE ca_requests (
  id TEXT PRIMARY KEY,
  subject TEXT NOT NULL,
  key TEXT NOT NULL,
  request TEXT NOT NULL,
  metadata TEXT NOT NULL,
  issuance_expiration TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  revision BIGINT NOT NULL
);

CREATE TABLE ca_profiles (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  profile TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  revision BIGINT NOT NULL
);
CREATE UNIQUE INDEX ca_profiles_name ON ca_profiles (name);

CREATE TABLE ca_intents (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  ca_id TEXT NOT NULL,
  engine_id TEXT NOT NULL,
  serial TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  revision BIGINT NOT NULL
);
CREATE INDEX ca_intents_ca ON ca_intents (ca_id);

CREATE TABLE ca_crls (
  id TEXT PRIMARY KEY,
  number BIGINT NOT NULL,
  this_update BIGINT NOT NULL,
  next_update BIGINT NOT NULL,
  revision BIGINT NOT NULL
);
