-- Lists of CAs go on by the id after what they are sorted by; without it in the index every page sorted the whole table.
DROP INDEX cas_serial;
DROP INDEX cas_common_name;
CREATE INDEX cas_serial ON cas (serial, id);
CREATE INDEX cas_common_name ON cas (common_name, id);
CREATE INDEX cas_created_at ON cas (created_at, id);
