"""Tokens and counts of failures, without a server: what is not ours is refused, whatever it looks like."""

import asyncio
import base64
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey

from blazon.clock import NANOSECONDS, ManualClock
from blazon.errors import TooMany, Unauthenticated, Unavailable
from blazon.log import Record
from blazon.users import events
from blazon.users.attempts import AttemptLimits, Attempts
from blazon.users.events import ResetAsked, SignedIn
from blazon.users.passwords import Passwords
from blazon.users.tokens import Claims, Lifetimes, Tokens

KEY = bytes(range(64))
NOW = 1_693_307_171_925_834_295
RECORD = Record(7, "0190-id", "user.issue_token", "users", 0, "sign-in:u", "", NOW, "", "", b"")
SIGNED = SignedIn("u", "jane@example.com", 3)
BEFORE = '{"user":"u","identity":"jane@example.com","epoch":3}'


def tokens(key: bytes = KEY, clock: ManualClock | None = None) -> Tokens:
    return Tokens(key, Lifetimes(), clock or ManualClock(NOW))


def segment(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def test_a_pair_is_a_function_of_its_record() -> None:
    pair = tokens().pair(RECORD, SIGNED)
    assert pair == tokens().pair(RECORD, SIGNED)
    assert tokens().read(pair.access, "access") == Claims(
        "u", "jane@example.com", "0190-id", 3, "access", NOW // NANOSECONDS + 900
    )
    assert tokens().read(pair.refresh, "refresh").kind == "refresh"


def test_the_time_of_the_decision_counts_and_not_that_of_the_record() -> None:
    """The log's time stays ahead after the clock was ahead once; a token that began then would live for years."""
    signed = msgspec.structs.replace(SIGNED, issued_at=NOW - 10**9 * NANOSECONDS)
    asked = ResetAsked("u", "Jane", "jane@example.com", "http://h", 3, signed.issued_at)
    ours = tokens(clock=ManualClock(signed.issued_at))
    assert ours.read(ours.pair(RECORD, signed).access, "access").expires_at == signed.issued_at // NANOSECONDS + 900
    assert ours.read(ours.reset(RECORD, asked), "reset").expires_at == signed.issued_at // NANOSECONDS + 1800
    assert not ours.reset_is_over(RECORD, asked)
    assert tokens().reset_is_over(RECORD, asked)
    # A record of before says nothing of it; then the record's time is the best there is.
    assert events.USER_ISSUE_TOKEN.read(msgspec.structs.replace(RECORD, data=BEFORE)) == SIGNED


def test_another_key_is_another_house() -> None:
    with pytest.raises(Unauthenticated, match="not one of ours"):
        tokens(bytes(64)).read(tokens().pair(RECORD, SIGNED).access, "access")


def test_a_token_that_was_read_expires_all_the_same() -> None:
    clock = ManualClock(NOW)
    ours = tokens(clock=clock)
    token = ours.pair(RECORD, SIGNED).access
    ours.read(token, "access")
    clock.move(900)
    with pytest.raises(Unauthenticated, match="expired"):
        ours.read(token, "access")


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg":"none"}',
        b'{"alg":"HS256","typ":"JWT"}',
        b'{"alg":"HS512","crit":5}',
        b'{"alg":"HS512","crit":["exp"]}',
        b'{"alg":"HS512","b64":false,"crit":["b64"]}',
        b'{"alg":["HS512"]}',
        b'{"alg":{}}',
        b'{"alg":"HS512","zip":"DEF"}',
        b'{"alg":"HS512","jwk":{"kty":"oct","k":"AAAA"}}',
        b"[]",
        b"5",
        b"null",
        b"{",
        b"",
        b"\xff\xfe",
        b"[" * 20_000,
        b'{"typ":"JWT","alg":"HS512"}',
        b'{"typ":"JWT","alg":"HS512"} ',
    ],
)
def test_hostile_headers(header: bytes) -> None:
    good = tokens().pair(RECORD, SIGNED).access.split(".")
    for rest in (good[1:], [good[1], ""], [segment(b"{}"), segment(b"x")]):
        if segment(header) == good[0] and rest == good[1:]:
            continue
        with pytest.raises(Unauthenticated):
            tokens().read(".".join([segment(header), *rest]), "access")


@pytest.mark.parametrize(
    "claims",
    [{}, {"iss": "clients.auth"}, {"iss": "other", "sub": "u", "jti": "j", "epoch": 0, "type": "access", "exp": 2**40}],
)
def test_our_signature_over_other_claims(claims: dict[str, object]) -> None:
    token = jwt.encode({"alg": "HS512"}, claims, OctKey.import_key(KEY), algorithms=["HS512"])
    with pytest.raises(Unauthenticated):
        tokens().read(token, "access")


@given(st.text(max_size=200) | st.lists(st.binary(max_size=40).map(segment), max_size=5).map(".".join))
@settings(max_examples=300)
def test_rubbish(text: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens().read(text, "access")


@given(st.integers(0, 10_000), st.characters(codec="ascii"))
def test_a_changed_character(place: int, character: str) -> None:
    token = tokens().pair(RECORD, SIGNED).access
    place %= len(token) - 1  # the very last one holds bits that do not count
    if token[place] != character:
        with pytest.raises(Unauthenticated):
            tokens().read(token[:place] + character + token[place + 1 :], "access")


def test_claims_are_those_clients_know() -> None:
    payload = tokens().pair(RECORD, SIGNED).access.split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))) == {
        "iss": "clients.auth",
        "sub": "u",
        "identity": "jane@example.com",
        "type": "access",
        "iat": NOW // NANOSECONDS,
        "exp": NOW // NANOSECONDS + 900,
        "jti": "0190-id",
        "epoch": 3,
    }


async def fail(attempts: Attempts, identity: str, address: str) -> None:
    with pytest.raises(Unauthenticated):
        async with attempts.attempt(identity, address):
            raise Unauthenticated("wrong")


async def succeed(attempts: Attempts, identity: str, address: str) -> None:
    async with attempts.attempt(identity, address):
        pass


async def test_counts_of_failures() -> None:
    clock = ManualClock(NOW)
    attempts = Attempts(AttemptLimits(2, 5, 4, 60), clock)
    for _ in range(2):
        await fail(attempts, "jane", "a")
    with pytest.raises(TooMany) as caught:
        await succeed(attempts, "jane", "a")
    assert caught.value.retry_after == 61
    for _ in range(2):  # a stranger elsewhere has not locked her out
        await fail(attempts, "jane", "b")
    await succeed(attempts, "john", "a")
    for address in ("b", "c"):  # from everywhere together, too many
        with pytest.raises(TooMany):
            await succeed(attempts, "jane", address)
    for name in ("x", "y", "z"):
        await fail(attempts, name, "a")
    with pytest.raises(TooMany):  # one address, many identities
        await succeed(attempts, "john", "a")
    clock.move(60)
    await succeed(attempts, "jane", "a")
    await succeed(attempts, "john", "a")


async def test_a_success_forgives_its_own_failures_only() -> None:
    attempts = Attempts(AttemptLimits(2, 3, 100, 60), ManualClock(NOW))
    await fail(attempts, "jane", "a")
    await succeed(attempts, "jane", "a")
    for _ in range(2):
        await fail(attempts, "jane", "a")
    with pytest.raises(TooMany):
        await succeed(attempts, "john", "a")


async def test_attempts_at_once_count_before_they_are_over() -> None:
    attempts = Attempts(AttemptLimits(3, 100, 100, 60), ManualClock(NOW))
    gate, begun = asyncio.Event(), 0

    async def attempt(outcome: Exception | None) -> None:
        nonlocal begun
        async with attempts.attempt("jane", "a"):
            begun += 1
            await gate.wait()
            if outcome is not None:
                raise outcome

    async def at_once(outcome: Exception | None, number: int) -> list[BaseException | None]:
        nonlocal begun
        gate.clear()
        begun = 0
        tasks = [asyncio.create_task(attempt(outcome)) for _ in range(number)]
        for _ in range(10):
            await asyncio.sleep(0)
        assert begun == 3
        gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    # Those that are good wait for their turn, and none is turned away; nor do those count that end in another way.
    assert await at_once(None, 20) == [None] * 20
    assert {type(outcome) for outcome in await at_once(Unavailable("away"), 20)} == {Unavailable}
    outcomes = [type(outcome) for outcome in await at_once(Unauthenticated("wrong"), 20)]
    assert (outcomes.count(Unauthenticated), outcomes.count(TooMany)) == (3, 17)


async def test_no_more_wait_than_can_have_their_turn_soon() -> None:
    attempts = Attempts(AttemptLimits(1, 1000, 1000, 60), ManualClock(NOW))
    gate = asyncio.Event()

    async def attempt() -> None:
        async with attempts.attempt("jane", "a"):
            await gate.wait()

    tasks = [asyncio.create_task(attempt()) for _ in range(500)]
    await asyncio.sleep(0)
    gate.set()
    outcomes = [type(outcome) for outcome in await asyncio.gather(*tasks, return_exceptions=True)]
    assert (outcomes.count(type(None)), outcomes.count(TooMany)) == (201, 299)


async def test_who_is_turned_away_cannot_push_its_count_out() -> None:
    attempts = Attempts(AttemptLimits(2, 2, 2, 60), ManualClock(NOW), remembered=10)
    for _ in range(2):
        await fail(attempts, "jane", "a")
    for number in range(100):
        with pytest.raises(TooMany):
            await succeed(attempts, f"anybody {number}", "a")
        await succeed(attempts, f"somebody {number}", f"address {number}")
    with pytest.raises(TooMany):
        await succeed(attempts, "jane", "b")


async def test_a_clock_that_is_put_back_locks_nobody_out() -> None:
    clock = ManualClock(NOW)
    attempts = Attempts(AttemptLimits(2, 2, 2, 60), clock)
    for _ in range(2):
        await fail(attempts, "jane", "a")
    clock.move(-(10**8))
    await succeed(attempts, "jane", "a")


async def test_passwords() -> None:
    passwords = Passwords()
    try:
        hashed = await passwords.hash("a secret")
        assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert hashed != await passwords.hash("a secret")
        assert await passwords.matches("a secret", hashed)
        assert not await passwords.matches("another", hashed)
        assert not await passwords.matches("a secret", None)
        assert not await passwords.matches("a secret", "no hash at all")
    finally:
        passwords.close()
