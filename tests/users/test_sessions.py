"""Signing in and staying signed in: tokens, their ends, and what a guesser is told (fact sheet §8, decision C10)."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from blazon.clock import NANOSECONDS, ManualClock
from tests.running import ADMIN, PASSWORD, Answer, Running, refused, running
from tests.streams import Stream
from tests.users.support import registered


async def sign_in(blazon: Running, identity: Any, secret: Any = PASSWORD) -> Answer:
    return await blazon.call("POST", "/users/tokens/issue", {"identity": identity, "secret": secret}, token="")


async def profile(blazon: Running, token: str) -> int:
    return (await blazon.call("GET", "/users/profile", token=token)).status


def claims_of(token: str) -> Any:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


async def test_answer(blazon: Running) -> None:
    await registered(blazon, "answer@example.com")
    answer = await sign_in(blazon, "answer@example.com")
    assert answer.status == 201
    assert set(answer.json) == {"access_token", "refresh_token", "access_type"}
    assert answer.json["access_type"] == "Bearer"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_claims(blazon: Running) -> None:
    user = await registered(blazon, "claims@example.com")
    tokens = (await sign_in(blazon, "claims@example.com")).json
    for kind, lifetime in (("access", 900), ("refresh", 86400)):
        claims = claims_of(tokens[f"{kind}_token"])
        assert claims["iss"] == "clients.auth"
        assert claims["sub"] == user["id"]
        assert claims["identity"] == "claims@example.com"
        assert claims["type"] == kind
        assert claims["exp"] - claims["iat"] == lifetime


async def test_a_guesser_is_told_nothing(blazon: Running) -> None:
    await registered(blazon, "there@example.com")
    off = await registered(blazon, "off@example.com")
    await blazon.ok("POST", f"/users/{off['id']}/disable")
    wrong = await sign_in(blazon, "there@example.com", "wrong password")
    refused(wrong, 401, "invalid user id or secret")
    unknown = await sign_in(blazon, "nobody@example.com")
    disabled = await sign_in(blazon, "off@example.com")
    for answer in (unknown, disabled):
        assert (answer.status, answer.body) == (wrong.status, wrong.body)
        assert answer.headers["WWW-Authenticate"] == wrong.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("identity", "secret", "reason"),
    [
        ("", PASSWORD, "identity is missing"),
        (None, PASSWORD, "identity is missing"),
        (ADMIN, "", "secret is missing"),
        (ADMIN, None, "secret is missing"),
        ("x" * 255, PASSWORD, "longer than 254 bytes"),
        (f" {ADMIN}", PASSWORD, "space"),
        ("a\nb", PASSWORD, "control character"),
        (7, PASSWORD, "identity"),
        (ADMIN, ["12345678"], "secret"),
    ],
)
async def test_bad_credentials(blazon: Running, identity: Any, secret: Any, reason: str) -> None:
    refused(await sign_in(blazon, identity, secret), 400, reason)


async def test_an_identity_counts_as_it_is_written(blazon: Running) -> None:
    await registered(blazon, "Case@example.com")
    assert (await sign_in(blazon, "Case@example.com")).status == 201
    assert (await sign_in(blazon, "case@example.com")).status == 401


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic YWRtaW46YWRtaW4=", "Thing {}", "{}", "Bearer{}", "Token {}", "Bearer {}x",
     "Bearer {} {}", "Bearer null", "Bearer ...", "Bearer a.b.c.d.e"],
)  # fmt: skip
async def test_what_is_no_token(blazon: Running, header: str) -> None:
    sent = {"Authorization": header.replace("{}", blazon.admin.token)}
    refused(await blazon.call("GET", "/users/profile", headers=sent, token=""), 401)


async def test_the_word_bearer_in_any_case(blazon: Running) -> None:
    for word in ("Bearer", "bearer", "BEARER"):
        headers = {"Authorization": f"{word}  {blazon.admin.token} "}
        await blazon.ok("GET", "/users/profile", headers=headers, token="")


async def test_refresh(blazon: Running) -> None:
    person = await blazon.person()
    answer = await blazon.call("POST", "/users/tokens/refresh", token=person.refresh)
    assert answer.status == 201
    fresh = answer.json
    assert set(fresh) == {"access_token", "refresh_token", "access_type"}
    assert fresh["access_token"] != person.token
    for token in (person.token, fresh["access_token"]):
        assert await profile(blazon, token) == 200
    for token in (person.refresh, fresh["refresh_token"]):
        assert (await blazon.call("POST", "/users/tokens/refresh", token=token)).status == 201


async def test_each_token_for_its_own_use(blazon: Running) -> None:
    person = await blazon.person()
    refused(await blazon.call("POST", "/users/tokens/refresh", token=person.token), 401, "refresh token")
    refused(await blazon.call("POST", "/users/tokens/refresh", token="rubbish"), 401)
    refused(await blazon.call("POST", "/users/tokens/refresh", token=""), 401)
    refused(await blazon.call("GET", "/users/profile", token=person.refresh), 401, "access token")


async def test_a_disabled_user_is_out_at_once(blazon: Running) -> None:
    person = await blazon.person()
    assert await profile(blazon, person.token) == 200
    await blazon.ok("POST", f"/users/{person.id}/disable")
    refused(await blazon.call("GET", "/users/profile", token=person.token), 401, "disabled")
    refused(await blazon.call("POST", "/users/tokens/refresh", token=person.refresh), 401, "disabled")
    refused(await blazon.call("POST", "/users/tokens/identify", token=person.token), 401, "disabled")
    # It stays so: to disable and enable a user is the way to end all its sign-ins.
    await blazon.ok("POST", f"/users/{person.id}/enable")
    refused(await blazon.call("GET", "/users/profile", token=person.token), 401, "disabled, after this token")
    refused(await blazon.call("POST", "/users/tokens/refresh", token=person.refresh), 401, "disabled, after this token")
    await blazon.sign_in(person.identity)


async def test_a_disabled_user_is_out_also_with_the_sign_in_that_changed_the_secret(blazon: Running) -> None:
    person = await blazon.person()
    body = {"old_secret": PASSWORD, "new_secret": "a new secret"}
    await blazon.ok("PATCH", "/users/secret", body, token=person.token)
    for switch in ("disable", "enable"):
        await blazon.ok("POST", f"/users/{person.id}/{switch}")
    refused(await blazon.call("GET", "/users/profile", token=person.token), 401, "disabled, after this token")


async def test_a_new_secret_ends_the_other_sign_ins(blazon: Running) -> None:
    first = await blazon.person()
    second = await blazon.sign_in(first.identity)
    body = {"old_secret": PASSWORD, "new_secret": "a new secret"}
    await blazon.ok("PATCH", "/users/secret", body, token=second.token)
    assert await profile(blazon, second.token) == 200
    refused(await blazon.call("GET", "/users/profile", token=first.token), 401, "password was changed")
    refused(await blazon.call("POST", "/users/tokens/refresh", token=first.refresh), 401, "password was changed")
    # The sign-in that changed it goes on, and its refreshed tokens are of the new time.
    fresh = (await blazon.call("POST", "/users/tokens/refresh", token=second.refresh)).json
    assert await profile(blazon, fresh["access_token"]) == 200
    refused(await sign_in(blazon, first.identity), 401)
    third = await blazon.sign_in(first.identity, "a new secret")
    body = {"old_secret": "a new secret", "new_secret": "one more secret"}
    await blazon.ok("PATCH", "/users/secret", body, token=third.token)
    assert await profile(blazon, second.token) == 401
    assert await profile(blazon, fresh["access_token"]) == 401
    assert await profile(blazon, third.token) == 200


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({}, 400, "old_secret is missing"),
        ({"new_secret": "a new secret"}, 400, "old_secret is missing"),
        ({"old_secret": PASSWORD}, 400, "new_secret is missing"),
        ({"old_secret": PASSWORD, "new_secret": "short"}, 422, "password does not meet the requirements"),
        ({"old_secret": PASSWORD, "new_secret": "x" * 1025}, 400, "longer than 1024"),
        ({"old_secret": "wrong one", "new_secret": "a new secret"}, 401, "old_secret"),
    ],
)
async def test_bad_new_secrets(blazon: Running, body: dict[str, str], status: int, reason: str) -> None:
    refused(await blazon.call("PATCH", "/users/secret", body), status, reason)
    await blazon.sign_in(ADMIN)


async def test_identify(blazon: Running) -> None:
    person = await blazon.person()
    assert await blazon.ok("POST", "/users/tokens/identify", token=person.token) == {"id": person.id}
    refused(await blazon.call("POST", "/users/tokens/identify", token=""), 401)
    refused(await blazon.call("POST", "/users/tokens/identify", token=person.refresh), 401)


async def test_tokens_expire(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running(tmp_path, clock, redis__embedded="false", tokens__access="10m", tokens__refresh="1h") as blazon:
        person = await blazon.person()
        clock.move(599)
        assert await profile(blazon, person.token) == 200
        clock.move(1)
        refused(await blazon.call("GET", "/users/profile", token=person.token), 401, "expired")
        fresh = (await blazon.call("POST", "/users/tokens/refresh", token=person.refresh)).json
        assert await profile(blazon, fresh["access_token"]) == 200
        clock.move(3000)
        refused(await blazon.call("POST", "/users/tokens/refresh", token=person.refresh), 401, "expired")
        fresh = (await blazon.call("POST", "/users/tokens/refresh", token=fresh["refresh_token"])).json
        assert await profile(blazon, fresh["access_token"]) == 200


async def test_a_clock_that_was_ahead_once_makes_no_token_live_longer(tmp_path: Path) -> None:
    """The log's own time never goes back: what is recorded after the clock was put right has a time far ahead."""
    years = 10 * 365 * 86_400
    clock = ManualClock()
    async with running(tmp_path, clock, redis__embedded="false") as blazon:
        clock.move(years)
        await blazon.ok("POST", "/groups", {"name": "of the future"}, token=(await blazon.sign_in(ADMIN)).token)
        clock.move(-years)
        person = await blazon.sign_in(ADMIN)
        fresh = (await blazon.call("POST", "/users/tokens/refresh", token=person.refresh)).json
        for token in (person.token, fresh["access_token"]):
            assert claims_of(token)["exp"] - clock.now() // NANOSECONDS == 900
            assert await profile(blazon, token) == 200
        clock.move(900)
        for token in (person.token, fresh["access_token"]):
            refused(await blazon.call("GET", "/users/profile", token=token), 401, "expired")
        clock.move(86_400)
        refused(await blazon.call("POST", "/users/tokens/refresh", token=fresh["refresh_token"]), 401, "expired")


async def test_guessing_is_slowed_down(tmp_path: Path) -> None:
    clock = ManualClock()
    flags = {"redis__embedded": "false", "users__failures_per_minute": "3"}
    async with running(tmp_path, clock, **flags) as blazon:
        person = await blazon.person()
        for _ in range(3):
            assert (await sign_in(blazon, person.identity, "wrong password")).status == 401
        clock.move(20)
        answer = await sign_in(blazon, person.identity)
        refused(answer, 429, "too many failed attempts")
        assert 40 <= int(answer.headers["Retry-After"]) <= 41
        assert (await sign_in(blazon, ADMIN)).status == 201  # others are not held up
        clock.move(41)
        assert (await sign_in(blazon, person.identity)).status == 201
        # A good sign-in forgets the failures before it.
        for _ in range(2):
            assert (await sign_in(blazon, person.identity, "wrong password")).status == 401
        assert (await sign_in(blazon, person.identity)).status == 201
        for _ in range(3):
            assert (await sign_in(blazon, person.identity, "wrong password")).status == 401
        assert (await sign_in(blazon, person.identity)).status == 429
        # The old secret is guarded by the same count.
        clock.move(61)
        person = await blazon.sign_in(person.identity)
        body = {"old_secret": "wrong password", "new_secret": "a new secret"}
        for _ in range(3):
            assert (await blazon.call("PATCH", "/users/secret", body, token=person.token)).status == 401
        refused(await blazon.call("PATCH", "/users/secret", body, token=person.token), 429)


async def test_guessing_at_once_is_slowed_down_as_well(tmp_path: Path) -> None:
    flags = {"redis__embedded": "false", "users__failures_per_minute": "10"}
    async with running(tmp_path, **flags) as blazon:
        person = await blazon.person()
        # Good ones, however many at once, are all let in.
        answers = await asyncio.gather(*(sign_in(blazon, person.identity) for _ in range(30)))
        assert {answer.status for answer in answers} == {201}
        secrets = {"old_secret": "wrong password", "new_secret": "a new secret"}
        answers = await asyncio.gather(
            *(sign_in(blazon, person.identity, f"wrong password {number}") for number in range(75)),
            *(blazon.call("PATCH", "/users/secret", secrets, token=person.token) for _ in range(75)),
        )
        statuses = [answer.status for answer in answers]
        assert (statuses.count(401), statuses.count(429)) == (10, 140)
        refused(await sign_in(blazon, person.identity), 429)


async def test_sign_ins_outlive_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path, redis__embedded="false") as blazon:
        person = await blazon.person()
    async with running(tmp_path, redis__embedded="false") as blazon:
        assert await profile(blazon, person.token) == 200
        await blazon.ok("POST", "/users/tokens/refresh", token=person.refresh)
        assert blazon.admin.id == (await blazon.ok("GET", "/users?name=admin"))["users"][0]["id"]


async def test_identify_is_noted_once_a_minute(tmp_path: Path) -> None:
    clock = ManualClock()
    async with running(tmp_path, clock) as blazon, Stream(blazon, "users") as stream:
        person = await blazon.person()
        async with stream.recorded() as events:
            for seconds in (0, 59, 1, 59, 1):
                clock.move(seconds)
                await blazon.ok("POST", "/users/tokens/identify", token=person.token)
        assert [event.operation for event in events] == ["user.identify"] * 3
