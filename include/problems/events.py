"""What a label makes of an answer that was given before it came: for the judge of a rollout, which counts by entity.

An answer waits for its label for hours or days, and a gateway gives thousands a second. So one number is remembered of each,
and the kind of problem says which (`Problem.remembered`), and what the answer loses once its label is there (`loss_of`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

RANDOM = "random"  # why a decision was another than the model's own (include/serving/prediction/exploration.py)


class Answered(Protocol):
    """An answer as the prediction log has it (include/prediction_log/record.py), and beside a shadow's the caller's."""

    @property
    def score(self) -> float | None: ...
    @property
    def outputs(self) -> Sequence[float] | None: ...
    @property
    def decision(self) -> int | None: ...
    @property
    def explored(self) -> str: ...
    @property
    def place(self) -> int | None: ...
    @property
    def features(self) -> Mapping[str, Any]: ...
    @property
    def against(self) -> float | None: ...
    @property
    def against_outputs(self) -> Sequence[float] | None: ...
    @property
    def against_place(self) -> int | None: ...


@dataclass(frozen=True)
class Event:
    """What a label can make of an answer: it happened, or not. The judge counts events by entity.

    `limit`: None where any loss is the event, as a wrong decision; else the percentile of the champion's losses from which on a
    loss is the event, as a large error. Of answers without a loss no percentile is taken: where nearly all are right, it would
    be 0. `otherwise`: from which loss on it is while the champion's are not known. `unit`: the loss's.
    """

    name: str
    description: str
    limit: float | None = None
    otherwise: float = 0.0
    unit: str = ""

    def happened(self, loss: float, limits: Mapping[str, float]) -> bool:
        """`limits`: by the name of the event, fixed before the stage began. One without its limit never happens."""
        if self.limit is None:
            return loss > 0
        return self.name in limits and loss > 0 and loss >= limits[self.name]

    def words(self, limits: Mapping[str, float]) -> str:
        """As a verdict names it."""
        if self.limit is None or self.name not in limits:
            return self.description
        limit = limits[self.name]
        if limit <= 0:
            return f"{self.description} (of any cost)"
        unit = f" {self.unit}" if self.unit else ""
        whose = "the size that matters by the spec" if limit == self.otherwise else f"the champion's p{self.limit:g}"
        return f"{self.description} ({limit:.4g}{unit} or more, {whose})"


COSTLY = (Event("loss_p50", "costly errors", limit=50), Event("loss_p90", "very costly errors", limit=90))
