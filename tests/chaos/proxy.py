"""A TCP proxy in front of the broker, one for each worker, whose links can be reset or silently lost.

A black-holed link stays open and swallows nothing: bytes wait in it and arrive when it heals, as with a
network that comes back. Until then neither side hears from the other, not even that there is a problem.
"""

import asyncio
import socket
import struct
from contextlib import suppress

CHUNK = 65_536
_LINGER_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Forwards connections to the broker, for as long as nothing is done to them."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.port = 0

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def links(self) -> int:
        """How many connections are open, counting both of their sides."""
        return len(self._links)

    def cut(self) -> None:
        """Reset every connection, on both sides."""
        for link in list(self._links):
            raw: socket.socket | None = link.get_extra_info("socket")
            if raw is not None:
                with suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
            link.transport.abort()

    def black_hole(self) -> None:
        """Let nothing through, in either direction, and tell nobody."""
        self._flowing.clear()

    def heal(self) -> None:
        """Let everything through again."""
        self._flowing.set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flowing.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._links |= {writer, far_writer}
        try:
            forth = asyncio.create_task(self._pump(reader, far_writer))
            back = asyncio.create_task(self._pump(far_reader, writer))
            try:
                await asyncio.wait({forth, back}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in (forth, back):
                    pump.cancel()
                await asyncio.gather(forth, back, return_exceptions=True)
        finally:
            self._links -= {writer, far_writer}
            writer.transport.abort()
            far_writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry bytes one way until one side ends; the end itself does not get through a black hole either."""
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        await self._flowing.wait()
