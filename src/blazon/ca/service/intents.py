"""Intents: what is about to be done with a key outside this process is recorded first.

1. `begin` records that a key will be made, brought or used, before the engine hears of it.
2. The engine works.
3. What came of it is recorded in one operation with the end of the intent, which rests on the intent still being open.

An engine that fails ends its intent at once; a process that is killed leaves it open, and the next start cancels it:
the key is destroyed if no CA came of it, so nothing is half-issued. Of the intents to make a CA with one id only one is
open at a time, and each has a name of its own for its key: what cancels it finds that key and no other. A certificate
that was signed and not recorded was never shown to anybody. Keys that lie in this process, in the software engine,
leave nothing behind and sign without an intent.
"""

import asyncio
from types import TracebackType
from typing import Final, Self

import msgspec
import structlog

from blazon.ca import events
from blazon.ca.events import IntentBegun, IntentEnded
from blazon.ca.models import AUTHORITY, EXISTS, INTENT, REQUEST, Intent, IntentKind
from blazon.ca.store import Store
from blazon.caller import ANONYMOUS, Caller
from blazon.clock import NANOSECONDS
from blazon.engines import Engines
from blazon.errors import BlazonError, Conflict, NotFound, Unavailable
from blazon.log import Decision, Event, Log

__all__ = ["Intents", "Open", "ended"]

_ABANDONED: Final = 600 * NANOSECONDS
"""How old an intent of another process is before it is taken for abandoned."""

_SWEEP_EVERY: Final = 60.0
_MAKES: Final = (IntentKind.CREATE, IntentKind.IMPORT, IntentKind.REQUEST)

_log = structlog.get_logger("blazon.ca")


class Open:
    """The intents of one request. When its block ends, those that did not come to their end are cancelled."""

    def __init__(self, intents: "Intents", caller: Caller) -> None:
        self._intents = intents
        self._caller = caller
        self._open: list[Intent] = []

    async def begin(
        self, kind: IntentKind, ca_id: str, engine_id: str, serial: str = "", *, key_name: str = ""
    ) -> Intent:
        """Records an intent. `key_name` is that of the key to destroy; one to make gets a new name.

        Raises Conflict when there is a CA with this id, or somebody is making one.
        """
        intent = await self._intents.record(self._caller, kind, ca_id, engine_id, serial, key_name)
        self._open.append(intent)
        return intent

    async def drop(self) -> None:
        """Cancels what was begun: the decision is made again."""
        while self._open:
            await self._intents.cancel(self._open[-1])
            self._open.pop()

    @property
    def begun(self) -> tuple[Intent, ...]:
        """What was begun and is not settled."""
        return tuple(self._open)

    async def finish(self) -> None:
        """Does what the intents say, now that what they go with is recorded."""
        while self._open:
            await self._intents.try_to_cancel(self._open.pop())

    def settle(self) -> None:
        """What was begun is recorded."""
        for intent in self._open:
            self._intents.forget(intent)
        self._open.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for intent in self._open:
            self._intents.forget(intent)
            if isinstance(error, BlazonError):
                await self._intents.try_to_cancel(intent)


def _key_name(intent: Intent) -> str:
    """Before keys had names of their own, the id of the CA was theirs."""
    return intent.key_name or intent.ca_id


def ended(intent: Intent, *, done: bool) -> Event:
    """The event that ends an intent."""
    data = IntentEnded(id=intent.id, kind=intent.kind, ca_id=intent.ca_id, serial=intent.serial, done=done)
    return events.INTENT_END.event(INTENT.of(intent.id), data)


class Intents:
    """Records intents, ends them, and cancels those a kill left open."""

    def __init__(self, log: Log, store: Store, engines: Engines) -> None:
        self._log = log
        self._store = store
        self._engines = engines
        self._mine: set[int] = set()

    def open(self, caller: Caller) -> Open:
        """A block for the intents of one request."""
        return Open(self, caller)

    async def record(
        self, caller: Caller, kind: IntentKind, ca_id: str, engine_id: str, serial: str, key_name: str
    ) -> Intent:
        """Records an intent, which is of this process until it is forgotten."""
        identifier, now, relies = self._log.new_id(), self._log.clock.now(), dict[str, int]()
        makes = kind in _MAKES
        if makes:
            # By the id of the CA, so that of two who want it at once only one comes to ask the engine.
            key_name, identifier = f"{ca_id}.{identifier}", f"{ca_id}.key"
            relies = {INTENT.of(identifier): 0, AUTHORITY.of(ca_id): 0, REQUEST.of(ca_id): 0}
        begun = IntentBegun(
            id=identifier,
            kind=kind,
            ca_id=ca_id,
            engine_id=engine_id,
            serial=serial,
            created_at=now,
            key_name=key_name,
        )
        event = events.INTENT_BEGIN.event(INTENT.of(identifier), begun)

        async def decide() -> Decision:
            if makes and await self._store.id_is_taken(ca_id):
                raise Conflict(EXISTS)
            return Decision((event,), relies)

        # Not under the request's Idempotency-Key: that belongs to what comes of it.
        as_caller = Caller(id=caller.id, traceparent=caller.traceparent)
        (record,) = await self._log.commit(as_caller, decide)
        self._mine.add(record.sequence)
        return Intent(**msgspec.structs.asdict(begun), revision=record.sequence)

    def forget(self, intent: Intent) -> None:
        """This process no longer works on it."""
        self._mine.discard(intent.revision)

    async def try_to_cancel(self, intent: Intent) -> None:
        """Cancels an intent; while the engine or the database is away it stays open, for the next sweep."""
        try:
            await self.cancel(intent)
        except Unavailable as error:
            _log.warning("an intent stays open", intent=intent.id, kind=intent.kind, reason=error.reason)

    async def cancel(self, intent: Intent) -> None:
        """Destroys a key no CA came of, and ends the intent. Raises EngineUnavailable, StorageUnavailable."""
        destroyed = intent.kind is not IntentKind.SIGN and not await self._in_use(intent)
        if destroyed:
            await asyncio.to_thread(self._destroy, intent)

        async def decide() -> Decision:
            if not await self._store.intent_is_open(intent):
                return Decision(())
            end = ended(intent, done=destroyed and intent.kind is IntentKind.DELETE)
            return Decision((end,), {INTENT.of(intent.id): intent.revision})

        try:
            await self._log.commit(ANONYMOUS, decide)
        finally:
            self.forget(intent)

    async def _in_use(self, intent: Intent) -> bool:
        """Whether a CA or a request came of it after all: its end may have been recorded and nobody told."""
        name = _key_name(intent)
        for found in (await self._store.authority(intent.ca_id), await self._store.request(intent.ca_id)):
            if found is not None and found.key is not None and found.key.name == name:
                return True
        return False

    def _destroy(self, intent: Intent) -> None:
        try:
            engine = self._engines.get(intent.engine_id)
        except NotFound:
            _log.warning("the engine of an intent is not configured; a key may be left in it", engine=intent.engine_id)
            return
        key = engine.find(_key_name(intent))
        if key is not None:
            engine.delete(key)

    async def sweep(self, *, everything: bool = False) -> None:
        """Cancels what was left open: all that is not of this process, or what is so old that nobody works on it."""
        before = self._log.clock.now() - (0 if everything else _ABANDONED)
        for intent in await self._store.intents(before + 1):
            if intent.revision not in self._mine:
                _log.warning("cancelling what was left half-done", intent=intent.id, kind=intent.kind, ca=intent.ca_id)
                await self.try_to_cancel(intent)

    async def keep_sweeping(self) -> None:
        """Sweeps now and then. Runs for ever."""
        while True:
            await asyncio.sleep(_SWEEP_EVERY)
            try:
                await self.sweep()
            except Unavailable as error:
                _log.warning("intents are not looked through", reason=error.reason)
