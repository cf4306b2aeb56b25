"""What stands in front of several gateways: a connection goes to one that takes it, in turns.

A Service of Kubernetes, in small.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Sequence

Address = tuple[str, int]
CONNECT_SECONDS = 1.0


class Balancer:
    """Listens on `here`, in a thread of its own, until the program ends."""

    def __init__(self, here: Address, behind: Sequence[Address]) -> None:
        self._here, self._behind, self._turn = here, list(behind), itertools.count()
        started = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True).start()
        started.wait(5)

    async def _serve(self, started: threading.Event) -> None:
        server = await asyncio.start_server(self._handle, *self._here)
        started.set()
        async with server:
            await server.serve_forever()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = await self._connect()
        if found is None:
            writer.close()
            return
        theirs, ours = found
        await asyncio.gather(_copy(reader, ours), _copy(theirs, writer))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """The next one in turn that takes a connection; None where none does."""
        first = next(self._turn)
        for number in range(len(self._behind)):
            address = self._behind[(first + number) % len(self._behind)]
            with contextlib.suppress(OSError, TimeoutError):
                return await asyncio.wait_for(asyncio.open_connection(*address), CONNECT_SECONDS)
        return None


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()
    with contextlib.suppress(OSError):
        target.close()
