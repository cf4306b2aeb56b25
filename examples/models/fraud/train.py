"""Gradient boosting of the features, and of amounts beside what is usual.

The fit is not weighted by what a fraud costs: its scores are probabilities, and the problem weighs them (`Costs` in spec.py).
Every fraud is fitted, and one in so many of the honest payments, which counts for so many: a fraction of the time, and scores
that stay probabilities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.backends.sklearn.export import export_classifier
from include.training.job import Floats, Rows, TrainingJob

if TYPE_CHECKING:
    from numpy.random import Generator


def fit(job: TrainingJob) -> None:
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingClassifier

    from examples.models.fraud.ratios import Ratios

    ratios = Ratios.of([each.name for each in job.inputs])
    model = HistGradientBoostingClassifier(
        learning_rate=job.params["learning_rate"],
        max_iter=job.params["trees"],
        max_leaf_nodes=job.params["leaves"],
        min_samples_leaf=job.params["smallest_leaf"],
        l2_regularization=job.params["l2"],
        early_stopping=False,
        random_state=job.seed,
    )
    chosen, counts = sampled(job.train, int(job.params["honest"]), np.random.default_rng(job.seed))
    model.fit(ratios.beside(chosen.features), chosen.labels, sample_weight=counts)
    job.expect(model.predict_proba(ratios.beside(job.validation.features))[:, 1])
    trees = job.model_path.with_suffix(".trees")
    export_classifier(model, len(job.inputs) + len(ratios.over), trees)
    ratios.write(trees.read_bytes(), job.model_path)
    trees.unlink()


def sampled(rows: Rows, honest: int, chance: Generator) -> tuple[Rows, Floats]:
    """Every fraud and one in `honest` of the other rows; and how many rows each stands for."""
    import numpy as np

    kept = (rows.labels == 1) | (chance.random(len(rows)) < 1 / honest)
    chosen = Rows(rows.features[kept], rows.labels[kept])
    return chosen, np.where(chosen.labels == 1, 1, honest).astype(np.float32)
