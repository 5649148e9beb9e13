"""Makes every decision of the tests twice, and sees that it is the same and had no effect.

`pure_decisions` replaces `Log.commit` and `Log.perform` for as long as it is open. A decision that draws a random
number, signs, makes a key, commits, or counts its calls shows here. Time stands still between the two.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from blazon.caller import Caller
from blazon.clock import ComparedClock, ManualClock, SystemClock
from blazon.engines import KmsEngine, Pkcs11Engine, SoftwareEngine
from blazon.errors import BlazonError
from blazon.log import Decide, Decision, Log, Procedure, Record, Writer

_TRIES = 5
"""How often two decisions may differ because another request changed what they read."""

_time: ContextVar[int | None] = ContextVar("time", default=None)
"""What every clock shows to the decision at hand; None outside of one."""


class Impure(AssertionError):
    """A decision has an effect, or is not the same when it is made again."""


class _Twice:
    """A procedure whose check and record are each called twice."""

    def __init__(self, log: Log, procedure: Procedure) -> None:
        self._log = log
        self._procedure = procedure
        self.undo = procedure.undo
        self.recorded = procedure.recorded
        self.failed = procedure.failed

    async def check(self) -> tuple[bool, Any, Any]:
        same, first, second = await _both(self._log, self._procedure.check)
        return same, first, second

    async def act(self, checked: tuple[bool, Any, Any]) -> Any:
        return await self._procedure.act(checked[2])

    def record(self, checked: tuple[bool, Any, Any], done: Any) -> Decision:
        same, first, second = checked
        token = _time.set(self._log.clock.now())
        try:
            # With what each check found: drafts and keys cannot be compared, what is decided from them can.
            decisions = [self._procedure.record(found, done) for found in (first, second)]
        finally:
            _time.reset(token)
        if same and decisions[0] != decisions[1]:
            raise Impure(f"recorded first {decisions[0]}, then {decisions[1]}")
        return decisions[1]


async def _both(log: Log, decide: Callable[[], Awaitable[Any]]) -> tuple[bool, Any, Any]:
    """What two calls return, and whether nothing was recorded between. Raises what both of them raise."""
    token = _time.set(log.clock.now())
    try:
        before = (await log.reader.head()).hash
        first = await _outcome(decide)
        second = await _outcome(decide)
        same = before == (await log.reader.head()).hash
    finally:
        _time.reset(token)
    if isinstance(second, BlazonError):
        if same and repr(first) != repr(second):
            raise Impure(f"first {first!r}, then {second!r}") from second
        raise second
    if isinstance(first, BlazonError):
        if same:
            raise Impure(f"first refused, then decided: {first!r}") from first
        first = second
    return same, first, second


async def _outcome(decide: Callable[[], Awaitable[Any]]) -> Any:
    try:
        return await decide()
    except BlazonError as error:
        return error


async def _decided(log: Log, decide: Decide) -> Decision:
    for _ in range(_TRIES):
        same, first, second = await _both(log, decide)
        if first == second or not same:
            return second  # type: ignore[no-any-return]
    raise Impure(f"decided first {first}, then {second}")


def _forbidden(what: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def checked(*arguments: Any, **named: Any) -> Any:
        if _time.get() is not None:
            raise Impure(f"a decision called {what}")
        return call(*arguments, **named)

    return checked


@contextmanager
def pure_decisions() -> Iterator[None]:
    """Checks every decision of this process while it is open."""
    commit, perform = Log.commit, Log.perform

    async def commit_twice(self: Log, caller: Caller, decide: Decide) -> Sequence[Record]:
        return await commit(self, caller, lambda: _decided(self, decide))

    async def perform_twice(self: Log, caller: Caller, *procedures: Procedure) -> Sequence[Record]:
        return await perform(self, caller, *(_Twice(self, each) for each in procedures))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Log, "commit", commit_twice)
        patch.setattr(Log, "perform", perform_twice)
        patch.setattr(Writer, "commit", _forbidden("Writer.commit", Writer.commit))
        for engine in (SoftwareEngine, Pkcs11Engine, KmsEngine):
            for effect in ("create", "import_key", "delete"):
                name = f"{engine.__name__}.{effect}"
                patch.setattr(engine, effect, _forbidden(name, getattr(engine, effect)))
        for clock in (SystemClock, ComparedClock, ManualClock):
            now = clock.now
            patch.setattr(clock, "now", lambda self, now=now: now(self) if _time.get() is None else _time.get())
        yield
