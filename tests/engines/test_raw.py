"""Raw signatures by the names of the CA API: what fits, what does not, and what OpenSSL says of them."""

import hashlib
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from blazon.engines import MessageType, PrivateKey, SignatureAlgorithm, sign_message, verify_message
from blazon.errors import Malformed, RuleBroken

KEYS: dict[str, PrivateKey] = {
    "RSA": rsa.generate_private_key(65537, 2048),
    "ECDSA": ec.generate_private_key(ec.SECP384R1()),
    "ED25519": ed25519.Ed25519PrivateKey.generate(),
    "ML_DSA_44": mldsa.MLDSA44PrivateKey.generate(),
    "ML_DSA_65": mldsa.MLDSA65PrivateKey.generate(),
    "ML_DSA_87": mldsa.MLDSA87PrivateKey.generate(),
}
HASHED = [algorithm for algorithm in SignatureAlgorithm if algorithm.startswith(("RSA", "ECDSA"))]


def _key(algorithm: SignatureAlgorithm) -> PrivateKey:
    return next(key for name, key in KEYS.items() if algorithm.startswith(name))


@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
@given(message=st.binary(max_size=200))
def test_what_is_signed_is_verified(algorithm: SignatureAlgorithm, message: bytes) -> None:
    key = _key(algorithm)
    signature = sign_message(key, algorithm, MessageType.RAW, message)
    assert verify_message(key.public_key(), algorithm, MessageType.RAW, message, signature)
    assert not verify_message(key.public_key(), algorithm, MessageType.RAW, message + b"x", signature)


@pytest.mark.parametrize("algorithm", HASHED)
def test_a_digest_and_its_message_have_the_same_signatures(algorithm: SignatureAlgorithm) -> None:
    key, message = _key(algorithm), b"text"
    digest = hashlib.new(f"sha{algorithm[-3:]}", message).digest()
    of_message = sign_message(key, algorithm, MessageType.RAW, message)
    of_digest = sign_message(key, algorithm, MessageType.HASH, digest)
    assert verify_message(key.public_key(), algorithm, MessageType.HASH, digest, of_message)
    assert verify_message(key.public_key(), algorithm, MessageType.RAW, message, of_digest)


@pytest.mark.parametrize("algorithm", HASHED)
def test_a_digest_of_another_length_is_refused(algorithm: SignatureAlgorithm) -> None:
    key = _key(algorithm)
    for digest in (b"", b"x", b"x" * 20, b"x" * 65):
        with pytest.raises(Malformed, match="inconsistency between hashed message and signature algorithm"):
            sign_message(key, algorithm, MessageType.HASH, digest)
        with pytest.raises(Malformed, match="inconsistency"):
            verify_message(key.public_key(), algorithm, MessageType.HASH, digest, b"")


@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
@pytest.mark.parametrize("name", KEYS)
def test_a_key_signs_only_by_its_own_algorithms(algorithm: SignatureAlgorithm, name: str) -> None:
    key = KEYS[name]
    if algorithm.startswith(name):
        assert sign_message(key, algorithm, MessageType.RAW, b"text")
        return
    with pytest.raises(RuleBroken, match="signing algorithm not supported"):
        sign_message(key, algorithm, MessageType.RAW, b"text")
    with pytest.raises(RuleBroken, match="signing algorithm not supported"):
        verify_message(key.public_key(), algorithm, MessageType.RAW, b"text", b"")


@pytest.mark.parametrize("algorithm", [each for each in SignatureAlgorithm if each not in HASHED])
def test_an_algorithm_without_a_digest_takes_none(algorithm: SignatureAlgorithm) -> None:
    with pytest.raises(RuleBroken, match="signs the message, not its digest"):
        sign_message(_key(algorithm), algorithm, MessageType.HASH, b"x" * 32)


@pytest.mark.parametrize("algorithm", [each for each in HASHED])
def test_openssl_verifies_it(algorithm: SignatureAlgorithm, tmp_path: Path) -> None:
    key = _key(algorithm)
    public = tmp_path / "public.pem"
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    message, signature = tmp_path / "message", tmp_path / "signature"
    message.write_bytes(b"text")
    signature.write_bytes(sign_message(key, algorithm, MessageType.RAW, b"text"))
    pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"] if "PSS" in algorithm else []
    command = ["openssl", "dgst", f"-sha{algorithm[-3:]}", "-verify", public, "-signature", signature, *pss, message]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.stdout == "Verified OK\n", ended.stderr
