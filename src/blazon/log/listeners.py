"""Telling what was recorded to those who keep some of it in memory."""

from collections.abc import Callable, Sequence

import structlog

from blazon.log.record import Record

__all__ = ["Listener", "Listeners"]

Listener = Callable[[Sequence[Record]], None]

_log = structlog.get_logger("blazon.log")


class Listeners:
    """Listeners of one process. They hear facts, each once, and of one subject never an older after a newer.

    What this process records they hear at once, before its caller is answered. What others record comes a little
    later, with our own among it, in the order of the log. So ours may come before older ones of others: of those,
    what is about the same subject is outdated, and is left out.
    """

    def __init__(self, *, shared: bool) -> None:
        self._shared = shared
        self._listeners: list[Listener] = []
        self._ahead: dict[str, int] = {}
        self.position = 0
        """Up to where everything was heard that others recorded; of no meaning when nobody else does."""

    def add(self, listener: Listener) -> None:
        """One more listener."""
        self._listeners.append(listener)

    def own(self, records: Sequence[Record]) -> None:
        """What this process recorded."""
        facts = [record for record in records if record.is_fact]
        if self._shared:
            facts = [record for record in facts if record.sequence > self.position]
            self._ahead.update((record.subject, record.sequence) for record in facts)
        self._tell(facts)

    def others(self, records: Sequence[Record]) -> None:
        """The next records of the log, whoever recorded them."""
        self._tell(
            [record for record in records if record.is_fact and record.sequence > self._ahead.get(record.subject, 0)]
        )
        self.position = records[-1].sequence
        if self._ahead:
            self._ahead = {subject: last for subject, last in self._ahead.items() if last > self.position}

    def _tell(self, facts: Sequence[Record]) -> None:
        if not facts:
            return
        for listener in self._listeners:
            try:
                listener(facts)
            except Exception:  # noqa: BLE001 - what is committed stays committed
                _log.exception("a listener of the log failed")
