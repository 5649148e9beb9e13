"""Reset mail and a real mail server: one that is there, one that refuses, one that is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from blazon.clock import Clock, ManualClock
from tests.running import Person, Running, running
from tests.servers import SmtpServer
from tests.users.support import PATIENCE, Stream, token_in

REFERER = {"Referer": "http://localhost"}


class Post:
    """A Blazon with a mail server."""

    def __init__(self, blazon: Running, server: SmtpServer, stream: Stream) -> None:
        self.blazon = blazon
        self.server = server
        self.stream = stream

    async def ask(self, person: Person) -> None:
        await self.blazon.ok("POST", "/password/reset-request", {"email": person.identity}, token="", headers=REFERER)

    def token_for(self, person: Person) -> str:
        """The token in the one mail the server has for a person."""
        (mail,) = [mail for mail in self.server.mails() if mail["To"] == person.identity]
        return token_in(mail)

    async def reset(self, token: str) -> None:
        body = {"token": token, "password": "a new secret", "confirm_password": "a new secret"}
        await self.blazon.ok("PUT", "/password/reset", body, token="")


@asynccontextmanager
async def away(server: SmtpServer) -> AsyncIterator[asyncio.Event]:
    """In the block the server is away: whoever connects is hung up on. The event says that somebody has tried."""
    tried = asyncio.Event()

    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tried.set()
        writer.close()

    server.kill()
    try:
        async with await asyncio.start_server(hang_up, "127.0.0.1", server.port, reuse_port=True):
            yield tried
    finally:
        server.start()


@asynccontextmanager
async def posting(server: SmtpServer, folder: Path, clock: Clock | None = None) -> AsyncIterator[Post]:
    """A Blazon that sends its mail through a server."""
    async with running(folder, clock, mail__url=server.url) as blazon, Stream(blazon) as stream:
        yield Post(blazon, server, stream)


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[SmtpServer]:
    """A mail server that this module may stop."""
    started = SmtpServer()
    yield started
    started.remove()


@pytest.fixture(scope="module")
async def post(server: SmtpServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Post]:
    async with posting(server, tmp_path_factory.mktemp("post")) as started:
        yield started


async def test_mail_through_a_server(post: Post) -> None:
    person = await post.blazon.person("Jane")
    async with post.stream.recorded() as events:
        await post.ask(person)
        await post.stream.wait_for("user.send_password_reset")
    assert [event.operation for event in events] == ["user.generate_reset_token", "user.send_password_reset"]
    assert events[1].fields["user"] == "Jane"
    await post.reset(post.token_for(person))
    await post.blazon.sign_in(person.identity, "a new secret")


async def test_a_mailbox_that_is_refused_holds_nothing_up(post: Post) -> None:
    nobody, somebody = await post.blazon.person("refused"), await post.blazon.person()
    async with post.stream.recorded() as events:
        await post.ask(nobody)
        await post.ask(somebody)
        await post.stream.wait_for("user.send_password_reset")
    assert [(event.operation, event.fields["email"]) for event in events] == [
        ("user.generate_reset_token", nobody.identity),
        ("user.generate_reset_token", somebody.identity),
        ("user.send_password_reset", somebody.identity),
    ]
    assert nobody.identity not in [mail["To"] for mail in post.server.mails()]


async def test_an_identity_that_is_no_address_holds_nothing_up(post: Post) -> None:
    odd, somebody = await post.blazon.person(), await post.blazon.person()
    for identity in ("refused, nobody", "@", "<>", "a b c", "Ünï@refused", "=?utf-8?q?=0A?="):
        await post.blazon.ok("PATCH", f"/users/{odd.id}/identity", {"identity": identity})
        await post.blazon.ok("POST", "/password/reset-request", {"email": identity}, token="", headers=REFERER)
    async with post.stream.recorded():
        await post.ask(somebody)
        await post.stream.wait_for("user.send_password_reset", email=somebody.identity)
    await post.reset(post.token_for(somebody))


async def test_a_server_that_is_away_gets_the_mail_when_it_is_back(post: Post) -> None:
    person = await post.blazon.person()
    async with post.stream.recorded() as events:
        async with away(post.server) as tried, asyncio.timeout(PATIENCE):
            await post.ask(person)
            await tried.wait()
        await post.stream.wait_for("user.send_password_reset")
    assert [event.operation for event in events] == ["user.generate_reset_token", "user.send_password_reset"]
    await post.reset(post.token_for(person))


async def test_a_mail_waits_for_the_next_start_of_blazon(server: SmtpServer, tmp_path: Path) -> None:
    async with away(server) as tried, asyncio.timeout(PATIENCE), posting(server, tmp_path) as post:
        person = await post.blazon.person()
        await post.ask(person)
        await tried.wait()
    async with posting(server, tmp_path) as post:
        await post.stream.wait_for("user.send_password_reset", email=person.identity)
        await post.reset(post.token_for(person))


async def test_a_link_that_expired_meanwhile_is_not_mailed(server: SmtpServer, tmp_path: Path) -> None:
    clock = ManualClock()
    async with posting(server, tmp_path, clock) as post:
        late, timely = await post.blazon.person("late"), await post.blazon.person("timely")
        async with away(server) as tried, asyncio.timeout(PATIENCE):
            await post.ask(late)
            await tried.wait()
            clock.move(1801)
        await post.ask(timely)
        await post.stream.wait_for("user.send_password_reset", email=timely.identity)
        assert late.identity not in [mail["To"] for mail in server.mails()]
        await post.reset(post.token_for(timely))
