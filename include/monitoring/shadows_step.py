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
from include.monitoring.retraining.probe_models import fitted
from include.problems.of import of_params
from include.problems.problem import Problem
from include.problems.truth import Truth
from include.step_values.monitoring import ShadowsValue

WINDOWS = 52  # the probe covers so many past windows: a year of weeks
FILES = ("train.parquet", "holdout.parquet")


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
    `threshold` (`serving.threshold`: an error is a wrong decision), `data_until` (the champion's), `minimum_rows` of a window; of
    other kinds than a plain binary one, `problem`, whose loss is then the error.

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
    problem = of_params(params)
    encoder = Encoder.fit(rows, features, label)
    inputs, truth = encoder.encode_matrix(rows).astype(np.float64), problem.truth(rows, label)
    times = rows["event_timestamp"].cast(pa.timestamp("us")).to_numpy()
    starts = [np.datetime64(past.start(window), "us") for window in range(WINDOWS + 1)]
    cuts = np.searchsorted(times, starts)
    counts = np.diff(cuts)
    error = np.full((WINDOWS + 1, WINDOWS + 1), np.nan)
    for served in range(WINDOWS):
        begin, end = (_place(times, past.start(served) - back) for back in (past.reach, past.held_out))
        model = fitted(problem, inputs[begin:end], truth.take(np.arange(begin, end)))
        if model is None:
            continue
        # With a holdout as long as a window, the window before was not trained on either.
        seen = max(served - 1, 0) if past.held_out >= past.window else served
        later = truth.take(np.arange(cuts[seen], len(truth)))
        loss = problem.loss(later, model(inputs[cuts[seen] :])) if len(later) else np.empty(0)
        sums, lists = (_by_window(each, cuts[seen:] - cuts[seen]) for each in (loss, _observed(problem, later)))
        enough = counts[seen:] >= int(params["minimum_rows"])
        error[served, seen:-1] = np.where(enough, sums / np.maximum(lists, 1), np.nan)
    return error


def _by_window(values: Floats, starts: npt.NDArray[np.int64]) -> Floats:
    """Their sum in each window but the one to come."""
    found: Floats = np.add.reduceat(np.append(values, 0.0), starts)[:-1]
    return found


def _observed(problem: Problem, truth: Truth) -> Floats:
    """1 for each row [n] that is an observation: every row, or the first of each list."""
    if problem.query is None:
        return np.ones(len(truth))
    told: Floats = np.isfinite(problem.residual(truth, np.zeros(len(truth)))).astype(np.float64)
    return told


def _first(known: npt.NDArray[np.bool_]) -> int:
    """Where the newest unbroken run of known windows begins; the newest of all may still wait for their labels."""
    if not known.any():
        return WINDOWS
    last = int(np.flatnonzero(known)[-1])
    gaps = np.flatnonzero(~known[:last])
    return int(gaps[-1]) + 1 if len(gaps) else 0


def _place(times: npt.NDArray[np.datetime64], at: datetime) -> int:
    return int(np.searchsorted(times, np.datetime64(at, "us")))
