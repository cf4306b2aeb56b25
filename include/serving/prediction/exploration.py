"""Decisions drawn at random for a small share of the requests: without them nobody learns what happens to those whom the
model rejects, and it is trained on its own choices.

L. Bottou et al., Counterfactual reasoning and learning systems, JMLR 14, 2013: log the choice and that it was random.
"""

from __future__ import annotations

from collections.abc import Callable

from include.prediction_log.record import Record

SPAN = 1 << 32


class Exploration:
    """`share` of the requests. The draw is a hash of the request's id: the same request, sent again, is drawn the same way."""

    def __init__(self, share: float, model: str, unit: Callable[[str, str], int], choices: int = 2) -> None:
        """`choices`: how many decisions there are."""
        self.share, self._model, self._unit, self._choices = share, model, unit, choices

    def mark(self, record: Record) -> None:
        """Fill in `explored` and `decision` if the request is of the share: every decision is as likely as any other."""
        drawn = self._unit(record.id, f"{self._model} explores")
        if drawn % SPAN < self.share * SPAN:
            record.explored, record.decision = "random", drawn // SPAN % self._choices
