"""Reset mail and a real mail server: one that is there, one that refuses, one that is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path

import apsw
import pytest
from prometheus_client import CollectorRegistry

from blazon.app import ROOMS, make_log
from blazon.clock import Clock, ManualClock
from blazon.errors import Unavailable
from blazon.history import rebuild
from blazon.log import Position, Stale, cursor_position, move_cursor
from blazon.storage import open_database
from blazon.users.events import USER_SEND_PASSWORD_RESET, ResetSent
from blazon.users.mail import MailDelayed
from blazon.users.service import ResetMail
from blazon.users.tokens import Lifetimes, Tokens
from blazon.users.waiting import WaitingMails
from tests.running import Person, Running, running
from tests.servers import SmtpServer
from tests.streams import PATIENCE, Stream
from tests.users.support import token_in

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
    async with running(folder, clock, mail__url=server.url) as blazon, Stream(blazon, "users") as stream:
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
    for identity in (
        "refused, nobody", "@", "<>", "a b c", "Ünï@refused", "=?utf-8?q?=0A?=", '"', "<", ".b:", "a@x.yz, b@x.yz",
    ):  # fmt: skip
        await post.blazon.ok("PATCH", f"/users/{odd.id}/identity", {"identity": identity})
        await post.blazon.ok("POST", "/password/reset-request", {"email": identity}, token="", headers=REFERER)
    async with post.stream.recorded():
        await post.ask(somebody)
        await post.stream.wait_for("user.send_password_reset", email=somebody.identity)
    await post.reset(post.token_for(somebody))
    assert not [mail for mail in post.server.mails() if "@x.yz" in mail["To"]]


async def test_a_mailbox_that_is_busy_holds_nothing_up_and_gets_its_mail_later(tmp_path: Path) -> None:
    server, clock = SmtpServer(), ManualClock()
    try:
        async with posting(server, tmp_path, clock) as post:
            busy, somebody = await post.blazon.person("busy"), await post.blazon.person()
            await post.ask(busy)
            await post.ask(somebody)
            await post.stream.wait_for("user.send_password_reset", email=somebody.identity)
            assert [mail["To"] for mail in server.mails()] == [somebody.identity]
            assert waiting(tmp_path) == [(1, "the mail server says 450 try again later")]
            clock.move(60)
            await until(tmp_path, [(2, "the mail server says 450 try again later")])
        # It waits also for the next start of Blazon.
        server.free()
        async with posting(server, tmp_path, clock) as post:
            clock.move(120)
            await post.stream.wait_for("user.send_password_reset", email=busy.identity)
            await post.reset(post.token_for(busy))
            assert waiting(tmp_path) == []
        assert [mail["To"] for mail in server.mails()] == [somebody.identity, busy.identity]
    finally:
        server.remove()


async def test_a_busy_mailbox_is_given_up_when_its_link_expires(server: SmtpServer, tmp_path: Path) -> None:
    clock = ManualClock()
    async with posting(server, tmp_path, clock) as post:
        busy, somebody = await post.blazon.person("busy"), await post.blazon.person()
        await post.ask(busy)
        await post.ask(somebody)
        await post.stream.wait_for("user.send_password_reset", email=somebody.identity)
        clock.move(1800)
        await until(tmp_path, [])
    assert busy.identity not in [mail["To"] for mail in server.mails()]


class Scripted:
    """A mailer that is told what to make of each mail."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)

    async def send(self, mail: EmailMessage) -> None:
        outcome = self.outcomes.pop(0)
        if outcome is not None:
            raise outcome


async def test_a_mail_is_before_the_cursor_or_waits_and_never_both(database_url: str, tmp_path: Path) -> None:
    """Whatever dies at whatever step, a mail is neither lost nor handled twice."""
    clock = ManualClock()
    async with running(tmp_path, clock, redis__embedded="false", database__url=database_url) as blazon:
        person = await blazon.person()
        await blazon.ok("POST", "/password/reset-request", {"email": person.identity}, token="", headers=REFERER)
    database = await open_database(database_url, tmp_path)
    log = make_log(database, clock, CollectorRegistry())
    writing = asyncio.create_task(log.writer.run())
    try:
        (record,) = await log.reader.of_types(0, 1000, ResetMail.types, 10)
        mails_waiting, mailer = WaitingMails(log, "test"), Scripted(MailDelayed("busy"))
        mails = ResetMail(mails_waiting, Tokens(bytes(64), Lifetimes(), clock), mailer, "a@b.cd", "/", 30)
        before = await cursor_position(log, "test", record.sequence - 1)
        assert before.sequence == record.sequence - 1
        assert await mails.handle(record) == ()
        # Killed here, before the cursor moved: the follower comes again and finds that it waits.
        assert await mails.handle(record) == ()
        await rebuild(database, ROOMS)  # which makes other tables anew, and this is not made from the log
        clock.move(60)
        assert await mails_waiting.due() == []  # and nobody else touches it until the cursor has passed it
        await log.writer.commit(move_cursor(log, "test", before, Position.of(record)))
        (mail,) = await mails_waiting.due()
        # Two processes find it due: one takes it up.
        taken, its_record = await mails_waiting.take_up(mail)
        assert its_record == record
        with pytest.raises(Stale):
            await mails_waiting.take_up(mail)
        # Killed here: the next try is made all the same, and what the first would have done late is refused.
        assert await mails_waiting.due() == []
        clock.move(120)
        (again,) = await mails_waiting.due()
        await mails_waiting.take_up(again)
        with pytest.raises(Stale):
            await mails_waiting.drop(taken, [USER_SEND_PASSWORD_RESET.event("x", ResetSent("u", "", "e", "h"))])
        # A server that is away costs a try, and no mail.
        clock.move(240)
        mailer.outcomes = [Unavailable("away"), None]
        (again,) = await mails_waiting.due()
        with pytest.raises(Unavailable):
            await mails._send_again(again)
        clock.move(240)
        (again,) = await mails_waiting.due()
        length = (await log.reader.head()).sequence
        await mails._send_again(again)
        assert not await mails_waiting.has(record)
        assert mailer.outcomes == []
        (sent,) = await log.reader.of_types(length, 1000, frozenset({("users", "user.send_password_reset")}), 10)
        assert (sent.subject, sent.traceparent) == (record.subject, record.traceparent)
    finally:
        log.writer.stop()
        await writing
        await database.close()


def waiting(folder: Path) -> list[tuple[int, str]]:
    """The mails that wait: tries and reason of each."""
    connection = apsw.Connection(str(folder / "blazon.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return list(connection.execute("SELECT tries, reason FROM waiting_mails ORDER BY sequence"))
    finally:
        connection.close()


async def until(folder: Path, wanted: list[tuple[int, str]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while waiting(folder) != wanted:
            await asyncio.sleep(0.05)


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
