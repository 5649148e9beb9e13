"""The engines of one Blazon: one default, each with an id of its own."""

import pytest

from blazon.engines import Engines, SoftwareEngine
from blazon.errors import NotFound, SettingsError
from blazon.storage import Sealer
from tests.engines.support import P256


def _engine(engine_id: str, key: bytes = bytes(32)) -> SoftwareEngine:
    return SoftwareEngine(engine_id, Sealer(key))


async def test_the_first_is_the_default_unless_another_is_named() -> None:
    a, b = _engine("a"), _engine("b")
    assert Engines([a, b]).default is a
    engines = Engines([a, b], "b")
    assert engines.default is engines.get() is engines.get("b") is b
    assert engines.get("a") is a
    assert [(info.id, info.default) for info in await engines.infos()] == [("a", False), ("b", True)]
    engines.close()


def test_a_key_is_opened_in_its_engine() -> None:
    a, b = _engine("a"), _engine("b", b"x" * 32)
    engines = Engines([a, b])
    for engine in (a, b):
        stored = engine.create("ca", P256)
        assert engines.open(stored).public_key() == stored.load_public_key()


def test_an_unknown_engine_is_not_found() -> None:
    with pytest.raises(NotFound, match="crypto engine not found"):
        Engines([_engine("a")]).get("b")


def test_wrong_settings_stop_the_start() -> None:
    with pytest.raises(SettingsError, match="same id"):
        Engines([_engine("a"), _engine("a")])
    with pytest.raises(SettingsError, match="'c' is none of those"):
        Engines([_engine("a")], "c")
    with pytest.raises(SettingsError, match="is none of those"):
        Engines([])
