"""Open loop on one worker: 4 views from SQLite and from Redis at 5,000 requests a second, due at Poisson times."""

from __future__ import annotations

from pathlib import Path

from benchmarks.gateway.closed import redis_url
from benchmarks.gateway.open_loop import Report, generate
from benchmarks.gateway.world import World, bodies, network
from benchmarks.table import Table

RATE, SECONDS, LAG_MS = 5000, 10, 2.0
LOWER = (4000, 3000, 2000, 1000, 500)


def run(table: Table, home: Path) -> None:
    for store in ("sqlite", "redis"):
        world = World(home / store)
        try:
            for version in (1, 2, 3):
                world.register("views", version, network(version))
            world.route("views", champion=1, challenger=2, weight=20, shadow=3)
            url = redis_url(world) if store == "redis" else world.settings.online_url
            world.fill(url)
            measure(table, store, world.start(SLIPSTREAM_ONLINE_URL=url), home)
        finally:
            world.stop()


def measure(table: Table, store: str, url: str, home: Path) -> None:
    table.head(f"Open loop: 4 views from {store}, Poisson arrivals, latency from the due time, one worker, all duties")
    url, asked = f"{url}/predict/views", bodies("views")
    generate(url, asked, home, 1000, 3)  # warm
    report = generate(url, asked, home, RATE, SECONDS)
    describe(table, RATE, report)
    table.row(f"{store} at {RATE}/s: the generator's own lag, p99", report["lag99"], "ms", most=LAG_MS)
    table.row(f"{store} at {RATE}/s: p99", report["p99"], "ms", most=10)
    table.row(f"{store} at {RATE}/s: p99.9", report["p999"], "ms", most=25)
    table.row(f"{store} at {RATE}/s: not answered 200", report["bad"] + report["refused"], "", most=0)
    if not holds(report):
        for rate in LOWER:
            report = generate(url, asked, home, rate, SECONDS / 2)
            describe(table, rate, report)
            if holds(report):
                table.say(f"the highest rate tried that holds the goals here: {rate}/s")
                return
        table.say("no lower rate held the goals here")


def holds(report: Report) -> bool:
    lost = report["bad"] + report["refused"]
    return report["lag99"] <= LAG_MS and report["p99"] < 10 and report["p999"] < 25 and not lost


def describe(table: Table, rate: float, report: Report) -> None:
    void = "  VOID: the generator lagged" if report["lag99"] > LAG_MS else ""
    table.say(
        f"{rate:6.0f}/s: p50 {report['p50']:.2f}  p99 {report['p99']:.2f}  p99.9 {report['p999']:.2f} ms, generator's lag p99"
        f" {report['lag99']:.2f} ms, answered {report['good']:.0f}, 429 {report['refused']:.0f}, other {report['bad']:.0f}{void}"
    )
