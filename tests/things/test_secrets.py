"""No key stands in clear: not in the log, not in a table, not in a file, not in what Blazon prints."""

from pathlib import Path
from urllib.parse import quote

import pytest

from blazon.app import ROOMS
from blazon.errors import BlazonError
from blazon.history import verify_tables
from blazon.storage import Sealer, load_master_key, open_database
from blazon.things.models import key_context
from tests.running import Running, refused, running
from tests.things.support import allow, asked, identify, key_of

WORDS = ("a key of one's own", "a key in a bulk", "a changed key", "a key that is not there", "a key in vain")


async def used(blazon: Running) -> list[str]:
    """Keys that were given, made up, changed, asked for, and tried; all of them."""
    thing = await blazon.thing(credentials={"secret": WORDS[0]})
    chosen = await blazon.thing()
    made = await blazon.ok("POST", "/things/bulk", [{"credentials": {"secret": WORDS[1]}}, {}])
    channel = await blazon.channel()
    for each in (thing, chosen):
        await allow(blazon, each, channel, "m_read")
        assert (await identify(blazon, key_of(each))).status == 200
        assert (await asked(blazon, each, channel, "m_read")).status == 200
        refused(await asked(blazon, each, channel, "m_write"), 403)
    await blazon.ok("PATCH", f"/things/{thing['id']}/secret", {"secret": WORDS[2]})
    refused(await identify(blazon, WORDS[3]), 401)
    refused(await blazon.call("POST", "/things", {"credentials": {"secret": WORDS[2]}}), 409)
    refused(await blazon.call("POST", "/things", {"credentials": {"secret": f" {WORDS[4]}"}}), 400)
    headers = {"Idempotency-Key": "keeps what was answered"}
    again = [
        await blazon.call("POST", "/things", {"credentials": {"secret": "a key kept"}}, headers=headers)
        for _ in range(2)
    ]
    assert again[0].body == again[1].body
    keys = [*WORDS, "a key kept", *(key_of(each) for each in (chosen, *made["things"]))]
    for key in keys:
        await misplaced(blazon, quote(key), channel["id"])
    return keys


async def misplaced(blazon: Running, key: str, channel: str) -> None:
    """A key where a client should have put something else: in a filter, in a path."""
    group, person = await blazon.group(), await blazon.person()
    await blazon.ok("POST", "/users/policies", {"subject": person.id, "object": group["id"], "actions": ["c_list"]})
    everywhere = f"name={key}&tag={key}&identity={key}&owner_id={key}&metadata=%7B%22a%22%3A%22{key}%22%7D"
    policies = f"subject={key}&object={key}&owner_id={key}"
    lists = [
        "/things",
        "/channels",
        "/users",
        "/groups",
        f"/channels/{channel}/things",
        f"/groups/{group['id']}/members",
    ]
    lists += [f"/users/{person.id}/memberships", f"/groups/{group['id']}/children", f"/groups/{group['id']}/parents"]
    for token in (None, person.token):
        for path in lists:
            for query in (everywhere, *everywhere.split("&"), f"owner_id={key}&visibility=shared", f"level={key}"):
                await blazon.call("GET", f"{path}?{query}", token=token)
        for path in ("/policies", "/things/policies", "/users/policies"):
            for query in (policies, *policies.split("&"), f"client={key}", f"group={key}", f"action={key}"):
                await blazon.call("GET", f"{path}?{query}", token=token)
            refused(await blazon.call("DELETE", f"{path}/{key}/{channel}", token=person.token), 404)
        await blazon.call("GET", f"/groups?parent_id={key}", token=token)
        for path in (f"/things/{key}", f"/things/{key}/channels", f"/channels/{key}", f"/users/{key}", f"/{key}"):
            refused(await blazon.call("GET", path, token=token), 404)
        question = {"subject": key, "action": "m_read", "entity_type": "thing"}
        refused(await blazon.call("POST", f"/channels/{key}/access", question, token=token), 403)
        refused(await blazon.call("POST", f"/things/{key}/disable", token=token), 404)


async def test_the_database_and_the_files_hold_none(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async with running(tmp_path, log__level="debug", log__requests="true") as blazon:
        keys = await used(blazon)
    shown = "".join(capfd.readouterr())
    assert "/things" in shown
    assert not [key for key in keys if key in shown]
    database = await open_database("", tmp_path)
    try:
        for table in ("events", "things", "thing_policies", "channels", "idempotency_keys", "kept"):
            rows = str([tuple(row) for row in await database.rows(f"SELECT * FROM {table}")])
            assert not [key for key in keys if key in rows], table
        async with database.scratch() as scratch, database.snapshot() as snapshot:
            _, difference = await verify_tables(snapshot, scratch, ROOMS)
            assert difference is None
    finally:
        await database.close()
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(files) > 2
    for path, held in files.items():
        assert not [key for key in keys if key.encode() in held], path


async def test_a_sealed_key_is_good_for_its_thing_only(tmp_path: Path) -> None:
    async with running(tmp_path, redis__embedded="false") as blazon:
        things = [await blazon.thing(), await blazon.thing()]
    sealer = Sealer(load_master_key("", tmp_path))
    database = await open_database("", tmp_path)
    try:
        rows = {row[0]: row[1:] for row in await database.rows("SELECT id, key, key_hash FROM things")}
    finally:
        await database.close()
    for thing, other in (things, things[::-1]):
        sealed, fingerprint = rows[thing["id"]]
        assert sealer.unseal(sealed, key_context(thing["id"])).decode() == key_of(thing)
        assert fingerprint == sealer.fingerprint(key_of(thing))
        with pytest.raises(BlazonError):
            sealer.unseal(sealed, key_context(other["id"]))
    assert Sealer(bytes(32)).fingerprint(key_of(things[0])) != sealer.fingerprint(key_of(things[0]))


async def test_the_same_key_again_is_sealed_anew(tmp_path: Path) -> None:
    """Who sees the log cannot tell that a key went from one thing to another, or came back."""
    async with running(tmp_path, redis__embedded="false") as blazon:
        thing = await blazon.thing(credentials={"secret": WORDS[0]})
        for key in (WORDS[1], WORDS[0]):
            await blazon.ok("PATCH", f"/things/{thing['id']}/secret", {"secret": key})
    database = await open_database("", tmp_path)
    try:
        rows = await database.rows("SELECT data FROM events WHERE service = 'things' ORDER BY sequence")
    finally:
        await database.close()
    sealed = [row[0].split('"key":"')[1].split('"')[0] for row in rows if '"key":"' in row[0]]
    assert len(sealed) == len(set(sealed)) == 3


async def test_a_difference_that_is_reported_shows_no_key(tmp_path: Path) -> None:
    async with running(tmp_path, redis__embedded="false") as blazon:
        await blazon.thing()
    database = await open_database("", tmp_path)
    try:
        for column in ("key", "key_hash"):
            before = (await database.rows(f"SELECT {column} FROM things"))[0][0]
            async with database.transaction() as tx:
                await tx.run(f"UPDATE things SET {column} = 'forged'")
            async with database.scratch() as scratch, database.snapshot() as snapshot:
                _, difference = await verify_tables(snapshot, scratch, ROOMS)
            assert f"{column} differs" in str(difference)
            assert "forged" not in str(difference)
            assert before not in str(difference)
            async with database.transaction() as tx:
                await tx.run(f"UPDATE things SET {column} = ?", (before,))
    finally:
        await database.close()
