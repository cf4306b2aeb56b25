from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from include.core.spec import AnyKind, Binary, Evaluation, Explanations, MultiClass, Ranking, Regression
from include.evaluation.explained import Explained, explain
from include.evaluation.explained_charts import explained
from include.model_contract.encoder import Form
from include.problems.of import problem_of
from include.problems.truth import Truth
from tests.support.explained import classes, encoder, probability, rows

ROWS = 240
BINARY, VALUE = Binary(), Regression(scale=1.0, interval=0.8)
THREE, LIST = MultiClass(classes=("a", "b", "c")), Ranking(query="note", item="carrier")


def three(encoded: object) -> np.ndarray:
    score = probability(encoded)  # type: ignore[arg-type]
    return np.stack([score, score - 1, score + 1], axis=1)


def told(kind: AnyKind, metric: str, score: object, form: Form = "tensor", **changes: object) -> dict:
    table = rows(ROWS)
    ours = encoder(table, form)
    said = ours.encode_table(table)
    draw = np.random.default_rng(3)
    labels = {
        "binary": (draw.random(ROWS) < probability(said)).astype(float),
        "regression": probability(said),
        "multiclass": np.argmax(classes(said), axis=1).astype(float),
        "ranking": (draw.random(ROWS) < probability(said)).astype(float),
    }[kind.kind]
    truth = Truth(labels, day=np.arange(ROWS) // 24, query=np.arange(ROWS) // 8 if kind.kind == "ranking" else None)
    asked = Explanations(**{"rows": 200, "repeats": 2, "explained": 12, "background": 10, **changes})
    spec = Evaluation(metric=metric, minimum=None, explanations=asked)
    return dict(explain(score, ours, Explained(table, truth, said), table.slice(0, 10), spec, problem_of(kind)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "metric", "score", "outputs"),
    [
        (BINARY, "auc", probability, ["score"]), (VALUE, "mae", three, ["value", "low", "high"]),
        (THREE, "log_loss", classes, ["a", "b", "c"]), (LIST, "ndcg", probability, ["score"]),
    ],
)  # fmt: skip
def test_every_kind_of_problem_is_explained(kind: AnyKind, metric: str, score: object, outputs: list[str]) -> None:
    value = told(kind, metric, score)
    assert value["shap"]["outputs"] == outputs
    assert {each["feature"] for each in value["permutation"]} == {"wind", "hour", "carrier", "place"}
    assert all(len(each["mean_abs"]) == len(outputs) for each in value["shap"]["features"])
    assert value["shap"]["method"] == "exact"
    assert value["words"].endswith(".")
    pages = list(explained(value, problem_of(kind)))  # type: ignore[arg-type]
    assert pages[0][0] == "What the metric needs"
    assert len(pages) == 1 + len(outputs)
    assert all("role=img aria-label=" in body for _, body in pages)


def test_texts_and_vectors_are_one_feature_each() -> None:
    value = told(BINARY, "auc", probability, form="columns")
    assert {each["feature"] for each in value["shap"]["features"]} == {"wind", "hour", "carrier", "place", "note"}


def test_the_same_asked_twice_is_the_same_told_twice() -> None:
    assert told(THREE, "accuracy", classes, coalitions=20) == told(THREE, "accuracy", classes, coalitions=20)
    assert told(BINARY, "auc", probability, seed=8) != told(BINARY, "auc", probability)


def test_what_time_was_not_enough_for_is_said() -> None:
    value = told(BINARY, "auc", probability, time_limit=timedelta(microseconds=1))
    assert len(value["permutation"]) == 1
    assert "shap" not in value
    assert "3 were not permuted for want of time" in value["words"]


def test_no_feature_is_named_of_a_model_that_reads_none() -> None:
    value = told(BINARY, "auc", lambda some: np.linspace(0.2, 0.8, len(some)))
    assert value["words"].startswith("no feature alone makes AUC worse")


def test_a_name_is_no_markup() -> None:
    value = told(BINARY, "auc", probability)
    value["permutation"][0]["feature"] = value["shap"]["features"][0]["feature"] = "<script>"
    assert "<script>" not in "".join(body for _, body in explained(value, problem_of(BINARY)))  # type: ignore[arg-type]
