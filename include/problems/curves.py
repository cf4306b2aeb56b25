"""What reports draw of a model's rows: where its errors lie, and whether what it says comes true."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from include.metrics.arrays import Floats, Groups
from include.metrics.ranks import midranks
from include.problems.lists import Lists
from include.problems.truth import Outputs, Truth
from include.step_values.evaluation import CurveValue

POINTS = 60  # of a line: more are not seen
BARS = 31
GROUPS = 10  # of rows by their prediction
SHOWN = 20  # classes of a confusion table


def precision_recall(truth: Truth, scores: Outputs) -> CurveValue:
    """Of the rows that score at least as much, down from the highest: the precision at each recall."""
    _, place = np.unique(-scores.astype(np.float64), return_inverse=True)
    weight = truth.weights
    hits, said = (np.cumsum(np.bincount(place, each)) for each in (truth.labels * weight, weight))
    total = hits[-1] if len(hits) else 0.0
    chosen = _thinned(len(hits))
    points = [[hits[p] / total, hits[p] / said[p]] for p in chosen] if total > 0 else []
    share = float(total / said[-1]) if len(said) else 0.0
    return _line(
        "Precision and recall", "recall", "precision", points, level=share,
        note="Each point is a threshold. The line across is the share of positives, which a model without knowledge has.",
    )  # fmt: skip


def residuals(truth: Truth, value: Floats, unit: str) -> CurveValue:
    """How errors are distributed: shares of rows, between the first and the last percentile."""
    error = value - truth.labels
    low, high = np.quantile(error, [0.01, 0.99])
    edges = np.linspace(low, high if high > low else low + 1, BARS + 1)
    counts = np.bincount(np.clip(np.searchsorted(edges, error, side="right") - 1, 0, BARS - 1), truth.weights, BARS)
    points = [[(edges[b] + edges[b + 1]) / 2, counts[b] / counts.sum()] for b in range(BARS)]
    return {
        "title": "Errors",
        "kind": "bars",
        "x": _with_unit("value - label", unit),
        "y": "share of rows",
        "points": _rounded(points),
        "note": "What lies beyond the 1st and the 99th percentile is counted in the outermost bars.",
    }


def by_prediction(truth: Truth, value: Floats, unit: str) -> CurveValue:
    """The mean label against the mean prediction, in groups of rows by their prediction."""
    points = [
        [np.average(value[rows], weights=truth.weights[rows]), np.average(truth.labels[rows], weights=truth.weights[rows])]
        for rows in _groups(value)
    ]
    note = "Rows in ten groups by their prediction. A median lies below the mean where large labels are rare."
    return _line("Label by prediction", _with_unit("mean prediction", unit), _with_unit("mean label", unit), points, note)


def coverage(truth: Truth, value: Floats, inside: Floats, stated: float, unit: str) -> CurveValue:
    """The share of labels that lie within their interval, in groups of rows by their prediction."""
    points = [
        [np.average(value[rows], weights=truth.weights[rows]), np.average(inside[rows], weights=truth.weights[rows])]
        for rows in _groups(value)
    ]
    note = "Rows in ten groups by their prediction. The line across is the share that the spec asks for."
    return _line("Coverage of the interval", _with_unit("mean prediction", unit), "share inside", points, note, stated)


def confusion(truth: Truth, decided: Groups, classes: Sequence[str]) -> CurveValue:
    """Rows by their class and the decision; of many classes the commonest, and the others together."""
    known, count = truth.labels.astype(np.int64), len(classes)
    common = np.argsort(-np.bincount(known, minlength=count), kind="stable")[:SHOWN]
    names = [classes[place] for place in sorted(common)]
    at = np.full(count, len(names))
    at[np.sort(common)] = np.arange(len(names))
    if count > len(names):
        names.append("others")
    table = np.bincount(at[known] * len(names) + at[decided], minlength=len(names) ** 2).reshape(len(names), -1)
    rows: list[list[str | int]] = [[name, *map(int, counts)] for name, counts in zip(names, table, strict=True)]
    note = "Rows are what the label is, columns what was decided."
    return {"title": "Confusion", "kind": "table", "columns": ["class", *names], "rows": rows, "note": note}


def by_place(truth: Truth, scores: Outputs, at: int) -> CurveValue:
    """NDCG by how many of the first places count."""
    assert truth.query is not None
    weight, points = truth.weights, []
    for places in sorted({round(each) for each in np.linspace(1, at, min(at, POINTS))}):
        lists = Lists(truth.query, truth.labels, scores.astype(np.float64), places)
        told = lists.at_first(np.ones(lists.count)) * weight
        points.append([places, (lists.at_first(lists.ndcg) * told).sum() / told.sum() if told.sum() else 0.0])
    return _line("NDCG by place", "first places that count", "NDCG", points, "Over the queries that tell an order.")


def rank_correlation(one: Floats, other: Floats) -> float:
    """The size of the correlation of ranks, 0 to 1. NaN where one of them is the same in every row."""
    ranks = midranks(one), midranks(other)
    if not len(one) or any(each.min() == each.max() for each in ranks):
        return float("nan")
    return abs(float(np.corrcoef(*ranks)[0, 1]))


def _groups(value: Floats) -> list[Groups]:
    """Places of rows, in groups of about one size by their prediction; rows that predict the same stay together."""
    edges = np.unique(np.quantile(value, np.linspace(0, 1, GROUPS + 1)[1:-1]))
    group = np.searchsorted(edges, value, side="left")
    return [np.flatnonzero(group == each) for each in np.unique(group)]


def _thinned(count: int) -> list[int]:
    return sorted({round(each) for each in np.linspace(0, count - 1, min(count, POINTS))}) if count else []


def _line(title: str, x: str, y: str, points: Sequence[Sequence[float]], note: str, level: float | None = None) -> CurveValue:
    found: CurveValue = {"title": title, "kind": "line", "x": x, "y": y, "points": _rounded(points), "note": note}
    if level is not None:
        found["level"] = round(level, 6)
    return found


def _rounded(points: Sequence[Sequence[float]]) -> list[list[float]]:
    return [[float(f"{value:.6g}") for value in point] for point in points]


def _with_unit(words: str, unit: str) -> str:
    return f"{words} ({unit})" if unit else words
