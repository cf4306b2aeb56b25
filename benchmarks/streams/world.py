"""Payments in a stream of a real Redis, `slipstream stream` as a process of its own, and the batch to compare it with."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import redis

from benchmarks.streams.models.cards import spec as cards
from include.core.digest import PROJECT
from include.model_contract.definition import present_views
from include.online_store.open import open_online

OWNER, TOPIC = "cards", "payments"
START = datetime.fromisoformat("2024-03-05T22:00:00")


@dataclass(frozen=True)
class Payments:
    """In the order in which they are sent."""

    cards: np.ndarray[Any, Any]
    cents: np.ndarray[Any, Any]
    times: np.ndarray[Any, Any]  # microseconds since START

    @classmethod
    def drawn(cls, count: int, cards_: int, hours: float, late: float = 0.02, seed: int = 1) -> Payments:
        """Random within some seconds; a share of them up to a quarter of an hour late."""
        chance = np.random.default_rng(seed)
        times = np.sort(chance.integers(0, int(hours * 3.6e9), count))
        waits = chance.random(count) * 5e6 + (chance.random(count) < late) * chance.random(count) * 9e8
        order = np.argsort(times + waits, kind="stable")
        return cls(chance.integers(0, cards_, count), chance.integers(1, 100_000, count), times[order])

    def bodies(self, first: int, last: int) -> list[bytes]:
        moments = (np.datetime64(START) + self.times[first:last].astype("timedelta64[us]")).astype(str)
        rows = zip(self.cards[first:last].tolist(), self.cents[first:last].tolist(), moments, strict=True)
        return [b'{"card":"c%d","cents":%d,"paid_at":"%bZ"}' % (card, cents, str(at).encode()) for card, cents, at in rows]


@dataclass
class World:
    folder: Path
    url: str  # of a Redis
    process: subprocess.Popen[bytes] | None = None
    port: int = 0
    client: Any = field(init=False)
    store: Any = field(init=False)

    def __post_init__(self) -> None:
        self.client = redis.Redis.from_url(self.url)
        self.store = open_online(f"{self.url.rpartition('/')[0]}/1")
        (self.view,) = present_views(cards.SPEC.features)

    def send(self, bodies: Sequence[bytes]) -> None:
        for at in range(0, len(bodies), 5000):
            pipe = self.client.pipeline(transaction=False)
            for body in bodies[at : at + 5000]:
                pipe.xadd(TOPIC, {"event": body})
            pipe.execute()

    def start(self, *options: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        environ = {
            **os.environ, "SLIPSTREAM_HOME": str(self.folder / "home"), "SLIPSTREAM_STREAM_URL": self.url,
            "SLIPSTREAM_ONLINE_URL": f"{self.url.rpartition('/')[0]}/1", "SLIPSTREAM_MODELS": "benchmarks.streams.models",
            "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        command = [sys.executable, "-m", "include.cli.main", "stream", OWNER, "--metrics", f"127.0.0.1:{self.port}", *options]
        log = (self.folder / "stream.log").open("ab")
        self.process = subprocess.Popen(command, env=environ, cwd=PROJECT, stdout=log, stderr=log)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> float:
        """Processor seconds that it used."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        _, status, used = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        assert self.process.returncode == 0, (self.folder / "stream.log").read_text()[-3000:]
        return used.ru_utime + used.ru_stime

    def metrics(self) -> dict[str, float]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as page:
                lines = page.read().decode().splitlines()
        except OSError:
            return {}
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}

    def caught_up(self, watermark: float, seconds: float = 300) -> None:
        """Waits until everything that was sent is written.

        The page is of the last batch, which may have been read before the last events were sent: none of them is behind, and a
        late one moves no watermark. So it has to say so of two batches that ended since: the second was read since, too.
        """
        sent, until, batches = time.time(), time.monotonic() + seconds, set[float]()
        while time.monotonic() < until:
            assert self.process is not None
            assert self.process.poll() is None, (self.folder / "stream.log").read_text()[-3000:]
            seen = self.metrics()
            lag = seen.get('slipstream_stream_lag{owner="cards",topic="payments",partition="0"}', 1)
            ended = seen.get('slipstream_stream_alive_seconds{owner="cards"}', 0)
            if (
                lag == 0
                and ended > sent
                and seen.get('slipstream_stream_watermark_seconds{owner="cards"}', 0) >= watermark - 1e-6
            ):
                batches.add(ended)
                if len(batches) == 2:
                    return
            time.sleep(0.02)
        raise AssertionError(f"not caught up: {self.metrics()}")

    def different(self, sent: Payments, count: int) -> tuple[int, int]:
        """How many keys the batch has of the first `count` payments, and how many of them are otherwise online."""
        batch = newest_of_batch(sent, count)
        keys = batch["card"].to_pylist()
        seen = self.store.read_stamped(OWNER, self.view, [(key,) for key in keys])
        rows = batch.to_pylist()
        wrong = sum(
            row is None or {"card": want["card"], "event_timestamp": row.event_timestamp, **row.values} != want
            for row, want in zip(seen, rows, strict=True)
        )
        return len(keys), wrong


def newest_of_batch(sent: Payments, count: int) -> pa.Table:
    """The newest row of each card, by the days' own SQL over all of these payments."""
    times = (np.datetime64(START) + sent.times[:count].astype("timedelta64[us]")).astype("datetime64[us]")
    names = np.char.add("c", sent.cards[:count].astype(str))
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.register("everything", pa.table({"card": names, "cents": sent.cents[:count], "paid_at": times}))
        connection.execute("CREATE TABLE payments AS FROM everything")
        days = sorted({at.date() for at in (START, START + timedelta(microseconds=int(sent.times[:count].max())))})
        queries = " UNION ALL ".join(f"({cards.build(day)['card']})" for day in _between(days))
        newest = "QUALIFY row_number() OVER (PARTITION BY card ORDER BY event_timestamp DESC) = 1"
        columns = "card, event_timestamp, payments_10m, cents_10m::BIGINT AS cents_10m, largest_10m, payments_1m"
        return connection.sql(f"SELECT {columns} FROM ({queries}) {newest}").to_arrow_table()


def _between(days: list[date]) -> list[date]:
    return [days[0] + timedelta(days=n) for n in range((days[-1] - days[0]).days + 1)]


def watermark_of(sent: Payments, count: int) -> float:
    """Seconds since 1970."""
    since = (START - datetime.fromisoformat("1970-01-01")).total_seconds()
    return since + float(sent.times[:count].max()) / 1e6
