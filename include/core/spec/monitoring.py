"""The sections `monitoring` and `retraining`: the windows that are watched, and when the model is trained again."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from include.core.spec.base import Cron, Frozen


class Monitoring(Frozen):
    """How often predictions and labels are watched, over which window, and what it needs."""

    schedule: Cron = "0 0 * * 1"
    """When a window ends and is judged, as a cron expression in UTC. By default on Mondays at midnight."""

    window_days: int = Field(7, ge=1)
    """The length of a window in days."""

    minimum_rows: int = Field(200, ge=1)
    """The number of rows below which a check abstains."""

    labels_needed: float = Field(0.9, gt=0, le=1)
    """The share of a window's labels, of those that ever come, which must have arrived before its performance is judged."""

    label_wait: int = Field(2, ge=0)
    """How many earlier windows are judged again with the labels that have arrived for them since."""

    skew_warn: float = Field(0.001, gt=0, le=1)
    """The share of a feature's served values that differ from those training reads, above which a warning is given."""

    skew_error: float = Field(0.01, gt=0, le=1)
    """The share of a feature's served values that differ from those training reads, above which the skew task fails."""


class Retraining(Frozen):
    """When to retrain. Every guard must be open; any reason suffices."""

    on_drift: bool = True
    """Whether drift of the inputs or of the scores is a reason to retrain."""

    on_performance_drop: float | None = 0.02
    """The loss of the evaluation metric, in its own units, that is a reason to retrain. None: a loss is no reason."""

    on_new_labels: float | None = 0.5
    """The number of new labelled rows that is a reason to retrain, as a share of the rows the champion was trained on.
    None: new labels are no reason."""

    floor: timedelta | None = timedelta(days=60)
    """The age of the champion's data that is a reason to retrain. None: age is no reason."""

    cooldown: timedelta = timedelta(days=14)
    """The time that must pass after the last retraining, or after the end of the champion's data if that is later."""

    minimum_labels: int = Field(1000, ge=0)
    """The number of new labelled rows, since the champion's data, without which the model is not retrained."""

    budget_per_month: int = Field(2, ge=1)
    """How many retrainings are allowed in any 30 days."""

    consecutive: int = Field(2, ge=1)
    """How many windows in a row must show drift, or a drop, before it counts."""

    within: int | None = Field(None, ge=1)
    """Makes it enough that `consecutive` of the last `within` windows show it. Windows whose check abstained are passed over."""

    price: Annotated[float, Field(gt=0)] | Literal["cost"] | None = None
    """What a retraining costs, in the mean loss of a window: of a yes or no, or of classes, .1 is 100 wrong answers of 1,000
    requests; of a number, an absolute error in the label's unit; of a ranking, NDCG; with `costs`, a cost. Given a price,
    retraining is also decided by whether what it saves is worth it. "cost": it follows from money, window by window: what the
    champion's training has cost by the price table, over what the window's errors cost (`cost.error`). None: costs are not
    considered."""

    breaker: int = Field(3, ge=1)
    """How many challengers in a row may be rejected before retraining stops until a person has looked."""

    @model_validator(mode="after")
    def _enough_windows(self) -> Self:
        if self.within is not None and self.within < self.consecutive:
            raise ValueError(f"within ({self.within}) must be at least consecutive ({self.consecutive})")
        return self
