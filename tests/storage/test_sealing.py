"""Secrets at rest: sealed, bound to their place, opened only with the right key."""

import asyncio
import base64
import hmac
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blazon.errors import SettingsError
from blazon.log import MIGRATIONS
from blazon.storage import Database, Sealer, check_master_key, load_master_key, migrate, open_sealer
from blazon.storage.sealing import SealBroken

KEY = bytes(range(32))


@given(st.binary(max_size=200), st.text(max_size=40))
def test_what_is_sealed_opens_again(secret: bytes, context: str) -> None:
    sealer = Sealer(KEY)
    sealed = sealer.seal(secret, context)
    assert sealer.unseal(sealed, context) == secret
    assert Sealer(KEY).unseal(sealed, context) == secret


@given(st.binary(min_size=8, max_size=64))
def test_a_sealed_secret_does_not_show_it(secret: bytes) -> None:
    sealed = base64.urlsafe_b64decode(Sealer(KEY).seal(secret, "x").removeprefix("v1."))
    assert secret not in sealed


def test_sealing_twice_gives_two_texts() -> None:
    sealer = Sealer(KEY)
    assert sealer.seal(b"secret", "x") != sealer.seal(b"secret", "x")


@given(st.integers(0, 60), st.integers(1, 255))
def test_a_changed_text_does_not_open(position: int, change: int) -> None:
    sealer = Sealer(KEY)
    raw = bytearray(base64.urlsafe_b64decode(sealer.seal(b"a secret of 33 bytes, more or less", "x")[3:]))
    raw[position % len(raw)] ^= change
    with pytest.raises(SealBroken):
        sealer.unseal("v1." + base64.urlsafe_b64encode(bytes(raw)).decode(), "x")


@pytest.mark.parametrize("text", ["", "v1.", "v1.AAAA", "v2.AAAA", "nonsense", "v1.é"])
def test_what_was_never_sealed_does_not_open(text: str) -> None:
    with pytest.raises(SealBroken):
        Sealer(KEY).unseal(text, "x")


def test_another_context_and_another_key_do_not_open() -> None:
    sealed = Sealer(KEY).seal(b"secret", "user/1/secret")
    with pytest.raises(SealBroken):
        Sealer(KEY).unseal(sealed, "user/2/secret")
    with pytest.raises(SealBroken):
        Sealer(bytes(32)).unseal(sealed, "user/1/secret")


def test_keys_of_purposes_differ_and_fingerprints_depend_on_the_key() -> None:
    sealer = Sealer(KEY)
    assert sealer.derive("a") == Sealer(KEY).derive("a") != sealer.derive("b")
    assert len(sealer.derive("tokens", 64)) == 64
    assert sealer.fingerprint("key") == Sealer(KEY).fingerprint("key") != Sealer(bytes(32)).fingerprint("key")


def test_a_fingerprint_is_hmac_sha_256() -> None:
    sealer = Sealer(KEY)
    for value in ("", "key", "ü" * 100):
        wanted = hmac.digest(sealer.derive("lookup"), value.encode(), "sha256")
        assert (sealer.digest(value), sealer.fingerprint(value)) == (wanted, wanted.hex())


def test_the_key_file_is_made_once_and_is_private(tmp_path: Path) -> None:
    key = load_master_key("", tmp_path)
    assert load_master_key("", tmp_path) == key
    assert stat.S_IMODE((tmp_path / "master.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["master.key"]


def test_a_key_of_the_settings_wins_and_must_be_right(tmp_path: Path) -> None:
    assert load_master_key(base64.b64encode(KEY).decode(), tmp_path) == KEY
    for wrong in ("short", base64.b64encode(KEY[:16]).decode(), "é" * 44):
        with pytest.raises(SettingsError, match="base64 of 32 bytes"):
            load_master_key(wrong, tmp_path)


@pytest.mark.parametrize("content", [b"", b"AAAA", b"\xff\xfe", b"not base64 at all!"])
def test_a_damaged_key_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "master.key").write_bytes(content)
    with pytest.raises(SettingsError, match=r"master\.key is damaged"):
        load_master_key("", tmp_path)


async def test_a_database_knows_its_key(database: Database) -> None:
    await migrate(database, (MIGRATIONS,))
    await check_master_key(database, Sealer(KEY))
    await check_master_key(database, Sealer(KEY))
    with pytest.raises(SettingsError, match="not the key this database was made with"):
        await check_master_key(database, Sealer(bytes(32)))


async def test_of_processes_that_start_at_once_with_their_own_keys_one_wins(database: Database) -> None:
    await migrate(database, (MIGRATIONS,))
    checks = (check_master_key(database, Sealer(bytes([n]) * 32)) for n in range(8))
    outcomes = await asyncio.gather(*checks, return_exceptions=True)
    assert outcomes.count(None) == 1
    assert all(outcome is None or isinstance(outcome, SettingsError) for outcome in outcomes)


async def test_a_database_without_its_key_is_not_given_a_new_one(database: Database, tmp_path: Path) -> None:
    await migrate(database, (MIGRATIONS,))
    await open_sealer(database, "", tmp_path)
    (tmp_path / "master.key").unlink()
    with pytest.raises(SettingsError, match="restore"):
        await open_sealer(database, "", tmp_path)
    assert not (tmp_path / "master.key").exists()
