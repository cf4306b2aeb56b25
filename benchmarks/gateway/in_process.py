"""The processor time of a prediction from its bytes to its answer's, without sockets: python in_process.py SECONDS

Eight connections ask at once, as often as it fits. Prints the microseconds of each round's requests, sorted, as JSON. It stands
on `include` alone, so that the checkout to measure is chosen by PYTHONPATH. The time is the process's: exporters count.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from random import Random
from typing import Any

import uvicorn
import uvloop
from uvicorn.server import ServerState

from include.core.connection import from_env
from include.core.settings import Settings
from include.gateway.build import build
from include.services.services import Services
from include.serving.http.access import CONNECTION, from_settings
from include.serving.http.bounds import Bounds
from include.serving.http.gateway_protocol import GatewayProtocol

CONNECTIONS, ROUNDS, WARM, INPUTS = 8, 50, 300, 20
HEAD = "POST /predict/plain HTTP/1.1\r\nhost: x\r\nauthorization: Bearer bench\r\ncontent-type: application/json\r\n"


class Nowhere(asyncio.Transport):
    """A socket that takes everything, and remembers the last of it."""

    last = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.last = bytes(data)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)}.get(name, default)

    def is_closing(self) -> bool:
        return False


async def measure(seconds: float) -> list[float]:
    settings = Settings.from_env()
    gateway = build(Services(settings), from_settings("127.0.0.1", settings, from_env(CONNECTION, settings.environ)))
    gateway._manager.start()
    await asyncio.to_thread(gateway._manager.polled.wait, 30)
    connections = _connect(gateway)
    requests = _requests()
    for _ in range(WARM):
        await _ask(connections, requests, 0)
    assert all(transport.last.startswith(b"HTTP/1.1 200") for _, transport in connections), connections[0][1].last
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)  # as the gateway does once it is warm
    found, until, at = [], time.monotonic() + seconds, 0
    while time.monotonic() < until:
        before = time.process_time()
        for _ in range(ROUNDS):
            await _ask(connections, requests, at)
            at += CONNECTIONS
        found.append((time.process_time() - before) / (ROUNDS * CONNECTIONS) * 1e6)
    return sorted(found)


async def _ask(connections: list[tuple[Any, Nowhere]], requests: list[bytes], at: int) -> None:
    """A request on every connection; all are answered in the same iteration of the event loop."""
    for place, (connection, _) in enumerate(connections):
        connection.data_received(requests[(at + place) % len(requests)])
    await asyncio.sleep(0)


def _connect(gateway: Any) -> list[tuple[Any, Nowhere]]:
    protocol = GatewayProtocol.of(gateway.predict, gateway.refuse, gateway.allow, Bounds())
    config = uvicorn.Config(gateway, http=protocol, ws="none", log_config=None)
    config.load()
    state = ServerState()
    state.default_headers = [(b"date", b"x")]
    made = []
    for _ in range(CONNECTIONS):
        connection, transport = protocol(config=config, server_state=state, app_state={}), Nowhere()
        connection.connection_made(transport)
        made.append((connection, transport))
    return made


def _requests(count: int = 2000) -> list[bytes]:
    draw, made = Random(3), []
    for _ in range(count):
        features = {f"f{n}": round(draw.uniform(-2, 2), 4) for n in range(INPUTS)}
        body = json.dumps({"entity": {}, "features": features}).encode()
        made.append(f"{HEAD}content-length: {len(body)}\r\n\r\n".encode() + body)
    return made


if __name__ == "__main__":
    print(json.dumps(uvloop.run(measure(float(sys.argv[1])))), flush=True)
    os._exit(0)  # its threads are as they are
