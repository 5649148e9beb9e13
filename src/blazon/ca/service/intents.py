"""Intents: what is about to be done with a key outside this process is recorded first.

1. `begin` records that a key will be made, brought or used, before the engine hears of it.
2. The engine works.
3. What came of it is recorded in one operation with the end of the intent, which rests on the intent still being open.

An engine that fails ends its intent at once. Where who asked is gone before the engine is done, because it is slow and
the time of the request is over, the work goes on to its end all the same. A process that is killed leaves its intent
open, and the next start cancels it: the key is destroyed if no CA came of it, so nothing is half-issued. Of the intents
to make a CA with one id only one is open at a time, and each has a name of its own for its key: what cancels it finds
that key and no other. A certificate
that was signed and not recorded was never shown to anybody. Keys that lie in this process, in the software engine,
leave nothing behind and sign without an intent.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

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

T = TypeVar("T")

_log = structlog.get_logger("blazon.ca")


class Open:
    """The intents of one request that have not ended yet."""

    def __init__(self, intents: "Intents", caller: Caller) -> None:
        self._intents = intents
        self._caller = caller
        self._open: list[Intent] = []

    async def begin(
        self, kind: IntentKind, ca_id: str, engine_id: str, serial: str = "", *, key_name: str = "", revision: int = 0
    ) -> Intent:
        """Records an intent. `key_name` is that of the key to destroy; one to make gets a new name.

        `revision` is that of the CA which is to get a key, 0 where the CA is to be made with it. Raises Conflict when
        there is a CA with this id that was to be made, or somebody is making one.
        """
        intent = await self._intents.record(self._caller, kind, ca_id, engine_id, serial, key_name, revision)
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
        """What the intents go with is recorded: deletes the keys that are to be deleted; the others have ended."""
        while self._open:
            intent = self._open.pop()
            if intent.kind is IntentKind.DELETE:
                await self._intents.try_to_cancel(intent)
            else:
                self._intents.forget(intent)

    async def give_up(self, error: BaseException) -> None:
        """Nothing is recorded of what was begun, because of an error."""
        while self._open:
            intent = self._open.pop()
            if isinstance(error, Exception):
                await self._intents.try_to_cancel(intent)
            else:  # this process stops, perhaps while the engine works: what comes of it the next start will see
                self._intents.forget(intent)


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
        self._left: dict[int, Intent] = {}
        self._going: set[asyncio.Task[Any]] = set()

    async def to_the_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Does work that must not be left half-done. When who waits for it is cancelled, it goes on without them.

        A thread that an engine keeps waiting cannot be stopped: to give up would leave behind what it makes later.
        """
        task = asyncio.create_task(work)
        self._going.add(task)
        task.add_done_callback(self._going.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_tell)
            raise

    def open(self, caller: Caller) -> Open:
        """The intents of one request: none yet."""
        return Open(self, caller)

    async def record(
        self,
        caller: Caller,
        kind: IntentKind,
        ca_id: str,
        engine_id: str,
        serial: str,
        key_name: str,
        revision: int,
    ) -> Intent:
        """Records an intent, which is of this process until it is forgotten."""
        # Not under the request's Idempotency-Key: that belongs to what comes of it.
        as_caller = Caller(id=caller.id, traceparent=caller.traceparent)
        begun = self._new(kind, ca_id, engine_id, serial, key_name)
        intent = await self._record(as_caller, begun, None, revision)
        assert intent is not None
        return intent

    def _new(self, kind: IntentKind, ca_id: str, engine_id: str, serial: str, key_name: str) -> IntentBegun:
        identifier = self._log.new_id()
        if kind in _MAKES:
            # By the id of the CA, so that of two who want it at once only one comes to ask the engine.
            key_name, identifier = f"{ca_id}.{identifier}", f"{ca_id}.key"
        return IntentBegun(
            id=identifier,
            kind=kind,
            ca_id=ca_id,
            engine_id=engine_id,
            serial=serial,
            created_at=self._log.clock.now(),
            key_name=key_name,
        )

    async def _record(
        self, caller: Caller, begun: IntentBegun, instead: Intent | None, revision: int = 0
    ) -> Intent | None:
        """Records an intent, and in the same operation the end of another one; None when that was not open any more."""
        event = events.INTENT_BEGIN.event(INTENT.of(begun.id), begun)
        makes = begun.kind in _MAKES

        async def decide() -> Decision:
            if makes and not revision and await self._store.id_is_taken(begun.ca_id):
                raise Conflict(EXISTS)
            if makes and revision and not await self._store.can_get_key(begun.ca_id, revision):
                raise Conflict("the CA is being changed by another request; try again in a moment")
            if instead is None:
                relies = {INTENT.of(begun.id): 0, AUTHORITY.of(begun.ca_id): revision, REQUEST.of(begun.ca_id): 0}
                return Decision((event,), relies if makes else {})
            if not await self._store.intent_is_open(instead):
                return Decision(())
            return Decision((event, ended(instead, done=False)), {INTENT.of(instead.id): instead.revision})

        records = await self._log.commit(caller, decide)
        if not records:
            return None
        self._mine.add(records[0].sequence)
        return Intent(**msgspec.structs.asdict(begun), revision=records[0].sequence)

    def forget(self, intent: Intent) -> None:
        """This process no longer works on it."""
        self._mine.discard(intent.revision)

    async def try_to_cancel(self, intent: Intent) -> None:
        """Cancels an intent; while the engine or the database is away it stays open, for the next sweep."""
        try:
            await self.cancel(intent)
        except Unavailable as error:
            self._left[intent.revision] = intent
            _log.warning("an intent stays open", intent=intent.id, kind=intent.kind, reason=error.reason)

    async def cancel(self, intent: Intent) -> None:
        """Destroys a key no CA came of, and ends the intent. Raises EngineUnavailable, StorageUnavailable."""
        if not await self._store.intent_is_open(intent):
            self._settled(intent)  # another process took it for abandoned, and cleaned up
            return
        destroyed = intent.kind is not IntentKind.SIGN and not await self._in_use(intent)
        if destroyed:
            await self._engines.threads(intent.engine_id).run(self._destroy, intent)

        async def decide() -> Decision:
            if not await self._store.intent_is_open(intent):
                return Decision(())
            end = ended(intent, done=destroyed and intent.kind is IntentKind.DELETE)
            return Decision((end,), {INTENT.of(intent.id): intent.revision})

        try:
            await self._log.commit(ANONYMOUS, decide)
        finally:
            self.forget(intent)
        self._settled(intent)

    def _settled(self, intent: Intent) -> None:
        self.forget(intent)
        self._left.pop(intent.revision, None)

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
        """Cancels what was left open: all that is not of this process, or what is so old that nobody works on it.

        And what this process could not cancel when it had to.
        """
        for intent in tuple(self._left.values()):
            await self.try_to_cancel(intent)
        before = self._log.clock.now() - (0 if everything else _ABANDONED)
        for intent in await self._store.intents(before + 1):
            if intent.revision in self._mine:
                continue
            _log.warning("cancelling what was left half-done", intent=intent.id, kind=intent.kind, ca=intent.ca_id)
            if everything or intent.kind is IntentKind.SIGN:
                await self.try_to_cancel(intent)
            elif (taken := await self._take_over(intent)) is not None:
                await self.try_to_cancel(taken)

    async def _take_over(self, intent: Intent) -> Intent | None:
        """Ends an intent of another process and begins one of ours, to destroy its key, in one operation.

        The other one may not be dead but slow: from then on what it made cannot be recorded, and its key can safely be
        destroyed. None when it came to its end meanwhile, or another process was faster.
        """
        begun = self._new(IntentKind.DELETE, intent.ca_id, intent.engine_id, "", _key_name(intent))
        return await self._record(ANONYMOUS, begun, intent)

    async def keep_sweeping(self) -> None:
        """Sweeps now and then. Runs for ever."""
        while True:
            await asyncio.sleep(_SWEEP_EVERY)
            try:
                await self.sweep()
            except Unavailable as error:
                _log.warning("intents are not looked through", reason=error.reason)


def _tell(task: "asyncio.Task[Any]") -> None:
    """What came of work nobody waits for any more."""
    if task.cancelled():
        return
    error = task.exception()
    if error is None:
        _log.info("a request was finished after its time was over")
    elif isinstance(error, BlazonError):
        _log.warning("a request failed after its time was over", reason=error.text)
    else:
        _log.error("a request failed after its time was over", exc_info=error)
