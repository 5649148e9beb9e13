"""Queries that get a moment on the event loop: most of those that may take long are done within it.

Running a query in a thread and coming back takes four times as long as reading a page of ten rows (100 µs of processor
time against 25 µs). So a query is tried here first, and run in a thread if the moment was too short for it.

The moment is bounded twice. SQLite calls back after every few steps of its virtual machine, so a query that passes many
rows without a result is interrupted. Between results the clock is read as well, because a large row takes long but few
steps. `count(*)` without a condition is a single step however many rows there are: it does not belong here.
"""

import math
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

import apsw

from blazon.storage.engine import Row, Value

__all__ = ["BriefReader"]

_MOMENT: Final = 0.0005
"""Seconds of a moment: a page of a hundred rows takes a fifth of that."""

_STEPS: Final = 100
"""Steps of SQLite's virtual machine between two looks at the clock: some ten rows."""

_ROWS: Final = 8
"""Rows that are read between two looks at the clock."""


class BriefReader:
    """Runs queries on a connection of its own, and gives up those that take longer than a moment."""

    def __init__(self, connect: Callable[[], apsw.Connection]) -> None:
        """`connect` opens the connection when it is first needed."""
        self._connect = connect
        self._connection: apsw.Connection | None = None
        self._end = math.inf

    def rows(self, sql: str, parameters: Sequence[Value]) -> Sequence[Row] | None:
        """Every row of a query; None if a moment is too short for it. Raises apsw.Error."""
        if self._connection is None:
            self._connection = self._connect()
            self._connection.set_progress_handler(self._is_over, _STEPS)
        found: list[Row] = []
        self._end = time.perf_counter() + _MOMENT
        cursor = self._connection.cursor()
        try:
            cursor.execute(sql, parameters)
            while True:
                some = list(islice(cursor, _ROWS))
                found += some
                if len(some) < _ROWS:
                    return found
                if self._is_over():
                    return None
        except apsw.InterruptError:
            return None
        finally:
            self._end = math.inf
            cursor.close(force=True)  # an open one would keep its snapshot, and the write-ahead log would only grow

    def close(self) -> None:
        """Closes the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _is_over(self) -> bool:
        return time.perf_counter() > self._end
