"""How good were the answers, now that labels have landed? Against the champion's own holdout, with the noise of both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from include.core.request import Json
from include.monitoring.metric import HIGHER_IS_BETTER, METRICS, standard_error
from include.monitoring.words import percent

CLASS_ROWS = 20  # fewer rows of either class give no metric worth naming
SLICES = 20  # the largest values of a slice column

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Baseline:
    """What the champion did on its holdout: metrics by name, and the rows they came from."""

    metrics: Mapping[str, float]
    rows: int


@dataclass(frozen=True)
class Performance:
    """`drop`: how much worse than the holdout, in the metric's own unit (positive: worse), with its standard error."""

    verdict: Literal["measured", "abstain"]
    words: str
    metric: str
    rows: int
    positive_rate: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    expected: float | None = None
    drop: float | None = None
    drop_error: float | None = None
    slices: tuple[dict[str, Json], ...] = ()

    def to_json(self) -> dict[str, Json]:
        body = {name: getattr(self, name) for name in self.__dataclass_fields__}
        rounded: dict[str, Json] = _rounded({**body, "slices": list(self.slices)})
        return rounded


def landed(predictions: pa.Table, version: int | None) -> pa.Table:
    """The rows that count: labelled, answered in full by the champion's version (by any, if None)."""
    keep = pc.and_(pc.is_valid(predictions["label"]), pc.invert(predictions["degraded"]))
    if version is not None:
        keep = pc.and_(keep, pc.fill_null(pc.equal(predictions["version"], version), False))
    return predictions.filter(keep)


def measure(rows: pa.Table, metric: str, baseline: Baseline, slices: Sequence[str], minimum_rows: int) -> Performance:
    """Performance on `rows` (see `landed`). Abstains, saying so, on few rows or one class."""
    label, score, day = _arrays(rows)
    positives = int(label.sum())
    if len(label) < minimum_rows:
        return Performance(
            "abstain",
            f"{len(label)} labels of the champion's own answers have landed; {minimum_rows} are needed.",
            metric,
            len(label),
        )
    if min(positives, len(label) - positives) < CLASS_ROWS:
        words = f"{positives} of {len(label)} labels are positive: fewer than {CLASS_ROWS} of a class give no metric."
        return Performance("abstain", words, metric, len(label), positives / len(label))
    metrics = {name: function(label, score) for name, function in METRICS.items()}
    errors = {name: standard_error(name, label, score, day) for name in METRICS}
    expected = baseline.metrics.get(metric)
    drop = None if expected is None else _drop(metric, metrics[metric], expected)
    # The holdout's own noise is the window's, scaled by its rows.
    both = float(np.sqrt(1 + len(label) / baseline.rows)) if baseline.rows else 1.0
    return Performance(
        "measured",
        _words(metric, metrics[metric], errors[metric], len(label), expected),
        metric,
        len(label),
        positives / len(label),
        metrics,
        errors,
        expected,
        drop,
        None if drop is None else errors[metric] * both,
        tuple(_slices(rows, slices, metric, minimum_rows)),
    )


def _drop(metric: str, value: float, expected: float) -> float:
    return expected - value if HIGHER_IS_BETTER[metric] else value - expected


def _words(metric: str, value: float, error: float, rows: int, expected: float | None) -> str:
    name = metric.upper() if metric == "auc" else metric.replace("_", " ")
    before = "" if expected is None else f", was {expected:.3f} on the champion's holdout"
    return f"{name} on {rows:,} landed rows {value:.3f} (± {1.96 * error:.3f}){before}"


def _slices(rows: pa.Table, columns: Sequence[str], metric: str, minimum_rows: int) -> Iterator[dict[str, Json]]:
    for column in columns:
        if column in rows.column_names:
            text = rows[column].cast(pa.string())
            counts = sorted(pc.value_counts(text.drop_null()).to_pylist(), key=lambda pair: (-pair["counts"], pair["values"]))
            for pair in counts[:SLICES]:
                yield _slice(rows.filter(pc.equal(text, pair["values"])), column, pair["values"], metric, minimum_rows)


def _slice(rows: pa.Table, column: str, value: str, metric: str, minimum_rows: int) -> dict[str, Json]:
    label, score, day = _arrays(rows)
    positives = int(label.sum())
    body: dict[str, Json] = {"column": column, "value": value, "rows": len(label), "positive_rate": positives / len(label)}
    if len(label) < minimum_rows or min(positives, len(label) - positives) < CLASS_ROWS:
        return {**body, "words": f"too few rows ({len(label)}, {percent(positives / len(label))} positive)"}
    return {**body, metric: METRICS[metric](label, score), "error": standard_error(metric, label, score, day)}


def _arrays(rows: pa.Table) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    day = rows["event_time"].cast(pa.timestamp("us")).cast(pa.int64()).to_numpy() // 86_400_000_000
    return rows["label"].cast(pa.float64()).to_numpy(), rows["score"].cast(pa.float64()).to_numpy(), day


def _rounded(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
