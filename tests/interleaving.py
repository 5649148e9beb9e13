"""Own records and those of others, told to the listeners of one process in any way that can happen.

A process is told of what it recorded itself in order, at some time after it was committed; and it reads the whole log,
its own records among it, in order and in pieces. Nothing else is sure about the two.
"""

import asyncio
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from blazon.log import Memory, Record
from blazon.log.listeners import Listeners

Told = tuple[str, list[Record]]


class Heard:
    """A memory that keeps what it heard, and begins with what `there` gives: its records and up to where they go."""

    def __init__(self, there: Callable[[], tuple[list[Record], int]] = lambda: ([], 0)) -> None:
        self.records: list[Record] = []
        self.reloads = 0
        self._there = there

    def hear(self, records: Sequence[Record]) -> None:
        self.records += records

    async def reload(self) -> int:
        self.reloads += 1
        self.records, through = self._there()
        return through


def listening(memory: Memory, *, shared: bool) -> Listeners:
    """Listeners with one memory, which is loaded."""
    listeners = Listeners(shared=shared)
    listeners.add(memory)
    asyncio.run(listeners.load())
    return listeners


@st.composite
def interleaved(draw: st.DrawFn, records: list[Record], own: list[Record]) -> list[Told]:
    """A way in which the process with the records `own` may come to hear of `records`, which is the whole log."""
    calls: list[Told] = []
    rest, waiting = list(records), list(own)
    while rest or waiting:
        if waiting and (not rest or draw(st.booleans())):
            size = draw(st.integers(1, len(waiting)))
            calls.append(("own", waiting[:size]))
            waiting = waiting[size:]
        else:
            size = draw(st.integers(1, len(rest)))
            calls.append(("others", rest[:size]))
            rest = rest[size:]
    return calls


def played(listeners: Listeners, calls: list[Told]) -> None:
    """Tells the listeners."""
    for how, records in calls:
        (listeners.own if how == "own" else listeners.others)(records)
