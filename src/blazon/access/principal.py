"""A user as far as access needs to know it: role, status, and which of its sign-ins count."""

from enum import StrEnum

import msgspec

from blazon.entity import Status

__all__ = ["Principal", "Role"]


class Role(StrEnum):
    """What a user is to the whole system."""

    USER = "user"
    PKI = "pki"
    """Manages certificate authorities, certificates and devices."""
    ADMIN = "admin"


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A user as far as access needs to know it."""

    id: str
    identity: str
    status: Status
    role: Role
    epoch: int
    kept: str
    revision: int

    @property
    def admin(self) -> bool:
        """Whether it may do everything."""
        return self.role is Role.ADMIN

    @property
    def pki(self) -> bool:
        """Whether it manages certificate authorities, certificates and devices (decision C13)."""
        return self.role in (Role.PKI, Role.ADMIN)

    @property
    def enabled(self) -> bool:
        """Whether it may do anything."""
        return self.status is Status.ENABLED
