from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from include.metrics.ranks import midranks, placements
from tests.support.scored_rows import scores


def test_equal_values_share_the_mean_of_their_ranks() -> None:
    _, score = scores(200)
    assert midranks(score) == pytest.approx(rankdata(score))


def test_the_mean_placement_of_either_class_is_the_auc() -> None:
    label, score = scores(500)
    found, positive = placements(label == 1, score), label == 1
    assert found[positive].mean() == pytest.approx(roc_auc_score(label, score))
    assert found[~positive].mean() == pytest.approx(roc_auc_score(label, score))
    assert np.all((found >= 0) & (found <= 1))
