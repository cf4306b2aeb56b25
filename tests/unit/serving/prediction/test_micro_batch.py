"""Micro-batches of /infer: one run a turn and version, in order, and nobody fails for another's rows."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from include.serving.models.loaded_model import Floats, LoadedModel, ModelError
from include.serving.prediction.micro_batch import MOST_ROWS, Batches


class Scorer:
    """Scores the first input; breaks where it is negative. Remembers how many rows each run had."""

    def __init__(self) -> None:
        self.runs: list[int] = []

    def score(self, features: Floats) -> Floats:
        self.runs.append(len(features))
        if (features[:, 0] < 0).any():
            raise ValueError("negative")
        return features[:, 0].copy()


def loaded(scorer: Scorer, version: int = 1) -> LoadedModel:
    nothing: Any = None
    return LoadedModel(version, "digest", nothing, scorer, 2)


def rows(*firsts: float) -> Floats:
    return np.array([[first, 0] for first in firsts], np.float32)


async def ask(batches: Batches, *asked: tuple[LoadedModel, Floats]) -> list[Any]:
    return await asyncio.gather(*(batches.score(model, some) for model, some in asked), return_exceptions=True)


def test_what_arrives_in_one_turn_is_one_run_a_version_and_answers_keep_their_order() -> None:
    first, second = Scorer(), Scorer()
    one, two = loaded(first), loaded(second, 2)
    answers = asyncio.run(ask(Batches(), (one, rows(0.1, 0.2)), (two, rows(0.3)), (one, rows(0.4))))
    assert [answer.tolist() for answer in answers] == [pytest.approx([0.1, 0.2]), pytest.approx([0.3]), pytest.approx([0.4])]
    assert (first.runs, second.runs) == ([3], [1])


def test_rows_that_cannot_be_scored_fail_their_own_caller_only() -> None:
    model = loaded(Scorer())
    answers = asyncio.run(ask(Batches(), (model, rows(0.1)), (model, rows(-1.0)), (model, rows(0.4))))
    assert isinstance(answers[1], ModelError)
    assert [answers[0].tolist(), answers[2].tolist()] == [pytest.approx([0.1]), pytest.approx([0.4])]


def test_a_run_is_bounded() -> None:
    scorer = Scorer()
    model, many = loaded(scorer), rows(*[0.5] * (MOST_ROWS - 100))
    answers = asyncio.run(ask(Batches(), (model, many), (model, rows(0.1)), (model, many)))
    assert [len(answer) for answer in answers] == [MOST_ROWS - 100, 1, MOST_ROWS - 100]
    assert scorer.runs == [MOST_ROWS - 99, MOST_ROWS - 100]
