"""One issuing path serves every engine: chains, CRLs and OCSP answers signed in a module and in a service."""

from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import ocsp

from blazon.ca.x509 import (
    CertState,
    CertStatus,
    Reason,
    Responder,
    Subject,
    build_crl,
    crl_entry,
    read_csr,
    request_ca,
    sign_draft,
    sign_ocsp,
)
from blazon.engines import Engine, EngineUnavailable, KeySpec, KmsEngine, Pkcs11Engine, StoredKey
from tests.ca.x509.asking import cert_id
from tests.ca.x509.support import (
    DAY,
    NOW,
    P256,
    SPECS,
    in_engine,
    lint_certificate,
    lint_crl,
    lint_ocsp,
)
from tests.servers import MotoServer, SoftHsm


@pytest.fixture(params=["pkcs11", "kms"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine outside this process."""
    found: Engine
    if request.param == "pkcs11":
        tokens: SoftHsm = request.getfixturevalue("softhsm")
        found = Pkcs11Engine("hsm", module=tokens.module, token="blazon", pin=tokens.pin)
    else:
        server: MotoServer = request.getfixturevalue("moto")
        found = KmsEngine("kms", region="eu-west-1", endpoint=server.url, access_key="test", secret_key="test")
    yield found
    found.close()


@pytest.fixture
def made() -> list[StoredKey]:
    return []


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_everything_is_issued(engine: Engine, spec: KeySpec, made: list[StoredKey]) -> None:
    if not any(kind.type is spec.type and spec.bits in kind.sizes for kind in engine.info().supported_key_types):
        return
    hierarchy = in_engine(engine, made, spec)
    leaf = hierarchy.leaf()
    leaf.verify_directly_issued_by(hierarchy.sub.certificate)
    hierarchy.sub.certificate.verify_directly_issued_by(hierarchy.root.certificate)
    for certificate in (leaf, hierarchy.sub.certificate, hierarchy.root.certificate):
        assert lint_certificate(certificate) == []
    entries = [crl_entry(leaf.serial_number, NOW, Reason.KEY_COMPROMISE)]
    crl = build_crl(hierarchy.sub, hierarchy.sub_key, number=1, this_update=NOW, next_update=NOW + DAY, entries=entries)
    assert x509.load_der_x509_crl(crl).is_signature_valid(hierarchy.sub.public_key)
    assert lint_crl(crl) == []
    if engine.id == "hsm":  # moto hashes a digest once more, unlike Amazon's
        # A long list is hashed here, and the engine is given the hash.
        long = [crl_entry(serial, NOW, Reason.KEY_COMPROMISE) for serial in range(1, 3000)]
        crl = build_crl(
            hierarchy.sub, hierarchy.sub_key, number=2, this_update=NOW, next_update=NOW + DAY, entries=long
        )
        assert x509.load_der_x509_crl(crl).is_signature_valid(hierarchy.sub.public_key)
    status = CertStatus(cert_id(leaf, hierarchy.sub.certificate), CertState.GOOD, NOW, NOW + DAY)
    answer = sign_ocsp(Responder.of(hierarchy.sub, hierarchy.sub_key), [status], produced_at=NOW)
    assert lint_ocsp(answer) == []
    if isinstance(hierarchy.sub.public_key, ec.EllipticCurvePublicKey) and spec == P256:
        read = ocsp.load_der_ocsp_response(answer)
        hierarchy.sub.public_key.verify(read.signature, read.tbs_response_bytes, ec.ECDSA(SHA256()))
    request = read_csr(request_ca(hierarchy.sub_key, Subject("Ours")))
    assert request.spec == spec
    for stored in made:
        engine.delete(stored)


def test_a_module_that_goes_away_while_it_issues_is_unavailable(softhsm: SoftHsm, made: list[StoredKey]) -> None:
    engine = Pkcs11Engine("hsm", module=softhsm.module, token="blazon", pin=softhsm.pin)
    hierarchy = in_engine(engine, made)
    draft = hierarchy.draft()
    softhsm.take_away()
    try:
        for issue in (
            hierarchy.leaf,
            lambda: request_ca(hierarchy.sub_key, Subject("Ours")),
            lambda: build_crl(
                hierarchy.sub, hierarchy.sub_key, number=1, this_update=NOW, next_update=NOW + DAY, entries=[]
            ),
        ):
            with pytest.raises(EngineUnavailable):
                issue()
    finally:
        softhsm.give_back()
    # The same draft, with the serial number that was recorded, is signed now.
    assert sign_draft(draft, hierarchy.sub_key).serial_number == draft.serial
    engine.close()
