"""The peer: the same days computed in one process, verdicts and feature files into a scratch folder; no ledger, no stores.

`python -m benchmarks.features_range.pure ROOT DAYS` prints the seconds a day. The fastest way there is, that of the range's own
workers: `STEPS=1` computes by the steps of the daily DAG instead.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from benchmarks.features_range.days import FIRST
from benchmarks.features_range.models.flight_delay.spec import SPEC
from include.core.ledger import Attempt, Ledger
from include.core.partition import DAILY, Partition
from include.core.reference import load
from include.core.request import Ref, Request
from include.core.settings import Settings
from include.core.storage import LocalStorage
from include.core.task import Task
from include.features.request import features_request
from include.ranges.computing import Computer
from include.ranges.judging import Judge
from include.ranges.known_raw import KnownRaw
from include.ranges.pool import TOGETHER
from include.ranges.stretch import NotPlain, Stretch
from include.validation.request import verdict_request

NO_VERDICT = Ref("ledger/validate/none/g0/result.json", "0" * 64, "validate")


def compute(root: Path, days: int) -> float:
    """Seconds a day."""
    ledger, judge, computer = Ledger(LocalStorage(root)), Judge(SPEC), Computer(SPEC)
    raw, wanted = KnownRaw(ledger.storage, SPEC.name), [FIRST + timedelta(days=number) for number in range(days)]
    started = time.monotonic()
    for start in range(0, days, TOGETHER):
        _stretch(ledger, raw, judge, computer, [DAILY.on(day) for day in wanted[start : start + TOGETHER]])
    return (time.monotonic() - started) / days


def _stretch(ledger: Ledger, raw: KnownRaw, judge: Judge, computer: Computer, days: Sequence[Partition]) -> None:
    with tempfile.TemporaryDirectory() as scratch, Stretch(SPEC, raw, Path(scratch)) as stretch:
        stretch.read(days, judge.aggregates, [f"{name}.parquet" for name in computer.names])
        for day in days:
            verdict = verdict_request(SPEC, day, ledger.storage, raw)
            features = features_request(SPEC, day, ledger.storage, NO_VERDICT, raw)
            for request in (verdict, features):
                workdir = Path(scratch) / request.step / day.isoformat()
                workdir.mkdir(parents=True)
                task = Task(request, Attempt(request.key, 0, 1), ledger, Settings.from_env(), workdir)
                _run(task, request, judge, computer, stretch)


def _run(task: Task, request: Request, judge: Judge, computer: Computer, stretch: Stretch) -> None:
    try:
        if os.environ.get("STEPS"):
            raise NotPlain
        if request.step == "validate":
            judge.judge(task, stretch.sources)
        else:
            computer.compute(task, stretch)
    except NotPlain:
        load(request.function)(task)


if __name__ == "__main__":
    print(compute(Path(sys.argv[1]), int(sys.argv[2])))
