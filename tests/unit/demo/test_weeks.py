"""The picture of the monitored weeks: whatever a week holds, it is drawn, and what it says is escaped."""

from __future__ import annotations

from include.demo.weeks import Week, picture


def week(window: str, value: float | None, score: float | None = 2.0, action: str = "hold", words: str = "AUC 0.7") -> Week:
    metrics, errors = ({}, {}) if value is None else ({"auc": value}, {"auc": 0.02})
    performance = {
        "metric": "auc",
        "metrics": metrics,
        "errors": errors,
        "expected": None if value is None else 0.75,
        "words": words,
    }
    verdict = "abstain"
    if score is not None:
        verdict = "drift" if score > 5 else "none"
    drift = {"statistic": score, "critical": None if score is None else 5.0, "verdict": verdict, "words": "Said."}
    return {"window": window, "performance": performance, "drift": drift, "action": action}


def test_every_week_is_drawn_and_retraining_is_marked() -> None:
    drawn = picture([week("2013-04-01/2013-04-08", 0.7), week("2013-04-08/2013-04-15", 0.6, 7.0, "retrain")])
    assert (drawn.count("<circle"), drawn.count("<rect"), drawn.count(">retrain<")) == (2, 2, 1)
    assert "04-08" in drawn


def test_weeks_that_could_not_be_judged_are_said_to_be_so() -> None:
    drawn = picture([week("2013-04-01/2013-04-08", None, None)])
    assert "not judged" in drawn
    assert "<circle" not in drawn
    assert "nan" not in drawn


def test_what_a_week_says_is_escaped_and_no_week_is_no_picture() -> None:
    assert "<b>" not in picture([week("2013-04-01/2013-04-08", 0.7, words="<b>")])
    assert "<svg" not in picture([])
