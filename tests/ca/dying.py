"""`blazon up` that kills itself, as kill -9 does, at one step of issuing.

Use: python -m tests.ca.dying STEP [COUNT] up
It dies the COUNT-th time it comes to STEP. The code under test is the real one; only these steps are watched.
"""

import os
import signal
import sys
from typing import Any, Final

from blazon.ca.service import authorities, certificates
from blazon.engines import Pkcs11Engine
from blazon.log import Log


class _Watch:
    """Counts the times a step is reached."""

    def __init__(self, count: int) -> None:
        self._left = count

    def reached(self) -> None:
        self._left -= 1
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _after(owner: Any, name: str, watch: _Watch) -> None:
    original = getattr(owner, name)

    def dying(*arguments: Any, **named: Any) -> Any:
        result = original(*arguments, **named)
        watch.reached()
        return result

    setattr(owner, name, dying)


def _key_made(watch: _Watch) -> None:
    """The engine has made a key, of which nothing is recorded."""
    _after(Pkcs11Engine, "create", watch)


def _signed(watch: _Watch) -> None:
    """The engine has signed, which is not recorded."""
    _after(authorities, "sign_draft", watch)
    _after(certificates, "sign_draft", watch)


def _recorded(watch: _Watch) -> None:
    """The CA is recorded, and its caller not answered."""
    original = Log.perform

    async def dying(self: Log, *arguments: Any) -> Any:
        records = await original(self, *arguments)
        if any(record.type == "ca.create" for record in records):
            watch.reached()
        return records

    Log.perform = dying  # type: ignore[method-assign]


STEPS: Final = {"key made": _key_made, "signed": _signed, "recorded": _recorded}


def main() -> None:
    """Watches a step, and runs the command."""
    _, step, *rest = sys.argv
    count = int(rest.pop(0)) if rest and rest[0].isdigit() else 1
    STEPS[step](_Watch(count))
    sys.argv = ["blazon", *rest]
    from blazon.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
