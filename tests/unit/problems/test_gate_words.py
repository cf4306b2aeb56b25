from __future__ import annotations

from typing import Any

import pytest

from include.core.digest import _closure
from include.core.spec import Evaluation
from include.evaluation.gate import decide
from include.problems.gate_words import asked_of, notes, reasons

SPEC = Evaluation(metric="auc", minimum=0.5, margin=0.01)


def evaluated(
    ours: float, theirs: float, error: float | None, freedom: int = 1431, rows: int = 1432, **more: Any
) -> dict[str, Any]:
    paired: dict[str, Any] = {"worse": round(theirs - ours, 6), "error": error, "freedom": freedom, "rows": rows, "slices": []}
    value = {"metrics": {"auc": ours}, "champion": {"auc": theirs}, "paired": paired, "latency_ms": {"p99": 1.0}, "bytes": 9}
    return {**value, **more, "gate": decide({**value, **more}, SPEC).to_json()}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (
            evaluated(0.6894, 0.6508, 0.0252),
            ("AUC 0.6894 is 0.0386 ahead of the champion's 0.6508 on the same 1,432 holdout rows",
             "between 0.0880 better and 0.0108 worse (95% interval)", "not behind on these rows, and yet a loss of more",
             "About 3,024 holdout rows would show it in 80% of the cases", "slipstream gate plan MODEL"),
        ),
        (evaluated(0.6894, 0.6508, 0.0252, freedom=6), ("3,478 holdout rows, 17 days would show it",)),
        (evaluated(0.645, 0.65, 0.006), ("is 0.0050 behind", "behind by less than the margin, and a loss of more is not")),
        (evaluated(0.64, 0.66, 0.006), ("shown to be worse, and most likely by more than the margin", "mend the model")),
        (evaluated(0.62, 0.66, 0.006), ("shown to be worse by more than the margin",)),
        (evaluated(0.62, 0.66, 0.03), ("behind by more than the margin, though chance alone may have done that",)),
        (evaluated(0.66, 0.66, None, rows=20), ("equals the champion's", "too few, or of one class", "training.holdout_days")),
    ],
)  # fmt: skip
def test_each_situation_says_what_is_known_and_what_is_missing(value: dict[str, Any], told: tuple[str, ...]) -> None:
    assert not value["gate"]["passed"]
    (words,) = reasons(value, SPEC)
    for part in (*told, "evaluation.margin 0.0100", "evaluation.alpha 0.025"):
        assert part in words
    assert "inf" not in words.replace("information", "")


def test_other_reasons_stay_as_they_are_and_an_open_gate_has_none() -> None:
    slow = evaluated(0.7, 0.7, 0.001, latency_ms={"p99": 9.0})
    assert list(reasons(slow, SPEC)) == slow["gate"]["reasons"]
    assert reasons(evaluated(0.7, 0.7, 0.001), SPEC) == ()


@pytest.mark.parametrize("lost", ["metrics", "champion", "paired"])
def test_where_the_numbers_are_gone_the_stored_reason_stands(lost: str) -> None:
    value = evaluated(0.6894, 0.6508, 0.0252)
    del value[lost]
    assert list(reasons(value, SPEC)) == value["gate"]["reasons"]
    assert reasons({}, SPEC) == ()


def test_a_baseline_that_was_not_beaten_is_a_note_and_no_reason() -> None:
    value = evaluated(0.7, 0.7, 0.001, baselines={"boosted": {"auc": 0.72}, "historical_rate": {"auc": 0.6}})
    assert value["gate"]["passed"]
    (note,) = notes(value, SPEC)
    assert "AUC 0.7000 does not beat gradient boosting on the same rows (0.7200)" in note
    assert notes({"metrics": {"auc": 0.7}}, SPEC) == ()


def test_the_settings_are_those_that_the_evaluation_was_made_by() -> None:
    made = SPEC.model_copy(update={"margin": 0.5})
    assert asked_of({"evaluation": made.model_dump(mode="json")}, SPEC).margin == 0.5
    assert asked_of({}, SPEC) is SPEC
    assert asked_of({"evaluation": {"of": "another release"}}, SPEC) is SPEC


def test_no_stored_evaluation_is_computed_again_for_its_words() -> None:
    """What a step is made of is part of its key: the words are made where they are read."""
    parts = _closure("include.evaluation.evaluate_step")
    assert "include.metrics.paired" in parts
    assert not parts & {"include.problems.gate_words", "include.problems.holdout_plan", "include.evaluation.gate_plan"}
