"""Exact order statistics of a column too long to hold: quantiles without a list of all its values.

One scan counts the values in equal buckets between the least and the greatest; a second sorts only the bucket
that holds the rank wanted (DuckDB sorts on disk if that is still too many). The classical selection by
distribution, as in Munro and Paterson, "Selection and sorting with limited storage" (1980), in two passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

BUCKETS = 4096

Query = Callable[[str], list[tuple[Any, ...]]]


def nearest_ranks(shares: Sequence[float], count: int) -> list[int]:
    """Zero-based ranks of quantiles, to the nearest and a half to the even one: pandas' `interpolation="nearest"`."""
    return [round(share * (count - 1)) for share in shares]


def ranked(query: Query, source: str, value: str, ranks: Sequence[int]) -> list[Any]:
    """The values at zero-based `ranks` among those of the SQL expression `value` over `source` that are not NULL.

    :param query: runs one SELECT and returns its rows
    """
    low, high = query(f"SELECT min({value}), max({value}) FROM {source}")[0]
    if low == high:
        return [low] * len(ranks)
    bucket = _bucket(value, float(low), float(high))
    counted = query(f"SELECT {bucket} AS b, count(*) FROM {source} WHERE {value} IS NOT NULL GROUP BY b ORDER BY b")
    ends = list(accumulate(count for _, count in counted))
    found = []
    for rank in ranks:
        at = next(index for index, end in enumerate(ends) if rank < end)
        number, count = counted[at]
        where = f"{value} IS NOT NULL AND {bucket} = {number}"
        sql = f"SELECT {value} AS v FROM {source} WHERE {where} ORDER BY v LIMIT 1 OFFSET {rank - (ends[at] - count)}"
        found.append(query(sql)[0][0])
    return found


def _bucket(value: str, low: float, high: float) -> str:
    """A bucket's number. The same expression in both scans, so rounding cannot lose a value between them."""
    if not math.isfinite(high - low):  # an infinity leaves nothing to divide: one bucket, sorted whole
        return "0"
    share = f"(CAST({value} AS DOUBLE) - CAST('{low!r}' AS DOUBLE)) / CAST('{(high - low) / BUCKETS!r}' AS DOUBLE)"
    return f"CAST(least(greatest(floor({share}), 0), {BUCKETS - 1}) AS INTEGER)"
