"""The rules of the room, and what goes on in it."""

import asyncio
from collections.abc import AsyncIterator

from prometheus_client import Gauge

from blazon.caller import Caller
from blazon.errors import Conflict, NotFound
from blazon.log import Decision, Log
from tests.garden.events import PLANTED, WATERED, Planted, Watered
from tests.garden.models import PLANT, Plant
from tests.garden.store import Store

__all__ = ["Gardener", "Plants"]


class Plants:
    """Plants and waters."""

    def __init__(self, log: Log, store: Store, most: int) -> None:
        self._log = log
        self._store = store
        self._most = most

    async def plant(self, caller: Caller, identifier: str) -> Plant:
        """Plants something. Raises Conflict when it is there, or when the garden is full."""

        async def decide() -> Decision:
            if await self._store.plant(identifier) is not None:
                raise Conflict("it is planted already")
            if await self._store.count() >= self._most:
                raise Conflict(f"there is room for {self._most} plants")
            return Decision((PLANTED.event(PLANT.of(identifier), Planted(identifier)),), {PLANT.of(identifier): 0})

        (record,) = await self._log.commit(caller, decide)
        return Plant(identifier, 0, record.sequence)

    async def water(self, caller: Caller, identifier: str) -> Plant:
        """Waters a plant. Raises NotFound."""

        async def decide() -> Decision:
            plant = await self.view(identifier)
            event = WATERED.event(PLANT.of(identifier), Watered(identifier, plant.watered + 1))
            return Decision((event,), {PLANT.of(identifier): plant.revision})

        (record,) = await self._log.commit(caller, decide)
        return Plant(identifier, WATERED.read(record).watered, record.sequence)

    async def view(self, identifier: str) -> Plant:
        """A plant. Raises NotFound."""
        plant = await self._store.plant(identifier)
        if plant is None:
            raise NotFound("there is no such plant")
        return plant

    async def watch(self) -> AsyncIterator[bytes]:
        """How many plants there are, as Server-Sent Events, whenever that changes."""
        told = -1
        while True:
            count = await self._store.count()
            if count != told:
                told = count
                yield b"data: %d\n\n" % count
            await asyncio.sleep(0.01)


class Gardener:
    """Counts the plants over and over."""

    def __init__(self, store: Store, plants: Gauge) -> None:
        self._store = store
        self._plants = plants
        self.went_home = asyncio.Event()

    async def run(self) -> None:
        """Counts until it is cancelled."""
        try:
            while True:
                self._plants.set(await self._store.count())
                await asyncio.sleep(0.01)
        finally:
            self.went_home.set()
