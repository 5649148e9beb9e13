"""Access decisions, made in memory and kept current by the log (DESIGN §5).

Every thing, channel and policy is here in the shortest form that decides: a million things take some 350 MB. A change
made by this process is here before its caller is answered; one of another process follows within milliseconds.
"""

import gc
import hmac
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from blazon.access import Action, mask_of
from blazon.entity import Status
from blazon.log import Reader, Record
from blazon.storage import Database, Row, Sealer
from blazon.things.models import CHANNEL, POLICY, THING
from blazon.things.store import all_channels, all_policies, all_things

__all__ = ["Access", "Verdict"]

_FEW: Final = 8
"""Up to so many channels of a thing stand in a tuple, which is small; more in a dictionary, which is fast."""

_ENABLED: Final = Status.ENABLED.value
_MASK: Final = {action: mask_of(action) for action in Action}
_GIVEN: Final = {action: f"a policy gives the thing {action} on the channel" for action in Action}


_POLICY_CHANGES: Final = frozenset(("policies.add", "policies.update", "policies.delete"))


class _Channel(msgspec.Struct, gc=False):
    """A channel. One that only a policy names so far has no owner and is not enabled."""

    id: str
    owner: str = ""
    enabled: bool = False
    known: bool = False


_Grants = tuple[Any, ...] | dict[str, tuple[_Channel, int]]
"""Channels and the actions on each as a mask: channel, mask, channel, mask …; or by id of the channel."""


class _Thing(msgspec.Struct, gc=False):
    """A thing. `digest` is the keyed hash of its key."""

    id: bytes
    digest: bytes
    owner: str
    enabled: bool
    grants: _Grants = ()


class _ThingFacts(msgspec.Struct, frozen=True):
    id: str
    key_hash: str
    owner: str
    status: str


class _ChannelFacts(msgspec.Struct, frozen=True):
    id: str
    owner: str
    status: str


class _PolicyFacts(msgspec.Struct, frozen=True):
    subject: str
    object: str
    actions: tuple[str, ...]


class Verdict(msgspec.Struct, frozen=True):
    """Whether an access is allowed, why or why not, and whose it is."""

    allowed: bool
    reason: str
    thing: str = ""


class Access:
    """Who may do what, in memory."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._digest = sealer.digest
        self._newest = 0
        self._things: dict[bytes, _Thing] = {}
        self._keys: dict[bytes, _Thing] = {}
        self._channels: dict[str, _Channel] = {}
        self._others: dict[str, _Grants] = {}
        self._owners: dict[str, str] = {}
        self._counts: Counter[tuple[str, bool]] = Counter()
        self._total: Counter[bool] = Counter()
        read_thing = msgspec.json.Decoder(_ThingFacts).decode
        read_channel = msgspec.json.Decoder(_ChannelFacts).decode
        read_policy = msgspec.json.Decoder(_PolicyFacts).decode
        self._hear: dict[str, Callable[[Record], None]] = {
            THING.name: lambda record: self._set_thing(read_thing(record.data), late=record.sequence < self._newest),
            CHANNEL.name: lambda record: self._set_channel(read_channel(record.data)),
            POLICY.name: lambda record: self._heard_policy(record, read_policy(record.data)),
        }

    async def reload(self) -> int:
        """Reads everything. What is recorded from then on comes through `hear`."""
        for table in (self._things, self._keys, self._channels, self._others, self._owners, self._counts, self._total):
            table.clear()
        gc.disable()  # millions of objects are made here, and none is garbage
        try:
            async with self._database.snapshot() as snapshot:
                head = await Reader(snapshot).head()
                async for rows in all_channels(snapshot):
                    for row in rows:
                        self._set_channel(_ChannelFacts(*row))
                async for rows in all_things(snapshot):
                    self._add_things(rows)
                async for rows in all_policies(snapshot):
                    for subject, channel, mask in rows:
                        self._grant(subject, channel, mask)
        finally:
            gc.enable()
        self._newest = head.sequence
        return head.sequence

    def _add_things(self, rows: Sequence[Row]) -> None:
        """Things that are not here yet: id, key hash, owner, status. What `_set_thing` does, for very many."""
        intern, fromhex = self._owners.setdefault, bytes.fromhex
        counts: Counter[tuple[str, bool]] = Counter()
        for identifier, key_hash, owner, status in rows:
            thing = _Thing(
                fromhex(identifier.replace("-", "")), fromhex(key_hash), intern(owner, owner), status == _ENABLED
            )
            self._things[thing.id] = thing
            self._keys[thing.digest] = thing
            counts[thing.owner, thing.enabled] += 1
        for (owner, enabled), number in counts.items():
            self._counts[owner, enabled] += number
            self._total[enabled] += number

    def hear(self, records: Sequence[Record]) -> None:
        """Takes in what changed. Raises when a newer release changed something in a way this one cannot read."""
        for record in records:
            hear = self._hear.get(record.subject.partition(":")[0]) if record.service == "things" else None
            if hear is not None:
                hear(record)
                self._newest = max(self._newest, record.sequence)

    def count(self, owner: str | None, status: Status | None) -> int:
        """How many things there are: of an owner or of all, in a state or in any."""
        states = (True, False) if status is None else (status is Status.ENABLED,)
        if owner is None:
            return sum(self._total[state] for state in states)
        return sum(self._counts[owner, state] for state in states)

    def identify(self, key: str) -> str | None:
        """The id of the enabled thing a key belongs to."""
        thing = self._by_key(key)
        return _text(thing.id) if thing is not None and thing.enabled else None

    def by_key(self, key: str, channel: str, action: Action) -> Verdict:
        """Whether the thing with this key may do something on a channel."""
        thing = self._by_key(key)
        if thing is None:
            return Verdict(allowed=False, reason="no thing has this key")
        return self._of_thing(thing, channel, action)

    def by_id(self, identifier: str, channel: str, action: Action) -> Verdict:
        """Whether the thing with this id may do something on a channel."""
        thing = self._thing(identifier)
        if thing is None:
            return Verdict(allowed=False, reason="there is no thing with this id")
        return self._of_thing(thing, channel, action)

    def of_user(self, user: str, channel: str, action: Action) -> Verdict:
        """Whether a user, or a thing by its id, may do something to a channel: as its owner, or by a policy."""
        found = self._channels.get(channel)
        if found is None or not found.known:
            return Verdict(allowed=False, reason="there is no channel with this id")
        if found.owner == user:
            return Verdict(allowed=True, reason="the subject owns the channel")
        mask = _mask_in(self._grants_of(user), channel)
        if mask & _MASK[action]:
            return Verdict(allowed=True, reason=f"a policy gives the subject {action} on the channel")
        return Verdict(allowed=False, reason=_missing(mask, action, "subject"))

    def channels_of(self, thing: str) -> list[tuple[str, int]]:
        """The channels a thing has a policy on and the actions there, as a mask, enabled or not."""
        found = self._thing(thing)
        return [] if found is None else [(channel.id, mask) for channel, mask in _pairs(found.grants)]

    def has_policy(self, subject: str, action: Action) -> bool:
        """Whether the subject has the action on any channel."""
        wanted = mask_of(action)
        return any(mask & wanted for _, mask in _pairs(self._grants_of(subject)))

    def _of_thing(self, thing: _Thing, channel: str, action: Action) -> Verdict:
        identifier = _text(thing.id)
        mask = _mask_in(thing.grants, channel)
        found = self._channels.get(channel)
        if not thing.enabled:
            return Verdict(allowed=False, reason="the thing is disabled", thing=identifier)
        if found is None or not found.known:
            return Verdict(allowed=False, reason="there is no channel with this id", thing=identifier)
        if not found.enabled:
            return Verdict(allowed=False, reason="the channel is disabled", thing=identifier)
        if mask & _MASK[action]:
            return Verdict(allowed=True, reason=_GIVEN[action], thing=identifier)
        return Verdict(allowed=False, reason=_missing(mask, action, "thing"), thing=identifier)

    def _by_key(self, key: str) -> _Thing | None:
        digest = self._digest(key)
        thing = self._keys.get(digest)
        # The look-up compares hashes under a key of ours, which no caller can steer; the comparison that decides is
        # in constant time all the same.
        if thing is None or not hmac.compare_digest(thing.digest, digest):
            return None
        return thing

    def _thing(self, identifier: str) -> _Thing | None:
        try:
            thing = self._things.get(bytes.fromhex(identifier.replace("-", "")))
        except ValueError:
            return None
        return thing if thing is not None and _text(thing.id) == identifier else None

    def _grants_of(self, subject: str) -> _Grants:
        if subject in self._others:
            return self._others[subject]
        thing = self._thing(subject)
        return () if thing is None else thing.grants

    def _set_thing(self, facts: _ThingFacts, *, late: bool) -> None:
        """Sets what is known of a thing. It is `late` when newer facts, about other things, were heard before it."""
        identifier, digest = bytes.fromhex(facts.id.replace("-", "")), bytes.fromhex(facts.key_hash)
        owner = self._owners.setdefault(facts.owner, facts.owner)
        enabled = facts.status == _ENABLED
        thing = self._things.get(identifier)
        if thing is None:
            thing = _Thing(identifier, digest, owner, enabled)
            self._things[identifier] = thing
            if self._others and facts.id in self._others:  # its policy was heard of first
                thing.grants = self._others.pop(facts.id)
        else:
            self._count(thing, -1)
            if thing.digest != digest and self._keys.get(thing.digest) is thing:
                del self._keys[thing.digest]
            thing.digest, thing.owner, thing.enabled = digest, owner, enabled
        # Whoever has the key when this comes late has it by something newer: this thing has given it up meanwhile.
        if not late or digest not in self._keys:
            self._keys[digest] = thing
        self._count(thing, 1)

    def _count(self, thing: _Thing, step: int) -> None:
        self._counts[thing.owner, thing.enabled] += step
        self._total[thing.enabled] += step

    def _set_channel(self, facts: _ChannelFacts) -> None:
        channel = self._channel(facts.id)
        channel.owner = self._owners.setdefault(facts.owner, facts.owner)
        channel.enabled = facts.status == _ENABLED
        channel.known = True

    def _channel(self, identifier: str) -> _Channel:
        channel = self._channels.get(identifier)
        if channel is None:
            channel = self._channels[identifier] = _Channel(identifier)
        return channel

    def _heard_policy(self, record: Record, facts: _PolicyFacts) -> None:
        if record.type not in _POLICY_CHANGES:
            raise LookupError(f"{record.type} changes a policy in a way that is not known here")
        gone = record.type == "policies.delete"
        self._grant(facts.subject, facts.object, 0 if gone else mask_of(*facts.actions))

    def _grant(self, subject: str, channel: str, mask: int) -> None:
        thing = self._thing(subject)
        found = self._channel(channel)
        if thing is not None:
            thing.grants = _with(thing.grants, found, mask)
            return
        grants = _with(self._others.get(subject, ()), found, mask)
        if grants:
            self._others[subject] = grants
        else:
            self._others.pop(subject, None)


def _text(identifier: bytes) -> str:
    digits = identifier.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _pairs(grants: _Grants) -> Sequence[tuple[_Channel, int]]:
    if isinstance(grants, dict):
        return list(grants.values())
    return list(zip(grants[::2], grants[1::2], strict=True))


def _mask_in(grants: _Grants, channel: str) -> int:
    """The actions on a channel; 0 when there is no policy."""
    if isinstance(grants, dict):
        return grants[channel][1] if channel in grants else 0
    for place in range(0, len(grants), 2):
        if grants[place].id == channel:
            mask: int = grants[place + 1]
            return mask
    return 0


def _with(grants: _Grants, channel: _Channel, mask: int) -> _Grants:
    """The grants with those on one channel replaced; 0 takes them away."""
    if not grants:
        return (channel, mask) if mask else ()
    if isinstance(grants, dict):
        if mask:
            grants[channel.id] = (channel, mask)
        else:
            grants.pop(channel.id, None)
        return grants
    kept = [pair for pair in zip(grants[::2], grants[1::2], strict=True) if pair[0] is not channel]
    if mask:
        kept.append((channel, mask))
    if len(kept) > _FEW:
        return {found.id: (found, actions) for found, actions in kept}
    return tuple(part for pair in kept for part in pair)


def _missing(mask: int, action: Action, whose: str) -> str:
    if not mask:
        return f"the {whose} has no policy on the channel"
    has = ", ".join(each for each in Action if mask & mask_of(each))
    return f"the {whose}'s policy on the channel allows {has}, not {action}"
