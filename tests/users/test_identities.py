"""When two identities are one: the domain of a mail address has no case, and Unicode has several spellings."""

import asyncio
import unicodedata
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from blazon.access import Role
from blazon.app import ROOMS, make_log
from blazon.caller import ANONYMOUS
from blazon.clock import SystemClock
from blazon.entity import Status
from blazon.history import rebuild, verify_tables
from blazon.log import MIGRATIONS, Decision
from blazon.storage import Database, migrate, open_database
from blazon.users import events
from blazon.users import room as users
from blazon.users.events import UserState
from blazon.users.identities import compared
from blazon.users.models import USER
from blazon.users.upgrade import compare_identities
from tests.running import PASSWORD, Answer, Running, refused, running
from tests.streams import Stream
from tests.users.support import allow, mails_in, registered

ONE: Final = [
    ("jo@Example.COM", "jo@example.com"),
    ("jo@EXAMPLE.com.", "jo@example.com"),
    ("jo@münchen.example", "jo@xn--mnchen-3ya.example"),
    ("jo@MÜNCHEN.Example", "jo@XN--MNCHEN-3YA.example"),
    ("jo@mu\u0308nchen.example", "jo@m\u00fcnchen.example"),
    ("jo@straße.example", "jo@xn--strae-oqa.example"),
    ("jo@ｅxample。com", "jo@example.com"),
    ("wandering-br\u00f6\u00f6k", "wandering-bro\u0308o\u0308k"),
    ("j\u00f6@example.com", "jo\u0308@EXAMPLE.com"),
]
OTHERS: Final = [
    ("Jo@example.com", "jo@example.com"),
    ("jo@straße.example", "jo@strasse.example"),
    ("jo@example.com", "jo@example.org"),
    ("jo+a@example.com", "jo@example.com"),
    ("j.o@example.com", "jo@example.com"),
    ("Wandering-Brook", "wandering-brook"),
    ("a@b@example.com", "b@example.com"),
]


@pytest.mark.parametrize(("one", "other"), ONE)
def test_spellings_of_one(one: str, other: str) -> None:
    assert compared(one) == compared(other)


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_two(one: str, other: str) -> None:
    assert compared(one) != compared(other)


@given(st.text(max_size=60) | st.tuples(st.text(max_size=20), st.text(max_size=30)).map("@".join))
def test_every_text_can_be_compared(identity: str) -> None:
    form = compared(identity)
    assert compared(form) == form
    assert compared(unicodedata.normalize("NFD", identity)) == form
    assert bool(form) == bool(identity)


async def sign_in(blazon: Running, identity: str, secret: str = PASSWORD) -> Answer:
    return await blazon.call("POST", "/users/tokens/issue", {"identity": identity, "secret": secret}, token="")


async def register(blazon: Running, identity: str, *, token: str = "") -> Answer:
    body = {"credentials": {"identity": identity, "secret": PASSWORD}}
    return await blazon.call("POST", "/users", body, token=token)


async def found(blazon: Running, path: str, identity: str) -> list[str]:
    page = await blazon.ok("GET", f"{path}?status=all&identity={quote(identity)}")
    return [user["credentials"]["identity"] for user in page["users" if path == "/users" else "members"]]


async def test_any_spelling_signs_in_and_the_identity_stays_as_it_was_written(house: Running) -> None:
    for written, spellings in {
        "Jane.Doe@Example.COM": ("Jane.Doe@example.com", "Jane.Doe@EXAMPLE.COM", "Jane.Doe@example.com."),
        "jane@Münster.example": ("jane@münster.example", "jane@xn--mnster-3ya.example", "jane@MÜNSTER.EXAMPLE"),
    }.items():
        made = await registered(house, written)
        assert made["credentials"] == {"identity": written}
        group = await house.group()
        await allow(house, made["id"], group, "c_list")
        for spelling in (written, *spellings):
            assert (await sign_in(house, spelling)).status == 201, spelling
            assert await found(house, "/users", spelling) == [written]
            assert await found(house, f"/groups/{group['id']}/members", spelling) == [written]
        assert (await sign_in(house, written.swapcase())).status == 401  # the part before the @ has case


async def test_no_second_user_by_another_spelling(house: Running) -> None:
    person, other = await house.person(), await house.person()
    for one, another in ONE:
        await house.ok("PATCH", f"/users/{person.id}/identity", {"identity": one})
        refused(await house.call("PATCH", f"/users/{other.id}/identity", {"identity": another}), 409, "this identity")
        refused(await house.call("PATCH", f"/users/{house.admin.id}/identity", {"identity": another}), 409)
        if "@" in another and another.isascii() and not another.endswith("."):
            refused(await register(house, another), 409, "this identity")
            refused(await register(house, another, token=house.admin.token), 409, "this identity")
        # Its own spelling a user may change.
        await house.ok("PATCH", f"/users/{person.id}/identity", {"identity": another})
        refused(await house.call("PATCH", f"/users/{other.id}/identity", {"identity": one}), 409)
    for one, another in OTHERS:
        await house.ok("PATCH", f"/users/{person.id}/identity", {"identity": one})
        await house.ok("PATCH", f"/users/{other.id}/identity", {"identity": another})


async def test_of_spellings_that_race_one_wins(house: Running) -> None:
    spellings = [f"race@{'Exa'[:number]}{'exa'[number:]}mple.{end}" for number in range(4) for end in ("com", "COM")]
    answers = await asyncio.gather(*(register(house, spelling) for spelling in spellings * 3))
    assert sorted(answer.status for answer in answers) == [201] + [409] * (len(answers) - 1)

    people = [await house.person() for _ in spellings]
    changes = [
        house.call("PATCH", f"/users/{person.id}/identity", {"identity": spelling.replace("race", "chase")})
        for person, spelling in zip(people, spellings, strict=True)
    ]
    statuses = sorted(answer.status for answer in await asyncio.gather(*changes))
    assert statuses == [200] + [409] * (len(people) - 1)


@pytest.mark.parametrize(
    "identity",
    ["jo\u200b@example.com", "\u202ejo@example.com", "jo\u00a0doe", "jo\u2028doe", "jo\u00addoe", "\ufeffjo"],
)
async def test_what_cannot_be_seen_is_refused(blazon: Running, identity: str) -> None:
    person = await blazon.person()
    refused(await register(blazon, identity), 400, "cannot be seen")
    path = f"/users/{person.id}/identity"
    refused(await blazon.call("PATCH", path, {"identity": identity}), 400, "cannot be seen")


@pytest.mark.parametrize("domain", ["münchen", "-ü.example", "a..ü.example", "ü" * 70 + ".example", "a_ü.example"])
async def test_domains_that_are_none(blazon: Running, domain: str) -> None:
    refused(await register(blazon, f"jo@{domain}"), 400, "no good domain")


async def test_a_reset_goes_to_the_address_its_owner_wrote(blazon: Running, stream: Stream) -> None:
    made = await registered(blazon, "reset@Example.COM")
    asked = {"email": "reset@EXAMPLE.com."}
    async with stream.recorded() as heard:
        headers = {"Referer": "http://ui.example.com"}
        assert (await blazon.call("POST", "/password/reset-request", asked, token="", headers=headers)).status == 201
        await stream.wait_for("user.send_password_reset", email="reset@Example.COM")
    assert [entry.fields.get("email") for entry in heard] == ["reset@Example.COM"] * 2
    mail = mails_in(blazon.settings.data_path / "mail")[-1]
    assert mail["To"] == "reset@Example.COM"
    assert made["id"]
    async with stream.recorded() as heard:
        assert (await sign_in(blazon, "reset@example.com")).status == 201
    assert [entry.fields["identity"] for entry in heard] == ["reset@Example.COM"]


async def test_another_spelling_is_no_further_attempt(tmp_path: Path) -> None:
    async with running(tmp_path, redis__embedded="no", users__failures_per_minute="3") as blazon:
        await registered(blazon, "guessed@example.com")
        spellings = [f"guessed@{name}.com" for name in ("example", "Example", "eXample", "exAmple", "exaMple")]
        statuses = [(await sign_in(blazon, spelling, "a wrong one")).status for spelling in spellings]
        assert statuses == [401, 401, 401, 429, 429]
        headers = {"Referer": "http://localhost"}
        path = "/password/reset-request"
        asked = [await blazon.call("POST", path, {"email": each}, token="", headers=headers) for each in spellings]
        assert [answer.status for answer in asked] == [201, 201, 201, 429, 429]


class OlderState(msgspec.Struct, frozen=True, kw_only=True):
    """A user as an older Blazon recorded it, which did not compare identities."""

    id: str
    name: str
    identity: str
    secret: str
    tags: tuple[str, ...]
    owner: str
    metadata: msgspec.Raw
    status: Status
    role: Role
    created_at: int
    epoch: int
    kept: str


def test_that_is_all_an_older_record_lacks() -> None:
    assert {*UserState.__struct_fields__} - {*OlderState.__struct_fields__} == {"compared"}


async def record_as_older(database: Database, identities: dict[str, str]) -> None:
    """Gives users, by id, identities as an older Blazon did, which let two spellings of one in."""
    log = make_log(database, SystemClock(), CollectorRegistry())
    writing = asyncio.create_task(log.writer.run())
    columns = "id, name, identity, secret, owner, created_at, epoch, kept"
    for identifier, identity in identities.items():
        row = await database.row(f"SELECT {columns} FROM users WHERE id = ?", (identifier,))
        assert row is not None
        given: dict[str, Any] = dict(zip(columns.split(", "), row, strict=True)) | {"identity": identity}
        state = OlderState(**given, tags=(), metadata=msgspec.Raw(b"{}"), status=Status.ENABLED, role=Role.USER)
        event = events.USER_UPDATE_IDENTITY.event(USER.of(identifier), state)  # type: ignore[arg-type]

        async def decide(event: Any = event) -> Decision:
            return Decision((event,))

        await log.commit(ANONYMOUS, decide)
    # Its tables had no such columns; a migration adds them empty.
    async with database.transaction() as tx:
        await tx.run("UPDATE users SET compared = '', twin = '' WHERE identity <> 'admin@example.com'")
    log.writer.stop()
    await writing


async def is_as_recorded(database: Database) -> None:
    async with database.scratch() as scratch, database.snapshot() as snapshot:
        _, difference = await verify_tables(snapshot, scratch, ROOMS)
    assert difference is None, str(difference)


async def test_the_log_of_an_older_blazon(database_url: str, tmp_path: Path) -> None:
    key = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3I="
    flags = {"redis__embedded": "no", "secrets__master_key": key, "database__url": database_url}
    async with running(tmp_path, **flags) as blazon:
        first, second, third = [(await blazon.person()).id for _ in range(3)]
    database = await open_database(database_url, tmp_path)
    await record_as_older(database, {first: "jo@Example.com", second: "jo@eXample.com", third: "zoë@MÜNCHEN.example"})
    await database.close()

    with capture_logs() as lines:
        async with running(tmp_path, **flags) as blazon:
            # Both go on signing in by what they are written as; any other spelling means the older user.
            for identity, identifier in {
                "jo@Example.com": first,
                "jo@eXample.com": second,
                "jo@example.com": first,
                "zoë@xn--mnchen-3ya.example": third,
            }.items():
                assert (await blazon.sign_in(identity)).id == identifier, identity
            assert await found(blazon, "/users", "jo@EXAMPLE.com") == ["jo@Example.com", "jo@eXample.com"]
            refused(await register(blazon, "jo@EXAMPLE.com"), 409)
            # Each can be changed while the other is there, and none can take the other's name.
            for identifier in (first, second):
                await blazon.ok("PATCH", f"/users/{identifier}", {"name": "changed"})
                path = f"/users/{identifier}/identity"
                refused(await blazon.call("PATCH", path, {"identity": "jo@EXAMPLE.com"}), 409)
            await blazon.ok("PATCH", f"/users/{second}/identity", {"identity": "other@example.com"})
            await blazon.ok("PATCH", f"/users/{first}/identity", {"identity": "jo@EXAMPLE.com"})
    warned = [line["users"] for line in lines if line["event"].startswith("several users have one identity")]
    assert warned == [[first, second]]

    database = await open_database(database_url, tmp_path)
    await is_as_recorded(database)
    await rebuild(database, ROOMS)
    await is_as_recorded(database)
    await database.close()
    with capture_logs() as lines:
        async with running(tmp_path, **flags) as blazon:
            assert (await blazon.sign_in("jo@example.com")).id == first
    assert not [line for line in lines if "identity" in line["event"]]


async def test_the_tables_of_an_older_blazon(database: Database) -> None:
    async with database.transaction() as tx:
        for migration in users.migrations.read(database.dialect)[:2]:
            await tx.script(migration.sql)
        insert = (
            "INSERT INTO users (id, name, identity, secret, tags, owner, metadata, status, role, created_at,"
            " updated_at, updated_by, epoch, kept, revision)"
            " VALUES (?, '', ?, '', '[]', '', '{}', 'enabled', 'user', 1, 0, '', 0, '', 1)"
        )
        people = [(f"{number:04}", f"jo{number % 1500}@{'Ee'[number // 1500]}xample.com") for number in range(2500)]
        await tx.run_many(insert, people)
    await migrate(database, (MIGRATIONS,))
    async with database.transaction() as tx:
        await tx.run_many(
            "INSERT INTO schema_version (owner, number, name, checksum, applied_at) VALUES ('users', ?, ?, ?, 1)",
            [(each.number, each.name, each.checksum) for each in users.migrations.read(database.dialect)[:2]],
        )
    assert await migrate(database, (users.migrations,)) == 1
    await asyncio.gather(*(compare_identities(database) for _ in range(3)))
    rows = await database.rows("SELECT id, compared, twin FROM users ORDER BY id")
    assert [tuple(row) for row in rows] == [(identifier, compared(name), identifier) for identifier, name in people]
