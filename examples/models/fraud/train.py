"""Gradient boosting of the features, and of amounts beside what is usual.

The fit is not weighted by what a fraud costs: its scores are probabilities, and the problem weighs them (`Costs` in spec.py).
"""

from __future__ import annotations

from include.backends.sklearn.export import export_classifier
from include.training.job import TrainingJob


def fit(job: TrainingJob) -> None:
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
    model.fit(ratios.beside(job.train.features), job.train.labels)
    job.expect(model.predict_proba(ratios.beside(job.validation.features))[:, 1])
    trees = job.model_path.with_suffix(".trees")
    export_classifier(model, len(job.inputs) + len(ratios.over), trees)
    ratios.write(trees.read_bytes(), job.model_path)
    trees.unlink()
