"""Every call of the Go SDK, and so of its command line, that users, groups and their policies answer (fact sheet §16).

The SDK calls policies at `<users URL>/policies`, which a port of its own for users answers. On the common port they are
below `/users`.
"""

from typing import Any

import pytest

from tests.go_client import GROUP, HEALTH, POLICY, TOKEN, USER, GoClient, group, page_of, policy, unmarshal, user
from tests.running import ADMIN, PASSWORD, Running
from tests.streams import Stream
from tests.users.support import mails_in, token_in

JSON_AGAIN = {"Content-Type": "application/json"}
"""The SDK adds this header to the one it sends anyway."""

USERS, MEMBERS = page_of("users", USER), page_of("members", USER)
GROUPS, MEMBERSHIPS = page_of("groups", GROUP), page_of("memberships", GROUP)
POLICIES = page_of("policies", POLICY)


@pytest.fixture
def go(blazon: Running) -> GoClient:
    return GoClient(blazon, blazon.admin.token)


async def signed_in(go: GoClient, identity: str, secret: str = PASSWORD) -> Any:
    body = {"identity": identity, "secret": secret}
    path = "/users/tokens/issue"
    return await go.call("POST", path, 201, body, shape=TOKEN, authorization="", headers=JSON_AGAIN)


async def created(go: GoClient, identity: str, **given: Any) -> Any:
    body = user(credentials={"identity": identity, "secret": PASSWORD}, status="enabled", **given)
    return await go.call("POST", "/users", 201, body, shape=USER)


async def test_tokens(blazon: Running, go: GoClient) -> None:
    tokens = await signed_in(go, ADMIN)
    assert tokens["access_type"] == "Bearer"
    bearer = f"Bearer {tokens['refresh_token']}"
    path = "/users/tokens/refresh"
    again = await go.call("POST", path, 201, shape=TOKEN, authorization=bearer, headers=JSON_AGAIN)
    found = await go.call("GET", "/users/profile", 200, shape=USER, authorization=f"Bearer {again['access_token']}")
    assert (found["id"], found["role"]) == (blazon.admin.id, "admin")


async def test_users(blazon: Running, go: GoClient) -> None:
    made = await created(go, "go-user@example.com", name="go", tags=["a"], metadata={"k": [1, 2.5, None]})
    assert (made["name"], made["tags"], made["metadata"]) == ("go", ["a"], {"k": [1, 2.5, None]})
    one = f"/users/{made['id']}"
    assert await go.call("GET", one, 200, shape=USER) == made
    pages = "/users?limit=10&metadata=%7B%22k%22%3A%5B1%5D%7D&name=go&offset=0&status=enabled&tag=a&total=5"
    assert (await go.call("GET", pages, 200, shape=USERS))["users"] == [made]
    assert (await go.call("GET", "/users?limit=1&name=nobody", 200, shape=USERS))["users"] == []

    changed = await go.call("PATCH", one, 200, user(id=made["id"], name="gopher", metadata={"x": "y"}), shape=USER)
    assert (changed["name"], changed["metadata"]) == ("gopher", {"x": "y"})
    changed = await go.call("PATCH", f"{one}/tags", 200, user(id=made["id"], tags=["b", "c"]), shape=USER)
    assert changed["tags"] == ["b", "c"]
    identity = {"identity": "go-other@example.com"}
    changed = await go.call("PATCH", f"{one}/identity", 200, identity, shape=USER)
    assert changed["credentials"] == identity
    owner = (await blazon.person()).id
    changed = await go.call("PATCH", f"{one}/owner", 200, user(id=made["id"], owner=owner), shape=USER)
    assert changed["owner"] == owner
    for verb in ("disable", "enable"):
        changed = await go.call("POST", f"{one}/{verb}", 200, shape=USER)
        assert changed["status"] == f"{verb}d"


async def test_a_user_who_registers(go: GoClient) -> None:
    body = user(name="self", credentials={"identity": "go-self@example.com", "secret": PASSWORD})
    await go.call("POST", "/users", 201, body, shape=USER, authorization="")
    # An SDK struct whose empty fields are sent all the same.
    body = {**body, "credentials": {"identity": "go-empty@example.com", "secret": PASSWORD}}
    empty = {"tags": None, "owner": "", "metadata": None, "status": "", "role": ""}
    made = await go.call("POST", "/users", 201, {**body, **empty}, shape=USER, authorization="")
    assert (made["status"], "role" in made, "owner" in made) == ("enabled", False, False)


async def test_passwords(blazon: Running, stream: Stream, go: GoClient) -> None:
    person = await blazon.person("go-password")
    body = {"old_secret": PASSWORD, "new_secret": "another one"}
    await go.call("PATCH", "/users/secret", 200, body, shape=USER, authorization=f"Bearer {person.token}")
    body = {"email": person.identity, "host": ""}
    referer = {"Referer": "http://localhost"}
    async with stream.recorded():
        await go.call("POST", "/password/reset-request", 201, body, authorization="", headers=referer)
        await stream.wait_for("user.send_password_reset", email=person.identity)
    token = token_in(mails_in(blazon.settings.data_path / "mail")[-1])
    body = {"token": token, "password": "a third one", "confirm_password": "a third one"}
    # The SDK shows the token of the mail as if it were that of a sign-in.
    await go.call("PUT", "/password/reset", 201, body, authorization=f"Bearer {token}")
    await signed_in(go, person.identity, "a third one")


async def test_groups(blazon: Running, go: GoClient) -> None:
    top = await go.call("POST", "/groups", 201, group(name="go top", metadata={"k": "v"}), shape=GROUP)
    assert (top["status"], top["owner_id"]) == ("enabled", blazon.admin.id)
    low = await go.call("POST", "/groups", 201, group(name="go low", parent_id=top["id"]), shape=GROUP)
    one = f"/groups/{low['id']}"
    assert await go.call("GET", one, 200, shape=GROUP) == low
    assert (await go.call("GET", "/groups?limit=10&name=go+low", 200, shape=GROUPS))["groups"] == [low]
    above = await go.call("GET", f"{one}/parents?level=5&limit=10", 200, shape=GROUPS)
    assert {each["id"]: each.get("level", 0) for each in above["groups"]} == {low["id"]: 0, top["id"]: -1}
    below = await go.call("GET", f"/groups/{top['id']}/children?level=5&limit=10", 200, shape=GROUPS)
    assert {each["id"]: each.get("level", 0) for each in below["groups"]} == {top["id"]: 0, low["id"]: 1}
    changed = await go.call("PUT", one, 200, group(id=low["id"], description="changed"), shape=GROUP)
    assert (changed["name"], changed["description"]) == ("go low", "changed")
    for verb in ("disable", "enable"):
        changed = await go.call("POST", f"{one}/{verb}", 200, shape=GROUP)
        assert changed["status"] == f"{verb}d"


async def test_policies(blazon: Running, go: GoClient) -> None:
    person, place = await blazon.person(), await blazon.group()
    pair = {"subject": person.id, "object": place["id"]}
    await go.call("POST", "/users/policies", 201, policy(**pair, actions=["c_list"]))
    await go.call("PUT", "/users/policies", 204, policy(**pair, actions=["g_list"]))
    path = f"/users/policies?action=g_list&limit=10&object={place['id']}&subject={person.id}"
    (found,) = (await go.call("GET", path, 200, shape=POLICIES))["policies"]
    assert (found["subject"], found["object"], found["actions"]) == (person.id, place["id"], ["g_list"])
    assert (await go.call("GET", f"/groups/{place['id']}/members?limit=10", 200, shape=MEMBERS))["total"] == 1
    assert (await go.call("GET", f"/users/{person.id}/memberships?limit=10", 200, shape=MEMBERSHIPS))["total"] == 1
    asked = {**pair, "action": "g_list", "entity_type": "group"}
    await go.call("POST", "/authorize", 200, asked, shape={})
    await go.call("POST", "/authorize", 403, {**asked, "action": "g_delete"}, shape={"error": "string"})
    await go.call("DELETE", f"/users/policies/{person.id}/{place['id']}", 204)


async def test_errors_are_read(go: GoClient) -> None:
    """`CheckError` wants an object with the texts `error` and `message`, whatever went wrong."""
    for method, path, body, status in (
        ("GET", "/users/no-such-user", None, 404),
        ("GET", "/no/such/path", None, 404),
        ("DELETE", "/users", None, 405),
        ("POST", "/users", None, 400),
        ("POST", "/users", user(credentials={"identity": ADMIN, "secret": PASSWORD}), 409),
        ("PATCH", "/users/secret", {"old_secret": "wrong", "new_secret": "long enough"}, 401),
        ("GET", "/users?limit=1000", None, 400),
    ):
        answer = await go.raw(method, path, body)
        assert answer.status == status, (method, path)
        unmarshal(answer.json, {"error": "string", "message": "string"}, path)
        assert answer.json["error"]
        assert answer.json["message"]
    answer = await go.raw("GET", "/users/profile", authorization="Bearer rubbish")
    assert (answer.status, bool(answer.json["error"])) == (401, True)


async def test_health(go: GoClient) -> None:
    assert (await go.call("GET", "/health", 200, shape=HEALTH, authorization=""))["status"] == "pass"
