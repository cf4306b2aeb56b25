"""Running the matrix: which cells, how many seeds, on how many processes; then the table and the page."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.core.digest import PROJECT
from tests.chaos.points import dead, sources_digest
from tests.chaos.protocol import FAULTS, Absent, Backends, Step
from tests.support import programs
from tests.support.warm import prepare_process, warm_up

if TYPE_CHECKING:
    from tests.chaos.record import Record

STEPS = (
    "validate", "materialize", "training_set", "submit", "checkpoint", "register", "traffic", "drift",
    "submit_sagemaker", "checkpoint_sagemaker", "endpoint", "search", "experiment", "stream", "feature_set", "forget",
)  # fmt: skip
ON_AWS = ("submit_sagemaker", "checkpoint_sagemaker", "endpoint")  # each of their trials needs a server
ON_REQUEST = ("materialize_dynamodb",)  # run by name, and not on the page
SLOW: dict[str, tuple[str, ...]] = {
    "checkpoint": (), "search": (), "forget": (), "traffic": ("F2",), "submit": ("F2", "F8"),
    "stream": ("F1",), "feature_set": ("F2",), "experiment": ("F3",),
}  # fmt: skip
SERVERS = {"postgres", "redis", "dynamodb", "s3", "ray", "sagemaker", "mlflow"}
RECORD = PROJECT / "docs" / "guarantees.json"  # kept with the sources: rows are run one by one, on whatever machine
PAGE = PROJECT / "docs" / "guarantees.md"
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
        found |= {on.control, on.online, on.storage, on.jobs, on.registry} & SERVERS
    return found


def sampled(steps: Mapping[str, Step], faults: Sequence[str], every: int = 2) -> list[tuple[str, str, int]]:
    """One in `every` of the cells that need no server and take about a second; of the slow rows one or two, or none.

    A row begins one fault later than the row before it, so that one in four still has each fault and each quick row.
    """
    found: list[tuple[str, str, int]] = []
    rows = {name: step for name, step in steps.items() if name not in ON_AWS}
    for row, (name, step) in enumerate(rows.items()):
        for fault in SLOW.get(name, faults[row % every :: every]):
            cell = step.cells[fault]
            variants = () if isinstance(cell, Absent) else cell
            plain = [seed for seed, variant in enumerate(variants) if variant.on == Backends()]
            found += [(name, fault, plain[0])] if plain else []
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    prepare_process()
    options = _options(arguments)
    if not options.sample:  # the sample starts no server, and is run where the system has less
        programs.require("tests.chaos")
    seeds = [options.seed] if options.seed is not None else list(range(options.seeds))
    steps = load_steps(options.steps)
    trials = sampled(steps, options.faults, options.every) if options.sample else planned(steps, options.faults, seeds)
    servers = needed(steps, trials)
    print(f"{len(trials)} trials on {options.slots} processes; servers: {', '.join(sorted(servers)) or 'none'}", flush=True)
    wanted = {*(name for name, _, _ in trials), *servers, *(("ray",) if options.series else ())}
    print(f"imported in {warm_up(wanted):.0f} s", flush=True)
    from tests.chaos.record import Record, print_matrix
    from tests.chaos.slots import run_trials

    began, sources = time.monotonic(), sources_digest()
    reports = run_trials(steps, trials, servers, options.slots, verbose=options.verbose)
    record = Record.of(reports, steps, this_run())
    print_matrix(record, time.monotonic() - began)
    unpassed = dead((name for report in reports for name in report.passed), whole=not options.sample)
    if unpassed and set(steps) == set(STEPS):
        print(f"fail points that no trial passed: {', '.join(unpassed)}", flush=True)
    keeps = options.seed is None and not options.sample
    if keeps and sources_digest() == sources:
        _keep(record, {}, options)  # the series take long, and may be ended
    series = _series(steps, options)
    if keeps and series and sources_digest() == sources:
        _keep(record, series, options)
    whole = all(report.good for report in reports) and len(reports) == len(trials)
    if sources_digest() != sources:  # keys hold a digest of the code: trial and twin had different ones
        print("the sources changed during the run: its findings mean nothing", flush=True)
        return 1
    alive = not unpassed or set(steps) != set(STEPS)
    return 0 if whole and alive and not any(row["bad"] for row in series.values()) else 1


def _series(steps: Mapping[str, Step], options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """The long series, for a run of all rows: as many kills as trials in a row's cells, twice over."""
    from tests.chaos.series import full_disks, submit_gaps

    found = {}
    if "gap" in options.series:
        found |= submit_gaps(options.kills or 20 * options.seeds, options.slots, ray=True)
    if "full" in options.series:
        found |= full_disks(steps, options.slots)
    for row in found.values():
        print(f"{row['what']}: {row['trials']} trials, {row['lost']} lost, {row['doubled']} doubled", flush=True)
    return found


def _keep(record: Record, series: Mapping[str, Any], options: argparse.Namespace) -> None:
    """Put this run's cells into the book, and write the page anew."""
    from tests.chaos.page import write_page
    from tests.chaos.record import Book

    book = Book.read(options.record)
    book.ours.take(record)
    book.ours.titles = {name: book.ours.titles[name] for name in STEPS if name in book.ours.titles}
    book.series |= series
    book.write(options.record)
    write_page(book, options.page)
    missing = book.ours.missing(STEPS)
    print(f"{options.page} is written" + (f"; {len(missing)} cells were not run yet" if missing else ""), flush=True)


def this_run() -> str:
    """The commit and the day, as a cell keeps them."""
    return f"{_commit() or 'unknown'}, {datetime.now(UTC).date().isoformat()}"


def _commit() -> str:
    import subprocess

    command = ["git", "-C", str(PROJECT), "rev-parse", "--short=12", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="trials a cell")
    parser.add_argument("--seed", type=int, help="only this one: repeats a trial")
    parser.add_argument("--steps", nargs="+", default=list(STEPS), choices=(*STEPS, *ON_REQUEST))
    parser.add_argument("--faults", nargs="+", default=list(FAULTS), choices=list(FAULTS))
    parser.add_argument("--series", nargs="*", default=["gap", "full"], choices=["gap", "full"], help="long series beside it")
    parser.add_argument("--kills", type=int, default=0, help="between submit and record, on each backend; 20 a seed")
    parser.add_argument("--slots", type=int, default=SLOTS, help="trials at the same time")
    parser.add_argument("--record", type=Path, default=RECORD, help="keeps the cells of all runs; the page is written from it")
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--verbose", action="store_true", help="a line for every trial")
    parser.add_argument("--sample", action="store_true", help="a minute of it: one trial a cell, without servers")
    parser.add_argument("--every", type=int, default=2, help="one in so many of the quick cells is in the sample")
    options = parser.parse_args(arguments)
    if options.sample or options.seed is not None:
        options.series = []
    return options
