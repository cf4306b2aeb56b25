"""Validation of large partitions: ours beside plain great_expectations on the whole frame, each in a process of its own.

    python -m benchmarks.validation [--rows 336776,10000000]

Goals at the largest size: at most 1 GB of memory, the same verdicts, and no slower.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from include.row_rules.expectation import Expectation, Suite, columns

MEMORY_GOAL_MB = 1000
CARRIERS = ["AA", "B6", "DL", "EV", "UA", "WN"]

SUITE = Suite(
    (
        *columns(id="integer", carrier="text", distance="number", at="timestamp"),
        *(Expectation("ExpectColumnValuesToNotBeNull", column=name) for name in ("id", "carrier", "at")),
        Expectation("ExpectColumnValuesToNotBeNull", column="delay", mostly=0.9),
        Expectation("ExpectColumnValuesToBeUnique", column="id"),
        Expectation("ExpectColumnValuesToBeBetween", column="distance", min_value=0, max_value=6000, on_failure="quarantine"),
        Expectation("ExpectColumnValuesToBeBetween", column="seats", min_value=1, max_value=900),
        Expectation("ExpectColumnValuesToBeBetween", column="delay", min_value=-180, max_value=2880, mostly=0.999),
        Expectation("ExpectColumnValuesToBeInSet", column="carrier", value_set=CARRIERS, on_failure="quarantine"),
        Expectation("ExpectColumnValuesToNotBeInSet", column="tail", value_set=["N0", "N1"]),
        Expectation("ExpectColumnValuesToMatchRegex", column="tail", regex="^N[0-9]+$"),
        Expectation("ExpectColumnValuesToNotMatchRegex", column="carrier", regex="[a-z]"),
        Expectation("ExpectColumnValueLengthsToEqual", column="carrier", value=2),
        Expectation("ExpectColumnValueLengthsToBeBetween", column="tail", min_value=2, max_value=8),
        Expectation("ExpectColumnPairValuesAToBeGreaterThanB", column_A="landed", column_B="at", or_equal=True),
        Expectation("ExpectColumnMeanToBeBetween", column="delay", min_value=-10, max_value=10),
        Expectation("ExpectColumnMeanToBeBetween", column="distance", min_value=2000, max_value=2600),
        Expectation("ExpectColumnStdevToBeBetween", column="delay", min_value=10, max_value=60),
        Expectation("ExpectColumnMedianToBeBetween", column="delay", min_value=-5, max_value=5),
        Expectation("ExpectColumnMinToBeBetween", column="distance", min_value=0),
        Expectation("ExpectColumnMaxToBeBetween", column="at", max_value=datetime.fromisoformat("2013-12-31T23:59")),
        Expectation("ExpectColumnSumToBeBetween", column="seats", min_value=1),
        Expectation("ExpectColumnProportionOfNonNullValuesToBeBetween", column="delay", min_value=0.9),
        Expectation("ExpectColumnUniqueValueCountToBeBetween", column="seats", min_value=10, max_value=500),
        Expectation("ExpectColumnDistinctValuesToBeInSet", column="carrier", value_set=[*CARRIERS, "ZZ"]),
        Expectation(
            "ExpectColumnQuantileValuesToBeBetween",
            column="distance",
            quantile_ranges={"quantiles": [0.1, 0.5, 0.99], "value_ranges": [[0, 900], [2000, 2600], [4000, 4600]]},
        ),
        Expectation("ExpectTableRowCountToBeBetween", min_value=100_000, max_value=10**9),
    )
)


def make(path: Path, rows: int) -> None:
    """Flights as they might be, some wrong: distances below zero, an unknown carrier, missing delays, two rows alike."""
    duckdb.connect().execute(
        f"""COPY (SELECT
            CASE WHEN i = 7 THEN 6 ELSE i END AS id,
            CASE WHEN i % 100003 = 0 THEN 'zz' ELSE {CARRIERS}[1 + (hash(i) % 6)::INT] END AS carrier,
            'N' || (hash(i * 31) % 5000) AS tail,
            CASE WHEN i % 50021 = 1 THEN -1.0 ELSE (hash(i * 7) % 450000) / 100.0 END AS distance,
            CASE WHEN hash(i * 13) % 100 < 3 THEN NULL ELSE (hash(i * 5) % 20001)::INT / 100.0 - 100 END AS delay,
            (50 + hash(i * 3) % 300)::INT AS seats,
            TIMESTAMP '2013-01-01' + to_seconds(i % 20000000) AS at,
            TIMESTAMP '2013-01-01' + to_seconds(i % 20000000 + 600 + (hash(i) % 30000)::INT) AS landed
        FROM range({rows}) t(i)) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 200000)"""
    )


def ours(path: Path) -> list[Any]:
    from include.backends.great_expectations.expectations import open_expectations
    from include.validation.batch import Batch, open_database
    from include.validation.validate_step import judge

    verdict = judge("flights", Batch("flights", path, open_database()), SUITE, open_expectations(), path.with_name("bad.parquet"))
    return [[check.success, check.unexpected] for check in verdict.checks]


def plain(path: Path) -> list[Any]:
    import pyarrow.parquet as pq

    from include.backends.great_expectations.expectations import open_expectations

    checks = open_expectations().check("flights", pq.read_table(path), SUITE.rules)
    return [[check.success, check.unexpected] for check in checks]


def child(way: str, path: Path) -> None:
    import include.backends.great_expectations.expectations  # noqa: F401  # its import is not what is measured

    started, cpu = time.monotonic(), time.process_time()
    answers = {"ours": ours, "plain": plain}[way](path)
    figures = {
        "seconds": time.monotonic() - started,
        "cpu": time.process_time() - cpu,
        "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps({**figures, "answers": answers}))


def measure(way: str, path: Path, repeats: int) -> dict[str, Any]:
    """The fastest of `repeats` runs, each in a fresh process; memory of the largest."""
    runs = []
    for _ in range(repeats):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.validation", "--child", way, str(path)], capture_output=True, text=True, check=True
        )
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return {**min(runs, key=lambda run: run["seconds"]), "mb": max(run["mb"] for run in runs)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="336776,10000000")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], Path(options.child[1]))
        return 0
    missed = []
    print(f"{len(SUITE.rules)} expectations; quarantine included in ours\n")
    print(f"{'rows':>12} {'':>20} {'seconds':>8} {'CPU-s':>7} {'peak MB':>8}")
    for rows in map(int, options.rows.split(",")):
        with TemporaryDirectory() as folder:
            make(path := Path(folder) / "part.parquet", rows)
            ways = {way: measure(way, path, options.repeats) for way in ("ours", "plain")}
        for way, label in (("ours", "slipstream"), ("plain", "great_expectations")):
            run = ways[way]
            print(f"{rows:>12,} {label:>20} {run['seconds']:>8.2f} {run['cpu']:>7.2f} {run['mb']:>8.0f}")
        missed += missed_goals(rows, ways["ours"], ways["plain"])
    print("\n" + ("\n".join(f"MISSED {line}" for line in missed) if missed else "every goal met"))
    return 1 if missed else 0


def missed_goals(rows: int, mine: dict[str, Any], peer: dict[str, Any]) -> list[str]:
    lines = []
    if mine["answers"] != peer["answers"]:
        other = [str(rule) for rule, a, b in zip(SUITE.rules, mine["answers"], peer["answers"], strict=True) if a != b]
        lines.append(f"{rows:,} rows: {len(other)} verdicts differ: {other}")
    if mine["mb"] > MEMORY_GOAL_MB:
        lines.append(f"{rows:,} rows: {mine['mb']:.0f} MB, goal {MEMORY_GOAL_MB}")
    if mine["seconds"] > 1.1 * peer["seconds"]:  # up to 250,000 rows both are the library itself
        lines.append(f"{rows:,} rows: {mine['seconds'] / peer['seconds']:.2f} times the library's time, goal 1")
    return lines


if __name__ == "__main__":
    sys.exit(main())
