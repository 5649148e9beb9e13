"""Registering users: who may, with what, and what the answer looks like (fact sheet §3.1, decision C5)."""

from pathlib import Path
from typing import Any

import pytest

from tests.running import PASSWORD, Running, refused, running
from tests.users.support import registered


def draft(identity: str, **fields: Any) -> dict[str, Any]:
    return {"credentials": {"identity": identity, "secret": PASSWORD}, **fields}


async def test_answer_of_the_least_one_can_give(blazon: Running) -> None:
    answer = await blazon.call("POST", "/users", draft("least@example.com"), token="")
    assert answer.status == 201
    user = answer.json
    assert user == {
        "id": user["id"],
        "credentials": {"identity": "least@example.com"},
        "created_at": user["created_at"],
        "updated_at": "0001-01-01T00:00:00Z",
        "status": "enabled",
    }
    assert answer.headers["Location"] == f"/users/{user['id']}"
    assert answer.headers["Content-Type"] == "application/json"


async def test_answer_of_everything(blazon: Running) -> None:
    fields = {"name": "n", "tags": ["b", "a"], "metadata": {"k": {"n": [1, 2.5, None, "ü"]}}, "status": "disabled"}
    user = await blazon.ok("POST", "/users", draft("everything@example.com", **fields))
    assert user == {
        **fields,
        "id": user["id"],
        "owner": blazon.admin.id,
        "credentials": {"identity": "everything@example.com"},
        "created_at": user["created_at"],
        "updated_at": "0001-01-01T00:00:00Z",
    }
    assert await blazon.ok("GET", f"/users/{user['id']}") == user


async def test_empty_metadata_and_user_role_are_left_out(blazon: Running) -> None:
    user = await blazon.ok("POST", "/users", draft("empty@example.com", metadata={}, role="user", tags=[], name=""))
    assert not {"metadata", "role", "tags", "name"} & set(user)


async def test_id_and_unknown_fields_are_ignored(blazon: Running) -> None:
    chosen = "7d3b0c5c-1e58-4b13-8c0c-5a1f6d9b8e2d"
    user = await registered(blazon, "chosen@example.com", id=chosen, revision=7, epoch=3, colour="red")
    assert user["id"] != chosen
    refused(await blazon.call("GET", f"/users/{chosen}"), 404)


async def test_same_identity_again(blazon: Running) -> None:
    user = await registered(blazon, "twice@example.com")
    refused(await blazon.call("POST", "/users", draft("twice@example.com"), token=""), 409, "identity")
    await blazon.ok("POST", f"/users/{user['id']}/disable")
    refused(await blazon.call("POST", "/users", draft("twice@example.com"), token=""), 409, "identity")


async def test_owner(blazon: Running) -> None:
    person, other = await blazon.person(), await blazon.person()
    mine = await blazon.ok("POST", "/users", draft("mine@example.com"), token=person.token)
    assert mine["owner"] == person.id
    theirs = await blazon.ok("POST", "/users", draft("theirs@example.com", owner=other.id), token=person.token)
    assert theirs["owner"] == other.id
    refused(await blazon.call("POST", "/users", draft("x1@example.com", owner="nobody"), token=person.token), 404)
    refused(await blazon.call("POST", "/users", draft("x2@example.com", owner=other.id), token=""), 403)


@pytest.mark.parametrize("token", ["rubbish", "a.b.c"])
async def test_a_wrong_token_is_as_none(blazon: Running, token: str) -> None:
    user = await blazon.ok("POST", "/users", draft(f"{token}@example.com"), token=token)
    assert "owner" not in user


async def test_admins_are_made_by_admins(blazon: Running) -> None:
    person = await blazon.person()
    body = draft("boss@example.com", role="admin")
    refused(await blazon.call("POST", "/users", body, token=""), 403, "admin")
    refused(await blazon.call("POST", "/users", body, token=person.token), 403, "admin")
    refused(await blazon.call("POST", "/users", body, token="rubbish"), 403, "admin")
    boss = await blazon.ok("POST", "/users", body)
    assert boss["role"] == "admin"
    assert (await blazon.ok("GET", f"/users/{boss['id']}"))["role"] == "admin"


async def test_role_cannot_be_changed_later(blazon: Running) -> None:
    person = await blazon.person()
    await blazon.ok("PATCH", f"/users/{person.id}", {"name": "n", "role": "admin"}, token=person.token)
    assert "role" not in await blazon.ok("GET", "/users/profile", token=person.token)


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({}, 400, "credentials.identity is missing"),
        ({"credentials": {}}, 400, "credentials.identity is missing"),
        ({"credentials": {"identity": "", "secret": PASSWORD}}, 400, "credentials.identity is missing"),
        ({"credentials": {"identity": "a@b.cc", "secret": ""}}, 400, "credentials.secret is missing"),
        ({"credentials": {"identity": "a@b.cc"}}, 400, "credentials.secret is missing"),
        ({"credentials": {"identity": "a@b.cc", "secret": "1234567"}}, 422, "password does not meet the requirements"),
        ({"credentials": {"identity": "a@b.cc", "secret": "x" * 1025}}, 400, "longer than 1024 bytes"),
        (draft("no-at-sign"), 400, "e-mail address"),
        (draft("two@at@signs.org"), 400, "e-mail address"),
        (draft("a@b.cc", name="x" * 1025), 400, "name is longer than 1024 bytes"),
        (draft("a@b.cc", name="ü" * 513), 400, "name is longer than 1024 bytes"),
        (draft("a@b.cc", name="a\nb"), 400, "name holds a control character"),
        (draft("a@b.cc", tags=[""]), 400, "a tag is empty"),
        (draft("a@b.cc", tags=["x" * 255]), 400, "a tag is longer than 254 bytes"),
        (draft("a@b.cc", tags=["t"] * 257), 400, "more than 256 tags"),
        (draft("a@b.cc", status="all"), 400, "status"),
        (draft("a@b.cc", role="root"), 400, "role"),
    ],
)
async def test_bad_drafts(blazon: Running, body: dict[str, Any], status: int, reason: str) -> None:
    refused(await blazon.call("POST", "/users", body, token=""), status, reason)
    assert PASSWORD.encode() not in (await blazon.call("POST", "/users", body, token="")).body


async def test_longest_name_and_password(blazon: Running) -> None:
    identity = f"{'l' * 64}@example.com"
    secret = "ü" * 512
    body = {"name": "n" * 1024, "credentials": {"identity": identity, "secret": secret}}
    user = await blazon.ok("POST", "/users", body, token="")
    assert user["name"] == "n" * 1024
    assert (await blazon.sign_in(identity, secret)).id == user["id"]


async def test_closed_registration(tmp_path: Path) -> None:
    async with running(tmp_path, redis__embedded="false", users__open_registration="false") as blazon:
        refused(await blazon.call("POST", "/users", draft("open@example.com"), token=""), 403, "registration is closed")
        made = await blazon.ok("POST", "/users", draft("person@example.com"))
        person = await blazon.sign_in("person@example.com")
        assert person.id == made["id"]
        refused(await blazon.call("POST", "/users", draft("next@example.com"), token=person.token), 403, "admin")


async def test_password_rule_of_the_settings(tmp_path: Path) -> None:
    async with running(tmp_path, redis__embedded="false", users__password_rule=r"^(?=.*\d).{4,}$") as blazon:
        weak = {"credentials": {"identity": "a@b.cc", "secret": "abcdefgh"}}
        refused(await blazon.call("POST", "/users", weak, token=""), 422, r"^(?=.*\d).{4,}$")
        strong = {"credentials": {"identity": "a@b.cc", "secret": "abc1"}}
        await blazon.ok("POST", "/users", strong, token="")
