"""Bringing what was recorded to those who keep some of it in memory."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import structlog

from blazon.errors import StorageUnavailable
from blazon.log.record import Record

__all__ = ["Listeners", "Memory"]

_log = structlog.get_logger("blazon.log")


class Memory(Protocol):
    """What a room keeps in memory of the log, to answer from it.

    A memory that may be wrong answers nothing: whoever reads it asks `Log.current` first. It may be wrong when `hear`
    raised, as it does for a record of a newer release that changes something this one cannot read, or when the log
    went back; then it is loaded anew.
    """

    def hear(self, records: Sequence[Record]) -> None:
        """Takes in new facts: of this process before their callers are answered, of others soon.

        A memory hears each fact once, and of one subject never an older one after a newer one. It passes over subjects
        of kinds it does not know; for a fact about a subject it knows, but cannot read, it raises.
        """
        ...

    async def reload(self) -> int:
        """Forgets everything and reads it from the tables.

        Returns the sequence number up to which the memory is right by that: facts behind it come through `hear`. 0 when
        nothing was read, because the memory is a cache.
        """
        ...


class _Listener:
    """A memory, and whether it is right."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.right = False
        self._through = 0
        self._missed: list[Record] | None = None
        """What came while the memory is being loaded; None while it is not."""

    def tell(self, facts: Sequence[Record]) -> None:
        """Hands on facts. Whatever the memory raises goes to the caller, and the memory is not right any more."""
        if self._missed is not None:
            self._missed.extend(facts)
        elif self.right and (news := [record for record in facts if record.sequence > self._through]):
            self.right = False
            self.memory.hear(news)
            self.right = True

    async def load(self) -> None:
        """Loads the memory, and hands on what came meanwhile."""
        self._missed = []
        try:
            self._through = await self.memory.reload()
            missed = self._missed
        finally:
            self._missed = None
        self.right = True
        self.tell(missed)


class Listeners:
    """The memories of one process.

    Facts of this process reach them at once, facts of other processes a little later, in log order with our own among
    them. So a fact of ours may come before older ones of others: those of them that are about the same subject are
    outdated, and are dropped.
    """

    def __init__(self, *, shared: bool, failed: Callable[[], object] = lambda: None) -> None:
        """`shared` says that other processes record too; `failed` is called for each memory that failed."""
        self._shared = shared
        self._failed = failed
        self._listeners: list[_Listener] = []
        self._ahead: dict[str, int] = {}
        self.position = 0
        """Everything up to here was heard; without meaning when no other process records."""
        self.right = False
        """Whether no memory must be loaded."""

    def add(self, memory: Memory) -> None:
        """One more memory. It hears nothing until it is loaded."""
        self._listeners.append(_Listener(memory))
        self.right = False

    def own(self, records: Sequence[Record]) -> None:
        """Hands on what this process recorded."""
        facts = [record for record in records if record.is_fact]
        if self._shared:
            facts = [record for record in facts if record.sequence > self.position]
            self._ahead.update((record.subject, record.sequence) for record in facts)
        self._tell(facts)

    def others(self, records: Sequence[Record]) -> None:
        """Hands on the next records of the log, whoever recorded them."""
        if not records:
            return
        self._tell(
            [record for record in records if record.is_fact and record.sequence > self._ahead.get(record.subject, 0)]
        )
        self.position = records[-1].sequence
        if self._ahead:
            self._ahead = {subject: last for subject, last in self._ahead.items() if last > self.position}

    def restart(self, position: int) -> None:
        """Goes on from a position of a log that went back. No memory is right until it is loaded again."""
        self.position = position
        self._ahead.clear()
        self.right = False
        for listener in self._listeners:
            listener.right = False

    async def load(self) -> None:
        """Loads every memory that is not right. Raises StorageUnavailable."""
        for listener in self._listeners:
            if not listener.right:
                with self._noticed(listener):
                    await listener.load()
        self.right = all(listener.right for listener in self._listeners)

    def _tell(self, facts: Sequence[Record]) -> None:
        if not facts:
            return
        for listener in self._listeners:
            with self._noticed(listener):
                listener.tell(facts)

    @contextmanager
    def _noticed(self, listener: _Listener) -> Iterator[None]:
        try:
            yield
        except StorageUnavailable:
            raise
        except Exception:  # noqa: BLE001 - what is committed stays committed, and the memory is loaded again
            self.right = False
            self._failed()
            _log.exception("a memory could not take in what was recorded", memory=type(listener.memory).__name__)
