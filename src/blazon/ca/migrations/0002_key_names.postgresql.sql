-- What the key of an intent is called in its engine; empty in intents that are older than this column.
ALTER TABLE ca_intents ADD COLUMN key_name TEXT NOT NULL DEFAULT '';
