"""Logistic regression from scikit-learn, served as ONNX like every other model."""

from include.backends.sklearn.export import export_classifier
from include.training.job import TrainingJob


def fit(job: TrainingJob) -> None:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(C=job.params["C"], random_state=job.seed))
    model.fit(job.train.features, job.train.labels)
    job.expect(model.predict_proba(job.validation.features)[:, 1])
    export_classifier(model, len(job.inputs), job.model_path)
