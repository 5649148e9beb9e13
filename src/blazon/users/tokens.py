"""Tokens: JWTs (RFC 7519) signed with HS512, as clients of the first dialect know them.

A token is a function of the record of its sign-in and of a key, so a repeated request gets the same token, and none is
ever stored. A token is over when it expires, when the user's epoch moves on, or when the user is disabled.
"""

import hashlib
from collections import OrderedDict
from typing import Final

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from blazon.clock import NANOSECONDS, Clock
from blazon.errors import Unauthenticated
from blazon.log import Record
from blazon.users.events import ResetAsked, SignedIn

__all__ = ["Claims", "Lifetimes", "TokenPair", "Tokens"]

_ISSUER: Final = "clients.auth"
_ALGORITHM: Final = "HS512"
_REMEMBERED: Final = 8192
"""Tokens whose signature was checked lately; checking one again costs 13 µs."""


class Lifetimes(msgspec.Struct, frozen=True):
    """How long tokens live, in seconds."""

    access: int = 15 * 60
    refresh: int = 24 * 3600
    reset: int = 30 * 60


class Claims(msgspec.Struct, frozen=True):
    """What a token says. `identity` is what the user signed in with, or where the mail went, when the token was made.

    `expires_at` is Unix seconds.
    """

    user: str
    identity: str
    session: str
    epoch: int
    kind: str
    expires_at: int


class TokenPair(msgspec.Struct, frozen=True):
    """The tokens of one sign-in."""

    access: str
    refresh: str


class Tokens:
    """Makes and reads tokens. `key` is 64 bytes."""

    def __init__(self, key: bytes, lifetimes: Lifetimes, clock: Clock) -> None:
        self._key = OctKey.import_key(key)
        self._lifetimes = lifetimes
        self._clock = clock
        self._header = jwt.encode({"alg": _ALGORITHM}, {}, self._key, algorithms=[_ALGORITHM]).partition(".")[0]
        self._read: OrderedDict[bytes, Claims] = OrderedDict()

    def pair(self, record: Record, signed: SignedIn) -> TokenPair:
        """The tokens of a recorded sign-in."""
        return TokenPair(
            self._make("access", record, signed, self._lifetimes.access, signed.identity),
            self._make("refresh", record, signed, self._lifetimes.refresh, signed.identity),
        )

    def reset(self, record: Record, asked: ResetAsked) -> str:
        """The token of a recorded request for a new password. It is good for nothing else."""
        return self._make("reset", record, asked, self._lifetimes.reset, asked.email)

    def reset_is_over(self, record: Record, asked: ResetAsked) -> bool:
        """Whether the reset token of a record has expired."""
        return self._clock.now() >= _issued(record, asked) + self._lifetimes.reset * NANOSECONDS

    def read(self, token: str, kind: str) -> Claims:
        """What a token says. Raises Unauthenticated when it is not ours, not of this kind, or expired."""
        fingerprint = hashlib.sha256(token.encode()).digest()
        claims = self._read.get(fingerprint)
        if claims is None:
            claims = self._verify(token)
            self._read[fingerprint] = claims
            if len(self._read) > _REMEMBERED:
                self._read.popitem(last=False)
        if claims.kind != kind:
            raise Unauthenticated(f"this takes {_article(kind)} token, and was given {_article(claims.kind)} token")
        if self._clock.now() >= claims.expires_at * NANOSECONDS:
            raise Unauthenticated(f"the {kind} token has expired; sign in again")
        return claims

    def _make(self, kind: str, record: Record, data: SignedIn | ResetAsked, lifetime: int, identity: str) -> str:
        issued = _issued(record, data) // NANOSECONDS
        claims = {
            "iss": _ISSUER,
            "sub": data.user,
            "identity": identity,
            "type": kind,
            "iat": issued,
            "exp": issued + lifetime,
            "jti": record.id,
            "epoch": data.epoch,
        }
        return jwt.encode({"alg": _ALGORITHM}, claims, self._key, algorithms=[_ALGORITHM])

    def _verify(self, token: str) -> Claims:
        try:
            if token.partition(".")[0] != self._header:  # a stranger's header is not even parsed
                raise ValueError
            said = jwt.decode(token, self._key, algorithms=[_ALGORITHM]).claims
            if said["iss"] != _ISSUER:
                raise ValueError
            return Claims(said["sub"], said["identity"], said["jti"], said["epoch"], said["type"], said["exp"])
        except (JoseError, KeyError, ValueError):
            raise Unauthenticated("the token is not one of ours, or was changed") from None


def _issued(record: Record, data: SignedIn | ResetAsked) -> int:
    return data.issued_at or record.time


def _article(kind: str) -> str:
    return f"an {kind}" if kind == "access" else f"a {kind}"
