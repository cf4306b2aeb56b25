"""Twice what the gateway can do: it says 429 to what is too much, and those it lets in hardly wait."""

from __future__ import annotations

from pathlib import Path

from benchmarks.gateway import wrk
from benchmarks.gateway.opened import describe, generate
from benchmarks.gateway.table import Table
from benchmarks.gateway.world import World, bodies, network

SECONDS, CONNECTIONS = 8, 256


def run(table: Table, home: Path) -> None:
    world = World(home)
    try:
        for version in (1, 2):
            world.register("plain", version, network(version))
        world.route("plain", champion=1, challenger=2, weight=20)
        url = world.start()
        lua = wrk.script("/predict/plain", bodies("plain"), home / "plain.lua")
        saturation = wrk.run(url, lua).rate
        table.head("Overload: open loop at twice the rate that wrk reaches with 8 connections")
        table.say(f"saturation {saturation:.0f}/s")
        report = generate(url, "plain", home, 2 * saturation, SECONDS, CONNECTIONS)
        describe(table, 2 * saturation, report)
        table.row("twice saturation: refused with 429", report["refused"], "", least=1)
        table.row("twice saturation: the accepted requests' p99", report["p99"], "ms", most=50)
        table.row("twice saturation: neither answered nor refused", report["bad"], "", most=0)
    finally:
        world.stop()
