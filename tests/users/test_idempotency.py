"""`Idempotency-Key`: a POST that is sent again has its effect once and gets its first answer again."""

import asyncio
import uuid
from typing import Any

import pytest

from tests.running import PASSWORD, Answer, Running, refused
from tests.streams import Stream
from tests.users.support import allow, registered


def key(text: str | None = None) -> dict[str, str]:
    return {"Idempotency-Key": text or str(uuid.uuid4())}


def same(one: Answer, other: Answer) -> bool:
    """Whether two answers are alike in everything a client looks at."""
    names = ("Content-Type", "ETag", "Location")
    seen = [(answer.status, answer.body, [answer.headers.get(name) for name in names]) for answer in (one, other)]
    return seen[0] == seen[1]


async def test_a_group_is_made_once(blazon: Running, stream: Stream) -> None:
    headers, body = key(), {"name": "once", "metadata": {"b": 1, "a": 2}}
    async with stream.recorded() as events:
        answers = [await blazon.call("POST", "/groups", body, headers=headers) for _ in range(3)]
    assert answers[0].status == 201
    assert all(same(answers[0], answer) for answer in answers)
    assert [event.operation for event in events] == ["group.create"]
    # Another key is another request, and there is a group of that name.
    refused(await blazon.call("POST", "/groups", body, headers=key()), 409)


async def test_the_first_answer_comes_again_after_later_changes(blazon: Running) -> None:
    headers = key()
    first = await blazon.call("POST", "/groups", {"name": "changes"}, headers=headers)
    path = f"/groups/{first.json['id']}"
    await blazon.ok("PUT", path, {"name": "changed since"})
    await blazon.ok("POST", f"{path}/disable")
    assert same(first, await blazon.call("POST", "/groups", {"name": "changes"}, headers=headers))


async def test_every_post_that_changes_something(blazon: Running, stream: Stream) -> None:
    person, group = await blazon.person(), await blazon.group()
    posts: list[tuple[str, Any, str]] = [
        ("/users", {"credentials": {"identity": "once@example.com", "secret": PASSWORD}}, "user.create"),
        ("/users/policies", {"subject": person.id, "object": group["id"], "actions": ["g_add"]}, "policies.add"),
        ("/users/tokens/issue", {"identity": person.identity, "secret": PASSWORD}, "user.issue_token"),
        (f"/users/{person.id}/disable", None, "user.remove"),
        (f"/users/{person.id}/enable", None, "user.remove"),
        (f"/groups/{group['id']}/disable", None, "group.remove"),
        (f"/groups/{group['id']}/enable", None, "group.remove"),
    ]
    for path, body, operation in posts:
        headers = key()
        async with stream.recorded() as events:
            first = await blazon.call("POST", path, body, headers=headers)
            again = await blazon.call("POST", path, body, headers=headers)
        assert first.status in (200, 201), (path, first.body)
        assert same(first, again), path
        assert [event.operation for event in events] == [operation]


async def test_a_sign_in_that_is_repeated_gives_the_same_tokens(blazon: Running) -> None:
    person = await blazon.person()
    body = {"identity": person.identity, "secret": PASSWORD}
    first, again = [
        await blazon.call("POST", "/users/tokens/issue", body, token="", headers=key("one-sign-in")) for _ in range(2)
    ]
    assert first.status == 201
    assert first.json == again.json
    assert first.json["access_token"] != person.token
    # The key is no way around the password.
    wrong = {"identity": person.identity, "secret": "wrong password"}
    refused(await blazon.call("POST", "/users/tokens/issue", wrong, token="", headers=key("one-sign-in")), 401)


async def test_another_request_under_the_same_key(blazon: Running, stream: Stream) -> None:
    headers, group = key(), await blazon.group()
    await blazon.ok("POST", "/groups", {"name": "first of its key"}, headers=headers)
    async with stream.recorded() as events:
        for path, body in (
            ("/groups", {"name": "second of its key"}),
            ("/groups", {"name": "first of its key", "description": ""}),
            (f"/groups/{group['id']}/disable", None),
        ):
            refused(await blazon.call("POST", path, body, headers=headers), 422, "Idempotency-Key")
    assert events == []


async def test_a_refused_request_does_not_use_its_key_up(blazon: Running) -> None:
    headers, group = key(), await blazon.group()
    body = {"subject": "", "object": group["id"], "actions": ["g_list"]}
    refused(await blazon.call("POST", "/users/policies", body, headers=headers), 400)
    person = await blazon.person()
    body["subject"] = person.id
    await blazon.ok("POST", "/users/policies", body, headers=headers)
    # The same body that failed may succeed later, once.
    headers, name = key(), {"name": "taken for now"}
    first = await blazon.group(name="taken for now")
    refused(await blazon.call("POST", "/groups", name, headers=headers), 409)
    await blazon.ok("PUT", f"/groups/{first['id']}", {"name": "free again"})
    made = await blazon.call("POST", "/groups", name, headers=headers)
    assert made.status == 201
    assert same(made, await blazon.call("POST", "/groups", name, headers=headers))


async def test_a_key_belongs_to_its_caller(blazon: Running) -> None:
    one, two = await blazon.person(), await blazon.person()
    headers, body = key("shared"), {"name": "of two"}
    first = await blazon.call("POST", "/groups", body, token=one.token, headers=headers)
    second = await blazon.call("POST", "/groups", body, token=two.token, headers=headers)
    assert (first.status, second.status) == (201, 201)
    assert first.json["id"] != second.json["id"]
    again = await blazon.sign_in(one.identity)
    assert same(first, await blazon.call("POST", "/groups", body, token=again.token, headers=headers))


async def test_nobody_reads_another_ones_answer_without_signing_in(blazon: Running) -> None:
    headers = key("registration")
    mine = {"credentials": {"identity": "mine@example.com", "secret": PASSWORD}}
    theirs = {"credentials": {"identity": "theirs@example.com", "secret": PASSWORD}}
    first = await blazon.call("POST", "/users", mine, token="", headers=headers)
    second = await blazon.call("POST", "/users", theirs, token="", headers=headers)
    assert first.json["credentials"] != second.json["credentials"]
    assert same(first, await blazon.call("POST", "/users", mine, token="", headers=headers))


async def test_a_repeated_request_still_needs_its_rights(blazon: Running) -> None:
    person = await blazon.person()
    headers, body = key(), {"name": "until disabled"}
    await blazon.ok("POST", "/groups", body, token=person.token, headers=headers)
    await blazon.ok("POST", f"/users/{person.id}/disable")
    refused(await blazon.call("POST", "/groups", body, token=person.token, headers=headers), 401)


async def test_at_the_same_time(blazon: Running, stream: Stream) -> None:
    person, group = await blazon.person(), await blazon.group()
    for path, body in (
        ("/groups", {"name": "all at once"}),
        ("/users", {"credentials": {"identity": "all-at-once@example.com", "secret": PASSWORD}}),
        ("/users/policies", {"subject": person.id, "object": group["id"], "actions": ["m_read"]}),
        (f"/groups/{group['id']}/disable", None),
    ):
        headers = key()
        async with stream.recorded() as events:
            answers = await asyncio.gather(
                *(blazon.call("POST", path, body, headers=headers) for _ in range(8)),
            )
        assert answers[0].status < 300, (path, answers[0].body)
        assert all(same(answers[0], answer) for answer in answers), path
        assert len(events) == 1


async def test_at_the_same_time_without_a_key(blazon: Running, stream: Stream) -> None:
    for path, body in (
        ("/groups", {"name": "raced for"}),
        ("/users", {"credentials": {"identity": "raced-for@example.com", "secret": PASSWORD}}),
    ):
        async with stream.recorded() as events:
            answers = await asyncio.gather(*(blazon.call("POST", path, body) for _ in range(8)))
        assert sorted(answer.status for answer in answers) == [201] + [409] * 7
        assert len(events) == 1
    user = await registered(blazon, "raced-out@example.com")
    answers = await asyncio.gather(*(blazon.call("POST", f"/users/{user['id']}/disable") for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 7


async def test_other_methods_do_not_look_at_the_key(blazon: Running) -> None:
    group, headers = await blazon.group(), key()
    path = f"/groups/{group['id']}"
    for text in ("one", "two"):
        assert (await blazon.ok("PUT", path, {"description": text}, headers=headers))["description"] == text
    await allow(blazon, blazon.admin, group, "g_list")


@pytest.mark.parametrize("text", ["", " ", "x" * 256, "with space", '"', '"half', 'in"side', '""', '"a" "b"', "a,b c"])
async def test_bad_keys(blazon: Running, text: str) -> None:
    headers = {"Idempotency-Key": text}
    refused(await blazon.call("POST", "/groups", {"name": "bad key"}, headers=headers), 400, "Idempotency-Key")


@pytest.mark.parametrize("text", ["x", "x" * 255, "!#$%&'()*+,-./:;<=>?@[]^_`{|}~", "a,b"])
async def test_good_keys_bare_or_quoted(blazon: Running, text: str) -> None:
    body = {"name": f"good key {text[:9]}"}
    first = await blazon.call("POST", "/groups", body, headers=key(text))
    assert first.status == 201
    assert same(first, await blazon.call("POST", "/groups", body, headers=key(f'"{text}"')))
