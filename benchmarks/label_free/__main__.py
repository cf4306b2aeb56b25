"""`python -m benchmarks.label_free [--csv FILE --label COLUMN]...`: performance before labels, against "nothing has changed".

Goals: on every stream, where it speaks, an error of at most that of "nothing has changed" (the holdout's AUC); below .005 AUC
where only the inputs move. The AUC that comes true is noisy too: the floor is what an estimate without any error would show.
Constants were chosen on simulated streams (logistic worlds with and without drift of inputs and labels), but for three: that
single windows may lie off by themselves entered the model after a first look at the flights; where the holdout's support ends
was set after seeing how often these streams were refused; from which width on nothing is said, after the rain.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks import book
from benchmarks.label_free import replay, shift
from benchmarks.label_free.replay import Rows, Seen
from benchmarks.policy.streams import packaged
from include.monitoring.retraining.labelled_stream import from_csv

WINDOWS = 45  # that a CSV is cut into
SHIFT_GOAL = 0.005
HEAD = ("stream", "windows", "spoke", "ours", "nothing", "last seen", "floor", "covered", "silent: nothing")
Line = tuple[str, int, float, float, float, float, float, int]
"""A stream, the windows that were spoken of; misses of ours, of the holdout's AUC and of an estimate without error, the share of
intervals that held, the miss of the holdout's AUC in the others; and all windows."""
ABSOLUTE = 0.798  # mean size of a standard normal


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.label_free")
    parser.add_argument("--csv", type=Path, action="append", default=[])
    parser.add_argument("--label", action="append", default=[])
    parser.add_argument("--write", action="store_true", help="write what was measured into docs/monitoring/measured.md")
    options = parser.parse_args(arguments)
    if len(options.csv) != len(options.label):
        parser.error("give a --label for each --csv")
    streams = dict(_streams(zip(options.csv, options.label, strict=True)))
    as_they_were = "As they were: a champion on 12 windows, held out on 4, watched for 12; then the next"
    tilted = "The same inputs, tilted, under one law of the label: only the inputs move"
    real, moved = _section(as_they_were, streams, replay.stream), _section(tilted, streams, shift.stream)
    if options.write:
        parts = ((as_they_were, real), (tilted, moved))
        book.write("label_free", [line for title, found in parts for line in (f"{title}.", "", *_page(found), "")])
    met = [
        _said(
            "ours at most that of nothing changed, wherever it speaks",
            all(line[2] <= line[3] for line in real if line[1]),
        ),
        _said(f"below {SHIFT_GOAL:g} where only the inputs move", all(line[2] < SHIFT_GOAL for line in moved if line[1])),
    ]
    return int(not all(met))


def _streams(files: Iterable[tuple[Path, str]]) -> Iterator[tuple[str, Rows]]:
    for stream in packaged():
        if not stream.kin:
            yield stream.name, Rows(stream.inputs, stream.label, stream.window)
    for path, label in files:
        with path.open() as lines:
            rows = sum(1 for _ in lines) - 1
        stream = from_csv(path, label, rows // WINDOWS)
        yield stream.name, Rows(stream.inputs, stream.label, stream.window)


def _section(title: str, streams: dict[str, Rows], watched: Callable[[Rows], Iterator[Seen]]) -> list[Line]:
    print(f"\n{title}. Mean miss of the AUC that came true:\n{HEAD[0]:16}{''.join(f'{name:>16}' for name in HEAD[1:])}")
    found = []
    for name, rows in streams.items():
        seen = list(watched(rows))
        found.append((name, *_line(name, seen)))
    return found


def _page(found: Sequence[Line]) -> list[str]:
    head = (
        "stream",
        "spoke, of windows",
        "ours",
        "nothing changed",
        "without any error",
        "within 95 %",
        "silent: nothing changed",
    )
    return book.table(head, [(name, f"{spoke} of {windows}", ours, none, floor, covered, apart)
                             for name, spoke, ours, none, floor, covered, apart, windows in found])  # fmt: skip


def _line(name: str, seen: list[Seen]) -> tuple[int, float, float, float, float, float, int]:
    """Of `Line`, from the second on; NaN where it never spoke."""
    spoke = [each for each in seen if each.estimate.value is not None]
    silent = [each for each in seen if each.estimate.value is None]
    ours = _mean(abs(each.estimate.value - each.realised) for each in spoke if each.estimate.value is not None)
    none, last = (_mean(abs(value - each.realised) for each, value in pairs) for pairs in (
        [(each, each.estimate.raw.base) for each in spoke], [(each, each.last) for each in spoke],
    ))  # fmt: skip
    floor = _mean(ABSOLUTE * each.noise for each in spoke)
    covered = _mean(float(_inside(each)) for each in spoke)
    apart = _mean(abs(each.estimate.raw.base - each.realised) for each in silent)
    numbers = "".join(f"{value:16.4f}" for value in (ours, none, last, floor))
    print(f"{name:16}{len(seen):16}{len(spoke):16}{numbers}{covered:16.2f}{apart:16.4f}", flush=True)
    return len(spoke), ours, none, floor, covered, apart, len(seen)


def _inside(seen: Seen) -> bool:
    """Within the 95 percent interval of the estimate and of the realised AUC's own noise."""
    value, error = seen.estimate.value, seen.estimate.error
    assert value is not None
    assert error is not None
    return bool(abs(value - seen.realised) <= 1.96 * np.hypot(error, seen.noise))


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return float(np.mean(found)) if found else float("nan")


def _said(goal: str, met: bool) -> bool:
    print(f"{goal}: {'met' if met else 'missed'}")
    return met


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
