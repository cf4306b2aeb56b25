"""Running the matrix: which cells, how many seeds, on how many processes; then the table and the page."""

from __future__ import annotations

import argparse
import json
import os
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from tests.chaos.protocol import FAULTS, Absent, Step
from tests.chaos.warm import prepare_process, warm_up

STEPS = ("validate", "materialize", "training_set", "submit", "checkpoint", "register", "traffic", "drift")
SLOTS = max(2, min(4, os.cpu_count() or 2))


def load_steps(names: Sequence[str]) -> dict[str, Step]:
    return {name: import_module(f"tests.chaos.steps.{name}").STEP for name in names}


def planned(steps: Mapping[str, Step], faults: Sequence[str], seeds: Sequence[int]) -> list[tuple[str, str, int]]:
    """The trials, cell by cell; of every cell that applies."""
    return [
        (name, fault, seed)
        for name, step in steps.items()
        for fault in faults
        if not isinstance(step.cells[fault], Absent)
        for seed in seeds
    ]


def needed(steps: Mapping[str, Step], trials: Sequence[tuple[str, str, int]]) -> set[str]:
    """The servers that these trials run against."""
    found: set[str] = set()
    for name, fault, seed in trials:
        cell = steps[name].cells[fault]
        assert not isinstance(cell, Absent)
        on = cell[seed % len(cell)].on
        used = {"postgres": on.control, "redis": on.online, "s3": on.storage, "ray": on.jobs, "mlflow": on.registry}
        found |= {server for server, chosen in used.items() if chosen == server}
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    prepare_process()
    options = _options(arguments)
    seeds = [options.seed] if options.seed is not None else list(range(options.seeds))
    steps = load_steps(options.steps)
    trials = planned(steps, options.faults, seeds)
    servers = needed(steps, trials)
    print(f"{len(trials)} trials on {options.slots} processes; servers: {', '.join(sorted(servers)) or 'none'}", flush=True)
    print(f"imported in {warm_up({*steps, *servers}):.0f} s", flush=True)
    began = time.monotonic()
    reports = list(_run(steps, trials, servers, options))
    from tests.chaos.record import Record, good, print_matrix

    record = Record.of(reports, steps, seconds=time.monotonic() - began)
    print_matrix(record, steps)
    if options.record:
        record.merge_into(Path(options.record))
    return 0 if good(reports) and len(reports) == len(trials) else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="trials a cell")
    parser.add_argument("--seed", type=int, help="only this one: repeats a trial")
    parser.add_argument("--steps", nargs="+", default=list(STEPS), choices=STEPS)
    parser.add_argument("--faults", nargs="+", default=list(FAULTS), choices=list(FAULTS))
    parser.add_argument("--slots", type=int, default=SLOTS, help="trials at the same time")
    parser.add_argument("--record", default="", help="a JSON file that keeps the results; the page is written from it")
    parser.add_argument("--keep", action="store_true", help="keep the last trial's folder")
    parser.add_argument("--verbose", action="store_true", help="a line for every trial")
    return parser.parse_args(arguments)


def _run(steps: Mapping[str, Step], trials: list[tuple[str, str, int]], names: set[str], options: argparse.Namespace) -> Iterator:
    from tests.chaos.servers import running

    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    with running(sorted(names), folder) as servers:
        yield from _in_slots(steps, trials, servers, folder, options)
    if options.keep:
        print(f"kept: {folder}")
    else:
        _remove(folder, options.slots)


def _in_slots(steps, trials, servers, folder: Path, options) -> Iterator:
    """Slots are forked; each takes the next trial's number from one pipe and writes a line for it into another."""
    from tests.chaos.child import fork
    from tests.chaos.trial import Report
    from tests.chaos.world import make_databases

    if "control" in servers.at:
        ended = fork(lambda: make_databases(servers, options.slots), os.environ.copy(), folder / "databases.json").wait()
        assert ended.ok, ended
    todo_read, todo_write = os.pipe()
    done_read, done_write = os.pipe()
    pids = []
    for number in range(options.slots):
        if not (pid := os.fork()):
            os.close(todo_write)
            os.close(done_read)
            _slot(number, steps, trials, servers, folder, todo_read, done_write)
        pids.append(pid)
    os.close(todo_read)
    os.close(done_write)
    if not os.fork():  # feeds the slots: a pipe holds no more than 64 KiB
        for number in range(len(trials)):
            os.write(todo_write, struct.pack("I", number))
        os._exit(0)
    os.close(todo_write)
    try:
        with os.fdopen(done_read) as lines:
            for count, line in enumerate(lines, 1):
                report = Report.from_json(json.loads(line))
                _tell(report, count, len(trials), options.verbose)
                yield report
    finally:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                continue


def _slot(number: int, steps, trials, servers, folder: Path, todo: int, done: int) -> None:
    from tests.chaos.bench import Bench
    from tests.chaos.trial import run_trial

    bench = Bench(folder / f"slot-{number}", number, servers)
    bench.folder.mkdir()
    try:
        while len(data := os.read(todo, 4)) == 4:
            name, fault, seed = trials[struct.unpack("I", data)[0]]
            line = json.dumps(run_trial(bench, steps[name], fault, seed).to_json())
            _write(done, f"{line}\n".encode(), folder)
    except BaseException:  # noqa: BLE001 - a slot that breaks must say so, and the matrix then lacks its trials
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(0)


def _write(done: int, line: bytes, folder: Path) -> None:
    """Whole lines only, whoever else writes."""
    import fcntl

    with (folder / "lines.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        while line:
            line = line[os.write(done, line) :]


def _tell(report, count: int, total: int, verbose: bool) -> None:
    if report.good and not verbose:
        if count % 25 == 0 or count == total:
            print(f"{count}/{total}", flush=True)
        return
    verdict = "good" if report.good else "FAILED" if report.findings else "did not happen"
    print(
        f"{count}/{total} {report.step} {report.fault} seed {report.seed}: {verdict}, {report.seconds} s; {report.how}",
        flush=True,
    )
    if not report.good:
        for finding in report.findings[:12]:
            print(f"    {finding.kind}: {finding.what[:600]}")
        for note in report.notes[:8]:
            print(f"    note: {note}")
        print(
            f"    again: python -m tests.chaos --steps {report.step} --faults {report.fault} --seed {report.seed} --slots 1",
            flush=True,
        )


def _remove(folder: Path, slots: int) -> None:
    import shutil
    import subprocess

    for number in range(slots):
        home = folder / f"slot-{number}" / "home"
        for place in (home, home / "store", home / "scratch"):
            if place.is_mount():
                subprocess.run(["umount", "--lazy", str(place)], check=False)
    shutil.rmtree(folder, ignore_errors=True)
