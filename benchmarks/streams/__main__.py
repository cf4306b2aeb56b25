"""`make bench AREA=streams`: features as events arrive. Fails when a goal is missed.

1. 1,000,000 payments out of order, 2 in 100 late, one process killed ten times at random: at each of 20 watermarks the values
   online are those of the batch, for every key. 2. A backlog, by one process. 3. A steady rate: from an event in the log to its
row online. Redis is a real server beside it. Goals are for two cores that nobody else uses.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.features.stores import redis_server
from benchmarks.streams.world import Payments, World, watermark_of
from benchmarks.table import Table
from tests.support import programs

EVENTS, CARDS, WATERMARKS, KILLS = 1_000_000, 20_000, 20, 10
RATE, SECONDS = 20_000, 30
P99 = 2.0  # seconds


def main(arguments: list[str] | None = None) -> int:
    programs.require("benchmarks.features.online")
    parser = argparse.ArgumentParser(prog="benchmarks.streams", description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--watermarks", type=int, default=WATERMARKS)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--rate", type=int, default=RATE)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    options = parser.parse_args(arguments)
    table = Table()
    sent = Payments.drawn(options.events, CARDS, hours=3)
    with TemporaryDirectory() as folder, redis_server(Path(folder)) as url:
        same(table, World(Path(folder), url), sent, options.watermarks, options.kills)
    with TemporaryDirectory() as folder, redis_server(Path(folder)) as url:
        backlog(table, World(Path(folder), url), sent)
    with TemporaryDirectory() as folder, redis_server(Path(folder)) as url:
        steady(table, World(Path(folder), url), options.rate, options.seconds)
    print(f"missed: {'; '.join(table.missed)}" if table.missed else "all goals met")
    return int(bool(table.missed))


def same(table: Table, world: World, sent: Payments, watermarks: int, kills: int) -> None:
    """The stream against the batch, with kills in between."""
    table.head(f"stream against batch: {len(sent.times):,} events out of order, 2 in 100 late, {kills} kill -9")
    chance, count = random.Random(7), len(sent.times)
    due = sorted(chance.sample(range(watermarks), min(kills, watermarks)))
    keys = wrong = killed = 0
    world.start("--flush", "0.5")
    for number in range(watermarks):
        first, last = number * count // watermarks, (number + 1) * count // watermarks
        world.send(sent.bodies(first, last))
        if number in due:
            time.sleep(chance.random() * 2)  # somewhere in a batch, a write, a commit, or while the state is made again
            world.kill()
            killed += 1
            world.start("--flush", "0.5")
        world.caught_up(watermark_of(sent, last))
        compared, different = world.different(sent, last)
        keys, wrong = keys + compared, wrong + different
    world.stop()
    table.row("keys compared, over all watermarks", keys, "keys")
    table.row("of them other than the batch's", wrong, "keys", most=0)
    table.row("kill -9", killed, "kills", least=min(kills, watermarks))


def backlog(table: Table, world: World, sent: Payments) -> None:
    """All that is there, by one process."""
    world.send(sent.bodies(0, len(sent.times)))
    table.head(f"a backlog of {len(sent.times):,} events, one process, Redis beside it")
    world.start("--batch", "50000")
    while not world.metrics().get('slipstream_stream_events_total{owner="cards"}'):
        time.sleep(0.01)
    began, before = time.monotonic(), world.metrics()['slipstream_stream_events_total{owner="cards"}']
    world.caught_up(watermark_of(sent, len(sent.times)))
    seconds = time.monotonic() - began
    used = world.stop()
    table.row("events a second", (len(sent.times) - before) / seconds, "1/s", least=RATE)
    table.row("events a second of processor time, start-up included", len(sent.times) / used, "1/s")


def steady(table: Table, world: World, rate: int, seconds: int) -> None:
    """So many events a second for a while, sent as they come."""
    count = rate * seconds
    sent = Payments.drawn(count, CARDS, hours=seconds / 3600 * 3)
    bodies = sent.bodies(0, count)
    world.send(bodies[:1])
    world.start("--flush", "5")
    world.caught_up(0)
    table.head(f"a steady {rate:,} events a second for {seconds} s, sender and Redis on the same cores")
    began, at = time.monotonic(), 1
    while at < count:
        upto = min(count, int((time.monotonic() - began) * rate) + 1)
        world.send(bodies[at:upto])
        at = max(at, upto)
        time.sleep(0.005)
    sending = time.monotonic() - began
    seen = world.metrics()
    world.caught_up(watermark_of(sent, count))
    keys, wrong = world.different(sent, count)
    world.stop()
    table.row("events sent a second", count / sending, "1/s")
    for share in ("0.5", "0.99"):
        name = f"from an event in the log to its row online, p{float(share) * 100:g}"
        latency = seen[f'slipstream_stream_latency_seconds{{owner="cards",quantile="{share}"}}']
        table.row(name, latency, "s", most=P99 if share == "0.99" else None)
    table.row("keys other than the batch's", wrong, f"of {keys:,}", most=0)


if __name__ == "__main__":
    raise SystemExit(main())
