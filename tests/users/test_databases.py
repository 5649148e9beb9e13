"""Every route of this room over SQLite and over PostgreSQL: the same answers from both."""

import base64
import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.running import PASSWORD, Person, Running, running
from tests.users.support import allow, mails_in, refused, token_in


@pytest.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    flags = {"redis__embedded": "false", "secrets__master_key": key}
    async with running(tmp_path, database__url=database_url, **flags) as started:
        yield started


async def called(house: Running) -> set[tuple[str, str]]:
    """The routes that have answered 2xx, from the metrics."""
    text = (await house.call("GET", "/metrics")).body.decode()
    return {
        (sample.labels["method"], sample.labels["path"])
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "blazon_http_requests_total" and sample.labels["status"].startswith("2")
    }


async def users(house: Running, person: Person) -> None:
    path = f"/users/{person.id}"
    assert (await house.ok("GET", path))["credentials"]["identity"] == person.identity
    assert (await house.ok("PATCH", path, {"metadata": {"a": {"b": [1, 2]}, "ü": "x"}}))["metadata"]["ü"] == "x"
    assert (await house.ok("PATCH", f"{path}/tags", {"tags": ["one", "t'wo", 'th"ree']}))["tags"][1] == "t'wo"
    assert (await house.ok("PATCH", f"{path}/owner", {"owner": house.admin.id}))["owner"] == house.admin.id
    for query in ("tag=t%27wo", "metadata=" + quote('{"a":{"b":[2]}}'), f"owner_id={house.admin.id}"):
        page = await house.ok("GET", f"/users?{query}")
        assert [user["id"] for user in page["users"]] == [person.id], query
    assert (await house.ok("GET", "/users?metadata=" + quote('{"a":{"b":[3]}}')))["total"] == 0
    assert (await house.ok("GET", f"/users?limit=1&offset={2**62}"))["users"] == []
    for verb in ("disable", "enable"):
        await house.ok("POST", f"{path}/{verb}")
    taken = {"identity": house.admin.identity}
    refused(await house.call("PATCH", f"{path}/identity", taken), 409)
    await house.ok("PATCH", f"{path}/identity", {"identity": person.identity})


async def sessions(house: Running, person: Person) -> None:
    assert await house.ok("GET", "/users/profile", token=person.token)
    assert await house.ok("POST", "/users/tokens/identify", token=person.token) == {"id": person.id}
    await house.ok("POST", "/users/tokens/refresh", token=person.refresh)
    body = {"old_secret": PASSWORD, "new_secret": "a new secret"}
    await house.ok("PATCH", "/users/secret", body, token=person.token)


async def groups(house: Running) -> tuple[Any, Any]:
    top = await house.group(description="d", metadata={"n": 1.5})
    below = await house.group(parent_id=top["id"])
    assert await house.ok("GET", f"/groups/{top['id']}") == top
    refused(await house.call("POST", "/groups", {"name": top["name"]}), 409)
    assert (await house.ok("PUT", f"/groups/{top['id']}", {"name": "renamed"}))["name"] == "renamed"
    for verb in ("disable", "enable"):
        await house.ok("POST", f"/groups/{below['id']}/{verb}")
    children = await house.ok("GET", f"/groups/{top['id']}/children?tree=true&level=3")
    assert [group["id"] for group in children["groups"][0]["children"]] == [below["id"]]
    parents = await house.ok("GET", f"/groups/{below['id']}/parents")
    assert [group.get("level", 0) for group in parents["groups"]] == [-1, 0]
    assert (await house.ok("GET", "/groups?metadata=" + quote('{"n":1.5}')))["total"] == 1
    return top, below


async def policies(house: Running, person: Person, group: Any) -> None:
    await allow(house, person, group, "c_update", "g_delete")
    body = {"subject": person.id, "object": group["id"], "action": "c_list", "entity_type": "group"}
    await house.ok("POST", "/authorize", body)
    assert (await house.ok("GET", f"/users/policies?subject={person.id}&action=c_list"))["total"] == 1
    assert (await house.ok("GET", f"/groups/{group['id']}/members"))["members"][0]["id"] == person.id
    assert (await house.ok("GET", f"/users/{person.id}/memberships"))["memberships"][0]["id"] == group["id"]
    assert (await house.ok("GET", "/users?visibility=all", token=person.token))["total"] == 0
    assert (await house.ok("GET", "/groups", token=person.token))["total"] == 1
    await house.ok("PUT", "/users/policies", {"subject": person.id, "object": group["id"], "actions": ["m_read"]})
    assert (await house.ok("GET", "/groups", token=person.token))["total"] == 0
    await house.ok("DELETE", f"/users/policies/{person.id}/{group['id']}")


async def test_every_route(house: Running, tmp_path: Path) -> None:
    person = await house.person("jane")
    await users(house, person)
    _, below = await groups(house)
    await policies(house, person, below)
    await sessions(house, person)
    headers = {"Referer": "http://localhost"}
    await house.ok("POST", "/password/reset-request", {"email": person.identity}, headers=headers)
    while not mails_in(tmp_path / "mail"):
        await house.ok("GET", "/users/profile")
    token = token_in(mails_in(tmp_path / "mail")[0])
    await house.ok("PUT", "/password/reset", {"token": token, "password": "12345678", "confirm_password": "12345678"})
    await house.sign_in(person.identity)
    document = (await house.call("GET", "/openapi.json")).json
    every = {
        (method.upper(), path)
        for path, methods in document["paths"].items()
        for method in methods
        if not path.startswith("/api/")  # of other rooms
    }
    assert await called(house) == every


async def test_text_both_databases_keep(house: Running) -> None:
    odd = ["'; DROP TABLE users; --", "%_\\", "ünïcödé 😀", "\u202e", "{}", "[a,b]", "null", "?", "$1", "\ufffd"]
    for text in odd:
        group = await house.group(name=text, description=f"{text}\n", metadata={text: [text, {text: None}]})
        assert (group["name"], group["metadata"]) == (text, {text: [text, {text: None}]})
        assert await house.ok("GET", f"/groups/{group['id']}") == group
        for query in (f"name={quote(text)}", f"metadata={quote(json.dumps({text: [text]}))}"):
            page = await house.ok("GET", f"/groups?{query}")
            assert [found["id"] for found in page["groups"]] == [group["id"]], query


async def test_numbers_both_databases_keep(house: Running) -> None:
    for number in (0, -1, 2**63, -(2**63) - 1, 10**400, 0.1, 1e308, 5e-324, 1e-7):
        group = await house.group(metadata={"n": number})
        assert (await house.ok("GET", f"/groups/{group['id']}"))["metadata"] == {"n": number}
        page = await house.ok("GET", "/groups?metadata=" + quote(f'{{"n":{number}}}'))
        assert [found["id"] for found in page["groups"]] == [group["id"]], number


async def test_times_and_order_are_alike(house: Running) -> None:
    made = [(await house.group())["id"] for _ in range(12)]
    listed = []
    for offset in (0, 5, 10):
        listed += (await house.ok("GET", f"/groups?limit=5&offset={offset}"))["groups"]
    assert [group["id"] for group in listed] == made
    times = [group["created_at"] for group in listed]
    assert times == sorted(times)
