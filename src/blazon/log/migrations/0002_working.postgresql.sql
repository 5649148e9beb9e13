-- When the log went back: after a failover that lost its end, or a restore from a copy.
CREATE TABLE log_rewinds (
  kept BIGINT PRIMARY KEY,
  known BIGINT NOT NULL,
  noticed_at BIGINT NOT NULL
);

-- Events behind the cursor of a relay that its sink has refused; they are offered again.
CREATE TABLE refused_events (
  sink TEXT NOT NULL,
  sequence BIGINT NOT NULL,
  PRIMARY KEY (sink, sequence)
);
