"""Step `shadows`, the staleness probe: how often a model trained at each past window would have erred in every later one.

Each is a cheap model of the rows that a training at that moment would have had, and it never serves. What they are for:
include/monitoring/retraining/staleness_probe.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from include.core.request import Outcome
from include.core.spec import Features
from include.core.task import Task
from include.data.window import moment
from include.model_contract.encoder import Encoder
from include.monitoring.retraining.labelled_stream import Floats
from include.monitoring.retraining.policy_replay import logistic
from include.step_values.monitoring import ShadowsValue

WINDOWS = 26  # the probe covers so many past windows
MOST_ROWS = 20_000  # a probe model is fitted on no more rows, evenly spaced, so that it is cheap
CLASS_ROWS = 20  # with fewer rows of either label nothing is fitted
FILES = ("train.parquet", "holdout.parquet")
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class ProbedPast:
    """The windows that end at `as_of`, the newest last, and which rows a training at the start of one would have had.

    `reach` and `held_out` are `training.window_days` and `training.holdout_days`: the newest rows are never trained on.
    """

    as_of: datetime
    window: timedelta
    reach: timedelta
    held_out: timedelta

    def start(self, window: int) -> datetime:
        return self.as_of - (WINDOWS - window) * self.window

    def champion(self, data_until: datetime) -> int:
        """The first window that a model with data until then could have served; 0 if it is older than the probed past."""
        return max(0, min(WINDOWS, math.ceil((data_until - self.start(0)) / self.window)))


def run(task: Task) -> Outcome:
    """Input `history`: a training set long enough. Params `as_of`, `window_days`, `training`, `features`, `label`,
    `threshold` (`serving.threshold`: an error is a wrong decision), `data_until` (the champion's), `minimum_rows` of a window.

    Value: `error` [n+1, n+1] (window t of the probe model that served from window s on; null where unknown; the last is the
    window to come), `champion` (its row), `first` (the first window's start). Empty lists where the history is too short for any.
    """
    params = task.params
    training = params["training"]
    days = [timedelta(days=int(n)) for n in (params["window_days"], training["window_days"], training["holdout_days"])]
    past = ProbedPast(moment(params["as_of"]), *days)
    rows = pa.concat_tables([pq.read_table(task.file("history", name)) for name in FILES])
    rows = rows.sort_by([("event_timestamp", "ascending"), ("request_id", "ascending")])
    error = _errors(rows, past, params)
    first = _first(np.isfinite(np.diagonal(error)))
    kept = error[first:, first:]
    champion = max(0, past.champion(moment(params["data_until"])) - first)
    value: ShadowsValue = {
        "error": [[None if math.isnan(each) else round(float(each), 6) for each in line] for line in kept],
        "champion": min(champion, len(kept) - 1),
        "first": past.start(first).isoformat(),
    }
    return Outcome(value, {})


def _errors(rows: pa.Table, past: ProbedPast, params: Mapping[str, Any]) -> Floats:
    """[WINDOWS + 1, WINDOWS + 1]: NaN before a model serves, where a window has too few rows, and where nothing was fitted."""
    features, label = Features.model_validate(params["features"]).inputs, str(params["label"])
    encoder = Encoder.fit(rows, features, label)
    inputs, labels = encoder.encode_matrix(rows).astype(np.float64), rows[label].to_numpy().astype(np.float64)
    times = rows["event_timestamp"].cast(pa.timestamp("us")).to_numpy()
    starts = [np.datetime64(past.start(window), "us") for window in range(WINDOWS + 1)]
    cuts = np.searchsorted(times, starts)
    counts = np.diff(cuts)
    error = np.full((WINDOWS + 1, WINDOWS + 1), np.nan)
    for served in range(WINDOWS):
        begin, end = (_place(times, past.start(served) - back) for back in (past.reach, past.held_out))
        model = _fitted(inputs[begin:end], labels[begin:end])
        if model is None:
            continue
        # With a holdout as long as a window, the window before was not trained on either.
        seen = max(served - 1, 0) if past.held_out >= past.window else served
        wrong = _wrong(model, inputs[cuts[seen] :], labels[cuts[seen] :], float(params["threshold"]))
        sums = np.add.reduceat(np.append(wrong, False), cuts[seen:] - cuts[seen])[:-1]
        enough = counts[seen:] >= int(params["minimum_rows"])
        error[served, seen:-1] = np.where(enough, sums / np.maximum(counts[seen:], 1), np.nan)
    return error


def _wrong(model: Any, inputs: Floats, labels: Floats, threshold: float) -> npt.NDArray[np.bool_]:
    """Which rows [n] the gateway would have answered wrongly with this model's scores."""
    if not len(labels):
        return np.empty(0, dtype=np.bool_)
    found: npt.NDArray[np.bool_] = (model.predict_proba(inputs)[:, 1] >= threshold) != (labels > 0.5)
    return found


def _first(known: npt.NDArray[np.bool_]) -> int:
    """Where the newest unbroken run of known windows begins; the newest of all may still wait for their labels."""
    if not known.any():
        return WINDOWS
    last = int(np.flatnonzero(known)[-1])
    gaps = np.flatnonzero(~known[:last])
    return int(gaps[-1]) + 1 if len(gaps) else 0


def _place(times: npt.NDArray[np.datetime64], at: datetime) -> int:
    return int(np.searchsorted(times, np.datetime64(at, "us")))


def _fitted(inputs: Floats, labels: Floats) -> Any:
    """None where there is too little to learn from."""
    if min(int(labels.sum()), len(labels) - int(labels.sum())) < CLASS_ROWS:
        return None
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    step = -(-len(labels) // MOST_ROWS)
    with threadpool_limits(1):
        return logistic().fit(inputs[::step], labels[::step])
