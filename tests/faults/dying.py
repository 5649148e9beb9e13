"""`blazon up` that kills itself, as kill -9 does, at one step of the writer or of a relay; or stops there, by SIGSTOP.

Use: python -m tests.faults.dying STEP COUNT up
It dies the COUNT-th time it comes to STEP; with the environment variable STOPS it is stopped. The code under test is
the real one; only these steps are watched.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any, Final

from blazon.log import batch, follower, writer
from blazon.relay import amqp, rabbitmq, redis
from blazon.storage import postgres, sqlite


class _Watch:
    """Counts the times a step is reached."""

    def __init__(self, count: int) -> None:
        self._left = count

    def reached(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGSTOP if "STOPS" in os.environ else signal.SIGKILL)


def _before(owner: Any, name: str, watch: _Watch) -> None:
    """Dies before a method, or function, does anything."""
    original = getattr(owner, name)

    def dying(*arguments: Any, **named: Any) -> Any:
        watch.reached()
        return original(*arguments, **named)

    setattr(owner, name, dying)


def _after(owner: Any, name: str, watch: _Watch) -> None:
    """Dies after a function has done its work."""
    original = getattr(owner, name)

    def dying(*arguments: Any, **named: Any) -> Any:
        result = original(*arguments, **named)
        watch.reached()
        return result

    setattr(owner, name, dying)


def _after_awaited(owner: Any, name: str, watch: _Watch) -> None:
    """Dies after a coroutine has done its work."""
    original = getattr(owner, name)

    async def dying(*arguments: Any, **named: Any) -> Any:
        result = await original(*arguments, **named)
        watch.reached()
        return result

    setattr(owner, name, dying)


def _commits(dies: Callable[[Any, str, _Watch], None]) -> Callable[[_Watch], None]:
    """Around the commit itself, of both databases."""

    def watch_both(watch: _Watch) -> None:
        dies(sqlite, "_commit", watch)
        import asyncpg.transaction

        kind = _before if dies is _before else _after_awaited
        kind(asyncpg.transaction.Transaction, "commit", watch)

    return watch_both


STEPS: Final[dict[str, Callable[[_Watch], None]]] = {
    "writer: the head is taken": lambda watch: _after_awaited(writer, "take_checked_head", watch),
    "writer: the revisions are read": lambda watch: _after_awaited(writer, "revisions", watch),
    "writer: records are made": lambda watch: _after(batch.Scribe, "write", watch),
    "writer: tables are changed": lambda watch: _after_awaited(batch.Plan, "run", watch),
    "writer: records are appended": lambda watch: _after_awaited(batch.Plan, "append", watch),
    "writer: it is about to commit": _commits(_before),
    "writer: it has committed": _commits(_after),
    "writer: nobody has been answered": lambda watch: _before(writer.Writer, "_publish", watch),
    "writer: everybody has been answered": lambda watch: _after(writer.Writer, "_publish", watch),
    "redis: a batch is about to go": lambda watch: _before(redis._Connection, "send", watch),
    "redis: a batch has gone": lambda watch: _after_awaited(redis._Connection, "send", watch),
    "redis: a batch is there": lambda watch: _after_awaited(redis._Connection, "replies", watch),
    "redis: hints are about to be saved": lambda watch: _before(redis.RedisRelay, "_save", watch),
    "redis: hints are saved": lambda watch: _after_awaited(redis.RedisRelay, "_save", watch),
    "rabbitmq: a message is about to go": lambda watch: _before(amqp.Channel, "publish", watch),
    "rabbitmq: a message has gone": lambda watch: _after(amqp.Channel, "publish", watch),
    "rabbitmq: messages are confirmed": lambda watch: _after(amqp.Channel, "_on_confirm", watch),
    "rabbitmq: the cursor is about to move": lambda watch: _before(rabbitmq.RabbitRelay, "_save", watch),
    "rabbitmq: the cursor has moved": lambda watch: _after_awaited(rabbitmq.RabbitRelay, "_save", watch),
    "follower: its cursor is about to move": lambda watch: _before(follower, "move_cursor", watch),
}
"""Every step, and how it is watched."""

assert postgres


if __name__ == "__main__":
    from blazon.cli.main import main

    step, count = sys.argv[1], int(sys.argv[2])
    STEPS[step](_Watch(count))
    sys.argv = ["blazon", *sys.argv[3:]]
    main()
