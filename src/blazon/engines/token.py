"""One session with a PKCS#11 token. To be used on the module's thread only; raises what python-pkcs11 raises."""

import contextlib
from typing import Any, Final, cast

import pkcs11 as p11
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
)
from pkcs11.util.ec import (
    decode_ec_private_key,
    decode_ec_public_key,
    encode_ec_public_key,
    encode_named_curve_parameters,
)
from pkcs11.util.rsa import decode_rsa_private_key, decode_rsa_public_key, encode_rsa_public_key

from blazon.engines.engine import PrivateKey, PublicKey
from blazon.engines.keys import ALL_KEYS, KeySpec, KeyType, SupportedKeys
from blazon.engines.remote import Task, digest_info
from blazon.errors import RuleBroken

__all__ = ["Token"]

_CURVES: Final = {256: "secp256r1", 384: "secp384r1", 521: "secp521r1"}
_ED25519: Final = b"\x06\x03\x2b\x65\x70"
"""CKA_EC_PARAMS of Ed25519: its object identifier (RFC 8410 §3)."""

_PSS: Final = {
    "sha256": (p11.Mechanism.SHA256, p11.MGF.SHA256, 32),
    "sha384": (p11.Mechanism.SHA384, p11.MGF.SHA384, 48),
    "sha512": (p11.Mechanism.SHA512, p11.MGF.SHA512, 64),
}
# What makes a kind of key, and what signs with it.
_MECHANISMS: Final = {
    KeyType.RSA: (p11.Mechanism.RSA_PKCS_KEY_PAIR_GEN, p11.Mechanism.RSA_PKCS),
    KeyType.ECDSA: (p11.Mechanism.EC_KEY_PAIR_GEN, p11.Mechanism.ECDSA),
    KeyType.ED25519: (p11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN, p11.Mechanism.EDDSA),
}
_PRIVATE: Final[dict[p11.Attribute, Any]] = {
    p11.Attribute.SENSITIVE: True,
    p11.Attribute.EXTRACTABLE: False,
    p11.Attribute.PRIVATE: True,
}


class Token:
    """An open, logged-in session. Keys are named by CKA_ID; handles to them are kept while the session lives."""

    def __init__(self, library: Any, label: str, pin: str) -> None:
        found = library.get_token(token_label=label)
        try:
            self._session = found.open(rw=True, user_pin=pin)
        except p11.UserAlreadyLoggedIn:
            # A login is the process's, not the session's (PKCS #11 2.40 §5.6): another engine has this token too.
            self._session = found.open(rw=True)
        self._keys: dict[bytes, Any] = {}
        self.manufacturer = _text(found.manufacturer_id)
        self.model = _text(found.model)
        self.supported = _supported(found.slot)
        self.about = {
            "cryptoki-version": ".".join(map(str, library.cryptoki_version)),
            "library": _text(library.library_description),
            "manufacturer": _text(library.manufacturer_id),
        }

    def check(self) -> None:
        """Asks whether the token is in its slot."""
        self._session.token.slot.get_token()

    def close(self) -> None:
        """Ends the session; one that is broken already is left alone."""
        with contextlib.suppress(p11.PKCS11Error):
            self._session.close()

    def identifier_of(self, name: str) -> bytes | None:
        """The CKA_ID of the private key with this label."""
        found = self._find({p11.Attribute.CLASS: p11.ObjectClass.PRIVATE_KEY, p11.Attribute.LABEL: name})
        return cast("bytes", found[0][p11.Attribute.ID]) if found else None

    def private_key(self, identifier: bytes) -> Any:
        """The private key, or None."""
        if identifier not in self._keys:
            found = self._find({p11.Attribute.CLASS: p11.ObjectClass.PRIVATE_KEY, p11.Attribute.ID: identifier})
            if not found:
                return None
            self._keys[identifier] = found[0]
        return self._keys[identifier]

    def public_key(self, identifier: bytes) -> PublicKey:
        """The public key beside a private one."""
        (found,) = self._find({p11.Attribute.CLASS: p11.ObjectClass.PUBLIC_KEY, p11.Attribute.ID: identifier})
        kind = found[p11.Attribute.KEY_TYPE]
        if kind == p11.KeyType.EC_EDWARDS:
            # CKA_EC_POINT is an OCTET STRING of 32 octets.
            return ed25519.Ed25519PublicKey.from_public_bytes(found[p11.Attribute.EC_POINT][2:])
        encode = encode_rsa_public_key if kind == p11.KeyType.RSA else encode_ec_public_key
        der = encode(found)
        return cast("PublicKey", load_der_public_key(der if kind != p11.KeyType.RSA else _rsa_info(der)))

    def generate(self, spec: KeySpec, name: str, identifier: bytes) -> None:
        """Makes a key pair that stays in the token."""
        mechanism = _MECHANISMS[spec.type][0]
        options = {
            "id": identifier,
            "label": name,
            "store": True,
            "capabilities": p11.MechanismFlag.SIGN | p11.MechanismFlag.VERIFY,
            "mechanism": mechanism,
            "private_template": _PRIVATE,
        }
        if spec.type is KeyType.RSA:
            self._session.generate_keypair(p11.KeyType.RSA, spec.bits, **options)
            return
        edwards = spec.type is KeyType.ED25519
        parameters = _ED25519 if edwards else encode_named_curve_parameters(_CURVES[spec.bits])
        kind = p11.KeyType.EC_EDWARDS if edwards else p11.KeyType.EC
        domain = self._session.create_domain_parameters(kind, {p11.Attribute.EC_PARAMS: parameters}, local=True)
        domain.generate_keypair(**options)

    def store(self, private_key: PrivateKey, name: str, identifier: bytes) -> None:
        """Puts a key pair that was made elsewhere into the token: the private key last, so that it is never alone."""
        public, private = _attributes(private_key)
        common = {p11.Attribute.TOKEN: True, p11.Attribute.LABEL: name, p11.Attribute.ID: identifier}
        self._session.create_object({**public, **common, p11.Attribute.VERIFY: True})
        self._session.create_object({**private, **common, **_PRIVATE, p11.Attribute.SIGN: True})

    def destroy(self, identifier: bytes) -> None:
        """Destroys a key pair, the private key first. One that is gone is no error."""
        self._keys.pop(identifier, None)
        for kind in (p11.ObjectClass.PRIVATE_KEY, p11.ObjectClass.PUBLIC_KEY):
            for found in self._find({p11.Attribute.CLASS: kind, p11.Attribute.ID: identifier}):
                found.destroy()

    def sign(self, key: Any, task: Task) -> bytes:
        """A signature as X.509 has it."""
        match task.scheme:
            case "pkcs1":
                return cast("bytes", key.sign(digest_info(task), mechanism=p11.Mechanism.RSA_PKCS))
            case "pss":
                parameters = _PSS[task.hash]
                return cast(
                    "bytes", key.sign(task.digest, mechanism=p11.Mechanism.RSA_PKCS_PSS, mechanism_param=parameters)
                )
            case "ecdsa":
                pair: bytes = key.sign(task.digest, mechanism=p11.Mechanism.ECDSA)
                half = len(pair) // 2
                return encode_dss_signature(int.from_bytes(pair[:half], "big"), int.from_bytes(pair[half:], "big"))
            case _:
                return cast("bytes", key.sign(task.message, mechanism=p11.Mechanism.EDDSA))

    def _find(self, attributes: dict[p11.Attribute, Any]) -> list[Any]:
        # As a list: a search that is not read to its end stays open and blocks the next one.
        return list(self._session.get_objects(attributes))


def _text(value: object) -> str:
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip("\0 ")


def _supported(slot: Any) -> tuple[SupportedKeys, ...]:
    """The kinds and sizes of keys the token both makes and signs with."""
    mechanisms = slot.get_mechanisms()
    found = []
    for kind in ALL_KEYS:
        makes, signs = _MECHANISMS.get(kind.type, (None, None))
        if makes not in mechanisms or signs not in mechanisms:
            continue
        about = slot.get_mechanism_info(signs)
        sizes = tuple(size for size in kind.sizes if about.min_key_length <= size <= about.max_key_length)
        if sizes:
            found.append(SupportedKeys(kind.type, sizes))
    return tuple(found)


def _rsa_info(der: bytes) -> bytes:
    """The SubjectPublicKeyInfo of an RSAPublicKey."""
    return load_der_public_key(der).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _attributes(key: PrivateKey) -> tuple[dict[p11.Attribute, Any], dict[p11.Attribute, Any]]:
    """The attributes of the public and of the private key."""
    if isinstance(key, rsa.RSAPrivateKey):
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
        private = key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        return decode_rsa_public_key(public), decode_rsa_private_key(private)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        private = key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        return decode_ec_public_key(public), decode_ec_private_key(private)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        common = {p11.Attribute.KEY_TYPE: p11.KeyType.EC_EDWARDS, p11.Attribute.EC_PARAMS: _ED25519}
        point = b"\x04\x20" + key.public_key().public_bytes_raw()
        return (
            {**common, p11.Attribute.CLASS: p11.ObjectClass.PUBLIC_KEY, p11.Attribute.EC_POINT: point},
            {**common, p11.Attribute.CLASS: p11.ObjectClass.PRIVATE_KEY, p11.Attribute.VALUE: key.private_bytes_raw()},
        )
    raise RuleBroken("the engine does not take keys of this kind")
