"""Threads of an engine: bounded, with a line that is not endless."""

import asyncio
import threading

import pytest

from blazon.engines import EngineUnavailable
from blazon.engines.threads import Threads


async def test_so_many_at_once_and_so_many_that_wait() -> None:
    threads, go_on, begun = Threads("an engine", 2, waiting=3), threading.Event(), threading.Semaphore(0)

    def work(number: int) -> int:
        begun.release()
        assert go_on.wait(10)
        return number

    asked = [asyncio.create_task(threads.run(work, number)) for number in range(5)]
    await asyncio.sleep(0.1)
    with pytest.raises(EngineUnavailable, match="an engine"):
        await threads.run(work, 5)
    asked[4].cancel()  # who gives up makes place
    await asyncio.sleep(0)
    last = asyncio.create_task(threads.run(work, 6))
    await asyncio.sleep(0.1)
    assert [begun.acquire(timeout=1), begun.acquire(timeout=1), begun.acquire(blocking=False)] == [True, True, False]
    go_on.set()
    assert await asyncio.gather(*asked[:4], last) == [0, 1, 2, 3, 6]
    assert asked[4].cancelled()
    assert await threads.run(work, 7) == 7
    threads.close()


async def test_what_a_call_raises_comes_back_and_leaves_its_place() -> None:
    threads = Threads("an engine", 1, waiting=0)

    def fails() -> None:
        raise ValueError("no")

    for _ in range(5):
        with pytest.raises(ValueError, match="no"):
            await threads.run(fails)
    threads.close()


async def test_a_close_leaves_what_waits_undone() -> None:
    threads, go_on = Threads("an engine", 1), threading.Event()
    first, second = (asyncio.create_task(threads.run(go_on.wait, 10)) for _ in range(2))
    await asyncio.sleep(0.1)
    threads.close()
    go_on.set()
    assert await first
    with pytest.raises(asyncio.CancelledError):
        await second
