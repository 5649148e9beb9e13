"""Where things stand in lists, so that a page far from the beginning costs as little as the first.

A database finds the thing at an offset by passing all those before it. Things are listed by the time they were made,
which no two share, so a list of those times is all that is needed to begin a page anywhere: 8 bytes a thing. It is read
when somebody asks far enough into a list, and kept current by the log from then on.
"""

import asyncio
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from blazon.entity import Status
from blazon.log import Record
from blazon.things.models import THING
from blazon.things.store import Store

__all__ = ["FAR", "Orders", "Scope"]

FAR: Final = 1000
"""From this offset on a page is found here."""

_KEPT: Final = 8
"""How many lists are kept."""


class Scope(NamedTuple):
    """A list of things that is told by an owner, a state, both or neither."""

    owner: str | None
    status: Status | None


class _Facts(msgspec.Struct, frozen=True):
    owner: str
    status: Status
    created_at: int = 0


class _Order:
    """The times of one list, in order."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.times: array[int] | None = None
        self.reading: asyncio.Task[None] | None = None
        self._missed: list[tuple[_Facts, int]] = []

    def fill(self, times: "array[int]") -> None:
        """What was read; what was heard of meanwhile is brought in now."""
        self.times = times
        for facts, created_at in self._missed:
            self.hear(facts, created_at)
        self._missed.clear()

    def hear(self, facts: _Facts, created_at: int) -> None:
        """A thing as it is now."""
        if self.times is None:
            self._missed.append((facts, created_at))
            return
        place = bisect_left(self.times, created_at)
        there = place < len(self.times) and self.times[place] == created_at
        if there and not self._has(facts):
            del self.times[place]
        elif not there and self._has(facts):
            self.times.insert(place, created_at)

    def _has(self, facts: _Facts) -> bool:
        owner, status = self.scope
        return owner in (None, facts.owner) and status in (None, facts.status)


class Orders:
    """The lists somebody looks far into."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._orders: OrderedDict[Scope, _Order] = OrderedDict()
        self._read = msgspec.json.Decoder(_Facts).decode

    async def at(self, scope: Scope, offset: int) -> int | None:
        """When the thing at an offset of a list was made; None when the list is not that long."""
        order = self._orders.get(scope)
        if order is None:
            order = self._orders[scope] = _Order(scope)
            if len(self._orders) > _KEPT:
                self._orders.popitem(last=False)
            order.reading = asyncio.create_task(self._fill(order))
        self._orders.move_to_end(scope)
        if order.times is None:
            assert order.reading is not None
            await asyncio.shield(order.reading)  # others wait for it too
        assert order.times is not None
        return order.times[offset] if offset < len(order.times) else None

    async def _fill(self, order: _Order) -> None:
        try:
            order.fill(await self._store.times(*order.scope))
        finally:
            order.reading = None
            if order.times is None and self._orders.get(order.scope) is order:
                del self._orders[order.scope]

    async def reload(self) -> int:
        """Forgets every list; each is read again when somebody looks far into it."""
        self._orders.clear()
        return 0

    def hear(self, records: Sequence[Record]) -> None:
        """Brings every list up to date."""
        if not self._orders:
            return
        for record in records:
            if record.service == "things" and record.subject.startswith(f"{THING.name}:"):
                facts = self._read(record.data)
                for order in self._orders.values():
                    order.hear(facts, facts.created_at or record.time)
