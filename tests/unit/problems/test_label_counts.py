"""Counts of labels say what the labels themselves would."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from include.core.spec import Binary, MultiClass, Regression
from include.problems import label_counts
from include.problems.label_counts import LabelCounts
from include.problems.of import problem_of


def counted(problem: object, *columns: object) -> LabelCounts:
    counts = LabelCounts(problem_of(problem), "y")  # type: ignore[arg-type]
    for column in columns:
        counts.add(pa.table({"y": column}))
    return counts


def test_labels_of_many_values_are_counted_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_counts, "VALUES", 5)
    counts = counted(Regression(scale=1), *(np.arange(start, start + 8, dtype=np.float64) for start in (0, 3)))
    assert counts.rows == 16
    assert len(counts.counts) == 5
    assert counts.counts[3.0] == 2
    assert not counts.complete
    assert counts.problem.too_few(counts.truth, 1) == ""


@pytest.mark.parametrize(
    ("problem", "labels"),
    [(Binary(), [0, 1, 1, 0, 1]), (Binary(), [0, 0]), (MultiClass(classes=("a", "b", "c")), ["a", "c", "c", "a"])],
)
def test_what_is_said_of_the_labels_is_said_of_their_counts(problem: object, labels: list[object]) -> None:
    counts = counted(problem, labels[:1], labels[1:])
    ours, truth = counts.problem, counts.problem.truth(pa.table({"y": labels}), "y")
    assert counts.complete
    for known in (counts.whole, counts.truth):
        assert bool(ours.too_few(known, 1)) == bool(ours.too_few(truth, 1))
        assert ours.absent(known) == ours.absent(truth)
    assert ours.described(counts.whole) == ours.described(truth)
    assert ours.too_few(counts.whole, 1) == ours.too_few(truth, 1)


def test_counts_of_two_parts_are_those_of_both() -> None:
    both = counted(Binary(), [0, 1]).with_those_of(counted(Binary(), [1, 1, 1]))
    assert (both.rows, dict(both.counts)) == (5, {0.0: 1, 1.0: 4})
