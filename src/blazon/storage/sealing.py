"""Secrets at rest.

One master key, from which a key for each purpose is derived (HKDF, RFC 5869). A secret is sealed with AES-256-GCM
(NIST SP 800-38D) under a random nonce of 96 bits, bound to a context, so that a sealed secret moved to another row
does not open. What must be looked up by value is found by a keyed hash (HMAC-SHA-256) instead.
"""

import base64
import contextlib
import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from blazon.errors import BlazonError, SettingsError
from blazon.storage.engine import Database

__all__ = [
    "SealBroken",
    "Sealer",
    "check_master_key",
    "check_not_lost",
    "has_master_key",
    "load_master_key",
    "lost_database",
    "open_sealer",
]

_NONCE = 12
_PREFIX = "v1."
_KEY_FILE = "master.key"
_CHECK = "sealing-check"
"""The name of a word in the database that only its master key opens."""

_BEGUN = "sealing-begun"
"""The name of a mark in the database: it is about to get a master key."""


class SealBroken(BlazonError):
    """A sealed secret does not open: another master key, another context, or damage."""

    title = "a sealed secret does not open"


class Sealer:
    """Seals, opens, and derives keys. The master key is 32 bytes."""

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != 32:
            raise ValueError("a master key is 32 bytes")
        self._master_key = master_key
        self._aead = AESGCM(self.derive("sealing"))
        # The two keyed states of HMAC, made once as RFC 2104 §4 advises: what is left is half the time.
        block = self.derive("lookup").ljust(hashlib.sha256().block_size, b"\0")
        self._inner = hashlib.sha256(bytes(octet ^ 0x36 for octet in block))
        self._outer = hashlib.sha256(bytes(octet ^ 0x5C for octet in block))

    def derive(self, purpose: str, length: int = 32) -> bytes:
        """A key for one purpose: the same purpose gives the same key."""
        return HKDF(SHA256(), length, salt=None, info=b"blazon/" + purpose.encode()).derive(self._master_key)

    def seal(self, secret: bytes, context: str) -> str:
        """Seals a secret for one context, such as `user/<id>/secret`."""
        nonce = os.urandom(_NONCE)
        sealed = nonce + self._aead.encrypt(nonce, secret, context.encode())
        return _PREFIX + base64.urlsafe_b64encode(sealed).decode()

    def unseal(self, sealed: str, context: str) -> bytes:
        """Opens what `seal` made for the same context. Raises SealBroken."""
        try:
            if not sealed.startswith(_PREFIX):
                raise ValueError("not a sealed secret")
            raw = base64.urlsafe_b64decode(sealed[len(_PREFIX) :])
            return self._aead.decrypt(raw[:_NONCE], raw[_NONCE:], context.encode())
        except (InvalidTag, ValueError) as error:
            raise SealBroken(f"the secret of {context} does not open; is secrets.master_key the right one?") from error

    def fingerprint(self, value: str) -> str:
        """A keyed hash to find a secret by: 64 hexadecimal digits."""
        return self.digest(value).hex()

    def digest(self, value: str) -> bytes:
        """The bytes of `fingerprint`: 32."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(value.encode())
        outer.update(inner.digest())
        return outer.digest()


async def check_not_lost(database: Database, data_dir: Path) -> None:
    """Refuses a database that was never used when the data folder has the master key of one that was.

    To be called before the tables are made: an empty database is to stay as it is for who restores a copy into it.
    Raises SettingsError.
    """
    if has_master_key(data_dir) and not await _is_in_use(database):
        raise lost_database("the database is empty", data_dir)


def has_master_key(data_dir: Path) -> bool:
    """Whether the data folder has a master key."""
    return (data_dir / _KEY_FILE).exists()


def lost_database(what: str, data_dir: Path) -> SettingsError:
    """The refusal to begin anew beside the master key of a database that is gone.

    Raises SettingsError when that key is damaged.
    """
    path = data_dir / _KEY_FILE
    _read_key_file(path)
    return SettingsError(
        f"{what}, but {path} is the key of a database that was in use: name that database with database.url, or restore"
        f" it from a copy. To begin anew without anything it held, move {path} out of the data folder"
    )


async def _is_in_use(database: Database) -> bool:
    """Whether a Blazon has ever begun to work with the database."""
    tables = {
        "sqlite": "SELECT 1 FROM sqlite_schema WHERE name = 'kept'",
        "postgresql": "SELECT 1 WHERE to_regclass('kept') IS NOT NULL",
    }
    if await database.row(tables[database.dialect.name]) is None:
        return False
    return await database.row("SELECT 1 FROM kept WHERE name IN (?, ?)", (_BEGUN, _CHECK)) is not None


async def open_sealer(database: Database, configured: str, data_dir: Path) -> Sealer:
    """The sealer with the master key of a database: from the settings, else from `master.key` in the data folder.

    A database that has no key yet gets one, and keeps a sealed word by which a wrong key is noticed. Raises
    SettingsError.
    """
    if not configured and not has_master_key(data_dir):
        if await database.row("SELECT value FROM kept WHERE name = ?", (_CHECK,)) is not None:
            raise SettingsError(
                f"the key of this database is not here: restore {data_dir / _KEY_FILE} from the copy you made with the"
                " database, or give it as secrets.master_key"
            )
        # Before the key: a key beside a database that does not have this word is the key of another one.
        async with database.transaction() as tx:
            await tx.run("INSERT INTO kept (name, value) VALUES (?, '') ON CONFLICT (name) DO NOTHING", (_BEGUN,))
    sealer = Sealer(load_master_key(configured, data_dir))
    await check_master_key(database, sealer)
    return sealer


def load_master_key(configured: str, data_dir: Path) -> bytes:
    """The master key from the settings (base64 of 32 bytes), else from `master.key` in the data folder.

    The file is made when it is not there, readable by its owner only. Raises SettingsError.
    """
    if configured:
        try:
            key = base64.b64decode(configured, validate=True)
        except ValueError:
            key = b""
        if len(key) != 32:
            raise SettingsError("secrets.master_key must be base64 of 32 bytes; make one with: openssl rand -base64 32")
        return key
    path = data_dir / _KEY_FILE
    if not path.exists():
        _make_key_file(path)
    return _read_key_file(path)


def _read_key_file(path: Path) -> bytes:
    try:
        key = base64.b64decode(path.read_bytes(), validate=False)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise SettingsError(f"{path} is damaged: it must hold base64 of 32 bytes; restore it from a copy")
    return key


def _make_key_file(path: Path) -> None:
    """Writes a new key beside and links it into place: a kill half-way leaves no half a key, a race has one winner."""
    draft = path.with_suffix(f".{os.getpid()}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(os.urandom(32)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()


async def check_master_key(database: Database, sealer: Sealer) -> None:
    """Makes sure that this is the master key the database was made with. Raises SettingsError."""
    async with database.transaction() as tx:
        # Several processes may start at once on a new database: the first one's word stays.
        await tx.run(
            "INSERT INTO kept (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING",
            (_CHECK, sealer.seal(b"blazon", _CHECK)),
        )
    row = await database.row("SELECT value FROM kept WHERE name = ?", (_CHECK,))
    assert row is not None
    try:
        sealer.unseal(row[0], _CHECK)
    except SealBroken:
        raise SettingsError(
            "secrets.master_key (or data_dir/master.key) is not the key this database was made with; every process of"
            " one database needs the same key"
        ) from None
