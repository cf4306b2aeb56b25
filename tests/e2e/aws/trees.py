"""Gradient boosting in one process: what is shown is where it trains, not what."""

from __future__ import annotations

from include.backends.sklearn.export import export_classifier
from include.training.job import TrainingJob


def fit(job: TrainingJob) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=job.params["trees"], learning_rate=0.1, early_stopping=False, random_state=job.seed
    )
    model.fit(job.train.features, job.train.labels)
    job.expect(model.predict_proba(job.validation.features)[:, 1])
    export_classifier(model, len(job.inputs), job.model_path)
