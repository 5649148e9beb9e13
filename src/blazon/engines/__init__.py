"""Crypto engines behind one small interface: software, PKCS#11, AWS KMS.

An engine makes, imports, opens and (where it can) deletes private keys, and says what it is and which keys it supports.
What it hands out is a private key of `cryptography`'s own abstract classes, so that certificates, CRLs, OCSP answers
and requests are signed the same way whichever engine holds the key. It never keeps a list of keys of its own: a key is
found again by its `StoredKey`, which the caller keeps. It does not know certificates, SQL or HTTP.

The calls of an engine block: a key may take seconds to make, a module or a service may take its time to answer. Call
them in the threads of the engine, `Engines.threads`, unless `Engine.quick` says that a signature is done in less than a
millisecond. Whatever else computes long does so in `cpu_threads`.
"""

from blazon.engines.engine import (
    Engine,
    EngineInfo,
    EngineUnavailable,
    PrivateKey,
    PublicKey,
    SecurityLevel,
    StoredKey,
)
from blazon.engines.keys import ALL_KEYS, KeySpec, KeyType, SupportedKeys, spec_of
from blazon.engines.kms import KmsEngine
from blazon.engines.pkcs11 import Pkcs11Engine
from blazon.engines.raw import MessageType, SignatureAlgorithm, sign_message, verify_message
from blazon.engines.registry import Engines
from blazon.engines.rules import check_supported
from blazon.engines.software import SoftwareEngine, generate_key
from blazon.engines.threads import Threads, cpu_threads
from blazon.engines.watch import EngineWatch

__all__ = [
    "ALL_KEYS",
    "Engine",
    "EngineInfo",
    "EngineUnavailable",
    "EngineWatch",
    "Engines",
    "KeySpec",
    "KeyType",
    "KmsEngine",
    "MessageType",
    "Pkcs11Engine",
    "PrivateKey",
    "PublicKey",
    "SecurityLevel",
    "SignatureAlgorithm",
    "SoftwareEngine",
    "StoredKey",
    "SupportedKeys",
    "Threads",
    "check_supported",
    "cpu_threads",
    "generate_key",
    "sign_message",
    "spec_of",
    "verify_message",
]
