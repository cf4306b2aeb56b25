"""Recommendations: how long a search takes, and a whole list over HTTP, of 1,682 items and of a million.

    python -m benchmarks.recommend [search] [lists]

search  the nearest 100 of 1,682, 100,000 and 1,000,000 vectors of 32 numbers, all compared; and by the index of a million,
        with the share of the nearest 100 that it finds
lists   POST /recommend through a gateway of one worker, one request after the other: the user's features, the query's vector,
        the nearest 200 and a chart of 100, their features from SQLite in one read, ranker, log. Goal: a p99 within the 50 ms
        that a spec promises
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks.recommend.shop import WIDTH, Shop, vectors
from benchmarks.table import Table
from include.metrics.arrays import Floats
from include.retrieval.items import Items
from include.retrieval.nearest import INDEX, Exact, Nearest, open_nearest, write_index

PARTS = ("search", "lists")
SIZES = (1682, 100_000, 1_000_000)
QUERIES, NEAREST = 300, 100
GOAL_MS, FOUND = 50.0, 0.95


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=[], choices=[*PARTS, []])
    parts = parser.parse_args().parts or PARTS
    table = Table()
    with tempfile.TemporaryDirectory(prefix="slipstream-recommend-") as folder:
        if "search" in parts:
            search(table, Path(folder))
        if "lists" in parts:
            lists(table, Path(folder))
    return int(bool(table.missed))


def search(table: Table, folder: Path) -> None:
    table.head(f"the nearest {NEAREST} of vectors of {WIDTH} numbers, one core")
    for size in SIZES:
        made = vectors(size)
        queries = vectors(QUERIES, seed=size)
        exact = Exact(made)
        _timed(table, f"{size:,} items, all compared", exact, queries)
        if write_index(folder / INDEX, made):
            items = Items(tuple(map(str, range(size))), made, np.arange(1), inputs=("x",))
            index = open_nearest(items, folder / INDEX)
            _timed(table, f"{size:,} items, by the index", index, queries)
            shares = [_found(exact, index, query) for query in queries[:50]]
            table.row("of the nearest it finds", float(np.mean(shares)), "", least=FOUND)


def lists(table: Table, folder: Path) -> None:
    for size in (SIZES[0], SIZES[-1]):
        table.head(f"whole lists over HTTP, {size:,} items")
        with Shop(folder / f"home-{size}", size) as shop:
            times = shop.ask(QUERIES)
        table.row("p50", float(np.percentile(times, 50)), "ms")
        table.row("p99", float(np.percentile(times, 99)), "ms", most=GOAL_MS)


def _timed(table: Table, name: str, nearest: Nearest, queries: Floats) -> None:
    times = [_milliseconds(lambda query=query: nearest.search(query, NEAREST)) for query in queries]  # type: ignore[misc]
    p50, p99 = np.percentile(times, [50, 99])
    table.line(name, f"{p50:12.3f} ms, p99 {p99:.3f}")


def _milliseconds(call: Callable[[], object]) -> float:
    begun = perf_counter()
    call()
    return 1e3 * (perf_counter() - begun)


def _found(exact: Nearest, index: Nearest, query: Floats) -> float:
    near = [set(each.search(query.astype(np.float32), NEAREST)[0].tolist()) for each in (exact, index)]
    return len(near[0] & near[1]) / NEAREST


if __name__ == "__main__":
    raise SystemExit(main())
