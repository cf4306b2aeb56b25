"""Data larger than memory: a training set of 40 million rows in at most 2 GB, killed and resumed in the middle of its epoch.

    make bench AREA=large_data
    python -m benchmarks.large_data [--rows 2000000] [--only train|speed|quality|steps]

`train` generates a training set, trains on it by the step `train` in a process that is killed -9 once, and counts which rows were
met at which step. `speed` holds the loader beside the one in memory, `quality` the order beside a full permutation. `steps`
measures the memory of the steps before and after training at two sizes. Needs about 12 GB of disk under the temporary folder.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.large_data.quality import quality
from benchmarks.large_data.speed import speed
from benchmarks.large_data.steps import steps
from benchmarks.large_data.trained import trained
from benchmarks.table import Table

ROWS = 40_000_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="of the generated training set")
    parser.add_argument("--only", choices=("train", "speed", "quality", "steps"), help="one part of it")
    options = parser.parse_args()
    table = Table()
    wanted = (options.only,) if options.only else ("quality", "speed", "steps", "train")
    for part in wanted:
        if part == "train":
            with tempfile.TemporaryDirectory() as home:
                trained(table, Path(home), options.rows)
        else:
            {"quality": quality, "speed": speed, "steps": steps}[part](table)
    print(f"\n{len(table.missed)} goals missed")
    return 1 if table.missed else 0


if __name__ == "__main__":
    sys.exit(main())
