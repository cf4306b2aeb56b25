"""How often each label is there, of rows that come in batches: what can be said of many labels without holding them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from include.problems.problem import Problem
from include.problems.truth import Truth

VALUES = 4096  # different labels that are counted: more than there can be classes


@dataclass
class LabelCounts:
    """What has been seen of the labels of many batches: enough to say whether rows can be learned from."""

    problem: Problem
    label: str
    counts: Counter[float] = field(default_factory=Counter)
    rows: int = 0

    def add(self, table: pa.Table) -> None:
        """Raises DataError for rows without a label, and for labels that are none of the problem's."""
        truth = self.problem.truth(table, self.label)
        self.rows += len(truth)
        for value, count in zip(*np.unique(truth.labels, return_counts=True), strict=True):
            if value in self.counts or len(self.counts) < VALUES:
                self.counts[float(value)] += int(count)

    def with_those_of(self, other: LabelCounts) -> LabelCounts:
        """What has been seen of both."""
        return LabelCounts(self.problem, self.label, self.counts + other.counts, self.rows + other.rows)

    @property
    def truth(self) -> Truth:
        """Rows of which the problem says what it says of all: each label twice."""
        return Truth(np.repeat(np.array(sorted(self.counts)), 2))

    @property
    def complete(self) -> bool:
        """Whether every label that was seen is counted."""
        return self.counts.total() == self.rows

    @property
    def whole(self) -> Truth:
        """Each label as often as it was seen, by label, for what is said of labels alone; small where they are places."""
        values = sorted(self.counts)
        small = all(value == int(value) and 0 <= value <= VALUES for value in values)
        labels = np.array(values, dtype=np.int16 if small else np.float64)
        return Truth(np.repeat(labels, [self.counts[value] for value in values]))
