"""What a shadow costs the callers: none, a good one, one that sleeps a second, one that raises on every request."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.gateway.open_loop import Report, generate
from benchmarks.gateway.opened import describe
from benchmarks.gateway.world import World, bodies, network
from benchmarks.table import Table

RATE, SECONDS, ROUNDS = 1500, 4, 3
KINDS = ("none", "good", "sleeps", "raises")
LIMIT_MS = 2.0


def run(table: Table, home: Path) -> None:
    world = World(home)
    try:
        for version in (1, 2, 3):
            world.register("plain", version, network(version))
        table.head(f"Shadow: open loop at {RATE}/s, one worker, rounds taken in turns")
        reports: dict[str, list[Report]] = {kind: [] for kind in KINDS}
        urls = {kind: start(world, kind) for kind in KINDS}
        for turn in range(ROUNDS + 1):
            for kind, url in urls.items():
                world.route("plain", champion=1, challenger=2, weight=20, shadow=None if kind == "none" else 3)
                time.sleep(0.5)
                report = generate(f"{url}/predict/plain", bodies("plain"), home, RATE, SECONDS if turn else 2)
                if turn:  # the first round warms, and starts the shadow's process
                    reports[kind].append(report)
        for kind, some in reports.items():
            describe(table, RATE, min(some, key=lambda report: report["p99"]))
            table.row(f"shadow {kind}: not answered", sum(report["bad"] + report["refused"] for report in some), "", most=0)
        base = median(report["p99"] for report in reports["none"])
        for kind in KINDS[1:]:
            moved = median(report["p99"] for report in reports[kind]) - base
            table.row(f"shadow {kind}: p99 moved by", moved, "ms", most=LIMIT_MS)
    finally:
        world.stop()


def start(world: World, kind: str) -> str:
    """A gateway whose shadow process behaves like that."""
    if kind in ("none", "good"):
        return world.start()
    return world.start(module="benchmarks.gateway.misbehaving", BENCH_SHADOW=kind)


if __name__ == "__main__":
    sys.exit("run python -m benchmarks.gateway shadow")
