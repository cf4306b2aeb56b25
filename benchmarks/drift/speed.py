"""10 million rows x 20 numeric columns against a stored reference, beside a bare scan of the same file and beside Evidently.

The bare scan is DuckDB's count, sum, min and max of every column on as many threads: about the least that looks at each
value; Arrow's decoding alone is shown too. Each runs in a process of its own, so that peak memory is its own. 100 million
rows are the same file ten times over.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from include.core.spec import Feature
from include.monitoring.drift.divergences import compare
from include.monitoring.profile.binning import Axis, axes
from include.monitoring.profile.profile_file import read_profiles, write_profiles
from include.monitoring.profile.profiles import profile, profile_files

COLUMNS, GROUP = 20, 250_000
LARGE, SMALL = 10_000_000, 1_000_000
REPEATS = 3
THREADS = 2
SCAN_GOAL, MEMORY_GOAL, CPU_GOAL, SCIPY_GOAL = 1.5, 1.25, 30.0, 1e-4
DAY = ("2013-01-01", "")  # the part that the stored reference is kept as
NAMES = [f"c{n}" for n in range(COLUMNS)]


def report() -> bool:
    with tempfile.TemporaryDirectory(prefix="slipstream-bench-") as scratch:
        folder = Path(scratch)
        write(folder / "large.parquet", LARGE, 0.1, 1)
        write(folder / "now.parquet", SMALL, 0.1, 2)
        write(folder / "before.parquet", SMALL, 0.0, 3)
        lay_down(folder)
        checks = [*_scans(folder), *_peer(folder)]
    return all(checks)


def write(path: Path, rows: int, moved: float, seed: int) -> None:
    """Normal, skewed, rounded and whole columns; each fourth has 2 percent nulls."""
    rng, writer = np.random.default_rng(seed), None
    for _ in range(rows // GROUP):
        table = pa.table({name: _values(rng, n, moved) for n, name in enumerate(NAMES)})
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=GROUP)
    assert writer is not None
    writer.close()


def _values(rng: np.random.Generator, n: int, moved: float) -> pa.Array:
    values = rng.normal(moved, 1, GROUP) if n % 2 else rng.exponential(1 + moved, GROUP)
    if n % 5 == 2:
        values = np.round(values, 2)
    elif n % 5 == 3:
        values = np.rint(5 * values)
    return pa.array(values, mask=rng.random(GROUP) < 0.02 if n % 4 == 1 else None)


def lay_down(folder: Path) -> None:
    """The stored reference: axes and profile of `before`."""
    table = pq.read_table(folder / "before.parquet")
    found = axes([Feature(name=name) for name in NAMES], table)
    write_profiles(folder / "reference.parquet", found, {DAY: profile(table, found)})


def _scans(folder: Path) -> list[bool]:
    large = str(folder / "large.parquet")
    bodies = {"DuckDB: count, sum, min, max": "scan", "Arrow: decoding alone": "decode", "ours, statistics and all": "judge"}
    found = {title: _repeated(body, str(folder), large) for title, body in bodies.items()}
    ten = _child("judge", str(folder), *[large] * 10)
    print(f"\n{LARGE:,} rows x {COLUMNS}, {THREADS} threads{'seconds':>18}{'CPU s':>9}{'peak MB':>9}")
    for title, run in [*found.items(), ("ours, ten times the file", ten)]:
        print(f"{title:40}{run['wall']:9.2f}{run['cpu']:9.2f}{run['peak']:9.0f}")
    scan, decode, ours = found.values()
    ratio, memory = ours["wall"] / scan["wall"], ten["peak"] / ours["peak"]
    print(f"{'against the scan (decoding alone)':40}{ratio:9.2f} ({ours['wall'] / decode['wall']:.2f})  goal <= {SCAN_GOAL}")
    print(f"{'memory of 100 million against 10':40}{memory:9.2f}  goal <= {MEMORY_GOAL}")
    return [ratio <= SCAN_GOAL, memory <= MEMORY_GOAL]


def _peer(folder: Path) -> list[bool]:
    files = (str(folder), str(folder / "now.parquet"))
    ours = _repeated("judge", *files)
    theirs = _child("evidently", *files)
    gap = _gap(folder)
    ratio = theirs["cpu"] / ours["cpu"]
    print(f"\n{SMALL:,} rows x {COLUMNS} against as many: PSI, KS and missing share of each column{'CPU s':>9}{'peak MB':>9}")
    for title, run in (("ours, against a stored reference", ours), ("Evidently", theirs)):
        print(f"{title:78}{run['cpu']:9.2f}{run['peak']:9.0f}")
    print(f"{'times less CPU':78}{ratio:9.1f}  goal >= {CPU_GOAL:g}")
    print(f"{'furthest from scipy: KS, chi-square p-value, PSI on equal edges':78}{gap:9.1e}  goal <= {SCIPY_GOAL:g}")
    return [ratio >= CPU_GOAL, gap <= SCIPY_GOAL]


def _repeated(body: str, *arguments: str) -> dict[str, float]:
    """Medians."""
    runs = [_child(body, *arguments) for _ in range(REPEATS)]
    return {name: median(run[name] for run in runs) for name in runs[0]}


def _child(body: str, *arguments: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.drift.speed", body, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).resolve().parents[2])
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def _gap(folder: Path) -> float:
    """The furthest of ours from scipy's, over the columns."""
    from scipy import stats

    found = _compared([str(folder), str(folder / "now.parquet")])
    now, before = (pq.read_table(folder / f"{name}.parquet") for name in ("now", "before"))
    gaps = []
    for axis in read_profiles(folder / "reference.parquet").axes:
        a, b = (side[axis.name].drop_null().to_numpy() for side in (now, before))
        x, y = (np.histogram(side, [-np.inf, *axis.edges, np.inf])[0] for side in (a, b))
        p, q = x / x.sum(), y / y.sum()
        mine = found[axis.name]
        gaps += [
            abs(mine.ks - stats.ks_2samp(a, b, method="asymp").statistic),
            abs(mine.psi - float(((p - q) * np.log(p / q)).sum())),
            abs(mine.p_value - stats.chi2_contingency(np.array([x, y]), correction=False).pvalue),
        ]
    return float(max(gaps))


# -- what the children run ------------------------------------------------------------------------------


def _compared(arguments: list[str]) -> dict[str, Any]:
    folder, *files = arguments
    stored = read_profiles(Path(folder) / "reference.parquet")
    before = stored.parts[DAY]
    here = profile_files(files, stored.axes, THREADS)
    named: dict[str, Axis] = {axis.name: axis for axis in stored.axes}
    return {name: compare(summary, before[name], named[name]) for name, summary in here.items()}


def _scan(arguments: list[str]) -> object:
    import duckdb

    wanted = ", ".join(f"count({c}), sum({c}), min({c}), max({c})" for c in NAMES)
    with duckdb.connect(config={"threads": THREADS}) as connection:
        return connection.execute(f"SELECT {wanted} FROM read_parquet(?)", [arguments[1:]]).fetchall()


def _decode(arguments: list[str]) -> object:
    pa.set_cpu_count(THREADS)
    with pq.ParquetFile(arguments[1]) as parquet:
        for group in range(parquet.num_row_groups):
            parquet.read_row_group(group, use_threads=True)
    return None


def _evidently(arguments: list[str]) -> object:
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import MissingValueCount, ValueDrift

    sides = [pq.read_table(path).to_pandas() for path in (arguments[1], Path(arguments[0]) / "before.parquet")]
    data = [Dataset.from_pandas(side, data_definition=DataDefinition(numerical_columns=NAMES)) for side in sides]
    wanted = [ValueDrift(column=name, method=method) for name in NAMES for method in ("psi", "ks")]
    return Report([*wanted, *(MissingValueCount(column=name) for name in NAMES)]).run(*data).dict()


BODIES: dict[str, Callable[[list[str]], object]] = {
    "judge": _compared, "scan": _scan, "decode": _decode, "evidently": _evidently,
}  # fmt: skip


def _peak() -> float:
    """MB. Of this program alone: getrusage would hand on the peak of the process that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def main(arguments: list[str]) -> None:
    """One body; what it took, without the imports of this process."""
    body = BODIES[arguments[0]]
    if arguments[0] == "evidently":
        import evidently
        import evidently.presets  # noqa: F401
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    body(arguments[1:])
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"wall": time.perf_counter() - start, "cpu": cpu, "peak": _peak()}))


if __name__ == "__main__":
    main(sys.argv[1:])
