"""The value of `land`."""

from __future__ import annotations

from typing import TypedDict


class LandValue(TypedDict):
    """What a warehouse gave of a source. `rows` by day; each day's file is `{day}.parquet`.

    `query`: the engine's own number of the query or job. `files`: how many files it wrote. `columns_of`: the landed day that the
    columns of days without rows were taken from, where the warehouse wrote no file at all; else empty.
    """

    source: str
    first: str
    last: str
    engine: str
    query: str
    files: int
    rows: dict[str, int]
    columns_of: str
