"""Tokens and counts of failures, without a server: what is not ours is refused, whatever it looks like."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey

from blazon.clock import NANOSECONDS, ManualClock
from blazon.errors import TooMany, Unauthenticated
from blazon.log import Record
from blazon.users.attempts import AttemptLimits, Attempts
from blazon.users.events import SignedIn
from blazon.users.passwords import Passwords
from blazon.users.tokens import Claims, Lifetimes, Tokens

KEY = bytes(range(64))
NOW = 1_693_307_171_925_834_295
RECORD = Record(7, "0190-id", "user.issue_token", "users", 0, "sign-in:u", "", NOW, "", "", b"")
SIGNED = SignedIn("u", "jane@example.com", 3)


def tokens(key: bytes = KEY, clock: ManualClock | None = None) -> Tokens:
    return Tokens(key, Lifetimes(), clock or ManualClock(NOW))


def segment(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def test_a_pair_is_a_function_of_its_record() -> None:
    pair = tokens().pair(RECORD, SIGNED)
    assert pair == tokens().pair(RECORD, SIGNED)
    assert tokens().read(pair.access, "access") == Claims("u", "0190-id", 3, "access", NOW // NANOSECONDS + 900)
    assert tokens().read(pair.refresh, "refresh").kind == "refresh"


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


def test_counts_of_failures() -> None:
    clock = ManualClock(NOW)
    attempts = Attempts(AttemptLimits(2, 5, 4, 60), clock)
    for _ in range(2):
        attempts.check("jane", "a")
        attempts.failed("jane", "a")
    with pytest.raises(TooMany) as caught:
        attempts.check("jane", "a")
    assert caught.value.retry_after == 61
    attempts.check("jane", "b")  # a stranger elsewhere has not locked her out
    attempts.check("john", "a")
    for _ in range(2):
        attempts.failed("jane", "b")
    for address in ("b", "c"):  # from everywhere together, too many
        with pytest.raises(TooMany):
            attempts.check("jane", address)
    for name in ("x", "y", "z"):
        attempts.failed(name, "a")
    with pytest.raises(TooMany):  # one address, many identities
        attempts.check("john", "a")
    clock.move(60)
    attempts.check("jane", "a")
    attempts.check("john", "a")


def test_a_success_forgives_its_own_failures_only() -> None:
    attempts = Attempts(AttemptLimits(2, 3, 100, 60), ManualClock(NOW))
    for _ in range(2):
        attempts.failed("jane", "a")
    attempts.succeeded("jane", "a")
    attempts.check("jane", "a")
    attempts.failed("john", "a")
    with pytest.raises(TooMany):
        attempts.check("jane", "a")


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
