"""`python -m benchmarks.cases eta`: a case's quality on a later month than it was trained on, beside its peer on the same rows.

    python -m benchmarks.cases eta fraud                # the later month, which judges
    python -m benchmarks.cases eta --validation         # the month before it, on which constants are chosen

The first run lands raw days and computes features, into `--root` where it is given; without it they go when the bench has ended.
Exit status 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import logging
import pkgutil
import tempfile
from importlib import import_module
from pathlib import Path

import benchmarks.cases
from benchmarks.table import Table

PARTS = ("later_month", "fitted")  # of all cases


def names() -> list[str]:
    found = (each.name for each in pkgutil.iter_modules(benchmarks.cases.__path__))
    return sorted(name for name in found if name not in PARTS and not name.startswith("_"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cases", description="A case's quality on a later month.")
    parser.add_argument("case", nargs="+", choices=names())
    parser.add_argument("--validation", action="store_true", help="the month before the one that judges")
    parser.add_argument("--root", type=Path, default=None, help="where raw days and features are kept for another run")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    table = Table()
    for name in options.case:
        with tempfile.TemporaryDirectory(prefix=f"slipstream-{name}-") as folder:
            root = options.root / name if options.root else Path(folder)
            root.mkdir(parents=True, exist_ok=True)
            import_module(f"benchmarks.cases.{name}").run(table, root, validation=options.validation)
    print(f"missed: {'; '.join(table.missed)}" if table.missed else "all goals met")
    return int(bool(table.missed))


if __name__ == "__main__":
    raise SystemExit(main())
