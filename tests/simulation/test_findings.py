"""What the simulation once found, where a seed would not keep it: seeds take another course when the worker changes."""

import asyncio

import pytest

from tests.virtual_time import settled, virtual_time
from worker.amqp import BrokerError
from worker.connections import _apart


@virtual_time
async def test_a_stop_at_the_very_moment_the_connection_is_lost_is_obeyed() -> None:
    lost = asyncio.Event()

    async def lose() -> None:
        await lost.wait()
        raise BrokerError("lost")

    async def live() -> str:
        try:
            async with asyncio.TaskGroup() as living:
                living.create_task(lose())
                await asyncio.Event().wait()
        except* BrokerError:
            pass
        return "lost"

    keeping = asyncio.create_task(_apart(live()))
    await settled()
    lost.set()
    await asyncio.sleep(0)
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping
