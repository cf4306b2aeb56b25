"""scikit-learn in a fit: the file gives what the estimator predicts, for every kind of problem and every type of input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from include.backends.onnx.model import open_model
from include.backends.sklearn.trainer import finish, frame
from include.core.errors import DataError
from include.training.job import TrainingJob
from include.training.train_step import verify
from tests.support.trained_jobs import job_of

NUMBERS = ["age", "member", "embedding[0]", "embedding[1]", "embedding[2]"]


def pipeline(final: Any, words: Any = None) -> Any:
    parts = [
        ("words", words or TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), "review"),
        ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
        ("codes", OneHotEncoder(handle_unknown="ignore"), ["colour"]),
    ]
    return Pipeline([("columns", ColumnTransformer(parts)), ("final", final)])


def fitted(job: TrainingJob, model: Any) -> Any:
    return model.fit(frame(job.train), job.train.labels)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_a_pipeline_over_columns_gives_its_probabilities(tmp_path: Path, kind: str) -> None:
    job = job_of(kind, tmp_path, "columns")
    finish(fitted(job, pipeline(LogisticRegression())), job)
    verify(job)  # within the problem's parity of what was expected
    opened = open_model(job.model_path)
    assert opened.named
    assert np.abs(opened.score(job.validation.given) - job.expected[0]).max() < 1e-6


@pytest.mark.parametrize("kind", ["regression", "ranking"])
def test_a_pipeline_over_columns_gives_its_numbers(tmp_path: Path, kind: str) -> None:
    job = job_of(kind, tmp_path, "columns")
    finish(fitted(job, pipeline(Ridge(), CountVectorizer())), job)
    verify(job)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression", "ranking"])
def test_trees_of_one_tensor_give_what_they_predict_missing_values_too(tmp_path: Path, kind: str) -> None:
    job = job_of(kind, tmp_path)
    assert np.isnan(job.train.features).any()
    model = (
        HistGradientBoostingClassifier(max_iter=5)
        if kind in ("binary", "multiclass")
        else HistGradientBoostingRegressor(max_iter=5)
    )
    finish(fitted(job, model), job)
    verify(job)


def test_a_forests_probabilities_stay_within_0_and_1(tmp_path: Path) -> None:
    job = job_of("multiclass", tmp_path)
    finish(fitted(job, RandomForestClassifier(10, random_state=0)), job)
    verify(job)


@pytest.mark.parametrize("form", ["tensor", "columns"])
def test_an_interval_is_three_models_in_one_file(tmp_path: Path, form: Any) -> None:
    job = job_of("interval", tmp_path, form)
    models = {
        name: make_pipeline(SimpleImputer(), Ridge()) if form == "tensor" else pipeline(Ridge())
        for name in ("high", "low", "value")
    }
    finish({name: fitted(job, model) for name, model in models.items()}, job)
    proto = onnx.load(job.model_path)
    assert [each.name for each in proto.graph.output] == ["value", "low", "high"]
    opened = open_model(job.model_path)
    np.testing.assert_allclose(opened.score(job.validation.given), job.expected[0], atol=1e-3)


def test_bounds_that_cross_the_value_become_the_value(tmp_path: Path) -> None:
    """Models that were fitted apart cross now and then: here the one of the lower bound lies above all others."""
    job = job_of("interval", tmp_path)
    ridge = fitted(job, make_pipeline(SimpleImputer(), Ridge()))
    above = fitted(job, make_pipeline(SimpleImputer(), Ridge()))
    above[-1].intercept_ += 3.0
    finish({"value": ridge, "low": above, "high": ridge}, job)
    verify(job)
    outputs = open_model(job.model_path).score(job.validation.given)
    np.testing.assert_array_equal(outputs[:, 1], outputs[:, 0])
    np.testing.assert_array_equal(outputs[:, 2], outputs[:, 0])


def test_a_column_that_no_part_reads_is_no_input_of_the_file(tmp_path: Path) -> None:
    job = job_of("binary", tmp_path, "columns")
    model = Pipeline([("columns", ColumnTransformer([("words", TfidfVectorizer(), "review")])), ("final", LogisticRegression())])
    finish(fitted(job, model), job)
    verify(job)
    assert [each.name for each in onnx.load(job.model_path).graph.input] == ["review"]


def test_classes_that_are_not_the_problems_are_refused(tmp_path: Path) -> None:
    job = job_of("multiclass", tmp_path)
    model = HistGradientBoostingClassifier(max_iter=2).fit(job.train.features, np.minimum(job.train.labels, 1))
    with pytest.raises(DataError, match=r"its classes are \[0\.0, 1\.0\], and the problem's are the places 0 to 2"):
        finish(model, job)
    assert not job.model_path.exists()


def test_an_estimator_without_probabilities_has_one_output(tmp_path: Path) -> None:
    job = job_of("multiclass", tmp_path)
    with pytest.raises(DataError, match="no predict_proba, and the problem has 3 outputs"):
        finish(HistGradientBoostingRegressor(max_iter=2).fit(job.train.features, job.train.labels), job)


def test_models_by_other_names_than_the_outputs_are_refused(tmp_path: Path) -> None:
    job = job_of("interval", tmp_path)
    with pytest.raises(DataError, match="one for each of the outputs value, low, high"):
        finish({"value": Ridge(), "upper": Ridge()}, job)


def test_columns_that_are_no_inputs_are_refused(tmp_path: Path) -> None:
    job = job_of("regression", tmp_path, "columns")
    other = frame(job.train).rename(columns={"age": "years"})[["years", "member"]].fillna(0)
    with pytest.raises(DataError, match=r"fitted on columns that are no inputs: \['years'\]"):
        finish(Ridge().fit(other, job.train.labels), job)


def test_bounds_that_were_fitted_apart_do_not_leave_the_value_outside(tmp_path: Path) -> None:
    job = job_of("interval", tmp_path)
    wrong = {"value": 0.5, "low": 0.9, "high": 0.1}  # the quantiles of the bounds are exchanged
    models = {name: HistGradientBoostingRegressor(loss="quantile", quantile=each, max_iter=5) for name, each in wrong.items()}
    finish({name: fitted(job, model) for name, model in models.items()}, job)
    verify(job)
    value, low, high = open_model(job.model_path).score(job.validation.given).T
    assert bool((low <= value).all() and (value <= high).all())
