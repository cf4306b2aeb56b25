"""What the access record and TLS cost where they are on: the same requests as the closed loop's, to one worker each, in turns.

Off, the record is not on a request's way at all: two gateways without it say how far noise goes. By the server's processor time a
request, which neighbours on the machine move least.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median

import psutil

from benchmarks.gateway import wrk
from benchmarks.gateway.world import World, bodies, network
from benchmarks.table import Table
from tests.support.certificates import Authority

RECORD_GOAL, TLS_GOAL = 0.80, 0.55  # shares of a gateway's rate without it


def run(table: Table, home: Path) -> None:
    world = World(home)
    own = Authority(home / "certificates").issue("server")
    secure = {"SLIPSTREAM_GATEWAY_TLS_CERT": str(own.certificate), "SLIPSTREAM_GATEWAY_TLS_KEY": str(own.key)}
    variants = {"off": {}, "off again": {}, "record": {"SLIPSTREAM_ACCESS_LOG": str(home / "access")}, "TLS": secure}
    try:
        world.register("plain", 1, network())
        world.route("plain", champion=1)
        lua = wrk.script("/predict/plain", bodies("plain"), home / "plain.lua")
        targets = {}
        for name, environ in variants.items():
            url = world.start(secure="SLIPSTREAM_GATEWAY_TLS_CERT" in environ, **environ)
            targets[name] = (url, psutil.Process(world.processes[-1].pid))
        table.head(f"Access record and TLS: wrk -c{wrk.CONNECTIONS} -d{wrk.SECONDS}s, one worker, no features")
        spent: dict[str, list[float]] = {name: [] for name in targets}
        for _ in range(wrk.REPEATS):
            for name, (url, process) in targets.items():
                before = sum(process.cpu_times()[:2])
                load = wrk.run(url, lua)
                spent[name].append((sum(process.cpu_times()[:2]) - before) / (load.rate * wrk.SECONDS) * 1e6)
                table.say(f"{name:10} {load.rate:8.0f}/s  p99 {load.p99:.2f} ms  {spent[name][-1]:.1f} us each  wrong {load.bad}")
        off = median(spent["off"])
        table.row("off, once more: share of the rate (noise)", off / median(spent["off again"]), "")
        table.row("access record on: share of the rate without", off / median(spent["record"]), "", least=RECORD_GOAL)
        table.row("TLS on kept connections: share of the rate without", off / median(spent["TLS"]), "", least=TLS_GOAL)
    finally:
        world.stop()
