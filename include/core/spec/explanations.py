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


class Explain(Frozen):
    """How the gateway explains single answers to callers that ask for it, and what that may cost."""

    coalitions: int = Field(256, ge=8, le=20_000)
    """How many sets of features of an answer's row are asked about, at most: exact values up to 8 features, by default. Each
    costs a run of the model on as many rows as the background has."""

    share: float = Field(0.1, gt=0, le=1)
    """The share of one core of each worker that explanations of this model may take. Beyond it answers come without theirs."""

    waiting: int = Field(8, ge=1, le=1000)
    """How many explanations may be under way in a worker. Beyond it answers come without theirs."""

    time_limit: timedelta = Field(timedelta(seconds=1), gt=timedelta(0), le=timedelta(minutes=1))
    """How long an answer, or a batch of them, waits to be explained. After it the answer comes without."""

    cache_mb: float = Field(16.0, ge=0, le=1024)
    """How many MB of explanations a worker keeps, for equal rows of the same version."""
