"""The sections `evaluation.privacy` and `training.privacy`: whether a model gives away its training rows, and how it is kept from
that."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from include.core.spec.base import Frozen


class MembershipCheck(Frozen):
    """A membership-inference attack on each candidate: do its answers tell rows that it was trained on from others?"""

    rows: int = Field(5000, ge=200, le=100_000)
    """Of how many rows that the fit saw, and of how many that it did not, at most, the attack is to tell which is which."""

    limit: float | None = Field(None, gt=0, lt=1)
    """The largest accepted advantage of the attack, beyond what time alone gives away. The gate is closed where it is not shown
    to be below, and where it could not be measured. By default it closes no gate."""

    seed: int = Field(7, ge=0, lt=2**31)
    """The seed of the rows that are drawn, and of the reference models."""


class PrivateTraining(Frozen):
    """A fit by DP-SGD: what a model can give away of any row that it was fitted on is bounded by epsilon and delta. Of a `fit` of
    Lightning, on any number of workers."""

    epsilon: float | None = Field(None, gt=0, le=1000)
    """The bound that the fit is to keep: the noise follows from it. Either it or `noise_multiplier` is given."""

    noise_multiplier: float | None = Field(None, gt=0, le=1000)
    """The standard deviation of the noise in a step's gradient, in units of `max_grad_norm`: epsilon follows from it."""

    delta: float = Field(1e-5, gt=0, lt=0.1)
    """The probability that the bound does not hold: well below one over the number of rows."""

    max_grad_norm: float = Field(1.0, gt=0)
    """The length to which the gradient of each row is cut."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.epsilon is None) == (self.noise_multiplier is None):
            raise ValueError("give either epsilon or noise_multiplier: the other follows")
        return self
