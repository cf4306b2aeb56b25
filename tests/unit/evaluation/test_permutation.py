from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.inspection import permutation_importance

from include.core.spec import Binary, Explanations, Ranking
from include.evaluation.permutation import chosen_rows, importances
from include.explanations.layout import Layout
from include.model_contract.encoder import Encoder
from include.problems.of import problem_of
from include.problems.truth import Truth
from tests.support.explained import FEATURES, probability, rows

SINGLE = FEATURES[:3]  # scikit-learn knows columns alone, so no vector


def by_three(rows: Any) -> np.ndarray:
    return probability(np.concatenate([rows, np.tile([0.0, 1.0, 0.0], (len(rows), 1))], axis=1))


class Wrapped(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    classes_ = np.array([0, 1])

    def fit(self, *_: Any) -> Wrapped:
        return self

    def predict_proba(self, rows: Any) -> np.ndarray:
        score = by_three(rows)
        return np.stack([1 - score, score], axis=1)

    def predict(self, rows: Any) -> np.ndarray:
        return (by_three(rows) >= 0.5).astype(int)

    def __sklearn_is_fitted__(self) -> bool:
        return True


@pytest.fixture(scope="module")
def held() -> tuple[Encoder, np.ndarray, Truth]:
    table = rows(400)
    ours = Encoder.fit(table, SINGLE, "late")
    encoded = ours.encode_table(table)
    labels = (np.random.default_rng(1).random(400) < by_three(encoded)).astype(np.float64)
    return ours, np.asarray(encoded), Truth(labels, day=np.arange(400) // 40)


@pytest.mark.parametrize(("metric", "scoring"), [("auc", "roc_auc"), ("log_loss", "neg_log_loss"), ("accuracy", "accuracy")])
def test_figures_are_those_of_scikit_learn(held: tuple[Encoder, np.ndarray, Truth], metric: str, scoring: str) -> None:
    ours, encoded, truth = held
    asked = Explanations(rows=400, repeats=6, seed=11)
    found = list(importances(Layout.of(ours), by_three, encoded, truth, problem_of(Binary()), metric, asked))
    theirs = permutation_importance(Wrapped(), encoded, truth.labels, scoring=scoring, n_repeats=6, random_state=11)
    assert [each.feature for each in found] == ["wind", "hour", "carrier"]
    assert [each.worse for each in found] == pytest.approx(theirs.importances_mean, abs=1e-6)


def test_the_interval_holds_zero_for_a_feature_that_says_nothing(held: tuple[Encoder, np.ndarray, Truth]) -> None:
    ours, encoded, truth = held
    asked = Explanations(repeats=5)

    def blind(rows: Any) -> np.ndarray:
        return by_three(rows * [1, 0, 1])

    found = {
        each.feature: each for each in importances(Layout.of(ours), blind, encoded, truth, problem_of(Binary()), "auc", asked)
    }
    assert found["hour"].worse == 0
    assert found["hour"].low <= 0 <= found["hour"].high
    assert found["wind"].low > 0


def test_a_ranking_is_sampled_by_whole_lists() -> None:
    query = np.repeat(np.arange(50), 8)
    truth = Truth(np.tile([1.0, 0, 0, 0, 0, 0, 0, 0], 50), query=query)
    chosen = chosen_rows(truth, 100, 4)
    assert 90 < len(chosen) <= 100
    assert set(np.bincount(query[chosen]).tolist()) == {0, 8}
    assert len(chosen_rows(truth, 1000, 4)) == 400
    found = problem_of(Ranking(query="note", item="carrier")).metric("ndcg").measured(truth.take(chosen), np.zeros(len(chosen)))
    assert 0 < found < 1
