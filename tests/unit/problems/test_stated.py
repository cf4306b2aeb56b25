"""What a stored evaluation says of its problem, its author's code gone or not."""

from __future__ import annotations

from typing import Any

from include.core.spec import Binary, MultiClass, Ranking, Regression
from include.problems.of import PLAIN, problem_of
from include.problems.stated import metric_in, problem_in, state, stated, units_in
from include.step_values.evaluation import EvaluateValue

MINUTES = {"problem": Regression(scale=5, unit="minutes", metrics=("gone.for_good:late_by_an_hour",)).model_dump(mode="json")}


def test_an_evaluation_of_an_earlier_release_is_plain_binary() -> None:
    assert problem_in({}).value == Binary()
    assert metric_in({}, "auc").shown(0.71234) == "0.7123"
    assert metric_in({}, "auc").worse_by(0.6, 0.7) > 0 > metric_in({}, "log_loss").worse_by(0.6, 0.7)
    assert units_in({}) == "rows"


def test_a_metric_of_the_labels_unit_shows_it() -> None:
    assert metric_in(MINUTES, "mae").shown(12.5) == "12.5000 minutes"
    assert metric_in(MINUTES, "r2").shown(0.5) == "0.5000"
    assert stated(problem_of(Regression(scale=5)), "mae").unit == ""


def test_an_authors_metric_is_a_loss_and_its_code_is_not_imported() -> None:
    metric = metric_in(MINUTES, "late_by_an_hour")
    assert (metric.title, metric.higher_is_better) == ("late by an hour", False)


def test_what_is_counted_are_rows_or_queries() -> None:
    assert units_in({"problem": Ranking(query="q", item="i").model_dump(mode="json")}) == "queries"
    assert units_in(MINUTES) == "rows"


def test_a_value_keeps_what_was_asked() -> None:
    asked: dict[str, dict[str, Any]] = {
        "plain": {"threshold": 0.3},
        "weighted": {"threshold": 0.3, "problem": Binary(weight="w").model_dump(mode="json")},
        "classes": {"threshold": 0.3, "problem": MultiClass(classes=("a", "b")).model_dump(mode="json")},
    }
    kept = {}
    for name, params in asked.items():
        value: EvaluateValue = {}  # type: ignore[typeddict-item]
        state(value, params)
        kept[name] = value
    assert kept["plain"] == {"threshold": 0.3}
    assert kept["weighted"] == asked["weighted"]
    assert kept["classes"] == {"problem": asked["classes"]["problem"]}
    assert problem_in(kept["plain"]).decided_at == 0.3  # type: ignore[arg-type]
    assert PLAIN.decided_at == 0.5
