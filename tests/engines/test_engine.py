"""What every engine does, tried on each kind over the real thing."""

import pytest

from blazon.engines import Engine, KeySpec, KeyType
from blazon.testing.engines import Engines, EngineSuite
from tests.engines.support import P256, kms_engine, pkcs11_engine, software_engine
from tests.servers import MotoServer, SoftHsm


class TestSoftwareEngine(EngineSuite):
    keeps_keys = False

    @pytest.fixture
    def make_engine(self) -> Engines:
        return software_engine

    def test_its_short_signatures_are_quick(self, engine: Engine) -> None:
        assert engine.quick(P256)
        assert not engine.quick(KeySpec(KeyType.RSA, 4096))


class TestPkcs11Engine(EngineSuite):
    @pytest.fixture
    def make_engine(self, softhsm: SoftHsm) -> Engines:
        return lambda: pkcs11_engine(softhsm)


class TestKmsEngine(EngineSuite):
    takes_keys = False
    any_hash = False  # KMS ties the hash to the curve; moto's salts are as long as can be, unlike Amazon's

    @pytest.fixture
    def make_engine(self, moto: MotoServer) -> Engines:
        return lambda: kms_engine(moto)
