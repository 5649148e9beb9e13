"""A new password by mail: who may ask, the link, its single use, its end. Here mails are files in the data folder."""

from pathlib import Path

import pytest

from blazon.clock import ManualClock
from blazon.errors import SettingsError
from tests.running import ADMIN, PASSWORD, Answer, Person, Running, refused, running
from tests.streams import Stream
from tests.users.support import link_in, mails_in, token_in

REFERER = {"Referer": "http://ui.example.com:3000/login?x=1"}


async def ask(blazon: Running, email: str, headers: dict[str, str] | None = None) -> Answer:
    sent = REFERER if headers is None else headers
    return await blazon.call("POST", "/password/reset-request", {"email": email}, token="", headers=sent)


async def reset(blazon: Running, token: str, password: str = "a new secret", again: str | None = None) -> Answer:
    body = {"token": token, "password": password, "confirm_password": password if again is None else again}
    return await blazon.call("PUT", "/password/reset", body, token="")


async def mailed(blazon: Running, stream: Stream, person: Person) -> str:
    """The token a person gets by mail, which here is a file."""
    async with stream.recorded():
        assert (await ask(blazon, person.identity)).status == 201
        await stream.wait_for("user.send_password_reset", email=person.identity)
    mails = [mail for mail in mails_in(blazon.settings.data_path / "mail") if mail["To"] == person.identity]
    return token_in(mails[-1])


async def test_answer(blazon: Running) -> None:
    person = await blazon.person()
    answer = await ask(blazon, person.identity)
    assert (answer.status, answer.json) == (201, {"msg": "Email with reset link is sent"})


async def test_mail_in_the_folder(blazon: Running, stream: Stream) -> None:
    person = await blazon.person("Jane")
    token = await mailed(blazon, stream, person)
    (path,) = [
        path for path in (blazon.settings.data_path / "mail").glob("*.eml") if person.identity in path.read_text()
    ]
    assert path.stat().st_mode & 0o777 == 0o600
    (mail,) = [mail for mail in mails_in(blazon.settings.data_path / "mail") if mail["To"] == person.identity]
    assert mail["From"] == "Blazon <blazon@localhost>"
    assert mail["Subject"]
    assert mail["Message-ID"]
    assert mail["Date"]
    assert "Hello Jane" in mail.get_content()
    assert "30 minutes" in mail.get_content()
    assert link_in(mail) == f"http://ui.example.com:3000/reset-request?token={token}"


async def test_the_link_works_once_and_ends_every_sign_in(blazon: Running, stream: Stream) -> None:
    person = await blazon.person()
    token = await mailed(blazon, stream, person)
    assert (await blazon.call("GET", "/users/profile", token=person.token)).status == 200
    answer = await reset(blazon, token)
    assert (answer.status, answer.json) == (201, {})
    refused(await blazon.call("GET", "/users/profile", token=person.token), 401, "password was changed")
    refused(await blazon.call("POST", "/users/tokens/refresh", token=person.refresh), 401)
    await blazon.sign_in(person.identity, "a new secret")
    old = {"identity": person.identity, "secret": PASSWORD}
    refused(await blazon.call("POST", "/users/tokens/issue", old, token=""), 401)
    refused(await reset(blazon, token, "another secret"), 401, "this link was used")
    await blazon.sign_in(person.identity, "a new secret")


async def test_the_token_is_good_for_nothing_else(blazon: Running, stream: Stream) -> None:
    person = await blazon.person()
    token = await mailed(blazon, stream, person)
    refused(await blazon.call("GET", "/users/profile", token=token), 401, "access token")
    refused(await blazon.call("POST", "/users/tokens/refresh", token=token), 401, "refresh token")
    for other in (person.token, person.refresh, "rubbish", f"{token}x"):
        refused(await reset(blazon, other), 401)
    assert (await reset(blazon, token)).status == 201


async def test_a_changed_password_ends_the_link(blazon: Running, stream: Stream) -> None:
    person = await blazon.person()
    first = await mailed(blazon, stream, person)
    second = await mailed(blazon, stream, person)
    assert (await reset(blazon, second)).status == 201
    refused(await reset(blazon, first), 401, "password was changed")


async def test_another_address_ends_the_link(blazon: Running, stream: Stream) -> None:
    """Who changes its address may do so because somebody else reads the mail of the old one."""
    person = await blazon.person("mover")
    token = await mailed(blazon, stream, person)
    new = f"new.{person.identity}"
    await blazon.ok("PATCH", f"/users/{person.id}/identity", {"identity": new}, token=person.token)
    refused(await reset(blazon, token, "stolen secret"), 401, "another e-mail address")
    moved = await blazon.sign_in(new)
    # Its own sign-in goes on, and a mail to the new address works.
    await blazon.ok("GET", "/users/profile", token=person.token)
    assert (await reset(blazon, await mailed(blazon, stream, moved))).status == 201


async def test_a_disabled_user_gets_no_mail_and_no_password(blazon: Running, stream: Stream) -> None:
    person = await blazon.person()
    token = await mailed(blazon, stream, person)
    await blazon.ok("POST", f"/users/{person.id}/disable")
    refused(await reset(blazon, token), 401)
    refused(await ask(blazon, person.identity), 404)


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"password": ""}, 400, "password is missing"),
        ({"confirm_password": ""}, 400, "confirm_password is missing"),
        ({"token": ""}, 400, "token is missing"),
        ({"token": None}, 400, "token is missing"),
        ({"confirm_password": "another secret"}, 422, "differ"),
        ({"password": "short", "confirm_password": "short"}, 422, "password does not meet the requirements"),
        ({"password": "x" * 1025, "confirm_password": "x" * 1025}, 400, "longer than 1024"),
        ({}, 401, "not one of ours"),
    ],
)
async def test_bad_resets(blazon: Running, change: dict[str, str], status: int, reason: str) -> None:
    body = {"token": "t", "password": "a new secret", "confirm_password": "a new secret", **change}
    refused(await blazon.call("PUT", "/password/reset", body, token=""), status, reason)


@pytest.mark.parametrize(
    ("email", "referer", "status", "reason"),
    [
        ("nobody@example.com", "http://localhost", 404, "e-mail"),
        ("", "http://localhost", 400, "email is missing"),
        ("x" * 300, "http://localhost", 400, "longer"),
        ("admin@example.com", "", 400, "Referer"),
        ("admin@example.com", "localhost", 400, "Referer"),
        ("admin@example.com", "ftp://localhost", 400, "Referer"),
        ("admin@example.com", "javascript:alert(1)", 400, "Referer"),
        ("admin@example.com", "http://", 400, "Referer"),
        ("admin@example.com", "http://[::1", 400, "Referer"),
        ("admin@example.com", "http://host:port/", 400, "Referer"),
        ("admin@example.com", "http://a b/", 400, "Referer"),
        ("admin@example.com", 'http://a"><script>/', 400, "Referer"),
        ("admin@example.com", f"http://{'a' * 300}/", 400, "Referer"),
    ],
)
async def test_bad_requests(blazon: Running, email: str, referer: str, status: int, reason: str) -> None:
    refused(await ask(blazon, email, {"Referer": referer} if referer else {}), status, reason)


@pytest.mark.parametrize(
    ("referer", "host"),
    [
        ("http://localhost", "http://localhost"),
        ("https://UI.Example.com/a/b?c#d", "https://ui.example.com"),
        ("https://user:word@example.com:8443/", "https://example.com:8443"),
        ("http://[::1]:3000/x", "http://[::1]:3000"),
        ("https://example.com:443/", "https://example.com"),
        ("http://example.com:443/", "http://example.com:443"),
    ],
)
async def test_host_of_the_link(blazon: Running, stream: Stream, referer: str, host: str) -> None:
    person = await blazon.person()
    async with stream.recorded() as events:
        assert (await ask(blazon, person.identity, {"Referer": referer})).status == 201
        await stream.wait_for("user.send_password_reset", email=person.identity)
    assert [event.fields["host"] for event in events if event.fields["email"] == person.identity] == [host, host]


async def test_links_lead_only_to_pages_of_the_settings(tmp_path: Path) -> None:
    flags = {"redis__embedded": "false", "users__reset_origins": "https://ui.example.com, http://localhost:3000"}
    async with running(tmp_path, users__reset_path="/new-password", **flags) as blazon:
        person = await blazon.person()
        refused(await ask(blazon, person.identity, {"Referer": "https://evil.example.com/"}), 422, "reset_origins")
        assert (await ask(blazon, person.identity, {"Referer": "http://localhost:3000/x"})).status == 201


@pytest.mark.parametrize(
    ("flags", "good", "bad"),
    [
        ({"http__public_url": "https://Blazon.example.com:443/ui"}, "https://blazon.example.com/x", "https://evil.com"),
        ({"http__public_url": "http://localhost:3000"}, "http://localhost:3000", "http://localhost"),
        (
            {"http__public_url": "https://a.bc", "users__reset_origins": "https://ui.a.bc"},
            "https://ui.a.bc",
            "https://a.bc",
        ),
        ({"http__public_url": "https://b\u00fccher.example"}, "https://xn--bcher-kva.example/", "https://a.bc"),
    ],
)
async def test_links_lead_to_the_public_url_when_nothing_else_is_said(
    tmp_path: Path, flags: dict[str, str], good: str, bad: str
) -> None:
    async with running(tmp_path, redis__embedded="false", **flags) as blazon:
        person = await blazon.person()
        refused(await ask(blazon, person.identity, {"Referer": bad}), 422, "reset_origins")
        assert (await ask(blazon, person.identity, {"Referer": good})).status == 201


async def test_a_public_url_without_a_host_for_a_link_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"http\.public_url must name a host"):
        async with running(tmp_path, redis__embedded="false", http__public_url="https://a%20b/"):
            pass


async def test_too_many_requests_for_mail(tmp_path: Path) -> None:
    async with running(tmp_path, redis__embedded="false", users__failures_per_minute="2") as blazon:
        person = await blazon.person()
        for _ in range(2):
            assert (await ask(blazon, person.identity)).status == 201
        refused(await ask(blazon, person.identity), 429)
        await blazon.sign_in(person.identity)


async def test_a_link_does_not_live_longer_because_the_clock_was_ahead_once(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running(tmp_path, clock) as blazon, Stream(blazon, "users") as stream:
        person = await blazon.person()
        clock.move(10**8)
        await blazon.ok("POST", "/users/tokens/issue", {"identity": ADMIN, "secret": PASSWORD}, token="")
        clock.move(-(10**8))
        token = await mailed(blazon, stream, person)
        clock.move(1800)
        refused(await reset(blazon, token), 401, "expired")


async def test_a_link_expires(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running(tmp_path, clock, tokens__reset="10m") as blazon, Stream(blazon, "users") as stream:
        person = await blazon.person()
        token = await mailed(blazon, stream, person)
        clock.move(600)
        refused(await reset(blazon, token), 401, "expired")
