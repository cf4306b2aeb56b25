"""`make bench AREA=log_shipping`: what a gateway's machine that is lost takes with it, and what shipping costs.

A writer logs 100 or 1,000 lines a second (RATES="100 1000"), as a worker does, beside a shipper at its defaults; at a random
moment both are killed and the machine is never seen again. Goals: of what was answered longer than SLIPSTREAM_LOG_SHIP_SECONDS
and two seconds ago every line is in the root once, and the shipper takes at most a twentieth of a processor. The root is a
folder; S3 adds the time of a put.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from benchmarks.table import Table
from include.core.storage import LocalStorage
from include.core.time import precise
from include.prediction_log.reader import read_records
from include.prediction_log.record import Record
from include.prediction_log.shared import SharedLog
from include.prediction_log.shipping import Limits, LogShipper
from include.prediction_log.writer import PredictionLog

RATES = [int(rate) for rate in os.environ.get("RATES", "100 1000").split()]
ROUNDS = int(os.environ.get("ROUNDS", "6"))
BATCH_SECONDS = 0.01
ALLOWED = 2.0  # seconds beyond the limit's: a look, a put, a busy machine
SHARE = 0.05
MODEL = "bench"
LIMITS = Limits()


def main() -> int:
    table, draw = Table(), random.Random(1)
    for rate in RATES:
        _lose(table, draw, rate)
    print(f"missed: {'; '.join(table.missed)}" if table.missed else "all goals met")
    return 1 if table.missed else 0


def _lose(table: Table, draw: random.Random, rate: int) -> None:
    table.head(f"a machine lost at {rate:,} lines a second, {ROUNDS} times")
    lost, ages, doubled, shares = [], [], 0, []
    for _ in range(ROUNDS):
        folder = Path(tempfile.mkdtemp(prefix="slipstream-bench-"))
        try:
            share = _until_lost(folder, rate, seconds=LIMITS.seconds + draw.uniform(2, 8))
            missing, age, twice = _missing(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        lost.append(missing)
        ages.append(age)
        shares.append(share)
        doubled += twice
    table.row("lines that were lost: median", statistics.median(lost), "lines")
    table.row("lines that were lost: most", max(lost), "lines", most=rate * (LIMITS.seconds + ALLOWED))
    table.row("age of the oldest line that was lost: most", max(ages), "s", most=LIMITS.seconds + ALLOWED)
    table.row("lines that are there twice", doubled, "lines", most=0)
    table.row("a processor's share that the shipper takes: median", statistics.median(shares), "of 1", most=SHARE)


def _until_lost(folder: Path, rate: int, seconds: float) -> float:
    """Writer and shipper until both are killed. Returns the shipper's share of a processor."""
    writer = _forked(lambda: _write(folder, rate))
    shipper = _forked(lambda: _ship(folder))
    time.sleep(seconds)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    os.kill(shipper, signal.SIGKILL)
    os.kill(writer, signal.SIGKILL)
    os.waitpid(shipper, 0)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    os.waitpid(writer, 0)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / seconds


def _missing(folder: Path) -> tuple[int, float, int]:
    """Lines that were written and are not in the root; how old the oldest was when the machine went; how many are twice."""
    written = {record.id: record.at for record in read_records(folder / "home", MODEL)}
    there = Counter(record.id for record in read_records(SharedLog(folder / "reader", LocalStorage(folder / "root")), MODEL))
    missing = [at for name, at in written.items() if name not in there]
    last = datetime.fromisoformat(max(written.values()))
    age = (last - datetime.fromisoformat(min(missing))).total_seconds() if missing else 0.0
    return len(missing), age, sum(count - 1 for count in there.values())


def _write(folder: Path, rate: int) -> None:
    log, count = PredictionLog(folder / "home", MODEL), 0
    started = time.monotonic()
    while True:
        due = int((time.monotonic() - started) * rate) - count
        at = precise()
        features: dict[str, bool | float | str | list[float] | None] = {f"feature_{place}": 0.1 * place for place in range(12)}
        log.write([Record("prediction", f"r{count + each}", at, at[:19], "0" * 16, {}, features, 1, "champion", 0.5)
                   for each in range(due)])  # fmt: skip
        count += due
        time.sleep(BATCH_SECONDS)


def _ship(folder: Path) -> None:
    shipper = LogShipper(SharedLog(folder / "home", LocalStorage(folder / "root")), LIMITS)
    while True:
        shipper.run()
        time.sleep(shipper.every)


def _forked(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
    finally:
        os._exit(1)


if __name__ == "__main__":
    raise SystemExit(main())
