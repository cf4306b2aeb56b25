"""Trials on several slots at once: forked processes that take the next trial from one pipe and report through another."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import struct
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from tests.chaos.bench import Bench
from tests.chaos.child import fork
from tests.chaos.protocol import Step
from tests.chaos.report import Report
from tests.chaos.servers import Servers, running
from tests.chaos.trial import run_trial
from tests.chaos.world import make_databases, unmount_below

Named = tuple[str, str, int]  # step, fault, seed
Work = Callable[[Bench, int], Report]


def run_trials(
    steps: Mapping[str, Step], trials: Sequence[Named], servers: set[str], slots: int, *, verbose: bool = False
) -> list[Report]:
    """Every trial's report, in the order they ended."""

    def work(bench: Bench, number: int) -> Report:
        name, fault, seed = trials[number]
        return run_trial(bench, steps[name], fault, seed)

    reports = []
    for report in in_slots(work, len(trials), servers, slots):
        reports.append(report)
        tell(report, len(reports), len(trials), verbose=verbose)
    return reports


def in_slots(work: Work, count: int, servers: set[str], slots: int) -> Iterator[Report]:
    """`work(bench, number)` for each number below `count`, on that many slots, with these servers running."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.chmod(0o755)
    try:
        with running(sorted(servers), folder) as started:
            if "control" in started.at:
                ended = fork(lambda: make_databases(started, slots), os.environ.copy(), folder / "databases.json").wait()
                if not ended.ok:
                    raise RuntimeError(f"no databases: {ended}")
            yield from _reports(work, count, started, folder, slots)
    finally:
        unmount_below(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _reports(work: Work, count: int, servers: Servers, folder: Path, slots: int) -> Iterator[Report]:
    todo, feed = os.pipe()
    done, tell_done = os.pipe()
    pids = []
    for number in range(slots):
        pid = os.fork()
        if not pid:
            os.close(feed)
            os.close(done)
            _slot(work, Bench(folder / f"slot-{number}", number, servers), todo, tell_done)
        pids.append(pid)
    os.close(todo)
    os.close(tell_done)
    feeder = os.fork()  # a pipe holds no more than 64 KiB
    if not feeder:
        with contextlib.suppress(BrokenPipeError):
            for number in range(count):
                os.write(feed, struct.pack("I", number))
        os._exit(0)
    os.close(feed)
    try:
        with os.fdopen(done) as lines:
            for line in lines:
                yield Report.from_json(json.loads(line))
    finally:
        for pid in (*pids, feeder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)


def _slot(work: Work, bench: Bench, todo: int, done: int) -> NoReturn:
    bench.folder.mkdir()
    try:
        while len(data := os.read(todo, 4)) == 4:
            report = work(bench, struct.unpack("I", data)[0])
            _write(done, f"{json.dumps(report.to_json())}\n".encode(), bench.folder.parent / "lines.lock")
    except BaseException:  # noqa: BLE001 - a slot that breaks must say so; the matrix then lacks its trials
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(0)


def _write(done: int, line: bytes, lock: Path) -> None:
    """Whole lines only, whoever else writes."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        while line:
            line = line[os.write(done, line) :]


def tell(report: Report, count: int, total: int, *, verbose: bool) -> None:
    """A line for a trial that failed, and now and then one that it goes on."""
    if report.good and not verbose:
        if count % 25 == 0 or count == total:
            print(f"{count}/{total}", flush=True)
        return
    verdict = "FAILED" if report.findings else "the fault did not happen"
    if report.good:
        verdict = "good"
    name = f"{count}/{total} {report.step} {report.fault} seed {report.seed}"
    print(f"{name}: {verdict}, {report.seconds} s; {report.how}", flush=True)
    if report.good:
        return
    for finding in report.findings[:12]:
        print(f"    {finding.kind}: {finding.what[:600]}")
    for note in report.notes[:8]:
        print(f"    note: {note}")
    again = f"--steps {report.step} --faults {report.fault} --seed {report.seed} --slots 1"
    print(f"    again: python -m tests.chaos {again}", flush=True)
