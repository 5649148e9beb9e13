"""Metadata has a limit, wherever it can be written: it goes whole into every event of what it belongs to."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from blazon.errors import RuleBroken
from blazon.log import MetadataRule
from blazon.storage import open_database
from tests.ca.support import API, ca_body, csr, make_ca, outside_ca, pem, sign
from tests.running import PASSWORD, Answer, Running, running

LIMIT = 2000


@pytest.fixture(scope="module")
async def blazon(tmp_path_factory: pytest.TempPathFactory, anyio_backend: object) -> AsyncIterator[Running]:
    """A running Blazon whose limit is not the usual one."""
    folder = tmp_path_factory.mktemp("metadata")
    async with running(folder, redis__embedded="no", events__metadata_bytes=str(LIMIT)) as started:
        yield started


def metadata(size: int) -> dict[str, Any]:
    """Metadata of so many bytes of compact JSON, which are fewer characters."""
    filler, rest = divmod(size - len('{"a":{"b":""}}'), 2)
    return {"a": {"b": "ü" * filler + "x" * rest}}


def test_it_is_measured_as_it_is_kept() -> None:
    rule = MetadataRule(LIMIT)
    kept = rule.kept(metadata(LIMIT))
    assert len(bytes(kept)) == LIMIT
    assert bytes(rule.kept(None)) == bytes(rule.kept({})) == b"{}"
    with pytest.raises(RuleBroken, match=rf"{LIMIT + 1} bytes .* at most {LIMIT} .*events.metadata_bytes"):
        rule.kept(metadata(LIMIT + 1))


def too_large(answer: Answer) -> None:
    assert answer.status == 422, (answer.status, answer.body)
    assert f"metadata is {LIMIT + 1} bytes" in answer.reason
    assert "events.metadata_bytes" in answer.reason


async def test_everything_that_is_made(blazon: Running) -> None:
    person = {"credentials": {"identity": "metadata@example.com", "secret": PASSWORD}}
    for path, body in (
        ("/users", person),
        ("/groups", {"name": "g"}),
        ("/things", {"name": "t"}),
        ("/channels", {"name": "c"}),
        ("/things/bulk", {"name": "t"}),
        ("/channels/bulk", {"name": "b"}),
    ):
        fits, not_so = ({**body, "metadata": metadata(size)} for size in (LIMIT, LIMIT + 1))
        many = path.endswith("bulk")
        noun = path.split("/")[1]
        before = await blazon.ok("GET", f"/{noun}?status=all")
        answer = await blazon.call("POST", path, [{"name": "first"}, not_so] if many else not_so)
        too_large(answer)
        assert answer.reason.startswith(f"{noun}[1]: " if many else "metadata")
        assert (await blazon.ok("GET", f"/{noun}?status=all"))["total"] == before["total"]
        made = await blazon.ok("POST", path, [fits] if many else fits)
        assert (made[noun][0] if many else made)["metadata"] == metadata(LIMIT)


async def test_everything_that_is_changed(blazon: Running) -> None:
    person, group, thing = await blazon.person(), await blazon.group(), await blazon.thing()
    channel = await blazon.channel()
    for method, path in (
        ("PATCH", f"/users/{person.id}"),
        ("PUT", f"/groups/{group['id']}"),
        ("PATCH", f"/things/{thing['id']}"),
        ("PUT", f"/channels/{channel['id']}"),
    ):
        changed = await blazon.ok(method, path, {"metadata": metadata(LIMIT)})
        too_large(await blazon.call(method, path, {"name": "x", "metadata": metadata(LIMIT + 1)}))
        assert await blazon.ok("GET", path) == changed
        # Space and escapes of the request are not kept, and do not count.
        written = json.dumps({"metadata": metadata(LIMIT)}, indent=8).encode()
        assert len(written) > LIMIT + 1
        answer = await blazon.call(method, path, data=written, headers={"Content-Type": "application/json"})
        assert answer.json["metadata"] == metadata(LIMIT)


async def test_certificates_and_their_authorities(blazon: Running) -> None:
    ca = await make_ca(blazon, "Metadata")
    leaf = await sign(blazon, ca)
    outside, _ = outside_ca()
    made = {
        f"{API}/cas": ca_body("More"),
        f"{API}/requests": ca_body("Waits"),
        f"{API}/cas/import": {"ca": pem(outside)},
        f"{API}/cas/{ca['id']}/certificates/sign": {"csr": csr("more"), "sign_verbatim": True},
    }
    for path, body in made.items():
        too_large(await blazon.call("POST", path, {**body, "metadata": metadata(LIMIT + 1)}))
    for path in (f"{API}/cas/{ca['id']}/metadata", f"{API}/certificates/{leaf['serial_number']}/metadata"):
        too_large(await blazon.call("PUT", path, {"metadata": metadata(LIMIT + 1)}))
        assert (await blazon.ok("PUT", path, {"metadata": metadata(LIMIT)}))["metadata"] == metadata(LIMIT)


async def test_what_was_larger_before_stays_and_can_be_changed(tmp_path: Path) -> None:
    async with running(tmp_path, redis__embedded="no") as before:
        thing = await before.thing(metadata=metadata(LIMIT + 1))
        too_much = await before.call("POST", "/things", {"metadata": metadata(64 * 1024 + 1)})
        assert too_much.status == 422
        assert "at most 65536" in too_much.reason
    async with running(tmp_path, redis__embedded="no", events__metadata_bytes=str(LIMIT)) as after:
        path = f"/things/{thing['id']}"
        changed = await after.ok("PATCH", path, {"name": "renamed"})
        assert (changed["name"], changed["metadata"]) == ("renamed", metadata(LIMIT + 1))
        too_large(await after.call("PATCH", path, {"metadata": metadata(LIMIT + 1)}))


async def test_the_largest_event_of_who_registers(tmp_path: Path) -> None:
    """Everything a stranger can fill, as full as it can be, of characters that are written as two."""
    quote = '"'
    full: dict[str, Any] = {"name": quote * 1024, "metadata": metadata(64 * 1024)}
    tags = [quote * 254] * 256
    async with running(tmp_path, redis__embedded="no") as blazon:
        person = await blazon.person(tags=tags, metadata=full["metadata"])
        await blazon.ok("PATCH", f"/users/{person.id}", full, token=person.token)
        await blazon.ok("PATCH", f"/users/{person.id}/identity", {"identity": quote * 254}, token=person.token)
        thing = {**full, "tags": tags, "credentials": {"identity": quote * 254, "secret": quote * 4096}}
        made = await blazon.ok("POST", "/things", thing, token=person.token)
        await blazon.ok("GET", f"/things/{made['id']}", token=person.token)
        await blazon.ok("POST", "/channels", {**full, "description": "\n" * 1024}, token=person.token)
    database = await open_database("", tmp_path)
    try:
        rows = await database.rows("SELECT data FROM events")
    finally:
        await database.close()
    assert 190_000 < max(len(row[0].encode()) for row in rows) < 256 * 1024
