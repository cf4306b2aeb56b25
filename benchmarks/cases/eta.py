"""Minutes of arrival delay in November 2013, by a model of the months before it.

The peer is scikit-learn's HistGradientBoostingRegressor with the loss that is measured, absolute error, on the same rows and
columns; it is told which of them are categories. Goals: at most 1.03 times its mean absolute error; well under the schedule's,
which says 0: at most .95 times it, and by more than chance, with days as what counts; and an interval of 90 % that holds 87 to
93 % of the month.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.cases.fitted import Fitted, fit
from benchmarks.cases.later_month import between, kept_rows, known_by
from benchmarks.table import Table
from examples.models.eta.raw_days import land
from examples.models.eta.spec import SPEC
from include.core.storage import LocalStorage
from include.model_contract.batch import Floats
from include.problems.of import of_spec
from include.problems.truth import Truth

FIRST, LAST = date(2013, 4, 4), date(2013, 11, 30)  # the window before the month of validation
MONTH = (date(2013, 11, 1), LAST)
VALIDATION = (date(2013, 10, 1), date(2013, 10, 31))
PEER, SCHEDULE, COVERED = 1.03, 0.95, (0.87, 0.93)


def run(table: Table, root: Path, *, validation: bool = False) -> None:
    first, last = VALIDATION if validation else MONTH
    rows = _rows(root)
    known = known_by(between(rows, first - timedelta(days=SPEC.training.window_days), first - timedelta(days=1)), first)
    later = between(rows, first, last)
    table.head(f"eta: {later.num_rows:,} flights of {first:%B %Y}, by a model of the {known.num_rows:,} before")
    ours = fit(SPEC, known, root / f"fit-{first}")
    features, _ = ours.encoded(later)
    compare(table, of_spec(SPEC).truth(later, SPEC.label), ours.answers(later), _peer(ours, known, features))


def compare(table: Table, truth: Truth, said: Floats, peer: Floats) -> None:
    """`said` [n, 3]: value, low and high; `peer` [n]: values."""
    labels, problem = truth.labels, of_spec(SPEC)
    mae, theirs, schedule = (float(np.abs(labels - value).mean()) for value in (said[:, 0], peer, 0.0))
    table.row("mean absolute error", mae, "minutes")
    table.row("HistGradientBoostingRegressor's", theirs, "minutes")
    table.row("the schedule's own", schedule, "minutes")
    table.row("against HistGradientBoostingRegressor", mae / theirs, "times", most=PEER)
    table.row("against the schedule", mae / schedule, "times", most=SCHEDULE)
    assert truth.day is not None
    behind = problem.difference("mae", truth, said, np.zeros_like(said), truth.day)
    table.row("minutes under the schedule's, at least (97.5 %, by days)", -behind.upper(0.025), "minutes", least=0.0)
    inside = float(((labels >= said[:, 1]) & (labels <= said[:, 2])).mean())
    low, high = COVERED
    table.line("flights inside their interval of 90 %", f"{inside:12.3f}", f"{low:g} to {high:g}", low <= inside <= high)
    for name, value in problem.measure(truth, said).items():
        table.row(name, np.nan if value is None else value, "")


def _rows(root: Path) -> pa.Table:
    land(LocalStorage(root), FIRST - timedelta(days=SPEC.data.lookback_days), LAST + timedelta(days=1), SPEC.name)
    return kept_rows(SPEC.name, root, FIRST, LAST)


def _peer(ours: Fitted, known: pa.Table, later: Floats) -> Floats:
    from sklearn.ensemble import HistGradientBoostingRegressor

    categories = [place for place, each in enumerate(ours.encoder.inputs) if each.dtype == "category"]
    peer = HistGradientBoostingRegressor(loss="absolute_error", categorical_features=categories, random_state=7)
    found: Floats = peer.fit(*ours.encoded(known)).predict(later)
    return found
