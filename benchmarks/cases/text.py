"""Stars of the reviews of June 2023, by a model of the months before it.

The peer is scikit-learn alone on the same rows: TF-IDF of words and pairs of the title and the text, and logistic regression with
balanced classes, whose macro-F1 on the month before was the best of sixteen such pipelines. Goals: macro-F1 at most .02 below it,
and one row of the file in under 200 microseconds, so that a gateway of one worker can answer 1,000 a second.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import pyarrow as pa

from benchmarks.cases.fitted import Fitted, fit
from benchmarks.cases.later_month import between, kept_rows, known_by
from benchmarks.table import Table
from examples.models.text.raw_days import FIRST, LAST, land
from examples.models.text.spec import SPEC
from include.core.storage import LocalStorage
from include.metrics.arrays import Floats
from include.problems.of import of_spec

MONTH = (date(2023, 6, 1), date(2023, 6, 30))
VALIDATION = (date(2023, 5, 1), date(2023, 5, 31))
BEHIND, ROW_US, ROWS = 0.02, 200.0, 2000


def run(table: Table, root: Path, *, validation: bool = False) -> None:
    first, last = VALIDATION if validation else MONTH
    land(LocalStorage(root), FIRST, LAST, SPEC.name)
    rows = kept_rows(SPEC.name, root, FIRST, MONTH[1])
    known = known_by(between(rows, first - timedelta(days=SPEC.training.window_days), first - timedelta(days=1)), first)
    later = between(rows, first, last)
    table.head(f"text: {later.num_rows:,} reviews of {first:%B %Y}, by a model of the {known.num_rows:,} before")
    ours, problem = fit(SPEC, known, root / f"fit-{first}"), of_spec(SPEC)
    truth, said = problem.truth(later, SPEC.label), ours.answers(later)
    peer = _peer(known, later)
    measured, theirs = problem.measure(truth, said), _macro_f1(truth.labels, peer)
    mine = measured["macro_f1"] or 0.0
    table.row("macro-F1", mine, "")
    table.row("TF-IDF and logistic regression's, by scikit-learn alone", theirs, "")
    table.row("behind it by", theirs - mine, "", most=BEHIND)
    for name, value in measured.items():
        table.row(name, np.nan if value is None else value, "")
    _row_by_row(table, ours, later)


def _macro_f1(labels: Floats, decided: Floats) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(labels, decided, average="macro"))


def _peer(known: pa.Table, later: pa.Table) -> Floats:
    """The class that scikit-learn's own pipeline decides for, as its place."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True)
    model = make_pipeline(words, LogisticRegression(class_weight="balanced", max_iter=300, random_state=7))
    found: Floats = model.fit(_texts(known), _stars(known)).predict(_texts(later))
    return found - 1.0


def _texts(rows: pa.Table) -> list[str]:
    return [f"{title} . {review}" for title, review in zip(rows["title"].to_pylist(), rows["review"].to_pylist(), strict=True)]


def _stars(rows: pa.Table) -> list[int]:
    return [int(stars) for stars in rows[SPEC.label].to_pylist()]


def _row_by_row(table: Table, ours: Fitted, later: pa.Table) -> None:
    columns = ours.encoder.encode_columns(later)
    times = []
    for place in range(min(ROWS, len(columns))):
        one = columns[place : place + 1]
        begun = perf_counter()
        ours.model.score(one)
        times.append(1e6 * (perf_counter() - begun))
    table.row("one row of the file, median", median(times), "us", most=ROW_US)
    table.row("its p99", float(np.percentile(times, 99)), "us")
    table.row("the file", ours.path.stat().st_size / 1e6, "MB")
