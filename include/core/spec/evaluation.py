"""The section `evaluation`: the gate that a trained model must pass to become a candidate."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from include.core.spec.base import Frozen, Name
from include.core.spec.explanations import Explanations
from include.core.spec.privacy import MembershipCheck


class Robustness(Frozen):
    """How the model is tried on a worse day than the holdout's: inputs that are missing, noisy, unknown, or in another unit."""

    rows: int = Field(5000, ge=200)
    """How many rows of the holdout it is tried on at most, drawn by `seed`; of a ranking whole lists. So the cost is bounded: the
    model scores them some three times for each input."""

    seed: int = 7
    """The seed of the rows that are drawn, and of the noise."""

    noise: tuple[float, ...] = (0.01, 0.05, 0.1)
    """The noise that is put on every number at once, as shares of its standard deviation."""

    limit: float | None = Field(None, gt=0)
    """The largest accepted fall of `evaluation.metric`, in its own unit, when one whole view is missing (the online store is
    out, the view is stale). It closes the gate where the rows show more than that. None: it is reported only."""

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if any(not 0 < each <= 10 for each in self.noise):
            raise ValueError(f"noise: shares of a standard deviation lie above 0 and at most at 10 (seen: {list(self.noise)})")
        return self


class Evaluation(Frozen):
    """What a trained model must show on the held-out days, alone and against the champion."""

    metric: Name = "auc"
    """The metric that the gate, the drop in performance and the reports are about: one of those of the model's `problem`. Left
    out, it is `auc` of a binary label, `mae` of a number, `log_loss` of classes, `ndcg` of a ranking."""

    minimum: float | None = 0.5
    """The value of the metric that the model must reach; of a metric of which less is better, a ceiling. None: any value passes.
    Left out, only a binary label has one."""

    margin: float = Field(0.01, gt=0)
    """How much worse than the champion a model may be, in units of the metric, and still pass."""

    alpha: float = Field(0.025, gt=0, lt=0.5)
    """The probability that a model which is worse than the champion by more than `margin` passes all the same."""

    slice_margin: float = Field(0.03, ge=0)
    """How much worse than the champion a slice may be, in units of the metric. A larger difference is refused unless it may be
    chance, considering how many slices there are."""

    baseline: Name | None = None
    """A category feature whose historical rate of the label, by category, is a baseline to beat. By default there is none."""

    slices: tuple[Name, ...] = ()
    """The features by whose values the metric is also reported, and compared with the champion's."""

    max_latency_ms: float = Field(5.0, gt=0)
    """The largest accepted p99 of scoring one row with ONNX Runtime, in milliseconds, measured against a reference workload
    of known cost."""

    max_bytes: int = Field(50_000_000, gt=0)
    """The largest accepted size of the model file, in bytes."""

    int8: bool = False
    """Whether to make an INT8 variant too. It serves where it is faster, and as good within `int8_margin`."""

    int8_margin: float = Field(0.002, ge=0)
    """How much worse than the model as it was trained the INT8 variant may be, in units of the metric."""

    robustness: Robustness | None = Field(None, exclude_if=lambda value: value is None)
    """How the model is tried with inputs that are missing, noisy, unknown or in another unit. None: it is not."""
    explanations: Explanations | None = None
    """Whether to tell which features move the model, and how that is measured. By default it is not told."""

    privacy: MembershipCheck | None = None
    """Whether to attack each candidate, to see if its answers give away which rows it was trained on. By default it is not
    attacked."""
