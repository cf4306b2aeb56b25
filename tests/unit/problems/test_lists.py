"""What an order is worth, against scikit-learn and against a plain loop over lists."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from include.problems.lists import Lists

AT = 4


def _random(ties: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    query = rng.integers(0, 30, 300)
    scores = rng.integers(0, 5, 300).astype(float) if ties else rng.normal(size=300)
    return query, rng.integers(0, 4, 300).astype(float), scores


@pytest.mark.parametrize("ties", [False, True], ids=["distinct", "ties"])
def test_ndcg_is_that_of_scikit_learn(ties: bool) -> None:
    query, relevance, score = _random(ties)
    lists = Lists(query, relevance, score, AT)
    for place, name in enumerate(np.unique(query)):
        inside = query == name
        if inside.sum() > 1 and (relevance[inside] > 0).any():
            expected = ndcg_score([np.exp2(relevance[inside]) - 1], [score[inside]], k=AT)
            assert lists.ndcg[place] == pytest.approx(expected)


def test_the_others_are_what_a_loop_finds() -> None:
    query, relevance, score = _random(ties=False)
    lists = Lists(query, relevance, score, AT)
    for place, name in enumerate(np.unique(query)):
        ordered = relevance[query == name][np.argsort(-score[query == name])] > 0
        if not ordered.any():
            continue
        assert lists.recall[place] == pytest.approx(ordered[:AT].sum() / ordered.sum())
        first = int(np.flatnonzero(ordered)[0]) + 1
        assert lists.reciprocal_rank[place] == pytest.approx(1 / first if first <= AT else 0)
        precisions = [ordered[: k + 1].mean() for k in range(min(AT, len(ordered))) if ordered[k]]
        assert lists.average_precision[place] == pytest.approx(sum(precisions) / min(AT, ordered.sum()))


def test_equal_scores_gain_nothing_from_the_order_of_the_rows() -> None:
    relevance = np.array([1.0, 0, 0, 0, 0, 0, 0, 0])
    query = np.zeros(8, dtype=np.int64)
    first, last = (Lists(query, rows, np.zeros(8), AT) for rows in (relevance, relevance[::-1]))
    assert first.ndcg == pytest.approx(last.ndcg)
    assert first.recall == pytest.approx([0.5])
    assert (first.reciprocal_rank[0], first.average_precision[0]) == (0.0, 0.0)
