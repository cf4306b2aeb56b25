"""The champion's answers since the rollout began: what a stage's limits are taken from when it begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isnan
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from include.core.request import Json
from include.prediction_log.record import Record
from include.rollout.entity_bitmap import unit_number
from include.rollout.evidence import CHAMPION
from include.rollout.guardrails import QUANTILES, SCORES
from include.rollout.pending import CONTESTED, PendingAnswers

if TYPE_CHECKING:
    from include.problems.problem import Problem

BASELINE = 200  # answers of the champion needed to know its quantiles
KEPT = 2000  # newest of the champion's answers that they are taken from
LABELS = 20  # labels seen before a stage for it to count on them, and losses for their quantiles to be known


@dataclass
class Baseline:
    """`latencies`, `scores` and `losses` hold the newest KEPT and some more."""

    requests: int = 0
    errors: int = 0
    labels: int = 0
    latencies: list[int] = field(default_factory=list)  # microseconds
    scores: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)  # those above 0, where the problem has a size of them
    pending: PendingAnswers = field(default_factory=PendingAnswers)

    def add(self, record: Record, problem: Problem) -> None:
        self.requests += 1
        self.errors += record.error is not None
        self.latencies.append(round(record.latency_us))
        if record.score is not None:
            # Probabilities to six places; of numbers of any size so many digits.
            self.scores.append(round(record.score, 6) if problem.decides else float(f"{record.score:.7g}"))
            if problem.sized and record.error is None:
                self.pending.add(record.id, unit_number(record.unit), CHAMPION, problem.remembered(record))
        if len(self.latencies) > 2 * KEPT:
            self.latencies, self.scores = self.latencies[-KEPT:], self.scores[-KEPT:]

    def add_label(self, record: Record, problem: Problem) -> None:
        """A label of any answer: only the champion's own say what it loses."""
        self.labels += 1
        answer = self.pending.take(record.id) if problem.sized else None
        label = problem.logged_label(record.label, record.label_class)
        if answer is None or label is None:
            return
        _, arm, said = answer
        if arm == CONTESTED or isnan(said):
            return
        loss = problem.loss_of(said, label)
        if loss > 0:
            self.losses.append(float(f"{loss:.7g}"))
        if len(self.losses) > 2 * KEPT:
            self.losses = self.losses[-KEPT:]

    def limits(self, floor_us: float, problem: Problem) -> dict[str, float]:
        """The champion's quantiles. Nobody is slow below `floor_us`; of limits that are the same, one is judged."""
        found: dict[str, float] = {}
        if len(self.latencies) >= BASELINE:
            for name, percent in reversed(QUANTILES.items()):
                limit = max(floor_us, float(np.percentile(self.latencies[-KEPT:], percent)))
                if limit not in found.values():
                    found[name] = limit
        if len(self.scores) >= BASELINE and problem.comparable:
            low, high = (float(np.percentile(self.scores[-KEPT:], percent)) for percent in SCORES.values())
            found |= dict(zip(SCORES, (low, high), strict=True)) if low < high else {}
        return found | self._loss_limits(problem)

    def _loss_limits(self, problem: Problem) -> dict[str, float]:
        """From which loss on an event has happened. What is fixed before a stage is a fair limit, however roughly it is known."""
        found: dict[str, float] = {}
        for event in problem.events:
            if event.limit is None:
                continue
            known = len(self.losses) >= LABELS
            limit = float(np.percentile(self.losses[-KEPT:], event.limit)) if known else event.otherwise
            if limit not in found.values():
                found[event.name] = limit
        return found

    def to_json(self) -> dict[str, Json]:
        return {
            "requests": self.requests,
            "errors": self.errors,
            "labels": self.labels,
            "latencies": self.latencies,
            "scores": self.scores,
            "losses": self.losses,
            "pending": self.pending.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(
            requests=value["requests"],
            errors=value["errors"],
            labels=value["labels"],
            latencies=list(value["latencies"]),
            scores=list(value["scores"]),
            losses=list(value["losses"]),
            pending=PendingAnswers.from_json(value["pending"]),
        )
