"""Random operations and kill -9 in between: the log is whole, and folding it gives every table as it is.

The operations go to the real process over HTTP; some are refused, which is part of the play.
"""

import asyncio
import contextlib
import itertools
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blazon.app import ROOMS
from blazon.history import rebuild, verify_tables
from blazon.storage import open_database
from tests.faults.process import PASSWORD, BlazonProcess
from tests.faults.support import records_of
from tests.servers import PostgresServer, RedisServer
from tests.users.support import mails_in, token_in

_pick = st.integers(0, 5)
_text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
_metadata = st.dictionaries(_text, st.integers() | _text | st.booleans() | st.lists(_text, max_size=2), max_size=2)
_actions = st.lists(st.sampled_from(["g_add", "g_list", "c_list", "c_update", "m_read"]), min_size=1, max_size=3)

_switch = st.sampled_from(["enable", "disable"])
_messages = st.lists(st.sampled_from(["m_read", "m_write", "c_list", "c_share"]), min_size=1, max_size=3)

_steps = st.one_of(
    st.tuples(st.just("things at once"), st.lists(_text, min_size=1, max_size=5), _metadata),
    st.tuples(st.just("thing"), _text, _pick, _metadata),
    st.tuples(st.just("key"), _pick, _pick),
    st.tuples(st.just("change thing"), _pick, _text, _metadata),
    st.tuples(st.just("tag thing"), _pick, st.lists(_text.filter(bool), max_size=3)),
    st.tuples(st.just("give"), _pick, _pick),
    st.tuples(st.just("switch thing"), _pick, _switch),
    st.tuples(st.just("channel"), _text, _pick, _metadata),
    st.tuples(st.just("switch channel"), _pick, _switch),
    st.tuples(st.just("connect"), st.lists(_pick, min_size=1), st.lists(_pick, min_size=1), _messages),
    st.tuples(st.just("disconnect"), st.lists(_pick, min_size=1), st.lists(_pick, min_size=1)),
    st.tuples(st.just("share"), _pick, _pick, _actions),
    st.tuples(st.just("user"), _text, _metadata),
    st.tuples(st.just("group"), _text, _pick, _metadata),
    st.tuples(st.just("rename"), _pick, _text, _metadata),
    st.tuples(st.just("tags"), _pick, st.lists(_text.filter(bool), max_size=3)),
    st.tuples(st.just("owner"), _pick, _pick),
    st.tuples(st.just("identity"), _pick),
    st.tuples(st.just("sign in"), _pick),
    st.tuples(st.just("update group"), _pick, _text, _metadata),
    st.tuples(st.just("switch user"), _pick, st.sampled_from(["enable", "disable"])),
    st.tuples(st.just("switch group"), _pick, st.sampled_from(["enable", "disable"])),
    st.tuples(st.just("allow"), _pick, _pick, _actions),
    st.tuples(st.just("change policy"), _pick, _pick, _actions),
    st.tuples(st.just("deny"), _pick, _pick),
    st.tuples(st.just("list"), _pick),
    st.tuples(st.just("kill")),
)
_plays = st.lists(st.lists(_steps, min_size=1, max_size=12), min_size=2, max_size=5)
"""Each inner list is played at once, so that the operations race; then comes the next."""


class Player:
    """Plays steps on a process, which may die meanwhile."""

    def __init__(self, blazon: BlazonProcess) -> None:
        self._blazon = blazon
        self._numbers = itertools.count(1)
        self._users: list[str] = []
        self._groups: list[str] = []
        self._things: list[str] = []
        self._channels: list[str] = []
        self._made = {
            "/users": self._users,
            "/groups": self._groups,
            "/things": self._things,
            "/things/bulk": self._things,
            "/channels": self._channels,
        }

    async def play(self, moves: list[list[Any]]) -> None:
        """Plays every move, starting the process again when it was killed."""
        for steps in moves:
            async with aiohttp.ClientSession() as client:
                token = await self._blazon.token(client)
                client.headers["Authorization"] = f"Bearer {token}"
                await asyncio.gather(*(self._step(client, step) for step in steps))
            assert self._blazon.process is not None
            if self._blazon.process.poll() is not None:
                await self._blazon.start()

    async def _step(self, client: aiohttp.ClientSession, step: Any) -> None:
        kind, *rest = step
        if kind == "kill":
            await asyncio.sleep(0.004)
            self._blazon.kill()
            return
        if kind == "sign in":
            with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                await self._sign_in(client, *rest)
            return
        method, path, body = getattr(self, "_" + kind.replace(" ", "_"))(*rest)
        try:
            async with client.request(method, self._blazon.url + path, json=body) as answer:
                said = await answer.read()
                assert answer.status < 500, said
                if answer.status in (200, 201) and method == "POST" and path in self._made:
                    found = json.loads(said)
                    self._made[path] += [each["id"] for each in found.get("things", [found])]
        except (aiohttp.ClientError, ConnectionError):
            return

    def _one(self, of: list[str], number: int) -> str:
        return of[number % len(of)] if of else "nobody"

    def _user(self, name: str, metadata: Any) -> Any:
        credentials = {"identity": f"user{next(self._numbers)}@example.com", "secret": PASSWORD}
        return "POST", "/users", {"name": name, "credentials": credentials, "metadata": metadata}

    def _group(self, name: str, parent: int, metadata: Any) -> Any:
        body = {"name": f"{name} {next(self._numbers) % 4}", "metadata": metadata}
        if parent and self._groups:
            body["parent_id"] = self._one(self._groups, parent)
        return "POST", "/groups", body

    def _rename(self, user: int, name: str, metadata: Any) -> Any:
        return "PATCH", f"/users/{self._one(self._users, user)}", {"name": name, "metadata": metadata}

    def _tags(self, user: int, tags: list[str]) -> Any:
        return "PATCH", f"/users/{self._one(self._users, user)}/tags", {"tags": tags}

    def _owner(self, user: int, owner: int) -> Any:
        body = {"owner": self._one(self._users, owner)}
        return "PATCH", f"/users/{self._one(self._users, user)}/owner", body

    def _identity(self, user: int) -> Any:
        body = {"identity": f"user{next(self._numbers)}@example.com"}
        return "PATCH", f"/users/{self._one(self._users, user)}/identity", body

    async def _sign_in(self, client: aiohttp.ClientSession, user: int) -> None:
        """A user signs in, refreshes, changes its secret and sets it anew by mail, as far as it gets.

        The secret stays what it was, so that the next who signs in knows it.
        """

        async def call(method: str, path: str, body: Any = None, **headers: str) -> Any:
            async with client.request(method, self._blazon.url + path, json=body, headers=headers) as answer:
                assert answer.status < 500, await answer.text()
                return await answer.json(content_type=None)

        seen = await call("GET", f"/users/{self._one(self._users, user)}")
        identity = seen.get("credentials", {}).get("identity", "nobody")
        tokens = await call("POST", "/users/tokens/issue", {"identity": identity, "secret": PASSWORD})
        bearer = f"Bearer {tokens.get('refresh_token')}"
        tokens = await call("POST", "/users/tokens/refresh", Authorization=bearer)
        body = {"old_secret": PASSWORD, "new_secret": PASSWORD}
        await call("PATCH", "/users/secret", body, Authorization=f"Bearer {tokens.get('access_token')}")
        await call("POST", "/password/reset-request", {"email": identity}, Referer="http://localhost")
        for _ in range(10):
            await asyncio.sleep(0.02)  # the mail is on its way, if nobody kills Blazon
            mails = [mail for mail in mails_in(self._blazon.folder / "mail") if mail["To"] == identity]
            if mails:
                body = {"token": token_in(mails[-1]), "password": PASSWORD, "confirm_password": PASSWORD}
                await call("PUT", "/password/reset", body)

    def _update_group(self, group: int, name: str, metadata: Any) -> Any:
        return "PUT", f"/groups/{self._one(self._groups, group)}", {"name": name, "metadata": metadata}

    def _switch_user(self, user: int, switch: str) -> Any:
        return "POST", f"/users/{self._one(self._users, user)}/{switch}", None

    def _switch_group(self, group: int, switch: str) -> Any:
        return "POST", f"/groups/{self._one(self._groups, group)}/{switch}", None

    def _policy(self, user: int, group: int, actions: list[str]) -> Any:
        return {
            "subject": self._one(self._users, user),
            "object": self._one(self._groups, group),
            "actions": actions,
        }

    def _allow(self, user: int, group: int, actions: list[str]) -> Any:
        return "POST", "/users/policies", self._policy(user, group, actions)

    def _change_policy(self, user: int, group: int, actions: list[str]) -> Any:
        return "PUT", "/users/policies", self._policy(user, group, actions)

    def _deny(self, user: int, group: int) -> Any:
        policy = self._policy(user, group, [])
        return "DELETE", f"/users/policies/{policy['subject']}/{policy['object']}", None

    def _things_at_once(self, names: list[str], metadata: Any) -> Any:
        return "POST", "/things/bulk", [{"name": name, "metadata": metadata} for name in names]

    def _thing(self, name: str, key: int, metadata: Any) -> Any:
        credentials = {"secret": f"key {key}"} if key else {"identity": "i"}
        return "POST", "/things", {"name": name, "credentials": credentials, "metadata": metadata}

    def _key(self, thing: int, key: int) -> Any:
        return "PATCH", f"/things/{self._one(self._things, thing)}/secret", {"secret": f"key {key}"}

    def _change_thing(self, thing: int, name: str, metadata: Any) -> Any:
        return "PATCH", f"/things/{self._one(self._things, thing)}", {"name": name, "metadata": metadata}

    def _tag_thing(self, thing: int, tags: list[str]) -> Any:
        return "PATCH", f"/things/{self._one(self._things, thing)}/tags", {"tags": tags}

    def _give(self, thing: int, owner: int) -> Any:
        body = {"owner": self._one(self._users, owner)}
        return "PATCH", f"/things/{self._one(self._things, thing)}/owner", body

    def _switch_thing(self, thing: int, switch: str) -> Any:
        return "POST", f"/things/{self._one(self._things, thing)}/{switch}", None

    def _channel(self, name: str, parent: int, metadata: Any) -> Any:
        body = {"name": f"{name} {next(self._numbers) % 4}", "metadata": metadata}
        if parent and self._channels:
            body["parent_id"] = self._one(self._channels, parent)
        return "POST", "/channels", body

    def _switch_channel(self, channel: int, switch: str) -> Any:
        return "POST", f"/channels/{self._one(self._channels, channel)}/{switch}", None

    def _pairs(self, things: list[int], channels: list[int]) -> dict[str, Any]:
        return {
            "subjects": list({self._one(self._things, thing) for thing in things}),
            "objects": list({self._one(self._channels, channel) for channel in channels}),
        }

    def _connect(self, things: list[int], channels: list[int], actions: list[str]) -> Any:
        return "POST", "/connect", {**self._pairs(things, channels), "actions": actions}

    def _disconnect(self, things: list[int], channels: list[int]) -> Any:
        return "POST", "/disconnect", self._pairs(things, channels)

    def _share(self, user: int, channel: int, actions: list[str]) -> Any:
        subject, object_ = self._one(self._users, user), self._one(self._channels, channel)
        return "POST", "/policies", {"subject": subject, "object": object_, "actions": actions, "external": True}

    def _list(self, limit: int) -> Any:
        return "GET", f"/groups?limit={limit + 1}&tree=true", None


def _drawn(examples: int) -> list[list[list[Any]]]:
    plays: list[list[list[Any]]] = []

    @settings(max_examples=examples, deadline=None, derandomize=False, suppress_health_check=list(HealthCheck))
    @given(_plays)
    def draw(moves: list[list[Any]]) -> None:
        plays.append(moves)

    draw()
    return plays


@pytest.mark.faults
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_the_tables_always_equal_the_log(kind: str, request: pytest.FixtureRequest, redis: RedisServer) -> None:
    plays = _drawn(16 if kind == "sqlite" else 8)
    # One long life of several plays, each on what the one before left.
    folder = Path(tempfile.mkdtemp(prefix="blazon-play-"))
    url = ""
    if kind == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.new_database()
    blazon = BlazonProcess(folder, redis_url=redis.url, database_url=url)
    try:
        await blazon.start()
        player = Player(blazon)
        for moves in plays:
            await player.play(moves)
            records = await records_of(folder, url)  # verifies the chain and every table
        blazon.kill()
        assert len({record.type for record in records if record.service == "users"}) > 5
        assert len({record.type for record in records if record.service == "things"}) > 5
        database = await open_database(url, folder)
        folded = await rebuild(database, ROOMS)
        assert folded.records == len(records)
        async with database.scratch() as scratch, database.snapshot() as snapshot:
            _, difference = await verify_tables(snapshot, scratch, ROOMS)
            assert difference is None, str(difference)
        await database.close()
    except AssertionError:
        print(json.dumps(plays))
        raise
    finally:
        if blazon.process is not None and blazon.process.poll() is None:
            blazon.kill()
        shutil.rmtree(folder)
