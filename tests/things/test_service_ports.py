"""Existing clients have one address for each service, and call the same paths there."""

from pathlib import Path

import aiohttp

from tests.running import Running, running


async def _call(blazon: Running, service: str, method: str, path: str, json: object = None) -> tuple[int, object]:
    host, port = blazon.started.listeners[service]
    headers = {"Authorization": f"Bearer {blazon.admin.token}"}
    async with (
        aiohttp.ClientSession() as client,
        client.request(method, f"http://{host}:{port}{path}", json=json, headers=headers) as answer,
    ):
        return answer.status, await answer.json() if await answer.read() else None


async def test_each_service_at_its_own_address(tmp_path: Path) -> None:
    ports = {"http__services__users": "127.0.0.1:0", "http__services__things": "127.0.0.1:0"}
    async with running(tmp_path, redis__embedded="no", **ports) as blazon:
        group, channel, thing = await blazon.group(), await blazon.channel(), await blazon.thing()
        person = await blazon.person()
        policy = {"subject": person.id, "object": group["id"], "actions": ["g_list"]}
        assert await _call(blazon, "users", "POST", "/policies", policy) == (201, None)
        status, page = await _call(blazon, "users", "GET", f"/policies?object={group['id']}")
        assert (status, page["policies"][0]["subject"]) == (200, person.id)  # type: ignore[index]
        connection = {"subjects": [thing["id"]], "objects": [channel["id"]]}
        status, made = await _call(blazon, "things", "POST", "/connect", connection)
        assert (status, made["total"]) == (200, 1)  # type: ignore[index]
        status, page = await _call(blazon, "things", "GET", "/policies")
        assert (status, page["total"]) == (200, 1)  # type: ignore[index]
        assert (await _call(blazon, "things", "GET", "/users"))[0] == 404
        assert (await _call(blazon, "users", "GET", "/things"))[0] == 404
        for service in ("users", "things"):
            status, health = await _call(blazon, service, "GET", "/health")
            assert (status, health["status"]) == (200, "pass")  # type: ignore[index]


async def test_policies_on_the_common_port_go_by_their_object(tmp_path: Path) -> None:
    async with running(tmp_path, redis__embedded="no") as blazon:
        group, channel, thing = await blazon.group(), await blazon.channel(), await blazon.thing()
        person = await blazon.person()
        in_group = {"subject": person.id, "object": group["id"], "actions": ["g_list"]}
        on_channel = {"subject": thing["id"], "object": channel["id"]}
        assert (await blazon.call("POST", "/policies", in_group)).status == 201
        assert (await blazon.call("POST", "/policies", on_channel)).status == 201
        assert (await blazon.call("PUT", "/policies", {**in_group, "actions": ["g_list", "g_update"]})).status == 204
        listed = await blazon.ok("GET", f"/policies?object={group['id']}")
        assert [(each["subject"], sorted(each["actions"])) for each in listed["policies"]] == [
            (person.id, ["g_list", "g_update"])
        ]
        assert listed == await blazon.ok("GET", f"/users/policies?object={group['id']}")
        listed = await blazon.ok("GET", f"/policies?object={channel['id']}")
        assert [each["subject"] for each in listed["policies"]] == [thing["id"]]
        assert (await blazon.ok("GET", "/policies"))["total"] == 1, "without an object, those of things"
        assert (await blazon.call("DELETE", f"/policies/{person.id}/{group['id']}")).status == 204
        assert (await blazon.ok("GET", f"/users/policies?object={group['id']}"))["total"] == 0
        refused = await blazon.call("POST", "/policies", {**in_group, "object": "nothing"})
        assert refused.status == 404
