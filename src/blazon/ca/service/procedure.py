"""Procedures that work with a key: what each does is announced by an intent before an engine hears of it."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from blazon.ca.models import INTENT, IntentKind
from blazon.ca.service.intents import Intents, Open, ended
from blazon.caller import Caller
from blazon.log import Decision

__all__ = ["KeyProcedure"]

C = TypeVar("C")
D = TypeVar("D")


class KeyProcedure(Generic[C, D]):
    """check → intent → engine → record, as three functions.

    `act` gets the open intents and begins each one before it asks the engine. The decision of `record` is completed
    here: it rests on every intent that was begun still being open, and ends all but those that delete a key. Those
    are carried out once the decision is recorded.
    """

    def __init__(
        self,
        intents: Intents,
        caller: Caller,
        *,
        check: Callable[[], Awaitable[C]],
        act: Callable[[C, Open], Awaitable[D]],
        record: Callable[[C, D], Decision],
    ) -> None:
        self._open = intents.open(caller)
        self._act = act
        self._record = record
        self.check = check

    async def act(self, checked: C) -> D:
        """Records the intents and asks the engine."""
        return await self._act(checked, self._open)

    def record(self, checked: C, done: D) -> Decision:
        """The decision, with the ends of the intents."""
        decision = self._record(checked, done)
        begun = self._open.begun
        ends = [ended(each, done=True) for each in begun if each.kind is not IntentKind.DELETE]
        relies = {**decision.relies, **{INTENT.of(each.id): each.revision for each in begun}}
        return Decision((*decision.events, *ends), relies)

    async def undo(self) -> None:
        """Cancels the intents; a key that was made is destroyed."""
        await self._open.drop()

    async def recorded(self) -> None:
        """Deletes the keys that are to be deleted; the other intents have ended."""
        await self._open.finish()

    async def failed(self, error: BaseException) -> None:
        """Cancels the intents, unless this process stops: then its next start does."""
        await self._open.give_up(error)
