"""No secret stands in clear: not in the log, not in a table, not in a file."""

import hashlib
import hmac
import json
from pathlib import Path

import pytest

from blazon.errors import BlazonError
from blazon.storage import Sealer, load_master_key, open_database
from tests.running import PASSWORD, Person, Running, refused, running
from tests.servers import PostgresServer

WORDS = ("a new secret", "another secret", "wrong secret")


async def used(blazon: Running) -> Person:
    """A person with a password that was changed, and one that was tried."""
    person = await blazon.person("secretive")
    for old, new in ((PASSWORD, WORDS[0]), (WORDS[0], WORDS[1])):
        body = {"old_secret": old, "new_secret": new}
        await blazon.ok("PATCH", "/users/secret", body, token=person.token)
    wrong = {"identity": person.identity, "secret": WORDS[2]}
    refused(await blazon.call("POST", "/users/tokens/issue", wrong, token=""), 401)
    return person


async def test_the_database_holds_none(tmp_path: Path) -> None:
    async with running(tmp_path, redis__embedded="false") as blazon:
        person = await used(blazon)
    hidden = [*WORDS, "argon2", person.token, person.refresh, blazon.admin.token]
    database = await open_database("", tmp_path)
    try:
        for table in ("events", "users", "groups", "user_policies", "idempotency_keys", "kept"):
            rows = str([tuple(row) for row in await database.rows(f"SELECT * FROM {table}")])
            assert not [word for word in hidden if word in rows], table
    finally:
        await database.close()
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert not [word for word in hidden if word.encode() in files]


async def test_what_is_kept_of_a_request_does_not_tell_a_guessed_password(tmp_path: Path) -> None:
    """A fast hash of a body that holds a password would let anybody with the table try passwords at leisure."""
    identity = "guessed@example.com"
    requests = (
        ("/users", {"credentials": {"identity": identity, "secret": PASSWORD}}, ""),
        ("/users/tokens/issue", {"identity": identity, "secret": PASSWORD}, ""),
        ("/users", {"credentials": {"identity": f"second.{identity}", "secret": PASSWORD}}, None),
    )
    async with running(tmp_path, redis__embedded="false") as blazon:
        for number, (path, body, token) in enumerate(requests):
            await blazon.ok("POST", path, body, token=token, headers={"Idempotency-Key": f"key-{number}"})
    database = await open_database("", tmp_path)
    try:
        kept = str([tuple(row) for row in await database.rows("SELECT * FROM idempotency_keys")])
    finally:
        await database.close()
    assert "key-2" in kept
    for path, body, _ in requests:
        sent = json.dumps(body).encode()
        for guessed in (b"POST %b\n%b" % (path.encode(), sent), sent, PASSWORD.encode()):
            for algorithm in ("md5", "sha1", "sha256", "sha512", "blake2b"):
                assert hashlib.new(algorithm, guessed).hexdigest() not in kept
            for known in (b"", b"idempotency", b"blazon/idempotency"):
                assert hmac.digest(known, guessed, "sha256").hex() not in kept


async def test_a_sealed_secret_is_good_for_its_user_only(tmp_path: Path) -> None:
    async with running(tmp_path, redis__embedded="false") as blazon:
        person, thief = await used(blazon), await blazon.person("thief")
    sealer = Sealer(load_master_key("", tmp_path))
    database = await open_database("", tmp_path)
    try:
        rows = {row[0]: row[1] for row in await database.rows("SELECT id, secret FROM users")}
    finally:
        await database.close()
    assert sealer.unseal(rows[person.id], f"user/{person.id}/secret").startswith(b"$argon2id$")
    with pytest.raises(BlazonError):
        sealer.unseal(rows[person.id], f"user/{thief.id}/secret")


async def test_a_change_in_one_process_counts_in_another(postgres: PostgresServer, tmp_path: Path) -> None:
    """Both processes have met the person before; what one decides about it, the other hears."""
    key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    flags = {"database__url": postgres.new_database(), "redis__embedded": "false", "secrets__master_key": key}
    async with running(tmp_path / "one", **flags) as one, running(tmp_path / "two", **flags) as two:
        first = await one.person()
        second = await two.sign_in(first.identity)
        for blazon in (one, two):
            for person in (first, second):
                await blazon.ok("GET", "/users/profile", token=person.token)
        body = {"old_secret": PASSWORD, "new_secret": WORDS[0]}
        await one.ok("PATCH", "/users/secret", body, token=first.token)
        refused(await one.call("GET", "/users/profile", token=second.token), 401)
        await until_refused(two, second)
        await one.ok("GET", "/users/profile", token=first.token)
        await two.ok("POST", f"/users/{first.id}/disable")
        refused(await two.call("GET", "/users/profile", token=first.token), 401)
        await until_refused(one, first)


async def until_refused(blazon: Running, person: Person) -> None:
    """Asks until the token is over, a bounded number of times."""
    for _ in range(2000):
        answer = await blazon.call("GET", "/users/profile", token=person.token)
        if answer.status == 401:
            return
    raise AssertionError("the other process did not hear of it")
