"""Performance by slice: a model that holds on average may have fallen for one airport.

Each slice is compared with itself on the champion's holdout. The worst of twenty slices looks bad by chance alone, so it is
named only where its fall stands out of as many tries (Holm 1979).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import ndtr

from include.core.request import Json
from include.monitoring.formatting import percent
from include.monitoring.performance.terms import Terms

VALUES = 20  # so many of the commonest values of a column are slices
LEVEL = 0.05  # the chance that any slice is named although none fell

Slice = dict[str, Any]


def by_slice(rows: pa.Table, columns: Sequence[str], terms: Terms, holdout: pa.Table | None = None) -> tuple[Slice, ...]:
    """A body for each of the commonest values of each column, largest first. `rows`, `holdout`: labelled, see `arrays` of terms.

    Where the holdout has enough rows of it: `expected`, `drop` (positive: worse) with its error, and `p`, the chance of such
    a fall in any of the slices, Holm's.
    """
    found = [each for column in columns if column in rows.column_names for each in _of(rows, column, terms, holdout)]
    tried = [each for each in found if "drop" in each]
    for each, p in zip(tried, _holm([_chance(each) for each in tried]), strict=True):
        each["p"] = p
    return tuple(found)


def worst(slices: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The slice that fell furthest, of those that stand out of all that were tried."""
    fell = [each for each in slices if each.get("p", 1.0) < LEVEL]
    return max(fell, key=lambda each: each["drop"] / each["drop_error"], default=None)


def summary(found: Mapping[str, Json], metric: str) -> str:
    """`worst slice origin_code = JFK: 0.612, was 0.703`."""
    return f"worst slice {found['column']} = {found['value']}: {found[metric]:.3f}, was {found['expected']:.3f}"


def _of(rows: pa.Table, column: str, terms: Terms, holdout: pa.Table | None) -> Iterator[Slice]:
    text = rows[column].cast(pa.string())
    before = holdout[column].cast(pa.string()) if holdout is not None and column in holdout.column_names else None
    counts = sorted(pc.value_counts(text.drop_null()).to_pylist(), key=lambda pair: (-pair["counts"], pair["values"]))
    for pair in counts[:VALUES]:
        value = pair["values"]
        body = _slice(rows.filter(pc.equal(text, value)), column, value, terms)
        if before is not None and holdout is not None and terms.metric in body:
            body |= _against(body, holdout.filter(pc.equal(before, value)), terms)
        yield body


def _slice(rows: pa.Table, column: str, value: str, terms: Terms) -> Slice:
    body: Slice = {"column": column, "value": value, "rows": rows.num_rows}
    known = terms.known(rows)
    found = terms.of(known) if terms.enough(known.truth) else None
    rate = terms.problem.positive_rate(known.truth)
    if rate is not None:
        body["positive_rate"] = rate
    if found is None:
        share = "" if rate is None else f", {percent(rate)} positive"
        return {**body, "words": f"too few rows ({rows.num_rows}{share})"}
    return {**body, terms.metric: found.value, "error": found.error}


def _against(body: Slice, holdout: pa.Table, terms: Terms) -> Slice:
    before = terms.measured(holdout)
    if before is None:
        return {}
    drop = terms.definition.worse_by(body[terms.metric], before.value)
    return {"expected": before.value, "drop": drop, "drop_error": float(np.hypot(body["error"], before.error))}


def _chance(body: Mapping[str, Any]) -> float:
    """Of a fall as large, if there were none."""
    return float(ndtr(-body["drop"] / body["drop_error"])) if body["drop_error"] > 0 else 1.0


def _holm(chances: Sequence[float]) -> list[float]:
    """Adjusted for how many were tried."""
    order = np.argsort(chances, kind="stable")
    tries = len(chances) - np.arange(len(chances))
    adjusted = np.minimum(1, np.maximum.accumulate(np.asarray(chances)[order] * tries)) if len(chances) else np.empty(0)
    result = np.empty(len(chances))
    result[order] = adjusted
    return [float(p) for p in result]
