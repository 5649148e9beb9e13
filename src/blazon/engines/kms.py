"""The AWS KMS engine: keys in Amazon's key management service, or in one that speaks its protocol.

A key is found by its alias `alias/blazon-<name>`, with `/` for `.`; its handle is its ARN. KMS signs a message of at
most 4096 bytes and longer ones, such as CRLs, by their digest; Ed25519 has no digest that X.509 knows, so it is not
offered.
"""

import importlib.util
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import load_der_public_key

from blazon.engines.engine import (
    Engine,
    EngineInfo,
    EngineUnavailable,
    PrivateKey,
    PublicKey,
    SecurityLevel,
    StoredKey,
)
from blazon.engines.keys import KeySpec, KeyType, SupportedKeys, spec_of
from blazon.engines.remote import Task, remote_key
from blazon.engines.rules import check_name, check_supported, public_bytes
from blazon.errors import Conflict, NotFound, RuleBroken, SettingsError

__all__ = ["KmsEngine"]

_SUPPORTED: Final = (
    SupportedKeys(KeyType.RSA, (2048, 3072, 4096)),
    SupportedKeys(KeyType.ECDSA, (256, 384, 521)),
)
_SCHEMES: Final = {"pkcs1": "RSASSA_PKCS1_V1_5", "pss": "RSASSA_PSS", "ecdsa": "ECDSA"}
_CURVE_HASHES: Final = {256: "sha256", 384: "sha384", 521: "sha512"}
_LONGEST_MESSAGE: Final = 4096
_TAG: Final = "blazon-name"
_MOST_ORPHANS: Final = 1000
_WAITING_DAYS: Final = 7
"""The shortest time KMS waits before it destroys a key; until then an administrator of AWS can take it back."""


class KmsEngine(Engine):
    """Keys in one account and region. Empty credentials are looked for where AWS tools look for them."""

    def __init__(
        self,
        engine_id: str,
        *,
        region: str,
        endpoint: str = "",
        access_key: str = "",
        secret_key: str = "",
        timeout: float = 10.0,
    ) -> None:
        """`endpoint` is a URL in the place of Amazon's. Raises SettingsError when boto3 is not installed."""
        if importlib.util.find_spec("boto3") is None:
            raise SettingsError(f"the crypto engine {engine_id} needs boto3; pip install 'blazon[aws]'")
        self._id = engine_id
        self._options = {
            "region_name": region,
            "endpoint_url": endpoint or None,
            "aws_access_key_id": access_key or None,
            "aws_secret_access_key": secret_key or None,
        }
        self._region = region
        self._timeout = timeout
        self._made: Any = None
        self._making = Lock()

    @property
    def id(self) -> str:
        return self._id

    def info(self) -> EngineInfo:
        metadata = {"lamassu.io/cryptoengine/aws-kms/region": self._region}
        return EngineInfo("AWS_KMS", SecurityLevel.SL2, "Amazon Web Services", "KMS", metadata, _SUPPORTED, self._id)

    def check(self) -> None:
        from botocore.exceptions import ClientError

        try:
            self._by_alias("check")  # there is no such key: that it says so is an answer
        except EngineUnavailable as error:
            cause = error.__cause__
            # Rights may be given for some keys only.
            if not isinstance(cause, ClientError) or cause.response["Error"]["Code"] != "AccessDeniedException":
                raise

    def quick(self, spec: KeySpec) -> bool:
        return False

    def check_makes(self, spec: KeySpec) -> None:
        check_supported(self._id, _SUPPORTED, spec)

    def check_takes(self, spec: KeySpec) -> None:
        raise self._makes_its_own()

    def create(self, name: str, spec: KeySpec) -> StoredKey:
        check_name(name)
        self.check_makes(spec)
        if self._by_alias(name) is not None:
            raise Conflict(f"the engine {self._id} has a key {name} already")
        with self._asking("make a key") as client:
            kind = f"RSA_{spec.bits}" if spec.type is KeyType.RSA else f"ECC_NIST_P{spec.bits}"
            # The tag is there from the first moment: a kill before the alias is must not leave a key nobody finds.
            tags = [{"TagKey": _TAG, "TagValue": name}]
            made = client.create_key(KeySpec=kind, KeyUsage="SIGN_VERIFY", Description=f"Blazon {name}", Tags=tags)
            arn: str = made["KeyMetadata"]["Arn"]
            try:
                client.create_alias(AliasName=_alias(name), TargetKeyId=arn)
            except Exception:
                # Without its alias nobody would find the key again: another process was faster, or KMS went away.
                client.schedule_key_deletion(KeyId=_key_id(arn), PendingWindowInDays=_WAITING_DAYS)
                raise
            return self._stored(client, name, arn)

    def import_key(self, name: str, private_key: PrivateKey) -> StoredKey:
        raise self._makes_its_own()

    def _makes_its_own(self) -> RuleBroken:
        return RuleBroken(f"the engine {self._id} does not take keys that were made elsewhere; AWS KMS makes its own")

    def open(self, key: StoredKey) -> PrivateKey:
        with self._asking("find a key") as client:
            state = client.describe_key(KeyId=key.handle)["KeyMetadata"]["KeyState"]
        if state != "Enabled":
            raise NotFound(f"the engine {self._id} no longer uses the key {key.name}: it is {state}")
        return remote_key(key.load_public_key(), lambda task: self._sign(key, task))

    def find(self, name: str) -> StoredKey | None:
        check_name(name)
        found = self._by_alias(name)
        if found is not None:
            return found
        with self._asking("look through the keys") as client:
            arn = _tagged(client, name)
            return None if arn is None else self._stored(client, name, arn)

    def _by_alias(self, name: str) -> StoredKey | None:
        try:
            with self._asking("find a key") as client:
                arn: str = client.describe_key(KeyId=_alias(name))["KeyMetadata"]["Arn"]
                return self._stored(client, name, arn)
        except NotFound:
            return None

    def delete(self, key: StoredKey) -> None:
        try:
            with self._asking("delete a key") as client:
                state = client.describe_key(KeyId=key.handle)["KeyMetadata"]["KeyState"]
                if state != "PendingDeletion":
                    client.schedule_key_deletion(KeyId=_key_id(key.handle), PendingWindowInDays=_WAITING_DAYS)
                client.delete_alias(AliasName=_alias(key.name))
        except NotFound:
            return

    def close(self) -> None:
        if self._made is not None:
            self._made.close()
            self._made = None

    def _sign(self, key: StoredKey, task: Task) -> bytes:
        if task.scheme == "ecdsa" and task.hash != _CURVE_HASHES[key.spec.bits]:
            raise RuleBroken(f"AWS KMS signs with {_CURVE_HASHES[key.spec.bits]} where the key is of type {key.spec}")
        algorithm = f"{_SCHEMES[task.scheme]}_SHA_{task.hash.removeprefix('sha')}"
        whole = task.message is not None and len(task.message) <= _LONGEST_MESSAGE
        with self._asking("sign") as client:
            answer = client.sign(
                KeyId=key.handle,
                Message=task.message if whole else task.digest,
                MessageType="RAW" if whole else "DIGEST",
                SigningAlgorithm=algorithm,
            )
        signature: bytes = answer["Signature"]
        return signature

    def _stored(self, client: Any, name: str, arn: str) -> StoredKey:
        public_key = load_der_public_key(client.get_public_key(KeyId=arn)["PublicKey"])
        assert isinstance(public_key, PublicKey)
        return StoredKey(self._id, name, spec_of(public_key), arn, public_bytes(public_key))

    @contextmanager
    def _asking(self, what: str) -> Iterator[Any]:
        """A client; what goes wrong with it becomes an error of ours."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield self._client()
        except ClientError as error:
            said = error.response.get("Error", {})
            match said.get("Code", ""):
                case "NotFoundException":
                    raise NotFound(f"the engine {self._id} has no such key") from error
                case "KMSInvalidStateException" | "DisabledException":
                    raise NotFound(f"the key of the engine {self._id} is disabled or waits to be deleted") from error
                case "AlreadyExistsException":
                    raise Conflict(f"the engine {self._id} has a key by this name already") from error
                case code:
                    raise EngineUnavailable(
                        f"AWS KMS could not {what} for the engine {self._id}: {code} {said.get('Message', '')[:200]}"
                    ) from error
        except BotoCoreError as error:
            raise EngineUnavailable(
                f"the engine {self._id} could not {what}: AWS KMS does not answer ({type(error).__name__})"
            ) from error

    def _client(self) -> Any:
        with self._making:  # to make one is not safe from several threads; to use one is
            if self._made is None:
                import boto3
                from botocore.config import Config

                config = Config(
                    connect_timeout=min(3.0, self._timeout),
                    read_timeout=self._timeout,
                    retries={"max_attempts": 1, "mode": "standard"},
                )
                self._made = boto3.session.Session().client("kms", config=config, **self._options)
            return self._made


def _tagged(client: Any, name: str) -> str | None:
    """The ARN of the key that has this name as its tag and never got its alias.

    Whoever asks cleans up after a kill: of at most `_MOST_ORPHANS` keys without an alias the tags are read, of those
    the account lets us look at.
    """
    from botocore.exceptions import ClientError

    aliases = client.get_paginator("list_aliases").paginate()
    named = {alias.get("TargetKeyId") for page in aliases for alias in page["Aliases"]}
    keys = (key for page in client.get_paginator("list_keys").paginate() for key in page["Keys"])
    for key in itertools.islice((key for key in keys if key["KeyId"] not in named), _MOST_ORPHANS):
        try:
            tags = client.list_resource_tags(KeyId=key["KeyId"])["Tags"]
            if {"TagKey": _TAG, "TagValue": name} not in tags:
                continue
            metadata = client.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "AccessDeniedException":
                continue
            raise
        if metadata["KeyState"] != "PendingDeletion":
            return str(metadata["Arn"])
    return None


def _key_id(arn: str) -> str:
    return arn.rpartition("/")[2]


def _alias(name: str) -> str:
    # An alias takes no `.`, and a name has no `/`.
    return "alias/blazon-" + name.replace(".", "/")
