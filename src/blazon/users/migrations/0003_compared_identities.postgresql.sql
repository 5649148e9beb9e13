-- The identity in the form in which two are compared (users/identities.py), and, for users whom an older Blazon let in
-- without comparing it, their id, so that two of them can have one form. Rows that are there are filled at the start.
ALTER TABLE users ADD COLUMN compared TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN twin TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX users_compared ON users (compared, twin) WHERE compared <> '';
CREATE INDEX users_not_compared ON users (id) WHERE compared = '';
