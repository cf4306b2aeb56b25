"""What must hold of a training set's rows before a model's `fit` gets them, and the rows as it does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.core.errors import DataError
from include.model_contract.encoder import Encoder
from include.problems.of import PLAIN
from include.problems.problem import Problem
from include.problems.truth import Truth
from include.training.job import Rows

SHOWN = 5  # classes of a message
LETTER = r"\pL"


def check_labels(table: pa.Table, label: str, problem: Problem = PLAIN) -> None:
    """Raises DataError unless every row has a label of the problem's kind, and there is something to learn from them."""
    check_truth(problem.truth(table, label), label, problem)


def check_truth(truth: Truth, label: str, problem: Problem) -> None:
    """Raises DataError where there is nothing to learn from the labels."""
    what = problem.too_few(truth, 1)
    absent = problem.absent(truth)
    if what or absent:
        gone = f"no row of {', '.join(map(repr, absent[:SHOWN]))}, which the spec has as classes"
        raise DataError(
            f"Training needs rows that tell something of {label!r}: {what or gone}.",
            seen=problem.described(truth),
            safe="the training set is kept as it is.",
            hint="widen training.window_days, or check the label's source.",
        )


def check_texts(table: pa.Table, encoder: Encoder) -> None:
    """Raises DataError for a text that has no letter in any row: there is nothing to learn from it, and no word to count."""
    require_letters([table], [each.name for each in encoder.inputs if each.dtype == "text"])


def require_letters(tables: Iterable[pa.Table], names: Sequence[str]) -> None:
    """The same of rows that come in several tables, of which one is in memory at a time."""
    shown: pa.Table | None = None
    silent = list(names)
    for table in tables if silent else ():
        shown = table if shown is None else shown
        silent = [name for name in silent if not _has_letter(table[name])]
        if not silent:
            return
    if silent and shown is not None:
        raise DataError(
            f"The text {silent[0]!r} has no letter in any row of the training set.",
            seen=[str(value)[:80] for value in shown[silent[0]].slice(0, 3).to_pylist()],
            safe="the training set is kept as it is.",
            hint=f"check the SQL that gives {silent[0]!r}, or leave the feature out.",
        )


def _has_letter(column: pa.ChunkedArray) -> bool:
    return bool(pc.any(pc.match_substring_regex(column.cast(pa.string()), LETTER)).as_py())


def encoded_rows(encoder: Encoder, table: pa.Table, label: str, problem: Problem) -> Rows:
    """Labelled rows as a model's `fit` gets them."""
    truth = problem.truth(table, label)
    columns = encoder.encode_columns(table) if encoder.form == "columns" else None
    weights = None if truth.weight is None else truth.weight.astype(np.float32)
    labels = truth.labels.astype(np.float32)
    return Rows(encoder.encode_matrix(table), labels, columns, weights, truth.query, truth.day)
