"""The first admin, and its password when the first start makes one up."""

import contextlib
import os
import re
import secrets
from pathlib import Path
from typing import Final

from blazon.access import Role
from blazon.caller import ANONYMOUS
from blazon.entity import Status
from blazon.errors import SettingsError
from blazon.log import Decision, canonical
from blazon.room import House
from blazon.users import events
from blazon.users.events import UserState
from blazon.users.identities import compared
from blazon.users.models import USER
from blazon.users.passwords import Passwords
from blazon.users.service.users import secret_context
from blazon.users.settings import UserSettings
from blazon.users.store import Store

__all__ = ["ADMIN_PASSWORD_FILE", "FirstAdmin"]

ADMIN_PASSWORD_FILE: Final = "admin-password"  # noqa: S105 - the name of a file
"""In the data folder: the password the first start made up, readable by its owner only."""


class FirstAdmin:
    """Makes the admin of the settings, and tells how to sign in as it."""

    def __init__(self, house: House, store: Store, passwords: Passwords) -> None:
        self._house = house
        self._store = store
        self._passwords = passwords
        self._file = house.settings.data_path / ADMIN_PASSWORD_FILE

    async def make(self) -> None:
        """Makes the admin when there is none yet. Several processes may start at once: one makes it.

        Raises SettingsError.
        """
        if await self._store.any_admin():
            return
        house, admin = self._house, self._house.settings.admin
        _check_rule(house)
        made_up = not admin.password and _make_up(self._file)
        password = admin.password or _read(self._file)
        if not password:
            raise SettingsError(f"{self._file} holds no password for the admin; remove it and start again")
        identifier = house.log.new_id()
        sealed = house.sealer.seal((await self._passwords.hash(password)).encode(), secret_context(identifier))
        state = UserState(
            id=identifier,
            name="admin",
            identity=admin.email,
            compared=compared(admin.email),
            secret=sealed,
            tags=(),
            owner="",
            metadata=canonical({"role": "admin"}),
            status=Status.ENABLED,
            role=Role.ADMIN,
        )

        async def decide() -> Decision:
            if await self._store.any_admin():
                return Decision(())
            return Decision((events.USER_CREATE.event(USER.of(identifier), state),))

        # Another process may have been faster. If its data folder is another one, so is its password, and ours opens
        # nothing. If it is the same one, the file is the only place where the password is.
        if not await house.log.commit(ANONYMOUS, decide) and made_up and not await self._is_password(password):
            self._file.unlink(missing_ok=True)

    async def notes(self) -> list[tuple[str, str]]:
        """How to sign in as the first admin, if its first password is still the right one."""
        admin = self._house.settings.admin
        password = admin.password or _read(self._file)
        if not password or await self._store.user_by_identity(admin.email) is None:
            return []
        if not await self._is_password(password):
            return [("Admin", f"{admin.email}, whose first password was changed")]
        return [("Admin", f"{admin.email}   password {password}")]

    async def _is_password(self, password: str) -> bool:
        user = await self._store.user_by_identity(self._house.settings.admin.email)
        if user is None:
            return False
        hashed = self._house.sealer.unseal(user.secret, secret_context(user.id)).decode()
        return await self._passwords.matches(password, hashed)


def _check_rule(house: House) -> None:
    password, rule = house.settings.admin.password, house.settings.of(UserSettings).password_rule
    if password and not re.search(rule, password):
        raise SettingsError(f"admin.password does not meet users.password_rule, {rule}; choose another one")


def _read(path: Path) -> str:
    """The password in the file, empty when there is none."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""


def _make_up(path: Path) -> bool:
    """Keeps a random password in a file for the person who started Blazon, unless it is there. Whether it was not.

    It is written beside and linked into place: a kill half-way leaves no half a password, nobody reads one, and of
    several processes that start in one folder all have the password of the first.
    """
    if path.exists():
        return False
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(12) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
            return True
        return False
    finally:
        draft.unlink()
