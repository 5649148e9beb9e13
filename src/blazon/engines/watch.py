"""Asks every crypto engine now and then whether it answers, and says of those that do not.

A request for a key in such an engine fails with 503; this is for whoever looks after Blazon, before anybody asks.
"""

import asyncio
from typing import Final

from blazon.engines.engine import Engine
from blazon.engines.registry import Engines
from blazon.errors import Unavailable
from blazon.health import Health

__all__ = ["EngineWatch"]

_EVERY: Final = 10.0
"""Seconds between the end of one look and the next."""

_PATIENCE: Final = 15.0
"""Seconds an engine has to answer: longer than those it has before it says itself that it is away."""

_PATIENCE_AT_START: Final = 3.0
"""Seconds a start waits for an engine."""


class EngineWatch:
    """Watches the engines, for `/health`, `/metrics` and the log, and for who starts Blazon."""

    def __init__(self, engines: Engines, health: Health) -> None:
        self._engines = engines
        self._health = health

    async def begin(self) -> None:
        """Looks for the first time, for a few seconds at most."""
        await self._look(_PATIENCE_AT_START)

    async def run(self) -> None:
        """Looks for ever."""
        while True:
            await asyncio.sleep(_EVERY)
            await self._look(_PATIENCE)

    async def notes(self) -> list[tuple[str, str]]:
        """What is wrong, for who starts Blazon."""
        parts = map(_part, self._engines)
        return [("Engine", self._health.troubles[part]) for part in parts if part in self._health.troubles]

    async def _look(self, patience: float) -> None:
        await asyncio.gather(*(self._ask(engine, patience) for engine in self._engines))

    async def _ask(self, engine: Engine, patience: float) -> None:
        try:
            async with asyncio.timeout(patience):
                await self._engines.check(engine)
        except TimeoutError:
            trouble = f"the crypto engine {engine.id} did not answer within {patience:g} s"
        except Unavailable as error:
            trouble = error.reason
        else:
            self._health.recover(_part(engine))
            return
        self._health.degrade(_part(engine), f"{trouble}; until it answers, CAs with their key in it cannot sign")


def _part(engine: Engine) -> str:
    return f"engine:{engine.id}"
