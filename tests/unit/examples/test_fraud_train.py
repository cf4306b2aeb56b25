"""A sample of the honest payments stands for all of them; every fraud is fitted."""

from __future__ import annotations

import numpy as np

from examples.models.fraud.train import sampled
from include.training.job import Rows


def test_every_fraud_is_kept_and_the_rest_counts_for_what_it_stands_for() -> None:
    labels = (np.arange(20_000) % 200 == 0).astype(np.float32)
    rows = Rows(np.arange(20_000, dtype=np.float32)[:, None], labels)
    chosen, counts = sampled(rows, 8, np.random.default_rng(7))
    assert chosen.labels.sum() == labels.sum()
    assert 0.1 < (chosen.labels == 0).sum() / (labels == 0).sum() < 0.15
    assert set(counts[chosen.labels == 1]) == {1.0}
    assert set(counts[chosen.labels == 0]) == {8.0}
    assert abs(counts.sum() / len(rows) - 1) < 0.05
    assert (labels[chosen.features[:, 0].astype(int)] == chosen.labels).all()
