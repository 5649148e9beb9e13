"""Signing in: tokens, and new passwords by mail."""

import re
from urllib.parse import urlsplit

from blazon.caller import Caller
from blazon.entity import Status, rules
from blazon.errors import Malformed, NotFound, RuleBroken, Unauthenticated
from blazon.log import Decision, Log, Steps, state_of
from blazon.storage import Sealer
from blazon.users import events
from blazon.users.attempts import Attempts
from blazon.users.events import ResetAsked, SignedIn, UserState
from blazon.users.identities import ascii_domain, compared
from blazon.users.models import USER, User
from blazon.users.passwords import Passwords
from blazon.users.principals import Principals
from blazon.users.service.rules import check_password
from blazon.users.service.users import secret_context
from blazon.users.store import Store
from blazon.users.tokens import TokenPair, Tokens

__all__ = ["Sessions", "origin_of"]

_WRONG = "invalid user id or secret"
_HOST = re.compile(r"[a-z0-9_.:-]{1,253}")
"""A host's name or address as it may stand in a link."""

_PORTS = {"http": 80, "https": 443}


class Sessions:
    """The rules of signing in."""

    def __init__(
        self,
        log: Log,
        store: Store,
        principals: Principals,
        tokens: Tokens,
        passwords: Passwords,
        attempts: Attempts,
        requests: Attempts,
        sealer: Sealer,
        password_rule: "re.Pattern[str]",
        reset_origins: frozenset[str],
    ) -> None:
        self._log = log
        self._store = store
        self._principals = principals
        self._tokens = tokens
        self._passwords = passwords
        self._attempts = attempts
        self._requests = requests
        self._sealer = sealer
        self._password_rule = password_rule
        self._reset_origins = reset_origins

    async def authenticate(self, token: str, *, refresh: bool) -> Caller:
        """Whose token it is. Raises Unauthenticated when it is nobody's, or not anybody's any more; Unavailable."""
        claims = self._tokens.read(token, "refresh" if refresh else "access")
        await self._log.current()
        await self._principals.standing(claims.user, claims.session, claims.epoch)
        return Caller(id=claims.user, session=claims.session, epoch=claims.epoch)

    async def issue(self, caller: Caller, identity: str, secret: str) -> TokenPair:
        """Signs in. An unknown identity, a wrong password and a disabled user get the same answer in the same time."""
        rules.check_identity(identity)
        if not secret:
            raise Malformed("secret is missing")

        async def check() -> User | None:
            return await self._store.user_by_identity(identity)

        async def act(user: User | None) -> User:
            # Not a part of the check: a failed attempt is counted.
            async with self._attempts.attempt(compared(identity), caller.address):
                if not await self._knows(user, secret) or user is None:
                    raise Unauthenticated(_WRONG)
            return user

        def record(_: User | None, user: User) -> Decision:
            signed = SignedIn(user.id, user.identity, user.epoch, self._log.clock.now())
            event = events.USER_ISSUE_TOKEN.event(f"sign-in:{user.id}", signed)
            return Decision((event,), {USER.of(user.id): user.revision})

        (made,) = await self._log.perform(caller, Steps(check=check, act=act, record=record))
        return self._tokens.pair(made, events.USER_ISSUE_TOKEN.read(made))

    async def _knows(self, user: User | None, secret: str) -> bool:
        if user is None or user.status is not Status.ENABLED:
            return await self._passwords.matches(secret, None)
        hashed = self._sealer.unseal(user.secret, secret_context(user.id)).decode()
        return await self._passwords.matches(secret, hashed)

    async def refresh(self, caller: Caller) -> TokenPair:
        """New tokens for a caller that showed its refresh token. The old ones stay good until they expire."""

        async def decide() -> Decision:
            principal = await self._principals.standing(caller.id, caller.session, caller.epoch)
            signed = SignedIn(principal.id, principal.identity, principal.epoch, self._log.clock.now())
            event = events.USER_REFRESH_TOKEN.event(f"sign-in:{principal.id}", signed)
            return Decision((event,), {USER.of(principal.id): principal.revision})

        (record,) = await self._log.commit(caller, decide)
        return self._tokens.pair(record, events.USER_REFRESH_TOKEN.read(record))

    async def request_reset(self, caller: Caller, email: str, referer: str) -> None:
        """Asks for a mail with a link to set a new password. The mail follows once this is recorded."""
        rules.check_identity(email, "email")
        host = origin_of(referer)
        if self._reset_origins and host not in self._reset_origins:
            raise RuleBroken(f"{host} is not among users.reset_origins, the pages a reset mail may link to")
        self._requests.count(compared(email), caller.address)  # each one counts: it sends mail to somebody

        async def decide() -> Decision:
            user = await self._store.user_by_identity(email)
            if user is None or user.status is not Status.ENABLED:
                raise NotFound("there is no user with this e-mail address")
            # To the address as its owner wrote it, and to no other spelling of whoever asks.
            asked = ResetAsked(user.id, user.name, user.identity, host, user.epoch, self._log.clock.now())
            event = events.USER_GENERATE_RESET_TOKEN.event(f"password-reset:{user.id}", asked)
            return Decision((event,), {USER.of(user.id): user.revision})

        await self._log.commit(caller, decide)

    async def reset(self, caller: Caller, token: str, password: str, again: str) -> None:
        """Sets a new password with the token of a mail. It works once, and ends every sign-in (decision C10)."""
        check_password("password", password, self._password_rule)
        if not again:
            raise Malformed("confirm_password is missing")
        if not token:
            raise Malformed("token is missing")
        if password != again:
            raise RuleBroken("password and confirm_password differ")
        claims = self._tokens.read(token, "reset")
        hashed = ""

        async def decide() -> Decision:
            nonlocal hashed
            user = await self._store.user(claims.user)
            if user is None or user.status is not Status.ENABLED or user.epoch != claims.epoch:
                raise Unauthenticated("this link was used, or the password was changed since; ask for a new mail")
            if user.identity != claims.identity:  # the mail went to where the user is not any more
                raise Unauthenticated("the user has another e-mail address since; ask for a new mail")
            if not hashed:
                sealed = (await self._passwords.hash(password)).encode()
                hashed = self._sealer.seal(sealed, secret_context(user.id))
            changed = state_of(UserState, user, secret=hashed, epoch=user.epoch + 1, kept="")
            event = events.USER_RESET_SECRET.event(USER.of(user.id), changed)
            return Decision((event,), {USER.of(user.id): user.revision})

        named = Caller(id=claims.user, traceparent=caller.traceparent)
        await self._log.commit(named, decide)


def origin_of(referer: str) -> str:
    """The origin (RFC 6454 §6.2) of the page a request came from: `http://localhost:3000`. Raises Malformed."""
    if not referer:
        raise Malformed("missing host: send the header Referer with the page the mail shall link to")
    try:
        parts = urlsplit(referer)
        name = ascii_domain(parts.hostname or "")
        port = f":{parts.port}" if parts.port and parts.port != _PORTS.get(parts.scheme) else ""
    except ValueError:
        raise Malformed("the header Referer is not a URL") from None
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(name):
        raise Malformed("the header Referer must begin with http:// or https:// and name a host")
    host = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{host}{port}"
