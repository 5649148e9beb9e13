"""Users: register, view, list, change, enable, disable."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from blazon.access import Action, Principal, Role, expect, mask_of
from blazon.caller import Caller
from blazon.entity import Status, rules
from blazon.errors import Conflict, Forbidden, Malformed, NotFound, RuleBroken, Unauthenticated
from blazon.grouping import GroupRights, GroupStore
from blazon.listing import Listed, ListFilter, Visibility, Where, listed, visibility_filters
from blazon.log import Basis, Decision, EventType, Log, Record, Steps, entity_of, state_of
from blazon.storage import Sealer
from blazon.users import events
from blazon.users.attempts import Attempts
from blazon.users.events import UserSeen, UserState
from blazon.users.identities import check_new_identity, compared
from blazon.users.models import GROUP, USER, User
from blazon.users.passwords import Passwords
from blazon.users.service.rights import Rights
from blazon.users.service.rules import check_email, check_password
from blazon.users.store import COMPARED, Store

__all__ = ["UserDraft", "UserFilter", "Users", "secret_context"]


class UserDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A user somebody asks for."""

    name: str = ""
    identity: str = ""
    secret: str = ""
    tags: tuple[str, ...] = ()
    owner: str = ""
    metadata: dict[str, Any] | None = None
    status: Status = Status.ENABLED
    role: Role = Role.USER


class UserFilter(ListFilter, frozen=True, kw_only=True):
    """Which users a list shows."""

    identity: str | None = None
    tag: str | None = None
    owner: str | None = None
    visibility: Visibility | None = None


def secret_context(user: str) -> str:
    """What the password hash of a user is sealed for."""
    return f"user/{user}/secret"


class Users:
    """The rules of users."""

    def __init__(
        self,
        log: Log,
        store: Store,
        rights: Rights,
        groups: GroupStore,
        group_rights: GroupRights,
        passwords: Passwords,
        attempts: Attempts,
        sealer: Sealer,
        password_rule: "re.Pattern[str]",
        *,
        open_registration: bool,
    ) -> None:
        self._log = log
        self._store = store
        self._rights = rights
        self._groups = groups
        self._group_rights = group_rights
        self._passwords = passwords
        self._attempts = attempts
        self._sealer = sealer
        self._password_rule = password_rule
        self._open_registration = open_registration

    async def register(self, caller: Caller, draft: UserDraft) -> User:
        """Makes a user. Anybody may, while registration is open; an admin only by an admin (decision C5)."""
        rules.check_name(draft.name)
        check_email(draft.identity)
        if not draft.secret:
            raise Malformed("credentials.secret is missing")
        check_password("credentials.secret", draft.secret, self._password_rule)
        identifier = self._log.new_id()
        state = UserState(
            id=identifier,
            name=draft.name,
            identity=draft.identity,
            compared=compared(draft.identity),
            secret="",
            tags=rules.check_tags(draft.tags),
            owner="",
            metadata=self._log.metadata.kept(draft.metadata),
            status=draft.status,
            role=draft.role,
        )
        hashed = ""

        async def decide() -> Decision:
            nonlocal hashed
            owner, basis = await self._owner_for(caller, draft)
            if await self._store.is_taken(draft.identity):
                raise Conflict("there is a user with this identity")
            hashed = hashed or await self._sealed_hash(identifier, draft.secret)
            made = msgspec.structs.replace(state, owner=owner, secret=hashed)
            return Decision((events.USER_CREATE.event(USER.of(identifier), made),), basis)

        return _only_user(await self._log.commit(caller, decide), events.USER_CREATE)

    async def _owner_for(self, caller: Caller, draft: UserDraft) -> tuple[str, Basis]:
        if caller.anonymous:
            if not self._open_registration:
                raise Forbidden("registration is closed; an admin makes users here")
            if draft.role is not Role.USER:
                raise Forbidden(f"only an admin makes a user with the role {draft.role}")
            if draft.owner:
                raise Forbidden("only a signed-in user names an owner")
            return "", {}
        principal, basis = await self._rights.caller(caller)
        if not principal.admin and (draft.role is not Role.USER or not self._open_registration):
            raise Forbidden("only an admin may do this")
        if draft.owner and draft.owner != principal.id:
            basis |= await self._existing_owner(draft.owner)
        return draft.owner or principal.id, basis

    async def _existing_owner(self, identifier: str) -> Basis:
        try:
            return await self._rights.existing(identifier)
        except NotFound:
            raise NotFound("the owner is not a user") from None

    async def _sealed_hash(self, identifier: str, secret: str) -> str:
        hashed = await self._passwords.hash(secret)
        return self._sealer.seal(hashed.encode(), secret_context(identifier))

    async def profile(self, caller: Caller) -> User:
        """The caller's own user."""
        principal, _ = await self._rights.caller(caller)
        user, _ = await self._rights.user(caller, principal.id, Action.C_LIST)
        self._log.observe(caller, events.USER_VIEW_PROFILE.event(USER.of(user.id), _seen(user)))
        return user

    async def view(self, caller: Caller, identifier: str) -> User:
        """A user the caller may see."""
        user, _ = await self._rights.user(caller, identifier, Action.C_LIST)
        self._log.observe(caller, events.USER_VIEW.event(USER.of(user.id), _seen(user)))
        return user

    async def update(self, caller: Caller, identifier: str, name: str | None, metadata: dict[str, Any] | None) -> User:
        """Sets name and metadata. An empty name and no metadata leave them as they are; metadata is replaced."""
        changes: dict[str, Any] = {}
        if name:
            changes["name"] = rules.check_name(name)
        if metadata is not None:
            changes["metadata"] = self._log.metadata.kept(metadata)
        return await self._change(caller, identifier, events.USER_UPDATE, changes)

    async def update_tags(self, caller: Caller, identifier: str, tags: Sequence[str]) -> User:
        """Replaces the tags."""
        return await self._change(caller, identifier, events.USER_UPDATE_TAGS, {"tags": rules.check_tags(tags)})

    async def update_identity(self, caller: Caller, identifier: str, identity: str) -> User:
        """Sets what the user signs in with. It need not be an e-mail address (the document's sample is none)."""
        check_new_identity(identity)

        async def check(_: User) -> Basis:
            if await self._store.is_taken(identity, but=identifier):
                raise Conflict("there is a user with this identity")
            return {}

        return await self._change(
            caller,
            identifier,
            events.USER_UPDATE_IDENTITY,
            {"identity": identity, "compared": compared(identity)},
            check,
            shared=False,
        )

    async def update_owner(self, caller: Caller, identifier: str, owner: str) -> User:
        """Gives the user to another owner."""
        if not owner:
            raise Malformed("owner is missing")
        return await self._change(
            caller,
            identifier,
            events.USER_UPDATE_OWNER,
            {"owner": owner},
            lambda _: self._existing_owner(owner),
            shared=False,
        )

    async def _change(
        self,
        caller: Caller,
        identifier: str,
        kind: EventType[UserState],
        changes: dict[str, Any],
        check: Callable[[User], Awaitable[Basis]] | None = None,
        *,
        shared: bool = True,
    ) -> User:
        async def decide() -> Decision:
            user, basis = await self._rights.user(caller, identifier, Action.C_UPDATE, shared=shared)
            if user.status is not Status.ENABLED:
                raise NotFound("the user is disabled; enable it before changing it")
            expect(caller, user.revision)
            if check is not None:
                basis |= await check(user)
            return Decision((kind.event(USER.of(user.id), state_of(UserState, user, **changes)),), basis)

        return _only_user(await self._log.commit(caller, decide), kind)

    async def update_secret(self, caller: Caller, old: str, new: str) -> User:
        """Sets the caller's own password. All its other sign-ins are over (decision C10)."""
        if not old:
            raise Malformed("old_secret is missing")
        check_password("new_secret", new, self._password_rule)

        async def check() -> tuple[User, Basis]:
            principal, basis = await self._rights.caller(caller)
            user, _ = await self._rights.user(caller, principal.id, Action.C_UPDATE)
            expect(caller, user.revision)
            return user, basis

        async def act(checked: tuple[User, Basis]) -> str:
            # Not a part of the check: a failed attempt is counted.
            user, _ = checked
            current = self._sealer.unseal(user.secret, secret_context(user.id)).decode()
            async with self._attempts.attempt(compared(user.identity), caller.address):
                if not await self._passwords.matches(old, current):
                    raise Unauthenticated("old_secret is not the current password")
            return await self._sealed_hash(user.id, new)

        def record(checked: tuple[User, Basis], hashed: str) -> Decision:
            user, basis = checked
            changed = state_of(UserState, user, secret=hashed, epoch=user.epoch + 1, kept=caller.session)
            return Decision((events.USER_UPDATE_SECRET.event(USER.of(user.id), changed),), basis)

        records = await self._log.perform(caller, Steps(check=check, act=act, record=record))
        return _only_user(records, events.USER_UPDATE_SECRET)

    async def set_status(self, caller: Caller, identifier: str, status: Status) -> User:
        """Enables, or disables, which ends every sign-in. The last enabled admin is not: nobody could undo it."""

        async def decide() -> Decision:
            user, basis = await self._rights.user(caller, identifier, Action.C_DELETE)
            expect(caller, user.revision)
            if user.status is status:
                raise Conflict(f"status already assigned: the user is {status.value} already")
            if status is Status.DISABLED and user.role is Role.ADMIN:
                other = await self._store.other_admin(user.id)
                if other is None:
                    raise RuleBroken("this is the last enabled admin; make another one first")
                basis[USER.of(other[0])] = other[1]
            # Who is enabled again signs in again: a token that was stolen does not come back to life.
            ended = {"epoch": user.epoch + 1, "kept": ""} if status is Status.DISABLED else {}
            changed = state_of(UserState, user, status=status, **ended)
            return Decision((events.USER_REMOVE.event(USER.of(user.id), changed),), basis)

        return _only_user(await self._log.commit(caller, decide), events.USER_REMOVE)

    async def browse(self, caller: Caller, wanted: UserFilter) -> tuple[int, list[User]]:
        """The users the caller may see (fact sheet §9.6)."""
        principal, _ = await self._rights.caller(caller)
        where = self._where(wanted)
        if principal.admin:
            _restrict_admin(where, principal, wanted)
        else:
            _restrict(where, principal, wanted.visibility)
        total, users = await self._store.users(where, wanted.offset, wanted.limit)
        seen = _listed(
            wanted,
            total,
            known=visibility_filters(wanted.visibility, principal),
            asked={"owner": wanted.owner if principal.admin else None},
        )
        self._log.observe(caller, events.USER_LIST.event("", seen))
        return total, users

    async def members(self, caller: Caller, group: str, wanted: UserFilter) -> tuple[int, list[User]]:
        """The users with a policy in a group: all for an admin and who may list members; else all but the caller."""
        principal, _ = await self._rights.caller(caller)
        policy = await self._groups.policy(principal.id, group)
        sees_all = policy is not None and Action.C_LIST in policy.actions
        found, _ = await self._group_rights.group(caller, group, Action.C_LIST if sees_all else Action.G_LIST)
        where = self._where(wanted)
        where.add("u.id IN (SELECT subject FROM user_policies WHERE object = ?)", found.id)
        if not principal.admin and not sees_all:
            where.add("u.id <> ?", principal.id)
        owner = wanted.owner if principal.admin else None
        if owner:
            where.add("u.owner = ?", owner)
        total, users = await self._store.users(where, wanted.offset, wanted.limit)
        seen = _listed(wanted, total, known={"group_id": found.id}, asked={"owner_id": owner})
        self._log.observe(caller, events.USER_LIST_BY_GROUP.event(GROUP.of(found.id), seen))
        return total, users

    def _where(self, wanted: UserFilter) -> Where:
        where = wanted.where(self._store.dialect, "u")
        if wanted.identity is not None:
            where.add(COMPARED, compared(wanted.identity))
        if wanted.tag is not None:
            where.add(self._store.dialect.contains("u.tags"), msgspec.json.encode([wanted.tag]).decode())
        return where


_SHARED_WITH = (
    "u.id IN (SELECT q.subject FROM user_policies p JOIN user_policies q ON q.object = p.object"
    " WHERE p.subject = ? AND (p.mask & ?) <> 0)"
)


def _restrict_admin(where: Where, principal: Principal, wanted: UserFilter) -> None:
    if wanted.owner:
        where.add("u.owner = ?", wanted.owner)
    if wanted.visibility is Visibility.MINE:
        where.add("u.owner = ?", principal.id)
    elif wanted.visibility is Visibility.SHARED:
        where.add(_SHARED_WITH, principal.id, mask_of(Action.C_LIST))


def _restrict(where: Where, principal: Principal, visibility: Visibility | None) -> None:
    where.add("u.id <> ?", principal.id)
    if visibility is Visibility.SHARED:
        where.add(_SHARED_WITH, principal.id, mask_of(Action.C_LIST))
    elif visibility is Visibility.ALL:
        where.add(f"(u.owner = ? OR {_SHARED_WITH})", principal.id, principal.id, mask_of(Action.C_LIST))
    else:
        where.add("u.owner = ?", principal.id)


def _listed(
    wanted: UserFilter, total: int, *, known: Mapping[str, str | None], asked: Mapping[str, str | None]
) -> Listed:
    known = {"status": wanted.status.value, **known}
    texts = {"name": wanted.name, "metadata": wanted.metadata, "identity": wanted.identity, "tag": wanted.tag}
    return listed(total, wanted.offset, wanted.limit, known=known, asked={**texts, **asked})


def _only_user(records: Sequence[Record], kind: EventType[UserState]) -> User:
    (record,) = records
    return entity_of(User, record, kind.read(record))


def _seen(user: User) -> UserSeen:
    return state_of(UserSeen, user)
