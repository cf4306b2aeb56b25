"""A champion watched through a stream: before each window's labels an estimate, then what came true."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from include.core.spec import Feature
from include.metrics.binary import auc
from include.monitoring.performance.estimate_calibration import Estimate, Landed, backtest, believe
from include.monitoring.performance.estimation import estimate
from include.monitoring.performance.terms import CLASS_ROWS, Terms
from include.monitoring.profile.binning import Axis, axes

Floats = npt.NDArray[np.float64]
TRAIN, HOLDOUT, WATCHED = 12, 4, 12  # windows
LENGTH = timedelta(days=7)  # what a window is told to last
DAY = 86_400_000_000
TERMS = Terms("auc", 200, 0.5)


@dataclass(frozen=True)
class Rows:
    """`inputs` [n, k], `label` [n], and the number of each row's window [n], rising."""

    inputs: Floats
    label: Floats
    window: npt.NDArray[np.int64]

    def between(self, first: int, last: int) -> Rows:
        keep = (self.window >= first) & (self.window < last)
        return Rows(self.inputs[keep], self.label[keep], self.window[keep])


@dataclass(frozen=True)
class Seen:
    """One watched window. `last`: what had come true on the newest window whose labels had landed."""

    estimate: Estimate
    realised: float
    noise: float
    last: float


class Champion:
    """Gradient boosting on the rows it is given; its scores as what the monitoring is given."""

    def __init__(self, rows: Rows, seed: int = 7) -> None:
        from sklearn.ensemble import HistGradientBoostingClassifier

        self.model = HistGradientBoostingClassifier(max_iter=80, random_state=seed)
        self.model.fit(rows.inputs, rows.label)

    def answers(self, rows: Rows) -> pa.Table:
        """As `collect` writes them: a window's rows spread over its days."""
        score = self.model.predict_proba(rows.inputs)[:, 1]
        columns: dict[str, Any] = {f"c{n}": rows.inputs[:, n] for n in range(rows.inputs.shape[1])}
        return pa.table({**columns, "score": score, "label": rows.label, "event_time": pa.array(_times(rows.window))})


def watch(champion: Champion, holdout: Rows, windows: Iterator[Rows]) -> Iterator[Seen]:
    """Labels land one window late: when a window is estimated, those of all before it are known."""
    held = champion.answers(holdout)
    found = inputs(held)
    past = backtest(held, found, TERMS, LENGTH)
    last = auc(_column(held, "label"), _column(held, "score"))
    for rows in windows:
        table = champion.answers(rows)
        label = _column(table, "label")
        if min(label.sum(), (1 - label).sum()) < CLASS_ROWS:
            continue
        raw = estimate(held, table.drop_columns("label"), found, TERMS)
        realised, noise = TERMS.of(TERMS.known(table))
        yield Seen(believe(raw, past, TERMS), realised, noise, last)
        past.append(Landed(str(rows.window[0]), raw.value, raw.base, realised, noise))
        last = realised


def stream(rows: Rows) -> Iterator[Seen]:
    """Champions one after the other, each trained on TRAIN windows, held out on HOLDOUT, watched for WATCHED."""
    count, start = int(rows.window.max()) + 1, 0
    while start + TRAIN + HOLDOUT < count:
        first = start + TRAIN + HOLDOUT
        champion, holdout = Champion(rows.between(start, start + TRAIN)), rows.between(start + TRAIN, first)
        yield from watch(champion, holdout, (rows.between(n, n + 1) for n in range(first, min(first + WATCHED, count))))
        start += WATCHED


def inputs(table: pa.Table) -> list[Axis]:
    names = [name for name in table.column_names if name not in ("score", "label", "event_time")]
    return axes([Feature(name=name) for name in names], table)


def _column(table: pa.Table, name: str) -> Floats:
    values: Floats = table[name].to_numpy()
    return values


def _times(window: npt.NDArray[np.int64]) -> npt.NDArray[np.datetime64]:
    starts, place = np.unique(window, return_index=True)
    count = np.diff(np.append(place, len(window)))
    within = np.concatenate([np.arange(n) / n for n in count])
    times: npt.NDArray[np.datetime64] = (np.repeat(starts, count) * 7 * DAY + within * 7 * DAY).astype("datetime64[us]")
    return times
