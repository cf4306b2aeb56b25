from __future__ import annotations

from datetime import timedelta
from typing import Any

import pyarrow as pa

from include.monitoring.performance.comparison import Baseline, Performance, measure
from include.monitoring.performance.realised import assess, history
from include.monitoring.performance.terms import Terms
from tests.support.synthetic_predictions import MADE
from tests.unit.monitoring.performance.late_labels import HERE, WEEK, week

TERMS = Terms("auc", 200, 0.5)


def measured(table: pa.Table) -> Performance:
    return measure(table, Baseline({"auc": 0.82}, 1400), (), TERMS)


def before(delay: timedelta) -> pa.Table:
    return pa.concat_tables([week(MADE - n * WEEK, delay, HERE.end, n) for n in (2, 1)])


def test_labels_that_come_at_once_judge_the_window_itself() -> None:
    found = assess(HERE, week(MADE, timedelta(hours=1), HERE.end), before(timedelta(hours=1)), 1, measured, 0.9)
    assert found.landing.enough
    assert (found.performance.verdict, found.performance.window) == ("measured", "")
    assert [name for name, _, _ in found.earlier] == ["2013-03-26/2013-04-02", "2013-03-19/2013-03-26"]


def test_labels_a_week_late_judge_the_week_before_once_they_are_enough() -> None:
    late = timedelta(days=6)
    found = assess(HERE, week(MADE, late, HERE.end), before(late), 1, measured, 0.9)
    assert not found.landing.enough
    assert found.performance.window == "2013-03-26/2013-04-02"
    assert found.performance.summary.startswith("2013-03-26 to 2013-04-02, late labels landed: AUC on 1,050 landed rows 0.")
    assert set(found.by_window) == {"2013-03-26/2013-04-02", "2013-03-19/2013-03-26"}
    assert found.earlier_json()[0]["landing"]["enough"]


def test_a_window_is_reported_as_judged_late_only_once() -> None:
    late = timedelta(days=6)
    earlier = week(MADE - 2 * WEEK, late, HERE.end, 2)  # it was enough a week ago already; the week before has no rows
    found = assess(HERE, week(MADE, late, HERE.end), earlier, 1, measured, 0.9)
    assert (found.performance.verdict, found.performance.window) == ("abstain", "")
    assert "of the labels that will come have landed" in found.performance.summary
    assert list(found.by_window) == ["2013-03-19/2013-03-26"]


def test_nothing_before_and_no_label_is_no_error() -> None:
    open_ = week(MADE, timedelta(days=60), HERE.end)
    found = assess(HERE, open_, open_.slice(0, 0), 1, measured, 0.9)
    assert found.performance.summary == "0 labels of the champion's own answers have landed; 200 are needed."
    assert (found.landing.share, found.earlier) == (0.0, ())


def value(as_of: str, estimate: float, realised: float | None, champion: int = 1, **changes: Any) -> dict[str, Any]:
    measured_ = {"verdict": "abstain", "metric": "auc", "metrics": {}, "errors": {}, "window": ""}
    if realised is not None:
        measured_ |= {"verdict": "measured", "metrics": {"auc": realised}, "errors": {"auc": 0.01}}
    raw = {"value": estimate, "base": 0.75, "why": ""}
    base = {
        "as_of": as_of,
        "champion": {"version": champion},
        "performance": measured_,
        "estimate": {"raw": raw, "metric": "auc"},
        "earlier": [],
    }
    return {**base, **changes}


def test_history_holds_what_was_estimated_and_what_was_known_by_then() -> None:
    late = {"window": "b", "performance": value("", 0, 0.72)["performance"]}
    values = {
        "a": value("2013-04-08", 0.74, 0.73),
        "b": value("2013-04-15", 0.73, None),
        "c": value("2013-04-22", 0.71, None, earlier=[late]),
        "other": value("2013-04-22", 0.5, 0.5, champion=9),
        "later": value("2013-05-06", 0.5, 0.5),
        "unknown": value("2013-04-22", 0.0, 0.7)
        | {"estimate": {"raw": {"value": 0.0, "base": 0.0, "why": "too far"}, "metric": "auc"}},
    }
    found = history(values, 1, "2013-04-22", Terms("auc", 200, 0.5))
    assert [(each["window"], each["estimate"], each["realised"]) for each in found] == [
        ("a", 0.74, 0.73),
        ("b", 0.73, 0.72),
        ("c", 0.71, None),
    ]
    assert history({}, 1, "2013-04-22", Terms("auc", 200, 0.5)) == []


def test_another_metric_or_another_threshold_makes_another_record() -> None:
    known = value("2013-04-08", 0.74, 0.73)
    assert history({"a": known}, 1, "2013-04-22", Terms("log_loss", 200, 0.5)) == []
    assert len(history({"a": known}, 1, "2013-04-22", Terms("auc", 200, 0.3))) == 1  # the AUC knows no threshold
    performance = known["performance"] | {"metric": "accuracy", "metrics": {"accuracy": 0.73}, "errors": {"accuracy": 0.01}}
    decided = known | {"performance": performance, "estimate": known["estimate"] | {"metric": "accuracy"}, "threshold": 0.3}
    assert len(history({"a": decided}, 1, "2013-04-22", Terms("accuracy", 200, 0.3))) == 1
    assert history({"a": decided}, 1, "2013-04-22", Terms("accuracy", 200, 0.5)) == []
