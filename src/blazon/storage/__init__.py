"""The database engine: one thin interface over SQLite (apsw) and PostgreSQL (asyncpg).

It can run transactions, read, take a consistent snapshot, bring a schema up to date, make a scratch schema for a
rebuild, and seal secrets. It knows nothing of events. There is no query builder: rooms write plain SQL in the subset
both databases share, with `?` for parameters, and ask `Dialect` for the two fragments that differ.
"""

from blazon.storage.engine import (
    DIALECTS,
    Database,
    Dialect,
    Lease,
    Page,
    Reads,
    Row,
    Statement,
    StorageDamaged,
    Transaction,
    Value,
)
from blazon.storage.migrate import MigrationSet, create_tables, migrate
from blazon.storage.open import open_database
from blazon.storage.sealing import Sealer, check_master_key, check_not_lost, load_master_key, open_sealer

__all__ = [
    "DIALECTS",
    "Database",
    "Dialect",
    "Lease",
    "MigrationSet",
    "Page",
    "Reads",
    "Row",
    "Sealer",
    "Statement",
    "StorageDamaged",
    "Transaction",
    "Value",
    "check_master_key",
    "check_not_lost",
    "create_tables",
    "load_master_key",
    "migrate",
    "open_database",
    "open_sealer",
]
