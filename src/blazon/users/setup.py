"""Puts the room together."""

import re
from functools import partial
from typing import Final

import structlog

from blazon.errors import Malformed, SettingsError
from blazon.grouping import (
    GroupApi,
    GroupDraftBody,
    GroupRights,
    Groups,
    GroupStore,
    Place,
    Policies,
    PolicyApi,
    always,
)
from blazon.log import Follower
from blazon.room import House, Parts
from blazon.services import Service
from blazon.settings import Settings
from blazon.users.api import GroupPage, MembershipApi, SessionApi, UserApi, UserPolicyApi
from blazon.users.attempts import AttemptLimits, Attempts
from blazon.users.events import GROUPING
from blazon.users.first_admin import FirstAdmin
from blazon.users.group_policies import GroupPolicies
from blazon.users.mail import checked_sender, mailer
from blazon.users.passwords import Passwords
from blazon.users.people import People
from blazon.users.principals import Principals
from blazon.users.service import Authorizer, Memberships, ResetMail, Rights, Sessions, UserMembers, Users
from blazon.users.service.sessions import origin_of
from blazon.users.settings import TokenSettings, UserSettings
from blazon.users.store import Store
from blazon.users.tokens import Lifetimes, Tokens
from blazon.users.upgrade import compare_identities
from blazon.users.waiting import WaitingMails
from blazon.web import REFRESH_TOKEN, USER_TOKEN, BearerScheme

__all__ = ["build"]

_PLACES: Final = (Place("/users/policies", "user", ("api", "users")), Place("/policies", "service", ("users",)))
"""Where policies of users are: the gateway's path, and the one the service has alone."""

_log = structlog.get_logger("blazon.users")


def build(house: House) -> Parts:
    """The running room."""
    settings = house.settings
    store = Store(house.database)
    principals = Principals(store)
    house.log.listen(principals)
    rights = Rights(store, principals)
    people = People(house.log, principals, rights)
    group_store = GroupStore(house.database, GROUPING)
    group_rights = GroupRights(GROUPING, group_store, rights)
    groups = Groups(house.log, GROUPING, group_store, group_rights)
    policies = Policies(house.log, GROUPING, group_store, group_rights, UserMembers(rights))
    passwords = Passwords()
    own, lives = settings.of(UserSettings), settings.of(TokenSettings)
    rule = re.compile(own.password_rule)
    lifetimes = Lifetimes(int(lives.access), int(lives.refresh), int(lives.reset))
    tokens = Tokens(house.sealer.derive("tokens", 64), lifetimes, house.clock)
    limits = AttemptLimits(per_identity_and_address=own.failures_per_minute)
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
        open_registration=own.open_registration,
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
        _reset_origins(settings),
    )
    reset_mail = _reset_mail(house, tokens, lifetimes)
    first_admin = FirstAdmin(house, store, passwords)

    async def prepare() -> None:
        await compare_identities(house.database)
        await first_admin.make()

    return Parts(
        routes=(
            *UserApi(users).routes(),
            *SessionApi(sessions, people).routes(),
            *GroupApi(groups, "group", GroupDraftBody, GroupPage, "users").routes(),
            *MembershipApi(Memberships(rights, groups)).routes(),
            *UserPolicyApi(policies, Authorizer(house.log, store, group_store, principals), _PLACES).routes(),
            *PolicyApi(always(policies), _PLACES).routes(),
        ),
        services=(
            Service("reset mail", Follower(house.log, ResetMail.name, ResetMail.types, reset_mail.handle).run),
            Service("waiting mail", reset_mail.run),
        ),
        offers=(people, GroupPolicies(policies, group_store)),
        schemes=(
            BearerScheme(USER_TOKEN, partial(sessions.authenticate, refresh=False)),
            BearerScheme(REFRESH_TOKEN, partial(sessions.authenticate, refresh=True)),
        ),
        prepare=prepare,
        close=passwords.close,
        notes=first_admin.notes,
    )


def _reset_mail(house: House, tokens: Tokens, lifetimes: Lifetimes) -> ResetMail:
    settings = house.settings
    return ResetMail(
        WaitingMails(house.log, ResetMail.name),
        tokens,
        mailer(settings.mail.url, settings.data_path),
        checked_sender(settings.mail.sender),
        settings.of(UserSettings).reset_path,
        max(1, lifetimes.reset // 60),
    )


def _reset_origins(settings: Settings) -> frozenset[str]:
    """The origins a reset mail may link to; none is any. Raises SettingsError."""
    key, pages = "users.reset_origins", settings.of(UserSettings).reset_origins
    if not pages and settings.http.public_url:
        key, pages = "http.public_url", (settings.http.public_url,)
    if not pages and settings.mail.url:
        _log.warning(
            "reset mails link to whatever page asks for them; set users.reset_origins to the pages that may",
            setting=key,
        )
    try:
        return frozenset(origin_of(page) for page in pages)
    except Malformed:
        raise SettingsError(f"{key} must name a host a link can have, such as https://ui.example.com") from None
