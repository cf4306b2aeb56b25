"""The sections `evaluation.explanations` and `serving.explain`: what is told of why a model says what it says."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from include.core.spec.base import Frozen


class Explanations(Frozen):
    """What the evaluation tells of which features move the model: permutation importance and Shapley values."""

    rows: int = Field(2000, ge=100, le=100_000)
    """On how many rows of the holdout, at most, the permutation importance of the gate's metric is measured."""

    repeats: int = Field(5, ge=2, le=100)
    """How often each feature is permuted."""

    explained: int = Field(200, ge=1, le=10_000)
    """For how many rows of the holdout, at most, Shapley values are computed."""

    background: int = Field(50, ge=2, le=500)
    """Against how many rows of the training set. They travel with the version, and explain its answers in the gateway."""

    coalitions: int = Field(512, ge=8, le=100_000)
    """How many sets of features of a row are asked about, at most: all of them where they are no more, so that the values are
    exact (up to 9 features by default), else those along permutations that are drawn."""

    time_limit: timedelta = Field(timedelta(minutes=5), gt=timedelta(0), le=timedelta(hours=6))
    """After how long no further feature is permuted, and no further row explained. What was measured until then is told, with how
    much of it there is."""

    seed: int = Field(7, ge=0, lt=2**31)
    """The seed of every row and permutation that is drawn."""
