"""`python -m tests.hands`: the matrix of an operator's hand under a real Airflow. Exit status 1 where a promise is broken."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from include.core.digest import PROJECT
from tests.support import programs
from tests.support.warm import prepare_process

RECORD = PROJECT / "docs" / "hands.json"  # kept with the sources: rows are run one by one, on whatever machine
PAGE = PROJECT / "docs" / "guarantees.md"


def main(arguments: Sequence[str] | None = None) -> int:
    prepare_process()
    options = _options(arguments)
    programs.require("tests.hands")
    from tests.hands import cells, record
    from tests.hands.run import run_cells

    chosen = cells.sample() if options.sample else list(cells.matrix(options.kinds, whole=options.whole))
    chosen = [cell for cell in chosen if _wanted(cell, options)]
    if options.again:
        known = record.read(options.record)
        chosen = [cell for cell in chosen if cell.action not in known.get(f"{cell.kind}.{cell.task}", {})]
    if options.minutes < float("inf"):
        random.Random(0).shuffle(chosen)  # a part of the matrix is a part of every row
    print(f"{len(chosen)} cells", flush=True)
    began = time.monotonic()
    verdicts = run_cells(chosen, warm=not options.sample, spread=True, minutes=options.minutes, home=options.home)
    new = record.counted(verdicts, record.this_run())
    whole = record.total(new)
    left = f", {len(chosen) - len(verdicts)} not begun" if len(verdicts) < len(chosen) else ""
    print(f"\n{whole.trials} trials, {whole.lost} lost, {whole.doubled} doubled, {whole.silent} silent, "
          f"{whole.declared} as declared, {whole.idle} idle{left} in {time.monotonic() - began:.0f} s", flush=True)  # fmt: skip
    if not options.sample:
        book = record.merge(record.read(options.record), new)
        record.write(book, options.record)
        text = record.section(book)
        record.put_into_page(text, options.page)
        if options.page == PAGE:
            record.keep_in_chaos_book(text)
    return 1 if any(verdict.findings for verdict in verdicts) else 0


def _wanted(cell: object, options: argparse.Namespace) -> bool:
    chosen = {"task": options.tasks, "action": options.actions, "state": options.states}
    return all(not values or getattr(cell, name) in values for name, values in chosen.items())


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    from tests.hands.specs import KINDS

    parser = argparse.ArgumentParser(prog="tests.hands", description=__doc__)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--tasks", nargs="+", default=[])
    parser.add_argument("--actions", nargs="+", default=[])
    parser.add_argument("--states", nargs="+", default=[])
    parser.add_argument("--whole", action="store_true", help="every state of every cell, not one in turns")
    parser.add_argument("--again", action="store_true", help="only the cells that the record lacks")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no cell after that")
    parser.add_argument("--sample", action="store_true", help="a minute of it; writes nothing")
    parser.add_argument("--home", type=Path, help="of a platform that runs, and has the DAGs; without it one is started")
    parser.add_argument("--record", type=Path, default=RECORD)
    parser.add_argument("--page", type=Path, default=PAGE)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
