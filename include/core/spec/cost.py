"""The section `cost`: what machines cost for this model, and what a wrong answer costs, in money."""

from __future__ import annotations

from pydantic import Field

from include.core.spec.base import Frozen


class Cost(Frozen):
    """Prices of this model's own. What is None is the platform's: `SLIPSTREAM_COST_CPU_HOUR` and its kin."""

    currency: str = Field("", max_length=12)
    """What money is counted in, such as EUR. Empty: as the platform says; it must be the platform's where a price is."""

    cpu_hour: float | None = Field(None, ge=0)
    """The price of one CPU for an hour."""

    gpu_hour: float | None = Field(None, ge=0)
    """The price of one GPU for an hour."""

    memory_gb_hour: float | None = Field(None, ge=0)
    """The price of one GiB of memory for an hour, where memory is reserved (`training.resources.memory_gb`)."""

    storage_gb_month: float | None = Field(None, ge=0)
    """The price of one GiB of storage for a month: of a version's files."""

    error: float | None = Field(None, gt=0)
    """What one unit of the loss costs: of a yes or no, or of classes, one wrong answer; of a number, one unit of the label; with
    `problem.costs`, one of their units. With it the retraining's price may follow from money: `retraining.price="cost"`."""
