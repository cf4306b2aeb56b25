"""How the model learns. Any library will do that can write an ONNX file; this one is scikit-learn."""

from __future__ import annotations

from include.backends.sklearn.export import export_classifier
from include.training.job import TrainingJob


def fit(job: TrainingJob) -> None:
    """Rows come encoded: float32, a missing number is NaN, a category its code, and 0 one that training has not seen."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # inside: the library is loaded where it is needed

    model = HistGradientBoostingClassifier(
        learning_rate=job.params["learning_rate"], max_iter=job.params["trees"], random_state=job.seed
    )
    model.fit(job.train.features, job.train.labels)
    scores = model.predict_proba(job.validation.features)[:, 1]
    job.expect(scores)  # the file must give the same scores, or it is refused
    export_classifier(model, len(job.inputs), job.model_path)
