"""`ETag` and `If-Match`: nobody overwrites what somebody else has just changed (RFC 9110 §8.8.3, §13.1.1)."""

import asyncio
from typing import Any

import pytest

from tests.running import Answer, Running, refused
from tests.streams import Stream


async def change(blazon: Running, path: str, tag: str, **body: Any) -> Answer:
    """A change of a group, or of a user, under the condition that it still has a tag."""
    method = "PUT" if path.startswith("/groups") else "PATCH"
    return await blazon.call(method, path, body or {"name": "changed"}, headers={"If-Match": tag})


async def test_every_answer_with_one_entity_has_its_tag(blazon: Running) -> None:
    person = await blazon.person()
    path = f"/users/{person.id}"
    seen = [(await blazon.call("GET", path)).headers["ETag"]]
    for method, action, body in (
        ("PATCH", "", {"name": "n"}),
        ("PATCH", "/tags", {"tags": ["t"]}),
        ("PATCH", "/identity", {"identity": f"{person.id}@example.com"}),
        ("PATCH", "/owner", {"owner": blazon.admin.id}),
        ("POST", "/disable", None),
        ("POST", "/enable", None),
    ):
        seen.append((await blazon.call(method, path + action, body)).headers["ETag"])
        assert (await blazon.call("GET", path)).headers["ETag"] == seen[-1]
    assert len(set(seen)) == len(seen)
    person = await blazon.sign_in(f"{person.id}@example.com")  # to be disabled ended the sign-in
    assert (await blazon.call("GET", "/users/profile", token=person.token)).headers["ETag"] == seen[-1]
    made = await blazon.call("POST", "/groups", {"name": "tagged"})
    assert (await blazon.call("GET", made.headers["Location"])).headers["ETag"] == made.headers["ETag"]


async def test_condition(blazon: Running, stream: Stream) -> None:
    for path in (f"/groups/{(await blazon.group())['id']}", f"/users/{(await blazon.person()).id}"):
        first = (await blazon.call("GET", path)).headers["ETag"]
        second = (await change(blazon, path, first)).headers["ETag"]
        async with stream.recorded() as events:
            refused(await change(blazon, path, first), 412, second.strip('"'))
            refused(await change(blazon, path, f"{first}, W/{second}"), 412)
            refused(await change(blazon, path, '"0"'), 412)
            refused(await change(blazon, path, '"of-another-server"'), 412)
            refused(await change(blazon, path, f"W/{second}"), 412)
        assert events == []
        assert (await change(blazon, path, f'{first}, "7" , {second}')).status == 200
        assert (await change(blazon, path, "*")).status == 200


async def test_condition_of_a_change_of_status(blazon: Running) -> None:
    for path in (f"/groups/{(await blazon.group())['id']}", f"/users/{(await blazon.person()).id}"):
        tag = (await blazon.call("GET", path)).headers["ETag"]
        stale = {"If-Match": '"1"'}
        refused(await blazon.call("POST", f"{path}/disable", headers=stale), 412)
        assert (await blazon.call("POST", f"{path}/disable", headers={"If-Match": tag})).status == 200


async def test_condition_of_a_new_secret(blazon: Running) -> None:
    person = await blazon.person()
    body = {"old_secret": "12345678", "new_secret": "a new secret"}
    refused(
        await blazon.call("PATCH", "/users/secret", body, token=person.token, headers={"If-Match": '"1"'}), 412, "ETag"
    )
    tag = (await blazon.call("GET", "/users/profile", token=person.token)).headers["ETag"]
    answer = await blazon.call("PATCH", "/users/secret", body, token=person.token, headers={"If-Match": tag})
    assert answer.status == 200


async def test_of_many_at_once_one_wins(blazon: Running) -> None:
    group = await blazon.group()
    path = f"/groups/{group['id']}"
    tag = (await blazon.call("GET", path)).headers["ETag"]
    answers = await asyncio.gather(*(change(blazon, path, tag, description=f"by {number}") for number in range(8)))
    assert sorted(answer.status for answer in answers) == [200] + [412] * 7
    (winner,) = [answer for answer in answers if answer.status == 200]
    assert await blazon.ok("GET", path) == winner.json


async def test_without_a_condition_all_win(blazon: Running, stream: Stream) -> None:
    group = await blazon.group()
    path = f"/groups/{group['id']}"
    async with stream.recorded() as events:
        answers = await asyncio.gather(
            *(blazon.call("PUT", path, {"description": f"by {number}"}) for number in range(8))
        )
    assert [answer.status for answer in answers] == [200] * 8
    assert len({answer.headers["ETag"] for answer in answers}) == len(events) == 8
    last = max(answers, key=lambda answer: int(answer.headers["ETag"].strip('"')))
    assert await blazon.ok("GET", path) == last.json


async def test_no_change_of_two_fields_is_lost(blazon: Running) -> None:
    person = await blazon.person("before")
    path = f"/users/{person.id}"
    await asyncio.gather(
        blazon.ok("PATCH", path, {"name": "after"}),
        blazon.ok("PATCH", path, {"metadata": {"a": 1}}),
        blazon.ok("PATCH", f"{path}/tags", {"tags": ["t"]}),
        blazon.ok("PATCH", f"{path}/owner", {"owner": blazon.admin.id}),
    )
    user = await blazon.ok("GET", path)
    assert (user["name"], user["metadata"], user["tags"], user["owner"]) == (
        "after",
        {"a": 1},
        ["t"],
        blazon.admin.id,
    )


@pytest.mark.parametrize("tag", ["", " ", "42", '"42', "42,", "**", '"a" "b"', "'42'", '"42",,x', '* , "1"'])
async def test_bad_tags(blazon: Running, tag: str) -> None:
    path = f"/groups/{(await blazon.group())['id']}"
    refused(await change(blazon, path, tag), 400, "If-Match")
