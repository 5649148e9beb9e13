"""Procedures: what must happen outside the database before a decision can be recorded.

A decision has no effect, so it may be made again whenever it is stale. An engine that makes a key or signs is an
effect, and so is a failed sign-in that is counted. A procedure keeps the two apart:

    check   reads, checks the rules, and has no effect
    act     does what has an effect outside: records an intent, makes a key, signs
    record  makes the decision from what `check` found and `act` did, and has no effect

`Log.perform` runs the procedures of one request and commits their decisions in one transaction. Every check comes
before the first act, so a request that is refused has touched nothing.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar

from blazon.log.operation import Decision

__all__ = ["Decide", "Decided", "Procedure", "Steps"]

C = TypeVar("C")
D = TypeVar("D")

Decide = Callable[[], Awaitable[Decision]]
"""Makes a decision from what there is now. It has no effect: it may be called any number of times."""


class Procedure(Protocol):
    """Something to be recorded that needs an effect outside before. One object serves one request."""

    def check(self) -> Awaitable[Any]:
        """Reads and checks the rules; what it returns goes to `act` and `record`. No effect."""
        ...

    def act(self, checked: Any) -> Awaitable[Any]:
        """Does what has an effect outside; what it returns goes to `record`."""
        ...

    def record(self, checked: Any, done: Any) -> Decision:
        """The decision. No effect, and no reading either."""
        ...

    async def undo(self) -> None:
        """Takes back what `act` did, because its decision was stale. Nothing when `act` did not run."""
        ...

    async def recorded(self) -> None:
        """The decision was recorded."""
        ...

    async def failed(self, error: BaseException) -> None:
        """The request failed, or was cancelled, and nothing was recorded."""
        ...


class Steps(Generic[C, D]):
    """A procedure made of three functions. Nothing of what `act` does has to be taken back."""

    def __init__(
        self,
        *,
        check: Callable[[], Awaitable[C]],
        act: Callable[[C], Awaitable[D]],
        record: Callable[[C, D], Decision],
    ) -> None:
        self.check = check
        self.act = act
        self.record = record

    async def undo(self) -> None:
        """Nothing to take back."""

    async def recorded(self) -> None:
        """Nothing to end."""

    async def failed(self, error: BaseException) -> None:
        """Nothing to take back."""


class Decided(Steps[Decision, None]):
    """A decision that needs nothing from outside, as a procedure beside others."""

    def __init__(self, decide: Decide) -> None:
        super().__init__(check=decide, act=_nothing, record=lambda decision, _: decision)


async def _nothing(_: Decision) -> None:
    """A decision alone needs no act."""
