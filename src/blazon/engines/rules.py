"""What every engine asks of names and keys. Pure functions."""

import re
from collections.abc import Iterable
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from blazon.engines.engine import PublicKey
from blazon.engines.keys import KeySpec, SupportedKeys
from blazon.errors import RuleBroken

__all__ = ["check_name", "check_supported", "public_bytes"]

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,200}", re.ASCII)


def check_name(name: str) -> None:
    """A name every engine can keep: a label of PKCS#11, an alias of KMS. Raises RuleBroken."""
    if not _NAME.fullmatch(name):
        raise RuleBroken("the name of a key is 1 to 200 letters, digits and _ . -")


def check_supported(engine_id: str, supported: Iterable[SupportedKeys], spec: KeySpec) -> None:
    """Raises RuleBroken, with what there is, when an engine does not make such keys."""
    kinds = tuple(supported)
    if not any(kind.type is spec.type and spec.bits in kind.sizes for kind in kinds):
        known = "; ".join(f"{kind.type.value}: {', '.join(map(str, kind.sizes))}" for kind in kinds)
        raise RuleBroken(f"the engine {engine_id} does not make keys of type {spec}; it makes {known or 'none'}")


def public_bytes(public_key: PublicKey) -> bytes:
    """The SubjectPublicKeyInfo as DER (RFC 5280 §4.1.2.7)."""
    return public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
