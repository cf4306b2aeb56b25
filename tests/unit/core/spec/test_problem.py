"""Kinds of problems as an author states them, and how wrong ones are refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from include.core.errors import SpecError
from include.core.spec import Binary, Costs, MultiClass, Ranking, Regression, Serving
from tests.support.spec_of_problem import with_problem

ABC = ("a", "b", "c")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Regression.model_validate({}), "scale: Field required"),
        (lambda: Regression(scale=0), "greater than 0"),
        (lambda: Regression(scale=1, minimum=2, maximum=1), "must be below maximum"),
        (lambda: Regression(scale=1, minimum=2), r"default \(0\) lies outside"),
        (lambda: MultiClass(classes=("a",)), "at least 2 items"),
        (lambda: MultiClass(classes=("a", "a")), r"\['a'\] is there more than once"),
        (lambda: MultiClass(classes=ABC, costs=((0, 1), (1, 0))), "3 rows of 3 numbers"),
        (lambda: MultiClass(classes=("a", "b"), costs=((0, 1), (1, 2))), "0 where truth and decision agree"),
        (lambda: MultiClass(classes=ABC, default=(0.5, 0.2, 0.2)), "add up to 1"),
        (lambda: Binary(alerts=0), "greater than or equal to 1"),
        (lambda: with_problem({"kind": "survival"}), "'binary', 'regression', 'multiclass', 'ranking'"),
        (lambda: with_problem(Binary(), evaluation={"metric": "mae"}), "'mae' is no metric of this Binary; it has auc"),
        (lambda: with_problem(Binary(), evaluation={"metric": "cost"}), "'cost' is no metric of this Binary"),
        (lambda: with_problem(Regression(scale=1), evaluation={"int8": True}), "binary models only"),
        (lambda: with_problem(Regression(scale=1), serving={"explore": 0.1}), "no decision to draw"),
        (
            lambda: with_problem(Regression(scale=1), serving={"threshold": 0.7}),
            r"serving\.threshold: is of a binary label alone",
        ),
        (
            lambda: with_problem(MultiClass(classes=ABC), serving={"default_score": 0.1}),
            r"serving\.default_score: .* problem\.default",
        ),
        (lambda: with_problem(Binary(costs=Costs(false_positive=1, false_negative="owed"))), r"problem: \['owed'\] is neither"),
    ],
)
def test_a_wrong_problem_is_refused_with_what_is_allowed(make: Callable[[], object], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        make()


def test_outputs_metrics_and_columns_follow_from_the_kind() -> None:
    assert (Regression(scale=1).outputs, MultiClass(classes=ABC).outputs) == (("value",), ABC)
    assert Regression(scale=1, interval=0.9).outputs == ("value", "low", "high")
    assert "coverage" not in Regression(scale=1).metric_names
    assert "cost" in Binary(costs=Costs(false_positive=1, false_negative=2)).metric_names
    assert Binary(metrics=("m:asymmetric",)).metric_names[-1] == "asymmetric"
    costs = Costs(false_positive="fee", false_negative="fee")
    assert Binary(weight="w", costs=costs).columns == ("w", "fee")
    assert Ranking(query="user", item="film").columns == ("user", "film")


def test_the_code_of_an_author_is_the_models_code() -> None:
    spec = with_problem(Binary(metrics=("m:one",), decision="m:two"))
    assert spec.code[-2:] == ("m:one", "m:two")


def test_the_unit_of_a_ranking_is_its_query_and_of_others_the_whole_entity() -> None:
    keys = ("user", "film", "shop")
    assert Ranking(query="user", item="film").unit_keys(keys) == ("user",)
    assert Ranking(query="session", item="film").unit_keys(keys) == ("user", "shop")
    assert Regression(scale=5).unit_keys(keys) == Binary().unit_keys(keys) == keys


def test_a_binary_problem_is_plain_where_the_threshold_decides() -> None:
    assert Binary(alerts=5).plain
    assert not Binary(costs=Costs(false_positive=1.0, false_negative=2.0)).plain
    assert not Binary(decision="a.b:c").plain


def test_costs_that_are_kept_out_of_the_log_are_refused() -> None:
    """Without them no answer has a price, neither for monitoring nor for a rollout, and nobody would be told."""
    costs = Binary(costs=Costs(false_positive=1.0, false_negative="distance"))
    with pytest.raises(SpecError, match=r"problem.costs: \['distance'\] is kept out of the log by serving.redact"):
        with_problem(costs, serving=Serving(redact=("distance",)))
