"""The week in one sentence, for somebody who knows flights and no statistics."""

from __future__ import annotations

from typing import Any

from include.demo.finding import finding

HOLD: dict[str, Any] = {"action": "hold", "reasons": [], "blocked_by": []}
RETRAIN: dict[str, Any] = {
    "action": "retrain",
    "reasons": ["drift in 2 windows in a row: x", "performance fell: y"],
    "blocked_by": [],
}


def column(name: str, score: float, drifted: bool = True) -> dict[str, Any]:
    return {"name": name, "score": score, "drifted": drifted}


def week(*columns: dict[str, Any], auc: float | None = 0.7123, guess: float | None = None) -> dict[str, Any]:
    drifted = any(each["drifted"] for each in columns)
    calm = "none" if columns else "abstain"
    verdict = "drift" if drifted else calm
    measured = {"verdict": "abstain" if auc is None else "measured", "metric": "auc", "metrics": {"auc": auc}, "rows": 6412}
    estimate = {"verdict": "abstain" if guess is None else "estimated", "value": guess}
    return {
        "quality": {"issues": []},
        "drift": {"verdict": verdict, "columns": list(columns), "critical": 2.9},
        "performance": {**measured, "expected": 0.7391, "drop": auc and 0.7391 - auc, "drop_error": 0.02},
        "estimate": estimate,
    }


def test_drift_performance_and_what_comes_of_it() -> None:
    said = finding(week(column("precip", 3.14)), RETRAIN)
    assert said == "precipitation is 3.1 times its usual spread; AUC on 6,412 landed flights 0.71, was 0.74; retraining"


def test_a_fall_that_is_no_chance_is_waited_on_and_never_nothing() -> None:
    assert finding(week(column("temp", 1.0, drifted=False), auc=0.65), HOLD).endswith("0.65, was 0.74; waiting whether it lasts")


def test_only_the_farthest_columns_are_named() -> None:
    said = finding(week(column("precip", 9.0), column("temp", 5.0), column("route_late_rate_6h", 4.0)), HOLD)
    assert said.startswith("precipitation is 9.0 times its usual spread and temperature is 5.0 times its usual spread and 1 more")
    assert said.endswith("waiting whether it lasts")


def test_a_calm_week_says_how_far_from_an_alarm_it_was() -> None:
    said = finding(week(column("visib", 1.24, drifted=False)), HOLD)
    assert said.startswith("no drift (visibility is farthest: 1.2 times its usual spread, 2.9 would be an alarm); AUC")
    assert said.endswith("; nothing to do")


def test_before_labels_the_estimate_is_reported_and_an_abstention_is_none() -> None:
    assert "AUC not judged yet, about 0.70 expected;" in finding(week(auc=None, guess=0.701), HOLD)
    assert "drift not judged; AUC not judged yet; nothing" in finding(week(auc=None), HOLD)


def test_other_reasons_and_closed_guards_are_reported() -> None:
    more = {**RETRAIN, "reasons": ["drift in 2 windows", "9,000 new labelled rows, 80% of those it was trained on"]}
    assert finding(week(), more).endswith("retraining (9,000 new labelled rows, 80% of those it was trained on)")
    held = {
        "action": "hold",
        "reasons": ["performance fell: z"],
        "blocked_by": ["cooldown: the last training looked at data", "b"],
    }
    assert finding(week(), held).endswith("not retraining yet: cooldown")


def test_broken_data_come_first() -> None:
    broken = {
        **week(column("temp", 1.0, drifted=False)),
        "quality": {"issues": [{"severity": "fail", "words": "temp is all null."}]},
    }
    assert finding(broken, HOLD).startswith("temp is all null; no drift")
