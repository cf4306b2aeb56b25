"""A Poisson generator: requests are due whether or not the ones before were answered.

Latency counts from the moment a request was due, so a server that stalls pays for everybody it kept waiting. How
late the generator itself sends is measured with it: a run in which that is over 2 ms at p99 says nothing.

    python -m benchmarks.gateway.open_loop URL BODIES --rate 5000 --seconds 10
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
from pathlib import Path
from time import perf_counter
from urllib.parse import urlsplit

import numpy as np
import uvloop

CONNECTIONS = 64
MOST_QUEUED = 100_000


class Client(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, generator: Generator) -> None:
        self.generator, self.due, self.buffer = generator, 0.0, b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.generator.free(self)

    def ask(self, request: bytes, due: float) -> None:
        self.due = due
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        data = self.buffer + data if self.buffer else data
        head = data.find(b"\r\n\r\n")
        at = data.find(b"content-length: ")
        if head < 0 or at < 0 or len(data) < head + 4 + int(data[at + 16 : data.find(b"\r\n", at)]):
            self.buffer = data
            return
        self.buffer = b""
        self.generator.done(self, int(data[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        self.generator.lost += 1


class Generator:
    def __init__(self, url: str, bodies: list[bytes], rate: float, seconds: float) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80
        head = b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
        self.requests = [head % (parts.path.encode(), len(body), body) for body in bodies]
        gaps = np.random.default_rng(1).exponential(1 / rate, int(rate * seconds))
        self.arrivals = np.cumsum(gaps).tolist()
        self.idle: list[Client] = []
        self.queue: list[tuple[bytes, float]] = []
        self.latencies: list[tuple[int, float]] = []  # status, seconds
        self.lags: list[float] = []
        self.lost = 0
        self.place = 0

    def free(self, client: Client) -> None:
        if self.queue:
            client.ask(*self.queue.pop())
        else:
            self.idle.append(client)

    def done(self, client: Client, status: int) -> None:
        self.latencies.append((status, perf_counter() - client.due))
        self.free(client)

    def send_due(self, start: float) -> None:
        """Send, or queue behind busy connections, everything that is due by now."""
        now, arrivals, requests = perf_counter() - start, self.arrivals, self.requests
        while self.place < len(arrivals) and arrivals[self.place] <= now:
            due = arrivals[self.place]
            self.lags.append(now - due)
            request = requests[self.place % len(requests)]
            self.place += 1
            if self.idle:
                self.idle.pop().ask(request, start + due)
            elif len(self.queue) < MOST_QUEUED:
                self.queue.insert(0, (request, start + due))

    async def run(self, connections: int) -> dict[str, float]:
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            await loop.create_connection(lambda: Client(self), self.host, self.port)
        gc.disable()
        start = perf_counter() + 0.05
        while self.place < len(self.arrivals):
            self.send_due(start)
            wait = self.arrivals[self.place] + start - perf_counter() if self.place < len(self.arrivals) else 0
            await asyncio.sleep(wait if wait > 0.0015 else 0)
        until = perf_counter() + 5
        while len(self.latencies) < len(self.arrivals) and perf_counter() < until:
            await asyncio.sleep(0.01)
        return self.report()

    def report(self) -> dict[str, float]:
        """Milliseconds; `good` and `refused` (429) are counts, `bad` is everything else."""
        good = np.array([seconds for status, seconds in self.latencies if status == 200] or [np.nan]) * 1e3
        refused = sum(status == 429 for status, _ in self.latencies)
        answered = sum(status == 200 for status, _ in self.latencies)
        return {
            "lag99": float(np.percentile(np.array(self.lags) * 1e3, 99)),
            "p50": float(np.percentile(good, 50)),
            "p99": float(np.percentile(good, 99)),
            "p999": float(np.percentile(good, 99.9)),
            "good": answered,
            "refused": refused,
            "bad": len(self.arrivals) - answered - refused,
        }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("bodies", type=Path, help="one body a line")
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    options = parser.parse_args()
    generator = Generator(options.url, options.bodies.read_bytes().splitlines(), options.rate, options.seconds)
    print(json.dumps(uvloop.run(generator.run(options.connections))))


if __name__ == "__main__":
    main()
