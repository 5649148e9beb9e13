"""A Blazon that runs inside the test process, and what tests do with it."""

import asyncio
import itertools
import json as json_module
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from blazon.app import ROOMS, Blazon, Started, tables_of
from blazon.clock import Clock
from blazon.room import Room
from blazon.settings import Settings, load

ADMIN = "admin@example.com"
PASSWORD = "12345678"

_names = itertools.count(1)


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json_module.loads(self.body)

    @property
    def reason(self) -> str:
        """What an error says went wrong, in whichever shape its path has."""
        said = self.json
        if "error" in said:
            return str(said["error"])
        return ": ".join(str(said[name]) for name in ("err", "detail") if name in said)


class Person(msgspec.Struct, frozen=True):
    """A user who is signed in."""

    id: str
    identity: str
    token: str
    refresh: str = ""


class Running:
    """A running Blazon and an HTTP client for it."""

    def __init__(self, settings: Settings, clock: Clock | None, rooms: Sequence[Room] = ROOMS) -> None:
        self.settings = settings
        self.app = Blazon(settings, clock, rooms)
        self.admin = Person("", ADMIN, "")
        self._started: Started | None = None
        self._client: aiohttp.ClientSession | None = None

    @property
    def started(self) -> Started:
        assert self._started is not None
        return self._started

    @property
    def url(self) -> str:
        assert self._started is not None
        return self._started.url

    @property
    def notes(self) -> Mapping[str, str]:
        assert self._started is not None
        return dict(self._started.notes)

    @property
    def redis_url(self) -> str:
        assert self._started is not None
        return self._started.settings.redis.url

    async def call(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> Answer:
        """One request. `token` is that of the admin when it is None, and none when it is empty."""
        assert self._client is not None
        sent = dict(headers or {})
        token = self.admin.token if token is None else token
        if token:
            sent.setdefault("Authorization", f"Bearer {token}")
        if json is not None:
            data = json_module.dumps(json).encode()
            sent.setdefault("Content-Type", "application/json")
        # The path goes as it is: tests send paths that a client would mend.
        url = aiohttp.client.URL(self.url + path, encoded=True)
        async with self._client.request(method, url, data=data, headers=sent) as response:
            return Answer(response.status, response.headers, await response.read())

    async def ok(self, method: str, path: str, json: Any = None, **more: Any) -> Any:
        """One request that must succeed; its body."""
        answer = await self.call(method, path, json, **more)
        assert answer.status < 300, (method, path, answer.status, answer.body)
        return answer.json if answer.body else None

    async def metric(self, name: str) -> float:
        """The value of a metric without labels."""
        text = (await self.call("GET", "/metrics", token="")).body.decode()
        return next(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        )

    async def sign_in(self, identity: str, secret: str = PASSWORD) -> Person:
        """Signs a user in."""
        tokens = await self.ok("POST", "/users/tokens/issue", {"identity": identity, "secret": secret}, token="")
        token = tokens["access_token"]
        user = await self.ok("GET", "/users/profile", token=token)
        return Person(user["id"], identity, token, tokens["refresh_token"])

    async def person(self, name: str = "person", **fields: Any) -> Person:
        """Makes a user and signs it in."""
        identity = f"{name}{next(_names)}@example.com"
        credentials = {"identity": identity, "secret": PASSWORD}
        await self.ok("POST", "/users", {"name": name, "credentials": credentials, **fields}, token="")
        return await self.sign_in(identity)

    async def group(self, person: Person | None = None, **fields: Any) -> Any:
        """Makes a group, of the admin or of a person."""
        body = {"name": f"group {next(_names)}", **fields}
        return await self.ok("POST", "/groups", body, token=person.token if person else None)

    async def thing(self, person: Person | None = None, **fields: Any) -> Any:
        """Makes a thing, of the admin or of a person."""
        body = {"name": f"thing {next(_names)}", **fields}
        return await self.ok("POST", "/things", body, token=person.token if person else None)

    async def channel(self, person: Person | None = None, **fields: Any) -> Any:
        """Makes a channel, of the admin or of a person."""
        body = {"name": f"channel {next(_names)}", **fields}
        return await self.ok("POST", "/channels", body, token=person.token if person else None)


def refused(answer: Answer, status: int, reason: str = "") -> None:
    """The answer is an error with this status and a reason that holds these words."""
    assert answer.status == status, (answer.status, answer.body)
    assert set(answer.json) == {"error", "message"}
    assert answer.json["error"]
    assert answer.json["message"]
    assert reason in answer.json["error"], answer.json


async def declared(blazon: Running) -> set[tuple[str, str]]:
    """The routes of the OpenAPI document."""
    document = (await blazon.call("GET", "/openapi.json")).json
    return {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}


async def called(blazon: Running) -> set[tuple[str, str]]:
    """The routes that have answered 2xx, from the metrics."""
    text = (await blazon.call("GET", "/metrics")).body.decode()
    return {
        (sample.labels["method"], sample.labels["path"])
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "blazon_http_requests_total" and sample.labels["status"].startswith("2")
    }


@asynccontextmanager
async def running(
    data_dir: Path, clock: Clock | None = None, *, sign_in: bool = True, **flags: str
) -> AsyncIterator[Running]:
    """Starts a Blazon in this process and signs its admin in. `flags` are settings by key, with `__` for the dot."""
    async with running_rooms(ROOMS, data_dir, clock, sign_in=sign_in, **flags) as blazon:
        yield blazon


@asynccontextmanager
async def running_rooms(
    rooms: Sequence[Room], data_dir: Path, clock: Clock | None = None, *, sign_in: bool = True, **flags: str
) -> AsyncIterator[Running]:
    """The same with rooms of one's choice."""
    given = {name.replace("__", "."): value for name, value in flags.items()}
    settings = load(
        flags={
            "data_dir": str(data_dir),
            "http.listen": "127.0.0.1:0",
            "redis.port": "0",
            "admin.password": PASSWORD,
            "users.failures_per_minute": "1000",
            **given,
        },
        tables=tables_of(rooms),
    )
    started = Running(settings, clock, rooms)
    ready: asyncio.Future[Started] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(started.app.run(ready.set_result))
    await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    started._started = ready.result()
    try:
        async with aiohttp.ClientSession() as client:
            started._client = client
            if sign_in:
                started.admin = await started.sign_in(ADMIN)
            yield started
    finally:
        started.app.stop()
        await task
