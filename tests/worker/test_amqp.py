"""What the client library does is turned into something that the rest can rely on."""

import asyncio

import pytest

from worker.amqp import guarded


async def _swallow() -> str:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return "declared"
    return "never"


async def test_a_cancellation_that_arrives_with_the_reply_still_cancels() -> None:
    replied: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    call = asyncio.create_task(guarded(asyncio.wait_for(replied, 60)))
    await asyncio.sleep(0)
    replied.set_result("declared")
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_swallowed_cancellation_still_cancels() -> None:
    call = asyncio.create_task(guarded(_swallow()))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_time_limit_around_a_swallowing_call_is_a_time_out() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await guarded(_swallow())


async def test_an_earlier_cancellation_that_was_dealt_with_does_not_count() -> None:
    async def work() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return await guarded(asyncio.sleep(0, "cleaned up"))
        return "never"

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == "cleaned up"
