"""Log → Redis Streams, exactly once.

The id of an entry is made of the event's time and its sequence number, so the last id of a stream says which event it
got last, and Redis refuses an event it has. A batch is one MULTI/EXEC: either all of it is in, or, when Redis is full
or read-only, none; an event never gets in before one that failed. A stream that is known to be there is only added to,
never made (NOMKSTREAM): of one that was deleted nothing is written to its successor before what it had.

Two hints are kept in the log's database, saved now and then: how far all streams were served, and the last event of
each stream by then. They spare a scan of the whole log for a stream that is seldom written, and show that a stream has
lost entries: one that is behind its hint is filled again from what it has left.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, NoReturn

import hiredis
import structlog

from blazon.log import START, Log, Operation, Position, Record
from blazon.relay.supervision import RelayMetrics, SinkBlocked, SinkLost
from blazon.settings import Redis as RedisSettings
from blazon.storage import Lease, Statement
from blazon.wire import flat_map, sequence_of, stream_id, stream_name

__all__ = ["RedisRelay"]

_BATCH: Final = 500
_IDLE: Final = 0.5
"""Seconds to wait for the log to grow before looking after the connection."""

_CHECK: Final = 2.0
"""Seconds between two looks whether Redis still has what it was given."""

_SAVE: Final = 2.0
_SAVE_IDLE: Final = 0.5
"""Seconds between two savings of the hints, while there is work and when there is none."""

_ANSWER: Final = 10.0
"""Seconds Redis may take to answer a batch."""

_LOOKED_BACK: Final = 500
"""Entries looked through at once for the last one of this log."""

_CURSOR: Final = "relay.redis"
_UPSERT: Final = (
    "INSERT INTO cursors (name, position, moved_at) VALUES (?, ?, ?)"
    " ON CONFLICT (name) DO UPDATE SET position = excluded.position, moved_at = excluded.moved_at"
)
_REFUSED: Final = "equal or smaller"
"""What Redis says of an id that is not greater than the last."""

_log = structlog.get_logger("blazon.relay.redis")


def _pack(parts: tuple[str, ...]) -> bytes:
    packed: bytes = hiredis.pack_command(parts)  # type: ignore[arg-type]
    return packed


_MULTI: Final = _pack(("MULTI",))
_EXEC: Final = _pack(("EXEC",))

_OCTETS: Final = 65536
"""How much is read at once."""

_NOT_YET: Final = object()
"""What hiredis gives for a reply that has not come whole."""


class RedisRelay:
    """The relay to one Redis."""

    name = "redis"
    cursor = _CURSOR

    def __init__(self, log: Log, url: str, settings: RedisSettings, metrics: RelayMetrics) -> None:
        self.leading = False
        self._at = START
        self._log = log
        self._url = url
        self._refill = settings.refill
        self._streams = {name: stream_name(settings.prefix, name) for name in log.catalogue.services()}
        self._trim: tuple[str, ...] = ("MAXLEN", "~", str(settings.maxlen)) if settings.maxlen else ()
        self._events = metrics.events.labels(self.name)
        self._connected = metrics.connected.labels(self.name)
        self._sent: dict[str, int] = {}
        """By service: the last event its stream has."""
        self._there: set[str] = set()
        """Services whose stream is there, or is made by a command that was packed."""
        self._saved = (0, 0.0)
        self._checked = 0.0

    @property
    def position(self) -> int:
        """The last event that every stream has, with all before it."""
        return self._at.sequence

    async def serve(self, lease: Lease) -> None:
        """Relays while the lease is held. Raises SinkLost, and LogWentBack to be called again."""
        import redis.asyncio
        from redis.exceptions import RedisError

        client = redis.asyncio.Redis.from_url(self._url, socket_connect_timeout=5, protocol=2)
        try:
            pool = client.connection_pool
            pool.connection_class = type("Many", (_Many, pool.connection_class), {})
            connection = _Connection(await pool.get_connection())  # type: ignore[no-untyped-call]
            await self._take_up(connection)
            self._connected.set(1)
            _log.info("connected", position=self.position)
            await self._relay_all(connection, lease)
        except (RedisError, OSError, TimeoutError) as error:
            raise SinkLost(f"Redis: {str(error) or type(error).__name__}") from error
        finally:
            await client.aclose(close_connection_pool=True)

    async def _take_up(self, connection: "_Connection") -> None:
        """Finds where to go on: behind what every stream has."""
        rows = await self._log.database.rows("SELECT name, position FROM cursors WHERE name LIKE 'relay.redis%'")
        hints: dict[str, int] = {name: position for name, position in rows}
        head = (await self._log.reader.head()).sequence
        served = hints.get(_CURSOR, 0)
        self._saved = (served, self._saved[1])  # what is there now: a log that went back took its cursors along
        begin = served if served <= head else 0  # a hint that is not of this log hints at nothing
        self._there.clear()
        for service, stream in self._streams.items():
            hint = hints.get(f"{_CURSOR}.{service}", 0)
            identifier = await connection.last_id(stream)
            if identifier is not None:
                self._there.add(service)
            last = await self._last_of_ours(connection, service, identifier or "0-0", hint)
            if last < hint:
                oldest = max(last, head - self._refill if self._refill else 0)
                _log.warning("a stream lost entries; filling it again", stream=stream, has=last, begin=oldest)
                begin = min(begin, oldest)
            self._sent[service] = last
        self._at = await self._log.reader.position(begin)
        self._checked = asyncio.get_running_loop().time()

    async def _last_of_ours(self, connection: "_Connection", service: str, last: str, hint: int) -> int:
        """The sequence number of the last event of this log in a stream; 0 when it has none.

        Behind it there may be entries of an older platform, or events that the log has lost since (a failover, a
        restore from a copy). `last` is the id of the last entry, also of one that was deleted since.
        """
        # What is not in the log any more may be an observation that was trimmed after it was relayed.
        sequence = sequence_of(last)
        if sequence == 0 or last in await self._ids(service, sequence, sequence):
            return sequence
        if sequence == hint and not await self._log.reader.between(sequence, sequence):
            return sequence
        stream = self._streams[service]
        _log.warning("a stream ends with an entry that is not of this log", stream=stream, id=last)
        before = "+"
        while identifiers := [each for each in await connection.ids_before(stream, before) if sequence_of(each)]:
            numbers = [sequence_of(each) for each in identifiers]
            ours = await self._ids(service, min(numbers), max(numbers))
            for identifier in identifiers:
                if identifier in ours:
                    return sequence_of(identifier)
            before = f"({identifiers[-1]}"
        return 0

    async def _ids(self, service: str, first: int, last: int) -> set[str]:
        """The ids that a stream gives to the events of a service, from one sequence number to another."""
        times = await self._log.reader.times_of(service, first, last)
        return {stream_id(sequence, time) for sequence, time in times}

    async def _relay_all(self, connection: "_Connection", lease: Lease) -> None:
        batch = await self._prepare(self._at)
        while lease.held:
            now = asyncio.get_running_loop().time()
            if now - self._checked > _CHECK:
                await self._check(connection)
            wait = _SAVE if batch.records else _SAVE_IDLE
            if now - self._saved[1] > wait and self.position > self._saved[0]:
                await self._save(now)
            if not batch.records:
                await self._log.pulse.beyond(self.position, _IDLE)
                batch = await self._prepare(self._at)
                continue
            await connection.send(batch.commands)
            # While Redis works on this batch, the next is made.
            sent = Position.of(batch.records[-1])
            following = await self._prepare(sent)
            await self._acknowledge(connection, batch.missing, await connection.replies(len(batch.commands)))
            self._at = sent
            batch = following

    async def _prepare(self, position: Position) -> "_Batch":
        records = await self._log.behind(position, _BATCH)
        missing = [record for record in records if record.sequence > self._sent[record.service]]
        return _Batch(records, missing, [self._command(record) for record in missing])

    def _command(self, record: Record) -> bytes:
        known = ("NOMKSTREAM",) if record.service in self._there else ()
        self._there.add(record.service)
        parts = ["XADD", self._streams[record.service], *known, *self._trim, stream_id(record.sequence, record.time)]
        for field in flat_map(record, self._log.catalogue.of(record)).items():
            parts += field
        return _pack(tuple(parts))

    async def _acknowledge(
        self, connection: "_Connection", records: Sequence[Record], replies: Sequence[object]
    ) -> None:
        for record, reply in zip(records, replies, strict=True):
            if isinstance(reply, Exception):
                if _REFUSED not in str(reply):
                    raise SinkLost(f"Redis refuses an event: {reply}")
                await self._check_refused(connection, record)
            elif reply is None:
                await self._lost(record.service)
            self._sent[record.service] = record.sequence
        self._events.inc(len(records))

    async def _check_refused(self, connection: "_Connection", record: Record) -> None:
        """An id is refused because another process has just relayed the event, or because something is in the way."""
        stream = self._streams[record.service]
        if not await connection.has(stream, stream_id(record.sequence, record.time)):
            raise SinkBlocked(
                f"the stream {stream} has entries from after event {record.sequence} that are not of this log; set"
                " redis.prefix to a name of your own, or move that stream away with RENAME"
            )

    async def _check(self, connection: "_Connection") -> None:
        """Sees whether a stream lost entries while the connection stayed, after FLUSHALL or DEL."""
        for service, stream in self._streams.items():
            if sequence_of(await connection.last_id(stream) or "0-0") < self._sent[service]:
                await self._lost(service)
        self._checked = asyncio.get_running_loop().time()

    async def _lost(self, service: str) -> NoReturn:
        """Saves what the streams had, so that it is seen what one of them lacks, and begins again."""
        await self._save(0.0)
        raise SinkLost(f"the stream {self._streams[service]} has lost entries")

    async def _save(self, now: float) -> None:
        moved = self._log.clock.now()
        hints = {_CURSOR: self.position, **{f"{_CURSOR}.{name}": last for name, last in self._sent.items()}}
        statements = [Statement(_UPSERT, (name, position, moved)) for name, position in hints.items()]
        await self._log.writer.commit(Operation(also=lambda _: statements))
        self._saved = (self.position, now)


class _Batch(NamedTuple):
    """Records that follow each other, those of them the streams do not have yet, and a command for each of these."""

    records: Sequence[Record]
    missing: Sequence[Record]
    commands: Sequence[bytes]


class _Many:
    """Added to a connection of redis-py: reads many replies at once, where the library would take a while for each.

    Neither leaves anything of a reply to the other: what is asked is answered, and read, before more is asked.
    """

    _reader: asyncio.StreamReader

    async def read_many(self, count: int) -> list[Any]:
        """So many replies; one that is an error is a ResponseError among them. Raises ConnectionError."""
        from redis.exceptions import InvalidResponse, ResponseError

        replies: list[Any] = []
        parser = hiredis.Reader(InvalidResponse, ResponseError, notEnoughData=_NOT_YET)
        while len(replies) < count:
            reply = parser.gets()
            if reply is _NOT_YET:
                octets = await self._reader.read(_OCTETS)
                if not octets:
                    raise ConnectionError("Redis closed the connection")
                parser.feed(octets)
            else:
                replies.append(reply)
        return replies


class _Connection:
    """redis-py's connection, with its sign-in, TLS and reading, and commands packed by hand: three times as fast."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def _call(self, *parts: str) -> Any:
        await self._connection.send_packed_command([_pack(parts)], check_health=False)
        async with asyncio.timeout(_ANSWER):
            return await self._connection.read_response()

    async def last_id(self, stream: str) -> str | None:
        """The id of the last entry a stream ever got, `0-0` when it got none; None when there is no stream."""
        from redis.exceptions import ResponseError

        try:
            described = await self._call("XINFO", "STREAM", stream)
        except ResponseError as error:
            if "no such key" in str(error):
                return None
            raise
        pairs = dict(zip(described[::2], described[1::2], strict=True))
        last: bytes = pairs[b"last-generated-id"]
        return last.decode()

    async def ids_before(self, stream: str, before: str) -> list[str]:
        """Ids of the newest entries up to an id, or before it when it begins with `(`; the newest first."""
        found = await self._call("XREVRANGE", stream, before, "-", "COUNT", str(_LOOKED_BACK))
        return [entry[0].decode() for entry in found]

    async def has(self, stream: str, identifier: str) -> bool:
        """Whether a stream has an entry, or has trimmed everything up to it."""
        if await self._call("XRANGE", stream, identifier, identifier):
            return True
        first = await self._call("XRANGE", stream, "-", "+", "COUNT", "1")
        return bool(first) and sequence_of(first[0][0].decode()) > sequence_of(identifier)

    async def send(self, commands: Sequence[bytes]) -> None:
        """Sends commands as one transaction. Each `send` is followed by `replies`."""
        if commands:
            whole = b"".join((_MULTI, *commands, _EXEC))
            await self._connection.send_packed_command([whole], check_health=False)

    async def replies(self, count: int) -> Sequence[object]:
        """The reply of each command that was sent, an exception where it failed. Raises SinkLost when none ran."""
        from redis.exceptions import ResponseError

        if not count:
            return ()
        async with asyncio.timeout(_ANSWER):
            # Every reply is read, also after one that failed: the connection must not get out of step.
            *queued, last = await self._connection.read_many(count + 2)
        if isinstance(last, ResponseError):
            refused = next((reply for reply in queued if isinstance(reply, ResponseError)), last)
            raise SinkLost(f"Redis refuses a batch: {refused}") from last
        replies: Sequence[object] = last
        return replies
