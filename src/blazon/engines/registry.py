"""The engines of one Blazon: by id, with one default."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from blazon.engines.engine import Engine, EngineInfo, PrivateKey, StoredKey
from blazon.engines.keys import KeySpec
from blazon.engines.software import SoftwareEngine
from blazon.engines.threads import Threads, cpu_threads, processors
from blazon.errors import NotFound, SettingsError

__all__ = ["Engines"]

_REMOTE: Final = 8
"""Threads of an engine outside this process: they wait for it, and compute nothing."""


class Engines:
    """The engines by id. `default` is the id of the one that is used when a request names none."""

    def __init__(self, engines: Sequence[Engine], default: str = "") -> None:
        """Raises SettingsError when two engines have one id, or the default is none of them."""
        self._engines = {engine.id: engine for engine in engines}
        if len(self._engines) != len(engines):
            raise SettingsError("two crypto engines have the same id")
        self._threads = {
            engine.id: Threads(
                f"the crypto engine {engine.id}", processors() if isinstance(engine, SoftwareEngine) else _REMOTE
            )
            for engine in engines
        }
        # An engine that hangs, or is busy making keys, stands in the list like the others.
        self._describing = Threads("the list of crypto engines", _REMOTE)
        self._default = default or next(iter(self._engines), "")
        if self._default not in self._engines:
            raise SettingsError(f"the default crypto engine {self._default!r} is none of those that are configured")

    def __iter__(self) -> Iterator[Engine]:
        return iter(self._engines.values())

    @property
    def default(self) -> Engine:
        """The engine that is used when a request names none."""
        return self._engines[self._default]

    def get(self, engine_id: str = "") -> Engine:
        """An engine by its id, or the default one for an empty id. Raises NotFound."""
        try:
            return self._engines[engine_id or self._default]
        except KeyError:
            raise NotFound("crypto engine not found") from None

    def open(self, key: StoredKey) -> PrivateKey:
        """Opens a key in its engine; blocks. Raises NotFound, EngineUnavailable."""
        return self.get(key.engine_id).open(key)

    def quick(self, engine_id: str, spec: KeySpec) -> bool:
        """Whether a signature takes less than a millisecond and waits for nothing; not in an engine that is not set."""
        engine = self._engines.get(engine_id)
        return engine is not None and engine.quick(spec)

    def threads(self, engine_id: str = "") -> Threads:
        """The threads for the calls of an engine; for one that is not configured those of this process."""
        return self._threads.get(engine_id or self._default) or cpu_threads()

    async def check(self, engine: Engine) -> None:
        """Asks an engine whether it answers, in a thread that no other call waits for. Raises EngineUnavailable."""
        await self._describing.run(engine.check)

    async def infos(self) -> list[EngineInfo]:
        """What every engine says about itself, the default one marked."""
        infos = await asyncio.gather(*(self._describing.run(engine.info) for engine in self))
        return [msgspec.structs.replace(info, default=info.id == self._default) for info in infos]

    def close(self) -> None:
        """Closes every engine."""
        for engine in self:
            engine.close()
        for threads in (*self._threads.values(), self._describing):
            threads.close()
