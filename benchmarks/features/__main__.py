"""`make bench AREA=features`: every part, side by side with its peer. Fails when a goal is missed.

A part is a module with `run() -> list[Line]`; `python -m benchmarks.features join` runs one alone.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import find_spec

from benchmarks.features.line import Line
from benchmarks.table import Table
from tests.support import programs

PARTS = ("join", "materialize", "online", "redis_client")


def main(wanted: list[str]) -> int:
    table = Table()
    parts = wanted or [name for name in PARTS if find_spec(f"benchmarks.features.{name}")]
    programs.require(*(f"benchmarks.features.{part}" for part in parts))
    for part in parts:
        found: list[Line] = import_module(f"benchmarks.features.{part}").run()
        table.head(f"{part}, measured at a load of {os.getloadavg()[2]:.1f} over a quarter of an hour")
        for line in found:
            table.line(*line)
    print(f"missed: {'; '.join(table.missed)}" if table.missed else "all goals met")
    return int(bool(table.missed))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
