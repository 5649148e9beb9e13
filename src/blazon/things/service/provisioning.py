"""The facade of things for the rooms above: what they may make, as decisions for them to commit."""

from collections.abc import Sequence

import msgspec

from blazon.access import Action, Principal
from blazon.caller import Caller
from blazon.grouping import Policies, check_pairs, check_policy
from blazon.log import Basis, Decision, joined
from blazon.things.events import ThingState
from blazon.things.service.drafts import ThingDraft
from blazon.things.service.things import Things

__all__ = ["NewThing", "Provisioning"]


class NewThing(msgspec.Struct, frozen=True, kw_only=True):
    """A thing to make, with its id and its sealed key, and the channels it is to be connected to."""

    draft: ThingDraft
    state: ThingState
    channels: tuple[str, ...]
    actions: tuple[Action, ...]


class Provisioning:
    """Makes things that are connected from the beginning. The rules are those of `Things` and `Policies`."""

    def __init__(self, things: Things, policies: Policies) -> None:
        self._things = things
        self._policies = policies

    def prepared(self, draft: ThingDraft, channels: Sequence[str] = (), actions: Sequence[Action] = ()) -> NewThing:
        """A thing to make, checked as far as it can be without reading. Raises Malformed and RuleBroken.

        Its id and key are chosen here, once for a request, so that the decision is the same when it is made again.
        """
        state = self._things.state_of_new(draft)
        if channels:
            check_pairs((state.id,), channels)
            check_policy(state.id, channels[0], actions)
        return NewThing(draft=draft, state=state, channels=tuple(channels), actions=tuple(actions))

    async def thing(self, caller: Caller, new: NewThing) -> Decision:
        """The decision to make a thing and connect it, with the caller's rights.

        Raises Unauthenticated, Forbidden, NotFound, Conflict.
        """
        made = await self._things.creation(caller, (new.draft,), (new.state,))
        if not new.channels:
            return made
        connected = await self._policies.connection(
            caller, (new.state.id,), new.channels, new.actions, subject_is_user=False, members=_JustMade()
        )
        return joined((made, connected))


class _JustMade:
    """A thing that the same decision makes: whoever may make it may connect it."""

    async def may_join(self, caller: Caller, principal: Principal, subject: str, *, subject_is_user: bool) -> Basis:
        """Rests on nothing: the thing is not there yet."""
        return {}
