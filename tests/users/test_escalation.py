"""Attempts to get more than one has."""

from tests.running import Person, Running, refused
from tests.users.support import allow


async def drawn_in(blazon: Running, attacker: Person, victim: Person) -> None:
    """The attacker makes a group, puts the victim into it, and gives itself every right over members."""
    group = await blazon.group(attacker)
    await allow(blazon, victim, group, "m_read", by=attacker)
    await allow(blazon, attacker, group, "c_update", "c_delete", "c_share", by=attacker)


async def test_an_admin_cannot_be_taken_over_through_a_group(blazon: Running) -> None:
    attacker = await blazon.person("attacker")
    await drawn_in(blazon, attacker, blazon.admin)
    path = f"/users/{blazon.admin.id}"
    for method, action, body in (
        ("PATCH", "", {"name": "mine"}),
        ("PATCH", "/identity", {"identity": attacker.identity + ".au"}),
        ("PATCH", "/tags", {"tags": ["mine"]}),
        ("PATCH", "/owner", {"owner": attacker.id}),
        ("POST", "/disable", None),
    ):
        refused(await blazon.call(method, path + action, body, token=attacker.token), 403, "only an admin")
    assert (await blazon.ok("GET", path))["credentials"]["identity"] == blazon.admin.identity


async def test_who_is_drawn_into_a_group_is_seen_there_and_not_changed(blazon: Running) -> None:
    attacker, victim = await blazon.person("attacker"), await blazon.person("victim")
    await drawn_in(blazon, attacker, victim)
    path = f"/users/{victim.id}"
    await blazon.ok("GET", path, token=attacker.token)
    for method, action, body in (
        ("PATCH", "", {"name": "mine"}),
        ("PATCH", "/identity", {"identity": "mine@example.com"}),
        ("PATCH", "/tags", {"tags": ["mine"]}),
        ("PATCH", "/owner", {"owner": attacker.id}),
        ("POST", "/disable", None),
    ):
        refused(await blazon.call(method, path + action, body, token=attacker.token), 403, "the user itself")
    await blazon.sign_in(victim.identity)


async def test_who_joins_a_group_is_changed_by_those_with_the_right_there(blazon: Running) -> None:
    keeper, member = await blazon.person("keeper"), await blazon.person("member")
    group = await blazon.group(member)
    await allow(blazon, member, group, "m_read", by=member)
    await allow(blazon, keeper, group, "c_update", "c_delete", by=member)
    path = f"/users/{member.id}"
    renamed = await blazon.ok("PATCH", path, {"name": "renamed"}, token=keeper.token)
    assert renamed["updated_by"] == keeper.id
    # What says who the user is stays with itself, its owner and admins.
    refused(await blazon.call("PATCH", f"{path}/identity", {"identity": "x@y.zz"}, token=keeper.token), 403)
    assert (await blazon.ok("POST", f"{path}/disable", token=keeper.token))["status"] == "disabled"


async def test_an_admin_cannot_be_taken_over_by_its_owner(blazon: Running) -> None:
    owner = await blazon.person("owner")
    body = {
        "credentials": {"identity": "officer@example.com", "secret": "12345678"},
        "role": "admin",
        "owner": owner.id,
    }
    officer = await blazon.ok("POST", "/users", body)
    path = f"/users/{officer['id']}"
    refused(await blazon.call("PATCH", f"{path}/identity", {"identity": "x@y.zz"}, token=owner.token), 403)
    refused(await blazon.call("POST", f"{path}/disable", token=owner.token), 403)
    assert (await blazon.ok("GET", path, token=owner.token))["id"] == officer["id"]
    # One admin changes another.
    assert (await blazon.ok("PATCH", path, {"name": "officer"}))["name"] == "officer"


async def test_whom_one_may_not_see_one_may_not_change(blazon: Running) -> None:
    stranger = await blazon.person()
    for method, path, body in (
        ("PATCH", "", {"name": "mine"}),
        ("PATCH", "/identity", {"identity": "mine@example.com"}),
        ("POST", "/disable", None),
    ):
        unknown = await blazon.call(method, f"/users/nobody{path}", body, token=stranger.token)
        admin = await blazon.call(method, f"/users/{blazon.admin.id}{path}", body, token=stranger.token)
        refused(admin, 404)
        assert admin.body == unknown.body


async def test_g_add_on_one_group_gives_nothing_on_another(blazon: Running) -> None:
    holder = await blazon.person()
    own, other = await blazon.group(), await blazon.group()
    await allow(blazon, holder, own, "g_add", "c_delete")
    body = {"subject": holder.id, "object": other["id"], "actions": ["g_list"]}
    refused(await blazon.call("POST", "/users/policies", body, token=holder.token), 404)


async def test_a_holder_of_g_add_cannot_widen_its_own_policy(blazon: Running) -> None:
    holder, group = await blazon.person(), await blazon.group()
    await allow(blazon, holder, group, "g_add")
    for method, status in (("POST", 403), ("PUT", 403)):
        body = {"subject": holder.id, "object": group["id"], "actions": ["g_add", "g_delete"]}
        refused(await blazon.call(method, "/users/policies", body, token=holder.token), status)


async def test_a_holder_of_g_add_cannot_take_from_others_by_giving_less(blazon: Running) -> None:
    owner, holder, stronger = (
        await blazon.person("owner"),
        await blazon.person("holder"),
        await blazon.person("stronger"),
    )
    group = await blazon.group(owner)
    await allow(blazon, holder, group, "g_add", "g_list", by=owner)
    await allow(blazon, stronger, group, "g_delete", "g_update", "g_list", by=owner)
    path = f"/users/policies?subject={stronger.id}&object={group['id']}"
    before = await blazon.ok("GET", path)
    body = {"subject": stronger.id, "object": group["id"], "actions": ["g_list"]}
    for method in ("POST", "PUT"):
        refused(await blazon.call(method, "/users/policies", body, token=holder.token), 403, "only who made a policy")
    assert await blazon.ok("GET", path) == before
    # What it made itself it may change, and so may the owner of the group and an admin what it made.
    friend = await blazon.person("friend")
    for by, action in ((holder, "g_add"), (holder, "g_list"), (owner, "m_read"), (blazon.admin, "m_write")):
        await allow(blazon, friend, group, action, by=by)
    page = await blazon.ok("GET", f"/users/policies?subject={friend.id}")
    assert [policy["actions"] for policy in page["policies"]] == [["m_write"]]


async def test_implied_actions_are_not_a_way_around(blazon: Running) -> None:
    holder, friend, group = await blazon.person(), await blazon.person(), await blazon.group()
    await allow(blazon, holder, group, "g_add")
    # c_share is not its own, and neither is c_list, which c_share would bring.
    body = {"subject": friend.id, "object": group["id"], "actions": ["c_share"]}
    refused(await blazon.call("POST", "/users/policies", body, token=holder.token), 403, "c_share, c_list")


async def test_fields_of_the_row_are_not_fields_of_a_request(blazon: Running) -> None:
    person = await blazon.person()
    before = await blazon.ok("GET", f"/users/{person.id}")
    body = {
        "id": "x",
        "role": "admin",
        "status": "disabled",
        "owner": "x",
        "credentials": {"identity": "x@y.zz", "secret": "mine mine"},
        "secret": "mine mine",
        "epoch": 9,
        "kept": "x",
        "created_at": "2001-01-01T00:00:00Z",
    }
    after = await blazon.ok("PATCH", f"/users/{person.id}", body, token=person.token)
    assert after == {**before, "updated_at": after["updated_at"], "updated_by": person.id}
    await blazon.sign_in(person.identity)


async def test_a_token_of_one_user_is_none_of_another(blazon: Running) -> None:
    one, two = await blazon.person(), await blazon.person()
    head, _, signature = one.token.split(".")
    mixed = f"{head}.{two.token.split('.')[1]}.{signature}"
    refused(await blazon.call("GET", "/users/profile", token=mixed), 401)
