"""`python -m benchmarks.drift [alarms] [stability] [evidently] [speed]`: by default all of them.
`python -m benchmarks.drift streams [PATH[:LABEL[:ROWS]]]...`: false alarms on real streams, with the conventions of
`benchmarks.policy`. `--write`: with `alarms` or `streams`, the tables of docs/monitoring/measured.md.

Goals: no more false alarms than one check in twenty, over all columns, where windows are iid, and in ten where they wobble;
nine real shifts in ten found; no alarm taken back as rows are added; 10 million rows x 20 in at most 1.5 times a bare scan,
in memory that does not grow with them; at least 30 times less CPU than Evidently for the same figures.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor

from benchmarks import book

WORKERS, WRITE = 2, "--write"


def alarms(write: bool = False) -> bool:
    from benchmarks.drift import alarms as area

    print(f"\n{area.head()}")
    met, rows = True, list[list[object]]()
    with ProcessPoolExecutor(WORKERS) as pool:
        for cell in area.cells():
            found = area.measure(cell, pool)
            print(area.show(found), flush=True)
            met, rows = met and found.met, [*rows, area.row(found)]
    if write:
        book.write("drift alarms", book.table(area.HEAD, rows))
    return met


def stability() -> bool:
    from benchmarks.drift import stability as area
    from benchmarks.drift.alarms import SHIFTED

    flips = area.measure()
    sizes = f"{area.SIZES[0]:,} to {area.SIZES[-1]:,}"
    what = f"{area.STREAMS} streams with {area.SHIFT:g} sd in {SHIFTED} of {area.COLUMNS} columns, {sizes} rows"
    print(f"\n{what}\n{'':16}{'alarm taken back':>18}{'silent at the end':>19}")
    for name in flips.flipped:
        print(f"{name:16}{flips.flipped[name]:18}{flips.silent[name]:19}")
    met = flips.flipped["ours"] == 0
    print(f"goal: none taken back: {'met' if met else 'missed'}")
    return met


def evidently() -> bool:
    from benchmarks.drift import evidently_check as area

    agreed, total = area.agreement()
    print(f"\nEvidently's default as written down in peers.py, against Evidently itself: {agreed} of {total} columns alike")
    return agreed == total


def speed() -> bool:
    from benchmarks.drift import speed as area

    return area.report()


def streams(paths: list[str], write: bool = False) -> bool:
    from benchmarks.drift import streams as area
    from benchmarks.policy.judge import streams_of
    from benchmarks.policy.streams import packaged

    print(f"\n{area.head()}", flush=True)
    met, rows = True, list[list[object]]()
    for stream in (*(each for each in packaged() if not each.kin), *streams_of(paths)):
        found = area.measure(stream)
        print(area.show(found), flush=True)
        met, rows = met and found.met, [*rows, area.row(found)]
    if write:
        book.write("drift streams", book.table(area.HEAD, rows))
    print(f"goals: at most {area.ROWS_GOAL:g} with rows in random order, {area.ORDER_GOAL:g} with windows")
    return met


PARTS = {"alarms": alarms, "stability": stability, "evidently": evidently, "speed": speed}


def main(given: list[str]) -> int:
    write, names = WRITE in given, [name for name in given if name != WRITE]
    if names[:1] == ["streams"]:
        met = [streams(names[1:], write)]
    elif write:
        met = [alarms(write=True)]
    else:
        met = [PARTS[name]() for name in names or list(PARTS)]
    print("\nmet" if all(met) else "\nmissed")
    return int(not all(met))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
