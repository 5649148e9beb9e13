"""Sending rows in batches that are all or nothing, until each row is there or refused with a reason.

A batch that is refused is refused for one of its rows. When the answer names the row, the others are sent again; when
it does not, the batch is halved until it does. The size of batches follows: halved by a refusal, doubled by a success,
so a few broken rows cost a few requests, and a file of nothing else costs one request each.

Nothing is made twice. Every row has its id before it is sent; one that an earlier run made is found there under it. And
every batch has an Idempotency-Key made of its content, so one whose answer was lost is simply sent again.
"""

import hashlib
import json
import re
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from blazon.cli.client import Api, ApiError
from blazon.cli.imports.rows import Row

__all__ = ["MOST_BYTES", "MOST_ROWS", "Sender"]

MOST_ROWS: Final = 1000
"""Rows of a batch; the API takes no more."""

MOST_BYTES: Final = 900 * 1024
"""Bytes of a batch; the API takes a little more, unless http.body_bytes is smaller, which it then says."""

_PAIRS: Final = 10_000
"""Pairs of a thing and a channel the API connects at once."""

_ABOUT_ROWS: Final = frozenset({400, 403, 404, 409, 413, 422})
_PASSING: Final = frozenset({0, 503})
_WAITS: Final = (0.25, 0.5, 1, 2, 4, 8)
"""Seconds to wait for a server that went away, before each further attempt."""

_PLACE: Final = re.compile(r"(?:\w+)?\[(\d+)\](?:: |\.| )?(.*)", re.DOTALL)
"""`things[3]: reason`, `[3].name: reason`."""

Done = Callable[[Row], None]
Made = Callable[[Row, dict[str, Any]], None]
Refused = Callable[[int, str], None]


class Sender:
    """Makes the things or channels of rows. `made` hears what is there now, `done` of rows that are finished with."""

    def __init__(self, api: Api, noun: str, *, made: Made, done: Done, refused: Refused) -> None:
        self._api = api
        self._noun = noun
        self._made = made
        self._done = done
        self._refused = refused
        self._size = MOST_ROWS

    def send(self, rows: Sequence[Row]) -> None:
        """Sends rows in their order. Raises ApiError when the server is away, or the sign-in is over."""
        waiting = deque(rows)
        there: list[Row] = []
        while waiting:
            batch = [waiting.popleft() for _ in range(min(self._size, len(waiting)))]
            try:
                made = self._make(batch)
            except ApiError as error:
                if error.status not in _ABOUT_ROWS:
                    raise
                waiting.extendleft(reversed(self._left(batch, error, there)))
                self._size = max(1, len(batch) // 2)
                continue
            for row, entity in zip(batch, made, strict=True):
                self._made(row, entity)
            there += batch
            self._size = min(MOST_ROWS, self._size * 2)
        self._connect(there)

    def _left(self, batch: list[Row], error: ApiError, there: list[Row]) -> list[Row]:
        """What is still to be sent of a batch that was refused. Rows that turn out to be there go to `there`."""
        place = _PLACE.fullmatch(error.reason)
        number = int(place[1]) if place else 0
        if len(batch) > 1 and (place is None or number >= len(batch)):
            return batch
        if error.status == 409 and self._is_there(batch[number]):
            # An earlier run made it, and then most likely others of this batch as well.
            left = []
            for row in batch:
                found = self._found(row)
                if found is None:
                    left.append(row)
                elif wrong := _differs(row, found):
                    self._refused(row.line, f"there is a {self._noun} with this id, and {wrong}")
                else:
                    self._made(row, found)
                    there.append(row)
            return left
        self._refused(batch[number].line, place[2] if place else error.reason)
        return batch[:number] + batch[number + 1 :]

    def _is_there(self, row: Row) -> bool:
        return self._found(row) is not None

    def _found(self, row: Row) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._api.call("GET", f"/{self._noun}s/{row.id}")
        except ApiError as error:
            if error.status != 404:
                raise
            return None
        return found

    def _connect(self, rows: Sequence[Row]) -> None:
        """Puts things on their channels. No Idempotency-Key: who was taken off since is put on again."""
        alike: dict[tuple[str, ...], list[Row]] = defaultdict(list)
        for row in rows:
            alike[row.channels].append(row)
        for channels, things in alike.items():
            step = _PAIRS // len(channels) if channels else len(things)
            for start in range(0, len(things), step):
                self._connect_alike(things[start : start + step], channels)

    def _connect_alike(self, things: Sequence[Row], channels: Sequence[str]) -> None:
        if channels:
            body = {"subjects": [row.id for row in things], "objects": list(channels)}
            try:
                self._post("/connect", body)
            except ApiError as error:
                if error.status not in _ABOUT_ROWS:
                    raise
                for row in things:
                    self._refused(row.line, f"the thing is made, and not connected: {error.reason}")
                return
        for row in things:
            self._done(row)

    def _make(self, batch: Sequence[Row]) -> list[dict[str, Any]]:
        """Makes what the rows of a batch say, once, however often the batch is sent. Raises ApiError."""
        path, body = f"/{self._noun}s/bulk", [row.body for row in batch]
        content = json.dumps([path, body], sort_keys=True).encode()
        answer = self._post(path, body, once=f"import-{hashlib.sha256(content).hexdigest()}")
        made: list[dict[str, Any]] = answer[f"{self._noun}s"]
        return made

    def _post(self, path: str, body: Any, once: str = "") -> Any:
        """A request that may be sent again while the server is away. Raises ApiError."""
        for wait in _WAITS:
            try:
                return self._api.call("POST", path, body, once=once)
            except ApiError as error:
                if error.status not in _PASSING:
                    raise
            time.sleep(wait)
        return self._api.call("POST", path, body, once=once)


def _differs(row: Row, found: dict[str, Any]) -> str:
    """How what is there is other than the row says; an empty text when it is not.

    Under an id that was made of the row it is the row's, whatever was changed since. Its key is not part of that id.
    """
    given = {**row.body, **row.body.get("credentials", {})}
    known = {**found, **found.get("credentials", {})}
    names = given.keys() - {"id", "credentials"} if row.chosen else given.keys() & {"secret"}
    for name in sorted(names):
        if name == "secret" and "secret" not in known:
            continue  # it may not be seen
        if known.get(name) != given[name]:
            return f"its {'key' if name == 'secret' else name} is another"
    return ""
