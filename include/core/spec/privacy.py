"""The sections `evaluation.privacy` and `training.privacy`: whether a model gives away its training rows, and how it is kept from
that."""

from __future__ import annotations

from pydantic import Field

from include.core.spec.base import Frozen


class MembershipCheck(Frozen):
    """A membership-inference attack on each candidate: do its answers tell rows that it was trained on from others?"""

    rows: int = Field(5000, ge=200, le=100_000)
    """Of how many training rows, and of how many rows of the holdout, at most, the attack is to tell which is which."""

    limit: float | None = Field(None, gt=0, lt=1)
    """The largest accepted advantage of the attack, beyond what time alone gives away. The gate is closed where it is not shown
    to be below, and where it could not be measured. By default it closes no gate."""

    seed: int = Field(7, ge=0, lt=2**31)
    """The seed of the rows that are drawn, and of the reference models."""
