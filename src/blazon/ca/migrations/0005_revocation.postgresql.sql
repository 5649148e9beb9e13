-- CAs that were deleted, one row for each time: they stay revoked, and what they issued still names them.
-- The certificate is base64 of DER, as events have it.
CREATE TABLE deleted_cas (
  sequence BIGINT PRIMARY KEY,
  id TEXT NOT NULL,
  serial TEXT NOT NULL,
  issuer_id TEXT NOT NULL,
  status TEXT NOT NULL,
  certificate TEXT NOT NULL,
  revoked_at BIGINT NOT NULL,
  reason TEXT NOT NULL,
  valid_to BIGINT NOT NULL
);
INSERT INTO deleted_cas (sequence, id, serial, issuer_id, status, certificate, revoked_at, reason, valid_to)
  SELECT sequence, data::json ->> 'id', data::json ->> 'serial', data::json ->> 'issuer_id',
    data::json ->> 'status', data::json ->> 'certificate', (data::json ->> 'revoked_at')::bigint,
    coalesce(data::json ->> 'reason', ''), (data::json ->> 'valid_to')::bigint
  FROM events WHERE service = 'ca' AND type = 'ca.delete';
CREATE INDEX deleted_cas_id ON deleted_cas (id);
CREATE INDEX deleted_cas_issuer ON deleted_cas (issuer_id, serial);

-- The key to which a CA last delegated its OCSP responses, sealed, with its certificate.
CREATE TABLE ca_responders (
  id TEXT PRIMARY KEY,
  serial TEXT NOT NULL,
  certificate BYTEA NOT NULL,
  key TEXT NOT NULL,
  valid_from BIGINT NOT NULL,
  valid_to BIGINT NOT NULL,
  revision BIGINT NOT NULL
);

-- From when on a CA cannot issue for its usual time; 0 as long as that is far away.
ALTER TABLE cas ADD COLUMN full_issuance_until BIGINT NOT NULL DEFAULT 0;

-- Lists that an engine outside signed: they are handed out as long as they are good when it is away. Not made from the
-- log: a rebuild leaves this table as it is, and it may be lost.
CREATE TABLE IF NOT EXISTS crl_copies (
  name TEXT PRIMARY KEY,
  der BYTEA NOT NULL,
  next_update BIGINT NOT NULL
);
