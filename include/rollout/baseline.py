"""The champion's answers since the rollout began: what a stage's limits are taken from when it begins.

Limits are quantiles of its newest answers. The newest of several sources are the newest of what each has of newest ones, so no
sketch is needed to merge them, and the quantiles are exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isnan, nan
from typing import TYPE_CHECKING

import numpy as np

from include.prediction_log.record import Record
from include.rollout.entity_bitmap import unit_number
from include.rollout.evidence import CHAMPION
from include.rollout.guardrails import QUANTILES, SCORES
from include.rollout.journal import PAST_ANSWERS, PAST_LABELS, SAMPLES, Journal, Table, joined
from include.rollout.moments import microseconds
from include.rollout.pending import answer_row, join, label_name_and_value, label_row

if TYPE_CHECKING:
    from include.problems.problem import Problem

BASELINE = 200  # answers of the champion needed to know its quantiles
KEPT = 2000  # newest of the champion's answers that they are taken from
LABELS = 20  # labels seen before a stage for it to count on them, and losses for their quantiles to be known
SLOWEST = 0xFFFFFFFF  # microseconds that a sample can hold: 71 minutes


@dataclass
class BaselineCounts:
    """What one source has of it."""

    requests: int = 0
    errors: int = 0
    labels: int = 0
    samples: Journal = field(default_factory=lambda: Journal(SAMPLES))
    answers: Journal = field(default_factory=lambda: Journal(PAST_ANSWERS))
    told: Journal = field(default_factory=lambda: Journal(PAST_LABELS))

    def add(self, record: Record, problem: Problem) -> None:
        self.requests += 1
        self.errors += record.error is not None
        at, score = microseconds(record.at), nan
        if record.score is not None and record.precomputed_version is None:
            # Probabilities to six places; of numbers of any size so many digits.
            score = round(record.score, 6) if problem.decides else float(f"{record.score:.7g}")
            if problem.sized and record.error is None:
                unit, said = unit_number(record.unit), problem.remembered(record)
                self.answers.add(answer_row(record, unit, CHAMPION, said, 0, at))
        self.samples.add((at, min(round(record.latency_us), SLOWEST), score))

    def add_label(self, record: Record, problem: Problem) -> None:
        """A label of any answer: only the champion's own say what it loses."""
        self.labels += 1
        named = label_name_and_value(record, problem) if problem.sized else None
        if named is not None:
            self.told.add(label_row(record, self.told.place(named[0]), named[1], 0, microseconds(record.at)))

    @property
    def journals(self) -> tuple[Journal, ...]:
        return self.samples, self.answers, self.told


@dataclass
class Baseline:
    """Of all sources. `latencies` (microseconds), `scores` and `losses` (those above 0) are the newest KEPT at the most."""

    requests: int = 0
    errors: int = 0
    labels: int = 0
    latencies: Sequence[float] = ()
    scores: Sequence[float] = ()
    losses: Sequence[float] = ()

    def limits(self, floor_us: float, problem: Problem) -> dict[str, float]:
        """The champion's quantiles. Nobody is slow below `floor_us`; of limits that are the same, one is judged."""
        found: dict[str, float] = {}
        if len(self.latencies) >= BASELINE:
            for name, percent in reversed(QUANTILES.items()):
                limit = max(floor_us, float(np.percentile(self.latencies, percent)))
                if limit not in found.values():
                    found[name] = limit
        if len(self.scores) >= BASELINE and problem.comparable:
            low, high = (float(np.percentile(self.scores, percent)) for percent in SCORES.values())
            found |= dict(zip(SCORES, (low, high), strict=True)) if low < high else {}
        return found | self._loss_limits(problem)

    def _loss_limits(self, problem: Problem) -> dict[str, float]:
        """From which loss on an event has happened. What is fixed before a stage is a fair limit, however roughly it is known."""
        found: dict[str, float] = {}
        for event in problem.events:
            if event.limit is None:
                continue
            known = len(self.losses) >= LABELS
            limit = float(np.percentile(self.losses, event.limit)) if known else event.otherwise
            if limit not in found.values():
                found[event.name] = limit
        return found


def newest(samples: Iterable[Table]) -> tuple[list[float], list[float]]:
    """The champion's newest latencies and scores, oldest first."""
    rows = joined(SAMPLES, samples).rows
    rows = rows[np.argsort(rows["at"], kind="stable")]
    scores = rows["score"][~np.isnan(rows["score"])]
    return rows["latency"][-KEPT:].tolist(), scores[-KEPT:].tolist()


def losses(answers: Table, told: Table, problem: Problem) -> list[float]:
    """What the champion's answers lose by the first label of each, oldest first; those without a loss have no say in its size."""
    pairs = join(answers, told)
    order = np.argsort(pairs.at, kind="stable")
    _, first = np.unique(pairs.of_answer[order], return_index=True)
    chosen = order[np.sort(first)]
    found = []
    for pair in chosen.tolist():
        said = float(answers.rows["said"][pairs.of_answer[pair]])
        if isnan(said):
            continue
        loss = problem.loss_of(said, float(told.rows["value"][pairs.of_label[pair]]))
        if loss > 0:
            found.append(float(f"{loss:.7g}"))
    return found[-KEPT:]
