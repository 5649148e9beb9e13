"""Own records and those of others, told to the listeners of one process in any way that can happen.

A process is told of what it recorded itself in order, at some time after it was committed; and it reads the whole log,
its own records among it, in order and in pieces. Nothing else is sure about the two.
"""

from collections.abc import Sequence

from hypothesis import strategies as st

from blazon.log import Record
from blazon.log.listeners import Listeners

Told = tuple[str, list[Record]]


class Heard:
    """A listener that keeps what it heard."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def __call__(self, records: Sequence[Record]) -> None:
        self.records += records


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
