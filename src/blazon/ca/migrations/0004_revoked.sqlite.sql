-- A CRL is made from this index alone: the rows, which hold certificates, need not be read.
DROP INDEX certificates_revoked;
CREATE INDEX certificates_revoked ON certificates (issuer_id, serial, revoked_at, reason, valid_to) WHERE status = 'REVOKED';
