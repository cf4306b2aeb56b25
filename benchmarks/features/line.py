"""What a part of the benchmark says: a line a goal."""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """A row of `benchmarks.table.Table`."""

    name: str
    measured: str
    goal: str = ""
    met: bool | None = None  # None: told for comparison, no goal
