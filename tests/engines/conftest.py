"""Engines of every kind, each over the real thing."""

from collections.abc import Iterator

import pytest

from blazon.engines import Engine
from tests.engines.support import Bench, KmsBench, Pkcs11Bench, SoftwareBench


@pytest.fixture(params=["software", "pkcs11", "kms"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Makes engines over one store of keys, of each kind in turn."""
    found: Bench
    match request.param:
        case "software":
            found = SoftwareBench()
        case "pkcs11":
            found = Pkcs11Bench(request.getfixturevalue("softhsm"))
        case _:
            found = KmsBench(request.getfixturevalue("moto"))
    yield found
    found.close()


@pytest.fixture
def engine(bench: Bench) -> Engine:
    """An engine of each kind in turn."""
    return bench.engine()
