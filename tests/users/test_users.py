"""One user: seen, changed, disabled and enabled, and by whom (fact sheet §3.1, §9.6)."""

from typing import Any

import pytest

from tests.running import Person, Running, refused
from tests.users.support import allow, registered

NEVER = "0001-01-01T00:00:00Z"


class Circle:
    """A person `seen` in a group, and others who may do various things to it through the group, or may not."""

    def __init__(self, seen: Person, people: dict[str, Person]) -> None:
        self.seen = seen
        self.people = people

    async def answers(self, blazon: Running, method: str, path: str, body: Any = None) -> dict[str, int]:
        """What each gets for the same request."""
        return {
            name: (await blazon.call(method, path.format(self.seen.id), body, token=person.token)).status
            for name, person in self.people.items()
        }


@pytest.fixture(scope="module")
async def circle(blazon: Running) -> Circle:
    owner = await blazon.person("owner")
    body = {"credentials": {"identity": "seen@example.com", "secret": "12345678"}, "name": "seen"}
    await blazon.ok("POST", "/users", body, token=owner.token)
    seen, group = await blazon.sign_in("seen@example.com"), await blazon.group()
    await allow(blazon, seen, group, "m_read")
    people = {"self": seen, "owner": owner, "admin": blazon.admin, "stranger": await blazon.person("stranger")}
    for action in ("c_list", "c_update", "c_delete", "c_share", "g_delete", "m_write"):
        people[action] = await blazon.person(action.replace("_", "-"))
        await allow(blazon, people[action], group, action)
    return Circle(seen, people)


async def test_who_may_view(blazon: Running, circle: Circle) -> None:
    assert await circle.answers(blazon, "GET", "/users/{}") == {
        "self": 200,
        "owner": 200,
        "admin": 200,
        "stranger": 404,
        "c_list": 200,
        "c_update": 200,
        "c_delete": 200,
        "c_share": 200,
        "g_delete": 404,
        "m_write": 404,
    }


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/users/{}", {"name": "seen"}),
        ("/users/{}/tags", {"tags": ["t"]}),
    ],
)
async def test_who_may_change(blazon: Running, circle: Circle, path: str, body: Any) -> None:
    assert await circle.answers(blazon, "PATCH", path, body) == {
        "self": 200,
        "owner": 200,
        "admin": 200,
        "stranger": 404,
        "c_list": 403,
        "c_update": 200,
        "c_delete": 403,
        "c_share": 403,
        "g_delete": 404,
        "m_write": 404,
    }


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/users/{}/identity", {"identity": "seen@example.com"}),
        ("/users/{}/owner", {"owner": "somebody"}),
    ],
)
async def test_who_may_say_whose_it_is(blazon: Running, circle: Circle, path: str, body: Any) -> None:
    # Who could do this through a group could take a user over.
    if "owner" in body:
        body = {"owner": circle.people["owner"].id}
    assert await circle.answers(blazon, "PATCH", path, body) == {
        "self": 200,
        "owner": 200,
        "admin": 200,
        "stranger": 404,
        "c_list": 403,
        "c_update": 403,
        "c_delete": 403,
        "c_share": 403,
        "g_delete": 404,
        "m_write": 404,
    }


async def test_who_may_enable(blazon: Running, circle: Circle) -> None:
    # It is enabled already: who may do it gets 409.
    assert await circle.answers(blazon, "POST", "/users/{}/enable") == {
        "self": 409,
        "owner": 409,
        "admin": 409,
        "stranger": 404,
        "c_list": 403,
        "c_update": 403,
        "c_delete": 409,
        "c_share": 403,
        "g_delete": 404,
        "m_write": 404,
    }


async def test_nobody_is_told_of_what_is_not_there(blazon: Running) -> None:
    person, other = await blazon.person(), await registered(blazon, "other@example.com")
    for path in ("/users/{}", "/users/{}/memberships"):
        unknown = await blazon.call("GET", path.format("no-such-user"), token=person.token)
        hidden = await blazon.call("GET", path.format(other["id"]), token=person.token)
        assert (unknown.status, unknown.body) == (hidden.status, hidden.body)
        refused(hidden, 404)


async def test_profile_is_oneself(blazon: Running) -> None:
    person = await blazon.person()
    profile = await blazon.call("GET", "/users/profile", token=person.token)
    assert profile.json == await blazon.ok("GET", f"/users/{person.id}", token=person.token)
    assert profile.json["credentials"] == {"identity": person.identity}
    refused(await blazon.call("GET", "/users/profile", token=""), 401, "Bearer")


async def test_name_and_metadata(blazon: Running) -> None:
    person = await blazon.person("before", metadata={"a": 1})
    path = f"/users/{person.id}"
    after = await blazon.ok("PATCH", path, {"name": "after"}, token=person.token)
    assert (after["name"], after["metadata"], after["updated_by"]) == ("after", {"a": 1}, person.id)
    assert after["updated_at"] > after["created_at"]
    after = await blazon.ok("PATCH", path, {"metadata": {"b": 2}}, token=person.token)
    assert (after["name"], after["metadata"]) == ("after", {"b": 2})
    after = await blazon.ok("PATCH", path, {"name": "", "metadata": None}, token=person.token)
    assert (after["name"], after["metadata"]) == ("after", {"b": 2})
    after = await blazon.ok("PATCH", path, {"metadata": {}}, token=person.token)
    assert "metadata" not in after
    assert await blazon.ok("GET", path) == after


async def test_an_answer_holds_no_secret(blazon: Running) -> None:
    person = await blazon.person()
    for method, path, body in (
        ("PATCH", f"/users/{person.id}", {"name": "n"}),
        ("PATCH", "/users/secret", {"old_secret": "12345678", "new_secret": "12345678"}),
        ("GET", f"/users?identity={person.identity}", None),
    ):
        token = None if "?" in path else person.token
        answer = await blazon.call(method, path, body, token=token)
        assert answer.status == 200
        assert b"secret" not in answer.body
        assert b"argon2" not in answer.body


async def test_tags_are_replaced(blazon: Running) -> None:
    person = await blazon.person(tags=["a"])
    path = f"/users/{person.id}/tags"
    assert (await blazon.ok("PATCH", path, {"tags": ["c", "b", "c"]}))["tags"] == ["c", "b", "c"]
    assert "tags" not in await blazon.ok("PATCH", path, {"tags": []})
    await blazon.ok("PATCH", path, {"tags": ["x"]})
    assert "tags" not in await blazon.ok("PATCH", path, {})
    refused(await blazon.call("PATCH", path, {"tags": "a"}), 400, "tags")


async def test_identity(blazon: Running) -> None:
    person = await blazon.person()
    taken = await registered(blazon, "taken@example.com")
    path = f"/users/{person.id}/identity"
    refused(await blazon.call("PATCH", path, {"identity": "taken@example.com"}), 409, "identity")
    await blazon.ok("POST", f"/users/{taken['id']}/disable")
    refused(await blazon.call("PATCH", path, {"identity": "taken@example.com"}), 409, "identity")
    refused(await blazon.call("PATCH", path, {"identity": ""}), 400, "identity is missing")
    refused(await blazon.call("PATCH", path, {}), 400, "identity is missing")
    refused(await blazon.call("PATCH", path, {"identity": " space"}), 400, "space")
    refused(await blazon.call("PATCH", path, {"identity": "x" * 255}), 400, "longer than 254 bytes")
    after = await blazon.ok("PATCH", path, {"identity": "wandering-brook"})
    assert after["credentials"] == {"identity": "wandering-brook"}
    assert (await blazon.sign_in("wandering-brook")).id == person.id
    old = {"identity": person.identity, "secret": "12345678"}
    refused(await blazon.call("POST", "/users/tokens/issue", old, token=""), 401)
    # The one who is signed in stays so, and the old identity is free again.
    await blazon.ok("GET", "/users/profile", token=person.token)
    await registered(blazon, person.identity)


async def test_owner(blazon: Running) -> None:
    person, heir = await blazon.person(), await blazon.person()
    path = f"/users/{person.id}/owner"
    refused(await blazon.call("PATCH", path, {"owner": "nobody"}), 404, "owner")
    refused(await blazon.call("PATCH", path, {"owner": ""}), 400, "owner is missing")
    refused(await blazon.call("PATCH", path, {}), 400, "owner is missing")
    assert (await blazon.ok("PATCH", path, {"owner": heir.id}))["owner"] == heir.id
    assert (await blazon.ok("GET", f"/users/{person.id}", token=heir.token))["owner"] == heir.id


async def test_a_disabled_user_is_not_changed(blazon: Running) -> None:
    user = await registered(blazon, "disabled@example.com")
    await blazon.ok("POST", f"/users/{user['id']}/disable")
    for path, body in (
        ("", {"name": "n"}),
        ("/tags", {"tags": ["t"]}),
        ("/identity", {"identity": "i"}),
        ("/owner", {"owner": blazon.admin.id}),
    ):
        refused(await blazon.call("PATCH", f"/users/{user['id']}{path}", body), 404, "disabled")
    seen = await blazon.ok("GET", f"/users/{user['id']}")
    assert (seen["status"], seen["credentials"]["identity"]) == ("disabled", "disabled@example.com")


async def test_enable_and_disable(blazon: Running) -> None:
    user = await registered(blazon, "status@example.com")
    path = f"/users/{user['id']}"
    refused(await blazon.call("POST", f"{path}/enable"), 409, "status already assigned")
    assert (await blazon.ok("POST", f"{path}/disable"))["status"] == "disabled"
    refused(await blazon.call("POST", f"{path}/disable"), 409, "status already assigned")
    assert (await blazon.ok("POST", f"{path}/enable"))["status"] == "enabled"
    for verb in ("enable", "disable"):
        refused(await blazon.call("POST", f"/users/no-such-user/{verb}"), 404)
    await blazon.sign_in("status@example.com")


async def test_one_may_disable_oneself(blazon: Running) -> None:
    person = await blazon.person()
    assert (await blazon.ok("POST", f"/users/{person.id}/disable", token=person.token))["status"] == "disabled"
    refused(await blazon.call("GET", "/users/profile", token=person.token), 401)


async def test_the_last_admin_stays(blazon: Running) -> None:
    refused(await blazon.call("POST", f"/users/{blazon.admin.id}/disable"), 422, "last enabled admin")
    second = await blazon.ok(
        "POST", "/users", {"credentials": {"identity": "two@example.com", "secret": "12345678"}, "role": "admin"}
    )
    await blazon.ok("POST", f"/users/{second['id']}/disable")
    refused(await blazon.call("POST", f"/users/{blazon.admin.id}/disable"), 422, "last enabled admin")
    await blazon.ok("POST", f"/users/{second['id']}/enable")
    other = await blazon.sign_in("two@example.com")
    await blazon.ok("POST", f"/users/{blazon.admin.id}/disable", token=other.token)
    refused(await blazon.call("POST", f"/users/{second['id']}/disable", token=other.token), 422, "last enabled admin")
    await blazon.ok("POST", f"/users/{blazon.admin.id}/enable", token=other.token)
