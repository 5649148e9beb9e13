-- CAs that were deleted, one row for each time: they stay revoked, and what they issued still names them.
-- The certificate is base64 of DER, as events have it.
CREATE TABLE deleted_cas (
  sequence INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  serial TEXT NOT NULL,
  issuer_id TEXT NOT NULL,
  status TEXT NOT NULL,
  certificate TEXT NOT NULL,
  revoked_at INTEGER NOT NULL,
  reason TEXT NOT NULL,
  valid_to INTEGER NOT NULL
);
INSERT INTO deleted_cas (sequence, id, serial, issuer_id, status, certificate, revoked_at, reason, valid_to)
  SELECT sequence, json_extract(data, '$.id'), json_extract(data, '$.serial'), json_extract(data, '$.issuer_id'),
    json_extract(data, '$.status'), json_extract(data, '$.certificate'), json_extract(data, '$.revoked_at'),
    coalesce(json_extract(data, '$.reason'), ''), json_extract(data, '$.valid_to')
  FROM events WHERE service = 'ca' AND type = 'ca.delete';
CREATE INDEX deleted_cas_id ON deleted_cas (id);
CREATE INDEX deleted_cas_issuer ON deleted_cas (issuer_id, serial);

-- The key to which a CA last delegated its OCSP responses, sealed, with its certificate.
CREATE TABLE ca_responders (
  id TEXT PRIMARY KEY,
  serial TEXT NOT NULL,
  certificate BLOB NOT NULL,
  key TEXT NOT NULL,
  valid_from INTEGER NOT NULL,
  valid_to INTEGER NOT NULL,
  revision INTEGER NOT NULL
);

-- From when on a CA cannot issue for its usual time; 0 as long as that is far away.
ALTER TABLE cas ADD COLUMN full_issuance_until INTEGER NOT NULL DEFAULT 0;

-- Lists that an engine outside signed: they are handed out as long as they are good when it is away. Not made from the
-- log: a rebuild leaves this table as it is, and it may be lost.
CREATE TABLE IF NOT EXISTS crl_copies (
  name TEXT PRIMARY KEY,
  der BLOB NOT NULL,
  next_update INTEGER NOT NULL
);
