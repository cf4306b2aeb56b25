"""How groups are treated: the figures are Fairlearn's and scikit-learn's, and small groups are nobody's business."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fairlearn import metrics as fair
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, mean_absolute_error, precision_score

from include.core.errors import DataError
from include.core.spec import Attribute, Binary, Fairness, Limit, MultiClass, Regression
from include.core.spec.fairness import OF_DECISIONS
from include.fairness.assess import Rows, assess
from include.problems.of import problem_of
from include.problems.problem import Problem
from include.problems.truth import Truth
from include.step_values.fairness import AttributeValue, FairnessValue

CLOSE = 1e-6
SEX = Attribute(column="sex")


def drawn(rows: int = 2500, seed: int = 3, weighted: bool = False, shares: tuple[float, ...] = (0.5, 0.35, 0.15)) -> Rows:
    """Three groups that are treated differently; each person is there once."""
    draw = np.random.default_rng(seed)
    group = draw.choice(len(shares), rows, p=shares)
    risk = draw.normal(size=rows) + 0.4 * group
    labels = (draw.random(rows) < 1 / (1 + np.exp(-risk))).astype(np.float64)
    scores = 1 / (1 + np.exp(-(risk + 0.3 * draw.normal(size=rows) - 0.2 * group)))
    weight = draw.uniform(0.2, 5, rows) if weighted else None
    table = pa.table({"sex": pa.array(np.array(["F", "M", "X"])[group])})
    return Rows(table, Truth(labels, weight, draw.integers(0, 28, rows)), scores.astype(np.float32))


def assessed(rows: Rows, problem: Problem | None = None, **spec: Any) -> FairnessValue:
    asked = Fairness(**{"attributes": (SEX,), **spec})
    return assess(rows, asked, problem or problem_of(Binary(), 0.5), ())


def one(value: FairnessValue) -> AttributeValue:
    (found,) = value["attributes"]
    return found


def by_fairlearn(measure: str, label: Any, said: Any, sex: Any, weight: Any) -> float:
    known = {"sensitive_features": sex, "sample_weight": weight}
    kind = measure.rpartition("_")[2]
    if hasattr(fair, measure):
        return float(getattr(fair, measure)(label, said, **known))
    metric = {
        "false_positive_rate": fair.false_positive_rate,
        "false_negative_rate": fair.false_negative_rate,
        "predictive_parity": precision_score,
        "accuracy": accuracy_score,
    }[measure.removesuffix(f"_{kind}")]
    params = {"sample_weight": weight} if weight is not None else {}
    frame = fair.MetricFrame(metrics=metric, y_true=label, y_pred=said, sensitive_features=sex, sample_params=params)
    return float(getattr(frame, kind)(method="between_groups"))


@pytest.mark.parametrize(("weighted", "favourable"), [(False, 1), (True, 0)])
def test_gaps_are_fairlearns(weighted: bool, favourable: int) -> None:
    rows = drawn(weighted=weighted)
    found = one(assessed(rows, favourable=favourable, threshold=0.4))
    said, label = rows.outputs.astype(np.float64) >= 0.4, rows.truth.labels > 0.5
    if not favourable:
        said, label = ~said, ~label
    sex = np.array(rows.table["sex"].to_pylist())
    for measure in OF_DECISIONS:
        wanted = by_fairlearn(measure, label, said, sex, rows.truth.weight)
        assert found["measures"][measure]["value"] == pytest.approx(wanted, abs=CLOSE), measure
        assert found["measures"][measure]["low"] <= wanted <= (found["measures"][measure]["high"] or 1e9)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_figures_of_each_group_are_fairlearns(weighted: bool) -> None:
    rows = drawn(weighted=weighted)
    found = one(assessed(rows))
    names = {
        "selection_rate": fair.selection_rate,
        "true_positive_rate": fair.true_positive_rate,
        "false_positive_rate": fair.false_positive_rate,
        "false_negative_rate": fair.false_negative_rate,
        "accuracy": accuracy_score,
        "precision": precision_score,
    }
    weight = rows.truth.weight
    frame = fair.MetricFrame(
        metrics=names,
        y_true=rows.truth.labels,
        y_pred=rows.outputs.astype(np.float64) >= 0.5,
        sensitive_features=np.array(rows.table["sex"].to_pylist()),
        sample_params={name: {"sample_weight": weight} for name in names} if weight is not None else None,
    )
    assert [group["group"] for group in found["groups"]] == ["F", "M", "X"]
    for group in found["groups"]:
        for name in names:
            assert group["rates"][name]["value"] == pytest.approx(frame.by_group[name][group["group"]], abs=CLOSE)
            assert group["rates"][name]["low"] < group["rates"][name]["value"] < group["rates"][name]["high"]


def test_calibration_by_group_is_scikit_learns() -> None:
    rows = drawn()
    sex = np.array(rows.table["sex"].to_pylist())
    for group in one(assessed(rows))["groups"]:
        inside = sex == group["group"]
        label, score = rows.truth.labels[inside], rows.outputs[inside].astype(np.float64)
        true, said = calibration_curve(label, score, n_bins=10)
        counts = np.histogram(score, 10, (0, 1))[0]
        shown = counts >= 5  # a bin of fewer is of single people
        assert [each["rows"] for each in group["calibration"]] == list(counts[shown])
        assert [each["rate"] for each in group["calibration"]] == pytest.approx(list(true[shown]), abs=CLOSE)
        assert [each["score"] for each in group["calibration"]] == pytest.approx(list(said[shown]), abs=CLOSE)
        assert group["calibration_error"] == pytest.approx((np.abs(true - said) * counts).sum() / counts.sum(), abs=CLOSE)
        assert group["rates"]["calibration"]["value"] == pytest.approx(score.mean() - label.mean(), abs=CLOSE)


@pytest.mark.parametrize("weighted", [False, True])
def test_errors_of_numbers_are_scikit_learns(weighted: bool) -> None:
    rows = drawn(weighted=weighted)
    numbers = Rows(rows.table, Truth(rows.truth.labels * 10, rows.truth.weight, rows.truth.day), rows.outputs * 8)
    problem = problem_of(Regression(scale=1))
    found = one(assessed(numbers, problem))
    frame = fair.MetricFrame(
        metrics=mean_absolute_error,
        y_true=numbers.truth.labels,
        y_pred=numbers.outputs.astype(np.float64),
        sensitive_features=np.array(rows.table["sex"].to_pylist()),
        sample_params={"sample_weight": rows.truth.weight} if weighted else None,
    )
    assert found["measures"]["error_difference"]["value"] == pytest.approx(frame.difference(), abs=CLOSE)
    assert found["measures"]["error_ratio"]["value"] == pytest.approx(frame.ratio(), abs=CLOSE)
    assert set(found["measures"]) == {"error_difference", "error_ratio", "bias_difference"}
    decided = one(assessed(numbers, problem, threshold=4.0))["measures"]
    said, label = numbers.outputs >= 4, numbers.truth.labels >= 4
    wanted = by_fairlearn("equalized_odds_difference", label, said, np.array(rows.table["sex"].to_pylist()), rows.truth.weight)
    assert decided["equalized_odds_difference"]["value"] == pytest.approx(wanted, abs=CLOSE)


def test_of_classes_those_that_are_good_for_people_are_what_is_selected() -> None:
    draw = np.random.default_rng(5)
    rows = drawn()
    problem = problem_of(MultiClass(classes=("no", "maybe", "yes")))
    outputs = draw.dirichlet((1, 1, 1), len(rows.truth))
    labels = draw.integers(0, 3, len(rows.truth)).astype(np.float64)
    classes = Rows(rows.table, Truth(labels, None, rows.truth.day), outputs)
    sex = np.array(rows.table["sex"].to_pylist())
    plain = one(assessed(classes, problem))["measures"]
    assert set(plain) == {"error_difference", "error_ratio", "calibration_bias"}
    found = one(assessed(classes, problem, favourable=("maybe", "yes")))["measures"]
    said, deserved = np.isin(outputs.argmax(axis=1), (1, 2)), np.isin(labels, (1, 2))
    for measure in ("demographic_parity_ratio", "equalized_odds_difference"):
        assert found[measure]["value"] == pytest.approx(by_fairlearn(measure, deserved, said, sex, None), abs=CLOSE)


def test_rows_without_an_attribute_or_a_score_are_told_and_not_compared() -> None:
    rows = drawn()
    sex = np.array(rows.table["sex"].to_pylist(), dtype=object)
    sex[:300] = None
    scores = rows.outputs.copy()
    scores[-50:] = np.nan
    value = assessed(Rows(pa.table({"sex": pa.array(sex, pa.string())}), rows.truth, scores))
    kept = np.r_[300:2450]
    said, label = scores[kept].astype(np.float64) >= 0.5, rows.truth.labels[kept] > 0.5
    for measure in ("demographic_parity_difference", "equal_opportunity_ratio"):
        wanted = by_fairlearn(measure, label, said, sex[kept].astype(str), None)
        assert one(value)["measures"][measure]["value"] == pytest.approx(wanted, abs=CLOSE)
    assert value["unscored"] == 50
    assert [(group["group"], group["compared"]) for group in one(value)["groups"]][-1] == ("(not known)", False)


def test_all_labels_alike_leave_out_what_is_not_defined() -> None:
    rows = drawn()
    found = one(assessed(Rows(rows.table, Truth(np.ones(len(rows.truth)), None, rows.truth.day), rows.outputs)))
    assert "false_positive_rate_difference" not in found["measures"]
    assert "false_positive_rate" not in found["groups"][0]["rates"]
    sex, said = np.array(rows.table["sex"].to_pylist()), rows.outputs.astype(np.float64) >= 0.5
    wanted = by_fairlearn("equal_opportunity_difference", np.ones(len(said)), said, sex, None)
    assert found["measures"]["equal_opportunity_difference"]["value"] == pytest.approx(wanted, abs=CLOSE)


LIMIT = Limit(measure="demographic_parity_ratio", limit=0.8)


def test_of_one_group_alone_nothing_is_judged_and_it_is_said() -> None:
    rows = drawn()
    alone = Rows(pa.table({"sex": ["F"] * len(rows.truth)}), rows.truth, rows.outputs)
    value = assessed(alone, limits=(LIMIT,))
    assert value["limits"][0]["verdict"] == "unjudged"
    assert "one group has ('F') 100 people or more" in value["words"]
    assert "nothing is known either way" in value["words"]
    assert assessed(alone, limits=(LIMIT,), refuse="unless_shown")["limits"][0]["verdict"] == "unshown"


def test_three_people_are_named_and_neither_counted_nor_judged() -> None:
    rows = drawn(603)
    sex = ["F"] * 300 + ["M"] * 300 + ["Q"] * 3
    scores = rows.outputs.copy()
    scores[600:] = 0.0
    value = assessed(Rows(pa.table({"sex": sex}), rows.truth, scores), limits=(LIMIT,))
    found = one(value)
    assert found["small"] == [{"group": "Q", "people": None}]
    assert [group["group"] for group in found["groups"]] == ["F", "M"]
    assert found["rounded"]
    assert value["limits"][0]["verdict"] == "holds"
    assert all(rate["rows"] is None for group in found["groups"] for rate in group["rates"].values())
    assert all(round(rate["value"], 3) == rate["value"] for group in found["groups"] for rate in group["rates"].values())
    alone = assessed(Rows(pa.table({"sex": ["F"] * 600 + ["Q"] * 3}), rows.truth, scores), limits=(LIMIT,))
    assert "'Q' (fewer than 5 people" in alone["words"]
    assert " 3 " not in alone["words"]


def test_rows_of_three_people_are_no_three_hundred_witnesses() -> None:
    rows = drawn(900)
    person = ["a", "b", "c"] * 100 + [f"p{number}" for number in range(600)]
    table = pa.table({"sex": ["Q"] * 300 + ["F"] * 300 + ["M"] * 300, "who": person})
    spec = Fairness(attributes=(SEX,))
    found = one(assess(Rows(table, rows.truth, rows.outputs), spec, problem_of(Binary(), 0.5), ("who",)))
    assert [each["group"] for each in found["small"]] == ["Q"]
    free = one(
        assess(Rows(table, rows.truth, rows.outputs), spec.model_copy(update={"person": ()}), problem_of(Binary()), ("who",))
    )
    assert free["small"] == []


def test_small_groups_are_judged_together_where_they_are_enough() -> None:
    rows = drawn(800)
    sex = ["F"] * 300 + ["M"] * 300 + ["A"] * 70 + ["B"] * 70 + ["C"] * 60
    found = one(assessed(Rows(pa.table({"sex": sex}), rows.truth, rows.outputs)))
    last = found["groups"][-1]
    assert (last["group"], last["people"], last.get("of")) == ("(others)", 200, ["A", "B", "C"])
    assert [each["people"] for each in found["small"]] == [70, 70, 60]


def test_numbers_are_put_into_bins() -> None:
    rows = drawn(900)
    age = pa.array([20.0, 25.0, 40.0] * 300)
    found = one(
        assessed(Rows(pa.table({"sex": age}), rows.truth, rows.outputs), attributes=(Attribute(column="sex", bins=(25, 40)),))
    )
    assert {group["group"] for group in found["groups"]} == {"below 25", "25 to 40", "40 and more"}


def test_a_column_that_is_not_there_is_named() -> None:
    rows = drawn(200)
    with pytest.raises(DataError, match=r"no column 'sex', which fairness reads(.|\n)*features\.entities"):
        assessed(Rows(pa.table({"age": [1] * 200}), rows.truth, rows.outputs))


def test_a_model_may_not_be_more_unfair_than_the_champion() -> None:
    rows = drawn(6000)
    group = np.array([{"F": 0, "M": 1, "X": 2}[each] for each in rows.table["sex"].to_pylist()])
    worse = np.clip(rows.outputs - 0.15 * (group == 1), 0, 1)
    limit = Limit(measure="demographic_parity_difference", than_champion=0.05)
    same = assessed(Rows(rows.table, rows.truth, rows.outputs, rows.outputs), limits=(limit,))
    assert (same["limits"][0]["verdict"], same["limits"][0]["found"]["value"]) == ("holds", 0)  # type: ignore[index]
    found = assessed(Rows(rows.table, rows.truth, worse, rows.outputs), limits=(limit,))
    assert found["limits"][0]["verdict"] == "missed"
    assert "more than the champion's" in found["words"]
    turned = assessed(Rows(rows.table, rows.truth, rows.outputs, worse), limits=(limit,))
    assert turned["limits"][0]["verdict"] == "holds"
    assert assessed(rows, limits=(limit,))["limits"] == []  # there is no champion
