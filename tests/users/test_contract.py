"""Each sample of the users chapter of the event document, field by field: users and tokens.

A test drives the HTTP API and reads the entry on the stream. `sample` holds every field of the document's sample with
the value it must have here; the last argument holds the fields a decision adds. Any other field fails the test.
"""

from typing import Any

from tests.running import PASSWORD, Running
from tests.streams import Stream, check, compact, picked
from tests.users.support import allow, mails_in, registered, token_in


async def made(blazon: Running, name: str, **fields: Any) -> Any:
    """A user the admin made, who therefore owns it."""
    body = {"name": name, "credentials": {"identity": f"{name}@email.com", "secret": PASSWORD}, **fields}
    return await blazon.ok("POST", "/users", body)


async def test_create(blazon: Running, stream: Stream) -> None:
    async with stream.recorded() as events:
        user = await registered(blazon, "-small-flower@email.com", name="-dry-sun")
    check(
        events,
        "user.create",
        {**picked(user, "id", "status", "created_at", "name"), "metadata": "{}", "identity": "-small-flower@email.com"},
    )
    assert events[0].time == user["created_at"]


async def test_create_by_an_admin_of_an_admin(blazon: Running, stream: Stream) -> None:
    metadata = {"z": [1, {"y": None}], "a": "<&>"}
    async with stream.recorded() as events:
        user = await made(blazon, "second", role="admin", tags=["b", "a"], metadata=metadata, status="disabled")
    check(
        events,
        "user.create",
        {
            **picked(user, "id", "created_at", "name"),
            "status": "disabled",
            "metadata": compact(metadata),
            "identity": "second@email.com",
        },
        {"owner": blazon.admin.id, "tags": "[b,a]", "role": "admin"},
    )


async def test_view(blazon: Running, stream: Stream) -> None:
    user = await made(blazon, "-holy-pond")
    async with stream.recorded() as events:
        await blazon.ok("GET", f"/users/{user['id']}")
    check(
        events,
        "user.view",
        {
            **picked(user, "name", "owner", "created_at", "status", "id"),
            "identity": "-holy-pond@email.com",
            "metadata": "{}",
        },
    )


async def test_view_profile(blazon: Running, stream: Stream) -> None:
    async with stream.recorded() as events:
        admin = await blazon.ok("GET", "/users/profile")
    check(
        events,
        "user.view_profile",
        {
            **picked(admin, "id", "created_at", "status"),
            "name": "admin",
            "identity": "admin@example.com",
            "metadata": '{"role":"admin"}',
        },
        {"role": "admin"},
    )


async def test_view_of_a_changed_user(blazon: Running, stream: Stream) -> None:
    user = await made(blazon, "changed", tags=["t"])
    user = await blazon.ok("PATCH", f"/users/{user['id']}", {"metadata": {"b": 1, "a": 2}})
    async with stream.recorded() as events:
        await blazon.ok("GET", f"/users/{user['id']}")
    check(
        events,
        "user.view",
        {
            **picked(user, "name", "owner", "created_at", "status", "id"),
            "identity": "changed@email.com",
            "metadata": '{"a":2,"b":1}',
        },
        {"tags": "[t]", **picked(user, "updated_at", "updated_by")},
    )


async def test_list(blazon: Running, stream: Stream) -> None:
    async with stream.recorded() as events:
        page = await blazon.ok("GET", "/users")
    check(events, "user.list", {"status": "enabled", "total": str(page["total"]), "offset": "0", "limit": "10"})


async def test_list_with_every_filter(blazon: Running, stream: Stream) -> None:
    await made(blazon, "filtered", tags=["t"], metadata={"a": 2, "b": 1})
    query = "status=all&offset=3&limit=7&identity=filtered@Email.com&tag=t&metadata=%7B%22b%22:1,%22a%22:2%7D"
    page = {"status": "all", "offset": "3", "limit": "7"}
    async with stream.recorded() as events:
        await blazon.ok("GET", f"/users?{query}&name=filtered&owner_id={blazon.admin.id}")
    used = {"name": "filtered", "identity": "filtered@Email.com", "tag": "t", "metadata": '{"a":2,"b":1}'}
    check(events, "user.list", {**page, "total": "1"}, {**used, "owner": blazon.admin.id})
    # What nothing was found by can be anything, and is only named.
    async with stream.recorded() as events:
        await blazon.ok("GET", f"/users?{query}&name=nobody&owner_id={blazon.admin.id}")
    hidden = {"hidden_filters": "[identity,metadata,name,owner,tag]"}
    check(events, "user.list", {**page, "total": "0"}, hidden)


async def test_list_with_visibility(blazon: Running, stream: Stream) -> None:
    page = {"status": "enabled", "offset": "0", "limit": "10"}
    mine = {"owner": blazon.admin.id}
    shared = {"sharedBy": blazon.admin.id}
    for visibility, shown in (("mine", mine), ("shared", shared), ("all", mine | shared)):
        async with stream.recorded() as events:
            answer = await blazon.ok("GET", f"/users?visibility={visibility}")
        check(events, "user.list", {**page, "total": str(answer["total"])}, shown)


async def test_list_by_group(blazon: Running, stream: Stream) -> None:
    group, user = await blazon.group(), await made(blazon, "member")
    await allow(blazon, user["id"], group, "g_list")
    async with stream.recorded() as events:
        await blazon.ok("GET", f"/groups/{group['id']}/members")
    check(
        events,
        "user.list_by_group",
        {"total": "1", "offset": "0", "limit": "10", "group_id": group["id"], "status": "enabled"},
    )


async def test_list_by_group_with_every_filter(blazon: Running, stream: Stream) -> None:
    group, person = await blazon.group(), await blazon.person("member", tags=["t"])
    await allow(blazon, person, group, "c_list")
    path = f"/groups/{group['id']}/members?identity={person.identity}&tag=t&status=all"
    used = {"identity": person.identity, "tag": "t", "name": "member"}
    sample = {"offset": "0", "limit": "10", "status": "all", "group_id": group["id"]}
    for owner, total, shown in (
        (person.id, "0", {"hidden_filters": "[identity,name,owner_id,tag]"}),
        ("", "1", used),
    ):
        async with stream.recorded() as events:
            await blazon.ok("GET", f"{path}&name=member&owner_id={owner}")
        check(events, "user.list_by_group", {**sample, "total": total}, shown)
    # For others than admins the owner is not used.
    async with stream.recorded() as events:
        await blazon.ok("GET", f"{path}&name=member&owner_id=secret", token=person.token)
    check(events, "user.list_by_group", {**sample, "total": "1"}, used)
    async with stream.recorded() as events:
        await blazon.ok("GET", f"{path}&name=secret", token=person.token)
    check(events, "user.list_by_group", {**sample, "total": "0"}, {"hidden_filters": "[identity,name,tag]"})


async def test_identify_once_a_minute(blazon: Running, stream: Stream) -> None:
    person = await blazon.person()
    async with stream.recorded() as events:
        for _ in range(3):
            assert await blazon.ok("POST", "/users/tokens/identify", token=person.token) == {"id": person.id}
    check(events, "user.identify", {"user_id": person.id})


async def test_password_reset(blazon: Running, stream: Stream) -> None:
    user = await made(blazon, "rodneydav")
    async with stream.recorded() as events:
        headers = {"Referer": "http://localhost/login?next=/"}
        await blazon.ok("POST", "/password/reset-request", {"email": "rodneydav@email.com"}, token="", headers=headers)
        await stream.wait_for("user.send_password_reset")
    asked, sent = events
    check([asked], "user.generate_reset_token", {"email": "rodneydav@email.com", "host": "http://localhost"})
    check(
        [sent],
        "user.send_password_reset",
        {"host": "http://localhost", "email": "rodneydav@email.com", "user": "rodneydav"},
    )

    token = token_in(mails_in(blazon.settings.data_path / "mail")[-1])
    async with stream.recorded() as events:
        body = {"token": token, "password": "a new secret", "confirm_password": "a new secret"}
        await blazon.ok("PUT", "/password/reset", body, token="")
    after = await blazon.ok("GET", f"/users/{user['id']}")
    check(
        events,
        "user.reset_secret",
        {},
        {
            **picked(after, "id", "name", "owner", "created_at", "updated_at", "updated_by", "status"),
            "identity": "rodneydav@email.com",
            "metadata": "{}",
        },
    )
    assert after["updated_by"] == user["id"]


async def test_issue_token(blazon: Running, stream: Stream) -> None:
    await registered(blazon, "-quiet-flower@email.com")
    async with stream.recorded() as events:
        body = {"identity": "-quiet-flower@email.com", "secret": PASSWORD}
        await blazon.ok("POST", "/users/tokens/issue", body, token="")
    check(events, "user.issue_token", {"identity": "-quiet-flower@email.com"})


async def test_refresh_token(blazon: Running, stream: Stream) -> None:
    person = await blazon.person()
    async with stream.recorded() as events:
        await blazon.ok("POST", "/users/tokens/refresh", token=person.refresh)
    check(events, "user.refresh_token", {}, {"identity": person.identity})


async def test_update_secret(blazon: Running, stream: Stream) -> None:
    person = await blazon.person("rodney")
    async with stream.recorded() as events:
        body = {"old_secret": PASSWORD, "new_secret": "a new secret"}
        user = await blazon.ok("PATCH", "/users/secret", body, token=person.token)
    check(
        events,
        "user.update_secret",
        {
            **picked(user, "updated_by", "name", "created_at", "status", "updated_at", "id"),
            "identity": person.identity,
            "metadata": "{}",
        },
    )
    assert events[0].time == user["updated_at"]
    assert user["updated_by"] == person.id


async def test_updates(blazon: Running, stream: Stream) -> None:
    user = await made(blazon, "-snowy-wave")
    other = await made(blazon, "other")
    names = ("updated_by", "id", "updated_at", "name", "created_at", "status")
    path = f"/users/{user['id']}"

    async with stream.recorded() as events:
        after = await blazon.ok("PATCH", path, {"name": "fragrant-voice", "metadata": {"Update": "rough-leaf"}})
    sample = {**picked(after, *names), "metadata": '{"Update":"rough-leaf"}', "identity": "-snowy-wave@email.com"}
    check(events, "user.update", sample, {"owner": blazon.admin.id})
    assert events[0].time == after["updated_at"]
    assert after["name"] == "fragrant-voice"

    async with stream.recorded() as events:
        after = await blazon.ok("PATCH", f"{path}/identity", {"identity": "wandering-brook"})
    sample = {**sample, **picked(after, *names), "identity": "wandering-brook"}
    check(events, "user.update_identity", sample, {"owner": blazon.admin.id})

    async with stream.recorded() as events:
        after = await blazon.ok("PATCH", f"{path}/tags", {"tags": ["patient-thunder"]})
    sample = {**sample, **picked(after, *names), "tags": "[patient-thunder]"}
    check(events, "user.update_tags", sample, {"owner": blazon.admin.id})

    async with stream.recorded() as events:
        after = await blazon.ok("PATCH", f"{path}/owner", {"owner": other["id"]})
    sample = {**sample, **picked(after, *names)}
    check(events, "user.update_owner", sample, {"owner": other["id"]})

    async with stream.recorded() as events:
        after = await blazon.ok("PATCH", f"{path}/tags", {"tags": ["a,b", "c"]})
    commas = {**sample, **picked(after, *names), "tags": "[a,b,c]"}
    extra = {"tags_json": '["a,b","c"]', "owner": other["id"]}
    check(events, "user.update_tags", commas, extra)
    async with stream.recorded() as events:
        await blazon.ok("GET", path)
    check(events, "user.view", commas, extra)

    async with stream.recorded() as events:
        after = await blazon.ok("PATCH", f"{path}/tags", {"tags": []})
    del sample["tags"]
    check(events, "user.update_tags", {**sample, **picked(after, *names)}, {"owner": other["id"]})


async def test_remove(blazon: Running, stream: Stream) -> None:
    user = await made(blazon, "comes-and-goes")
    for verb, status in (("disable", "disabled"), ("enable", "enabled")):
        async with stream.recorded() as events:
            after = await blazon.ok("POST", f"/users/{user['id']}/{verb}")
        assert after["status"] == status
        check(events, "user.remove", picked(after, "id", "status", "updated_at", "updated_by"))
        assert events[0].time == after["updated_at"]
        assert after["updated_by"] == blazon.admin.id
