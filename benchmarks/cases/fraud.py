"""Card payments of June 2024, by a model of the months before it whose labels had come by then.

The peer is scikit-learn's HistGradientBoostingClassifier on the same rows and columns, of the same size as ours: its defaults do
worse, and are told beside it. The amount alone is what one does without a model. Goals: average precision and recall at 100
alerts a day above the amount's, and at most .02 below the peer's.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.cases.fitted import Fitted, fit
from benchmarks.cases.later_month import between, kept_rows, known_by
from benchmarks.table import Table
from examples.models.fraud.raw_days import land
from examples.models.fraud.spec import SPEC
from include.core.storage import LocalStorage
from include.model_contract.batch import Floats
from include.problems.of import of_spec

FIRST, LAST = date(2024, 3, 1), date(2024, 6, 30)
MONTH = (date(2024, 6, 1), LAST)
VALIDATION = (date(2024, 5, 1), date(2024, 5, 31))
WARM_UP, LATE = 14, 7  # days: what stands of a view, and how late labels come
BEHIND = 0.02
SIZES = {  # by scikit-learn's names, those of the spec's parameters
    "learning_rate": "learning_rate",
    "max_iter": "trees",
    "max_leaf_nodes": "leaves",
    "min_samples_leaf": "smallest_leaf",
    "l2_regularization": "l2",
}
JUDGED = ("average_precision", "recall_at_alerts")


def run(table: Table, root: Path, *, validation: bool = False) -> None:
    first, last = VALIDATION if validation else MONTH
    rows = _rows(root)
    known = known_by(between(rows, first - timedelta(days=SPEC.training.window_days), first - timedelta(days=1)), first)
    later = between(rows, first, last)
    ours = fit(SPEC, known, root / f"fit-{first}")
    features, labels = ours.encoded(later)
    frauds = f"{int(labels.sum()):,} of them frauds"
    table.head(f"fraud: {later.num_rows:,} payments of {first:%B %Y}, {frauds}, by a model of the {known.num_rows:,} before")
    size = {theirs: SPEC.training.params[name] for theirs, name in SIZES.items()}
    scores = {
        "ours": ours.answers(later),
        "boosting": _peer(ours, known, features, early_stopping=False, **size),
        "defaults": _peer(ours, known, features),
        "amount": _by_amount(later),
    }
    compare(table, later, scores)


def compare(table: Table, later: pa.Table, scores: dict[str, Floats]) -> None:
    problem = of_spec(SPEC)
    truth = problem.truth(later, SPEC.label)
    found = {who: problem.measure(truth, each) for who, each in scores.items()}
    for name in JUDGED:
        ours, peer, amount = (found[who][name] or 0.0 for who in ("ours", "boosting", "amount"))
        table.row(f"{name}: HistGradientBoostingClassifier's", peer, "")
        table.row(f"{name}: the same with its defaults", found["defaults"][name] or 0.0, "")
        table.row(f"{name}: the amount's alone", amount, "")
        table.row(f"{name}: ours", ours, "", least=max(amount, peer - BEHIND))
    for name in ("auc", "brier", "ece", "log_loss", "precision_at_alerts", "cost"):
        table.line(name, f"ours {found['ours'][name]}, boosting {found['boosting'][name]}")
    table.row("cost a payment where none is stopped", float((truth.labels * truth.costs["amount"]).mean()), "")


def _rows(root: Path) -> pa.Table:
    land(LocalStorage(root), FIRST - timedelta(days=WARM_UP + SPEC.data.lookback_days), LAST + timedelta(days=LATE), SPEC.name)
    return kept_rows(SPEC.name, root, FIRST, LAST, WARM_UP, LATE)


def _peer(ours: Fitted, known: pa.Table, later: Floats, **size: Any) -> Floats:
    from sklearn.ensemble import HistGradientBoostingClassifier

    peer = HistGradientBoostingClassifier(random_state=7, **size)
    found: Floats = peer.fit(*ours.encoded(known)).predict_proba(later)[:, 1]
    return found


def _by_amount(later: pa.Table) -> Floats:
    """As a score from 0 to 1: which payment comes before which is all that is asked of it."""
    amount = later["amount"].to_numpy().astype(np.float64)
    found: Floats = amount / amount.max()
    return found
