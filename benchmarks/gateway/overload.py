"""Twice what the gateway can do: it says 429 to what is too much, and those it lets in hardly wait.

Requests are batches of 16: the gateway is saturated before the generator, on a machine that both share.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.gateway import wrk
from benchmarks.gateway.open_loop import generate
from benchmarks.gateway.opened import LAG_MS, describe
from benchmarks.gateway.world import World, bodies, network
from benchmarks.table import Table

SECONDS, CONNECTIONS, BATCH = 8, 256, 16


def run(table: Table, home: Path) -> None:
    world = World(home)
    try:
        for version in (1, 2):
            world.register("plain", version, network(version))
        world.route("plain", champion=1, challenger=2, weight=20)
        url = world.start()
        ones = bodies("plain")
        batches = [b'{"requests":[%b]}' % b",".join(ones[n : n + BATCH]) for n in range(0, len(ones) - BATCH, BATCH)]
        lua = wrk.script("/predict/plain", batches, home / "plain.lua")
        wrk.run(url, lua, 2)
        saturation = wrk.run(url, lua).rate
        table.head(f"Overload: open loop at twice the rate that wrk reaches with 8 connections, batches of {BATCH}")
        table.say(f"saturation {saturation:.0f}/s")
        report = generate(f"{url}/predict/plain", batches, home, 2 * saturation, SECONDS, CONNECTIONS)
        describe(table, 2 * saturation, report)
        table.row("twice saturation: the generator's own lag, p99", report["lag99"], "ms", most=LAG_MS)
        table.row("twice saturation: refused with 429", report["refused"], "", least=1)
        table.row("twice saturation: the accepted requests' p99", report["p99"], "ms", most=50)
        table.row("twice saturation: neither answered nor refused", report["bad"], "", most=0)
    finally:
        world.stop()
