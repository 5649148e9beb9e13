"""Pages of groups of users (fact sheet §3.2)."""

from collections.abc import Sequence

from msgspec import Struct

from blazon.errors import NotFound
from blazon.grouping import GroupBody, GroupQuery, group_body, group_filter
from blazon.users.service import Memberships
from blazon.web import AnyRoute, Call, NoBody, Reply, RouteTable

__all__ = ["GroupPage", "MembershipApi"]


class GroupPage(Struct, frozen=True, omit_defaults=True):
    """A page of groups."""

    limit: int
    offset: int
    total: int
    groups: list[GroupBody]
    level: int = 0


class MembershipPage(Struct, frozen=True):
    """A page of the groups of a user."""

    limit: int
    offset: int
    total: int
    memberships: list[GroupBody]


class MembershipApi:
    """The groups a user is in."""

    def __init__(self, memberships: Memberships) -> None:
        self._memberships = memberships

    async def list_memberships(self, call: Call[NoBody, GroupQuery]) -> Reply:
        query = call.query
        total, groups = await self._memberships.browse(call.caller, call.path["id"], group_filter(query))
        return Reply(200, MembershipPage(query.limit, query.offset, total, [group_body(group) for group in groups]))

    def routes(self) -> Sequence[AnyRoute]:
        """The route of memberships."""
        return (
            RouteTable("groups", service="users")
            .get(
                "/users/{id}/memberships",
                "List the groups of a user",
                self.list_memberships,
                query=GroupQuery,
                answer=MembershipPage,
                errors=(NotFound,),
            )
            .routes
        )
