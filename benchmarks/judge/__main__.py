"""The rollout judge, simulated: false rollbacks, power, wrong promotions; the peers' rules on the same streams.

    python -m benchmarks.judge [--stages 20000] [PART ...], parts: false joint power ceilings promotion entities requests labels
                               gateways waiting peers shipped

Asks the boundary of include/rollout as it ships. Exits non-zero where a goal is missed.
"""

from __future__ import annotations

import argparse
import os
import time

from benchmarks.judge import cells
from benchmarks.judge.entities import entities
from benchmarks.judge.gateways import gateways
from benchmarks.judge.labels import labels
from benchmarks.judge.requests import requests
from benchmarks.judge.table import RateTable
from benchmarks.judge.waiting import waiting

PARTS = {
    "false": cells.false_rollbacks,
    "joint": cells.joint,
    "power": cells.power,
    "ceilings": cells.ceilings,
    "promotion": cells.wrong_promotion,
    "entities": entities,
    "requests": requests,
    "labels": labels,
    "gateways": gateways,
    "waiting": waiting,
    "peers": cells.peers,
}
SHIPPED = 40  # stages through accumulator and judge, request by request


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "shipped", []], help="all without any")
    parser.add_argument("--stages", type=int, default=20_000, help="simulated stages a cell")
    options = parser.parse_args()
    start, table, chosen = time.perf_counter(), RateTable(), options.parts or [*PARTS, "shipped"]
    print(f"{options.stages:,} stages a cell; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    for name, part in PARTS.items():
        if name in chosen:
            part(table, options.stages)
    if "shipped" in chosen:
        cells.shipped(table, SHIPPED)
    print(f"\n{time.perf_counter() - start:.0f} s. Missed: {', '.join(table.missed) or 'none'}.")
    return 1 if table.missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
