"""Puts the room together, and makes the first admin."""

import os
import re
import secrets
from pathlib import Path

import structlog

from blazon.caller import ANONYMOUS
from blazon.errors import SettingsError
from blazon.grouping import GroupApi, GroupDraftBody, GroupRights, Groups, GroupStore, Policies, PolicyApi, Role, Status
from blazon.log import Decision, Follower, canonical
from blazon.room import House, Parts
from blazon.users import events
from blazon.users.api import GroupPage, MembershipApi, SessionApi, UserApi, UserPolicyApi
from blazon.users.attempts import AttemptLimits, Attempts
from blazon.users.events import GROUPING, UserState
from blazon.users.mail import mailer
from blazon.users.models import USER
from blazon.users.passwords import Passwords
from blazon.users.people import People
from blazon.users.principals import Principals
from blazon.users.service import Authorizer, Memberships, ResetMail, Rights, Sessions, UserMembers, Users
from blazon.users.service.users import secret_context
from blazon.users.store import Store
from blazon.users.tokens import Lifetimes, Tokens

__all__ = ["ADMIN_PASSWORD_FILE", "build"]

ADMIN_PASSWORD_FILE = "admin-password"  # noqa: S105 - the name of a file
"""In the data folder: the password the first start made up, readable by its owner only."""

_log = structlog.get_logger("blazon.users")


def build(house: House) -> Parts:
    """The running room."""
    settings = house.settings
    store = Store(house.database)
    principals = Principals(store)
    house.log.listen(principals.hear)
    rights = Rights(store, principals)
    people = People(house.log, principals, rights)
    group_store = GroupStore(house.database, GROUPING)
    group_rights = GroupRights(GROUPING, group_store, rights)
    groups = Groups(house.log, GROUPING, group_store, group_rights)
    policies = Policies(house.log, GROUPING, group_store, group_rights, UserMembers(rights))
    passwords = Passwords()
    rule = re.compile(settings.users.password_rule)
    lifetimes = Lifetimes(int(settings.tokens.access), int(settings.tokens.refresh), int(settings.tokens.reset))
    tokens = Tokens(house.sealer.derive("tokens", 64), lifetimes, house.clock)
    limits = AttemptLimits(per_identity_and_address=settings.users.failures_per_minute)
    attempts = Attempts(limits, house.clock)
    users = Users(
        house.log,
        store,
        rights,
        group_store,
        group_rights,
        passwords,
        attempts,
        house.sealer,
        rule,
        open_registration=settings.users.open_registration,
    )
    sessions = Sessions(
        house.log,
        store,
        principals,
        tokens,
        passwords,
        attempts,
        Attempts(limits, house.clock),
        house.sealer,
        rule,
        frozenset(settings.users.reset_origins),
    )
    reset_mail = ResetMail(
        tokens,
        mailer(settings.mail.url, settings.data_path),
        settings.mail.sender,
        settings.users.reset_path,
        max(1, lifetimes.reset // 60),
    )
    _warn_of_open_resets(house)
    return Parts(
        routes=(
            *UserApi(users).routes(),
            *SessionApi(sessions, people).routes(),
            *GroupApi(groups, "group", GroupDraftBody, GroupPage).routes(),
            *MembershipApi(Memberships(rights, groups)).routes(),
            *UserPolicyApi(policies, Authorizer(house.log, store, group_store, principals)).routes(),
            *PolicyApi(policies, (("/users/policies", "user"),)).routes(),
        ),
        followers=(Follower(house.log, ResetMail.name, ResetMail.types, reset_mail.handle),),
        offers=(people,),
        authenticator=sessions,
        prepare=lambda: _first_admin(house, store, passwords),
        close=passwords.close,
        notes=lambda: _admin_login(house, store, passwords),
    )


def _warn_of_open_resets(house: House) -> None:
    if house.settings.mail.url and not house.settings.users.reset_origins:
        _log.warning(
            "reset mails link to whatever page asks for them; set users.reset_origins to the pages that may",
            setting="users.reset_origins",
        )


async def _first_admin(house: House, store: Store, passwords: Passwords) -> None:
    """Makes the admin of the settings when there is none yet. Several processes may start at once: one makes it."""
    if await store.any_admin():
        return
    admin = house.settings.admin
    _check_rule(house)
    password_file = house.settings.data_path / ADMIN_PASSWORD_FILE
    password = admin.password or _made_up(password_file)
    identifier = house.log.new_id()
    sealed = house.sealer.seal((await passwords.hash(password)).encode(), secret_context(identifier))
    state = UserState(
        id=identifier,
        name="admin",
        identity=admin.email,
        secret=sealed,
        tags=(),
        owner="",
        metadata=canonical({"role": "admin"}),
        status=Status.ENABLED,
        role=Role.ADMIN,
    )

    async def decide() -> Decision:
        if await store.any_admin():
            return Decision(())
        return Decision((events.USER_CREATE.event(USER.of(identifier), state),))

    if not await house.log.commit(ANONYMOUS, decide) and not admin.password:
        password_file.unlink(missing_ok=True)  # another process was faster, with a password of its own


def _check_rule(house: House) -> None:
    settings = house.settings
    if settings.admin.password and not re.search(settings.users.password_rule, settings.admin.password):
        raise SettingsError(
            f"admin.password does not meet users.password_rule, {settings.users.password_rule}; choose another one"
        )


async def _admin_login(house: House, store: Store, passwords: Passwords) -> list[tuple[str, str]]:
    """How to sign in as the first admin, if its first password is still the right one."""
    admin = house.settings.admin
    password_file = house.settings.data_path / ADMIN_PASSWORD_FILE
    password = admin.password or (password_file.read_text().strip() if password_file.exists() else "")
    user = await store.user_by_identity(admin.email)
    if user is None or not password:
        return []
    hashed = house.sealer.unseal(user.secret, secret_context(user.id)).decode()
    if not await passwords.matches(password, hashed):
        return [("Admin", f"{admin.email}, whose first password was changed")]
    return [("Admin", f"{admin.email}   password {password}")]


def _made_up(path: Path) -> str:
    """A random password, kept in a file for the person who started Blazon."""
    if path.exists():
        return path.read_text().strip()
    password = secrets.token_urlsafe(12)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(password + "\n")
    return password
