"""What every database must do, tried on SQLite and on PostgreSQL alike."""

from pathlib import Path

import pytest

from blazon.storage import open_database
from blazon.testing.databases import DatabaseSuite, Opens


class TestDatabase(DatabaseSuite):
    """`database_url` is of each kind in turn."""

    @pytest.fixture
    def opens(self, database_url: str, tmp_path: Path) -> Opens:
        return lambda: open_database(database_url, tmp_path)
