-- What the key of an intent is called in its engine; empty in intents that are older than this column.
ALTER TABLE ca_intents ADD COLUMN key_name TEXT NOT NULL DEFAULT '';
-- What is held below a CA that is revoked for good follows it, as what lives does.
CREATE INDEX certificates_held ON certificates (issuer_id) WHERE reason = 'CertificateHold';
-- What the CA of a request will issue by.
ALTER TABLE ca_requests ADD COLUMN profile_id TEXT NOT NULL DEFAULT '';
ALTER TABLE ca_requests ADD COLUMN near BIGINT;
ALTER TABLE ca_requests ADD COLUMN critical BIGINT;
