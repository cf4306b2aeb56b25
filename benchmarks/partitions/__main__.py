"""`make bench AREA=partitions`: 2,000 nasty partitions; every one comes out right, or is refused by one of our errors.

`--cases` how many, `--seed` others than the last time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings

from benchmarks.partitions.cases import Case, cases
from benchmarks.partitions.chain import run


def _kind(told: str) -> str:
    """What a case came to, by what was said of it."""
    if told in ("", "refused"):
        return told or "right"
    return "wrong"


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.partitions")
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    wrong: dict[str, Case] = {}

    checks = list(HealthCheck)

    @hypothesis.seed(options.seed)
    @settings(max_examples=options.cases, phases=[Phase.generate], deadline=None, database=None, suppress_health_check=checks)
    @given(cases())
    def every(case: Case) -> None:
        with tempfile.TemporaryDirectory() as home:
            told = run(case, Path(home))
        counts[_kind(told)] += 1
        if told and told != "refused":
            wrong.setdefault(told.partition(":")[0][:60], case)
            if counts["wrong"] <= 20:
                print(f"WRONG {told[:400]}\n      {_shown(case)}", flush=True)

    began = time.monotonic()
    every()
    seconds, found = time.monotonic() - began, ", ".join(f"{counts[name]} {name}" for name in ("right", "refused", "wrong"))
    print(f"{sum(counts.values())} cases in {seconds:.0f} s: {found} (goal: 0 wrong)")
    print("missed" if counts["wrong"] else "met")
    return int(counts["wrong"] > 0)


def _shown(case: Case) -> str:
    days = [(day.kind.name if day.kind else "null", day.int96, day.dictionary, day.values[:4]) for day in case.days]
    return f"name {case.name[:30]!r}, neighbour {case.neighbour}, damage {case.damage}, days {days}"


if __name__ == "__main__":
    raise SystemExit(main())
