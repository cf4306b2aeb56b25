"""How a feature's share of the answer goes with its value, in words."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pyarrow as pa
from scipy.stats import rankdata

from include.metrics.arrays import Floats
from include.model_contract.encoder import Input

LEAST = 20  # rows with a value, below which nothing is said
CLEAR = 0.5  # of a rank correlation
OF_A_CATEGORY = 5  # rows


def dependence(each: Input, column: pa.ChunkedArray, shares: Floats) -> str:
    """`shares` [n] of the rows of the column; empty where there is nothing to say."""
    if not np.abs(shares).max(initial=0.0) > 0:
        return "says nothing"
    if each.is_number:
        return _of_numbers(np.array([np.nan if value is None else float(value) for value in column.to_pylist()]), shares)
    if each.dtype == "category":
        return _of_categories([str(value) for value in column.to_pylist()], shares)
    return ""  # a vector or a text has no direction


def _of_numbers(values: Floats, shares: Floats) -> str:
    known = np.isfinite(values)
    if known.sum() < LEAST or len(np.unique(values[known])) < 2 or len(np.unique(shares[known])) < 2:
        return ""
    together = float(np.corrcoef(rankdata(values[known]), rankdata(shares[known]))[0, 1])
    if abs(together) < CLEAR:
        return "neither rises nor falls with its value alone"
    return f"{'raises' if together > 0 else 'lowers'} it the larger it is (rank correlation {together:+.2f})"


def _of_categories(values: list[str], shares: Floats) -> str:
    by_value: dict[str, list[float]] = defaultdict(list)
    for value, share in zip(values, shares, strict=True):
        by_value[value].append(float(share))
    means = {value: float(np.mean(of)) for value, of in by_value.items() if len(of) >= OF_A_CATEGORY}
    if len(means) < 2:
        return ""
    most, least = max(means, key=lambda value: means[value]), min(means, key=lambda value: means[value])
    return f"most for {most[:60]} ({means[most]:+.3g}), least for {least[:60]} ({means[least]:+.3g})"
