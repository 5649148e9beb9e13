"""Issuance profiles over HTTP."""

from collections.abc import Sequence

from msgspec import Struct

from blazon.ca.api.shapes import API, ExpirationBody, ExpirationShown, Nothing, expiration_shown
from blazon.ca.api.table import pki_table
from blazon.ca.models import StoredProfile
from blazon.ca.service import Profiles
from blazon.ca.x509 import Profile
from blazon.clock import rfc3339
from blazon.errors import Conflict, Forbidden, NotFound, RuleBroken
from blazon.web import AnyRoute, Call, NoBody, NoQuery, Reply

__all__ = ["ProfileApi"]

_REFUSED = (NotFound, Conflict, RuleBroken)


class GivenProfile(Profile, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What certificates look like; its validity as a CA's expirations are given."""

    validity: ExpirationBody | None = None  # type: ignore[assignment]

    def read(self) -> Profile:
        """As the rules know it. Raises Malformed."""
        fields = {name: getattr(self, name) for name in Profile.__struct_fields__}
        return Profile(**{**fields, "validity": None if self.validity is None else self.validity.read()})


class ProfileShown(Profile, frozen=True, kw_only=True):
    """What certificates look like."""

    validity: ExpirationShown | None = None  # type: ignore[assignment]

    @classmethod
    def of(cls, profile: Profile) -> "ProfileShown":
        """As answers show it."""
        fields = {name: getattr(profile, name) for name in Profile.__struct_fields__}
        return cls(**{**fields, "validity": None if profile.validity is None else expiration_shown(profile.validity)})


class ProfileBody(Struct, frozen=True):
    """An issuance profile to keep."""

    name: str
    profile: GivenProfile


class ShownProfile(Struct, frozen=True):
    """An issuance profile."""

    id: str
    name: str
    profile: ProfileShown
    creation_ts: str


class ProfileList(Struct, frozen=True):
    """Every issuance profile."""

    list: list[ShownProfile]


class ProfileApi:
    """Handlers of the profile routes."""

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles

    async def create_issuance_profile(self, call: Call[ProfileBody, NoQuery]) -> Reply:
        return _reply(await self._profiles.create(call.caller, call.body.name, call.body.profile.read()), 201)

    async def list_issuance_profiles(self, call: Call[NoBody, NoQuery]) -> Reply:
        return Reply(200, ProfileList([_shown(each) for each in await self._profiles.browse(call.caller)]))

    async def view_issuance_profile(self, call: Call[NoBody, NoQuery]) -> Reply:
        return _reply(await self._profiles.view(call.caller, call.path["id"]))

    async def update_issuance_profile(self, call: Call[ProfileBody, NoQuery]) -> Reply:
        body = call.body
        return _reply(await self._profiles.update(call.caller, call.path["id"], body.name, body.profile.read()))

    async def delete_issuance_profile(self, call: Call[NoBody, NoQuery]) -> Reply:
        await self._profiles.delete(call.caller, call.path["id"])
        return Reply(200, Nothing())

    def routes(self) -> Sequence[AnyRoute]:
        """The routes of profiles."""
        every, one = f"{API}/profiles", f"{API}/profiles/{{id}}"
        return (
            pki_table("profiles", answer=ShownProfile, errors=(Forbidden,))
            .post(
                every,
                "Create an issuance profile",
                self.create_issuance_profile,
                body=ProfileBody,
                status=201,
                errors=_REFUSED,
            )
            .get(every, "List issuance profiles", self.list_issuance_profiles, answer=ProfileList)
            .get(one, "View an issuance profile", self.view_issuance_profile, errors=(NotFound,))
            .put(one, "Replace an issuance profile", self.update_issuance_profile, body=ProfileBody, errors=_REFUSED)
            .delete(
                one,
                "Delete an issuance profile no CA uses",
                self.delete_issuance_profile,
                answer=Nothing,
                errors=(NotFound, Conflict),
            )
            .routes
        )


def _shown(stored: StoredProfile) -> ShownProfile:
    return ShownProfile(stored.id, stored.name, ProfileShown.of(stored.profile), rfc3339(stored.created_at))


def _reply(stored: StoredProfile, status: int = 200) -> Reply:
    headers = [("etag", f'"{stored.revision}"')]
    if status == 201:
        headers.append(("location", f"{API}/profiles/{stored.id}"))
    return Reply(status, _shown(stored), tuple(headers))
