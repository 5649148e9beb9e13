"""The calls of the Python SDK of October 2023 with the statuses it tests for (fact sheet §16, decision C3)."""

from tests.running import Running
from tests.things.support import identify, key_of


async def test_statuses(blazon: Running) -> None:
    async def status(method: str, path: str, body: object = None, *, token: str | None = None) -> int:
        return (await blazon.call(method, path, body, token=token)).status

    thing, channel, user = await blazon.thing(), await blazon.channel(), await blazon.person()
    one, place = f"/things/{thing['id']}", f"/channels/{channel['id']}"
    pair = {"subjects": [thing["id"]], "objects": [channel["id"]]}
    single = {"subject": thing["id"], "object": channel["id"], "actions": ["m_read", "m_write"]}
    shared = {"subject": user.id, "object": channel["id"], "actions": ["c_list"], "external": True}
    question = {"subject": key_of(thing), "object": channel["id"], "action": "m_read", "entity_type": "thing"}
    calls: list[tuple[str, str, object, int]] = [
        ("POST", "/things", {"name": "a"}, 201),
        ("POST", "/things/bulk", [{"name": "b"}, {"name": "c"}], 200),
        ("GET", one, None, 200),
        ("GET", "/things?limit=10&offset=0", None, 200),
        ("PATCH", one, {"name": "d", "metadata": {"e": "f"}}, 200),
        ("PATCH", f"{one}/tags", {"tags": ["g"]}, 200),
        ("PATCH", f"{one}/owner", {"owner": blazon.admin.id}, 200),
        ("PATCH", f"{one}/secret", {"secret": key_of(thing)}, 200),
        ("POST", "/channels", {"name": "h"}, 201),
        ("POST", "/channels/bulk", [{"name": "i"}, {"name": "j"}], 200),
        ("GET", place, None, 200),
        ("GET", "/channels", None, 200),
        ("PUT", place, {"name": "k"}, 200),
        ("POST", "/connect", pair, 200),
        ("GET", f"{one}/channels", None, 200),
        ("GET", f"{place}/things", None, 200),
        ("POST", "/disconnect", pair, 204),
        ("POST", "/policies", single, 201),
        ("POST", "/policies", shared, 201),
        ("PUT", "/policies", single, 204),
        ("GET", "/policies", None, 200),
        ("POST", "/channels/object/access", question, 200),
        ("DELETE", f"/policies/{thing['id']}/{channel['id']}", None, 204),
        ("POST", f"{one}/disable", None, 200),
        ("POST", f"{one}/enable", None, 200),
        ("POST", f"{place}/disable", None, 200),
        ("POST", f"{place}/enable", None, 200),
    ]
    for method, path, body, expected in calls:
        assert await status(method, path, body) == expected, (method, path)
    assert (await identify(blazon, key_of(thing))).status == 200
    # The question needs no sign-in.
    await blazon.ok("POST", "/connect", pair)
    assert await status("POST", "/channels/object/access", question, token="") == 200
