"""Fuzzed requests, good and bad in one turn: python -m benchmarks.fuzz [--requests 100000] [--seed 1]

One request in ten is bad. The goal: every good one has its right, undegraded answer, every bad one is refused with the
name of its field, and no circuit opens. The command fails where one is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.fuzz.run import fuzz
from benchmarks.table import Table

SHOWN = 10  # of what went wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.fuzz")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    table, started = Table(), time.monotonic()
    table.head(f"{options.requests:,} fuzzed requests, one in ten bad")
    with tempfile.TemporaryDirectory(prefix="fuzz-") as home:
        tally = fuzz(Path(home), options.requests, options.seed)
    for kind, count in sorted(tally.kinds.items()):
        table.row(kind, count, "")
    table.row("requests a second, the generator's time included", tally.requests / (time.monotonic() - started), "/s")
    table.row("told to come again (429), and sent again", tally.again, "")
    table.row("good requests harmed", len(tally.harmed), "", most=0)
    table.row("bad requests that were not refused by name", len(tally.accepted), "", most=0)
    table.row("circuits opened", tally.opened, "", most=0)
    for each in [*tally.harmed[:SHOWN], *tally.accepted[:SHOWN]]:
        table.say(each)
    return int(bool(table.missed))


if __name__ == "__main__":
    sys.exit(main())
