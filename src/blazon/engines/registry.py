"""The engines of one Blazon: by id, with one default."""

from collections.abc import Iterator, Sequence

import msgspec

from blazon.engines.engine import Engine, EngineInfo, PrivateKey, StoredKey
from blazon.errors import NotFound, SettingsError

__all__ = ["Engines"]


class Engines:
    """The engines by id. `default` is the id of the one that is used when a request names none."""

    def __init__(self, engines: Sequence[Engine], default: str = "") -> None:
        """Raises SettingsError when two engines have one id, or the default is none of them."""
        self._engines = {engine.id: engine for engine in engines}
        if len(self._engines) != len(engines):
            raise SettingsError("two crypto engines have the same id")
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

    def infos(self) -> list[EngineInfo]:
        """What every engine says about itself, the default one marked; blocks the first time."""
        return [msgspec.structs.replace(engine.info(), default=engine.id == self._default) for engine in self]

    def close(self) -> None:
        """Closes every engine."""
        for engine in self:
            engine.close()
