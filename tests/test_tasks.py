"""Tasks end when they are to, also those that lose a cancellation."""

import asyncio

from blazon.tasks import end


async def test_a_task_that_loses_a_cancellation_ends_all_the_same() -> None:
    lost = 0

    async def deaf() -> None:
        nonlocal lost
        while lost < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lost += 1
        await asyncio.Event().wait()

    async def fails() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError

    async def is_done() -> None:
        return

    tasks = [asyncio.create_task(each()) for each in (deaf, fails, is_done)]
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await end(tasks, patience=0.05)
    assert lost == 2
    assert tasks[0].cancelled()
    assert isinstance(tasks[1].exception(), LookupError)
    assert tasks[2].exception() is None


async def test_a_task_that_takes_its_time_to_end_is_waited_for() -> None:
    saved = False

    async def saves() -> None:
        nonlocal saved
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.1)
            saved = True

    task = asyncio.create_task(saves())
    await asyncio.sleep(0)
    await end([task])
    assert saved
    await end([])
