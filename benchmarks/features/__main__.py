"""`make bench AREA=features`: every part, side by side with its peer. Fails when a goal is missed.

A part is a module with `run() -> list[Line]`; `python -m benchmarks.features join` runs one alone.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import find_spec

from benchmarks.features.line import HEADING, Line
from tests.support import programs

PARTS = ("join", "materialize", "online")


def main(wanted: list[str]) -> int:
    parts = wanted or [name for name in PARTS if find_spec(f"benchmarks.features.{name}")]
    programs.require(*(f"benchmarks.features.{part}" for part in parts))
    lines: list[Line] = []
    for part in parts:
        found: list[Line] = import_module(f"benchmarks.features.{part}").run()
        print(
            f"{part}; load before {os.getloadavg()[2]:.1f}, after {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n{HEADING}"
        )
        print(*found, sep="\n", flush=True)
        lines += found
    missed = [line.name for line in lines if line.met is False]
    print(f"missed: {'; '.join(missed)}" if missed else "all goals met")
    return int(bool(missed))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
