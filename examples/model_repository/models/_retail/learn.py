"""How all our models learn."""

from include.backends.sklearn.export import export_classifier
from include.training.job import TrainingJob


def fit_logistic(job: TrainingJob) -> None:
    """A logistic regression over scaled inputs, with the strength `params["C"]`."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(C=job.params["C"], random_state=job.seed))
    model.fit(job.train.features, job.train.labels)
    job.expect(model.predict_proba(job.validation.features)[:, 1])
    export_classifier(model, len(job.inputs), job.model_path)
