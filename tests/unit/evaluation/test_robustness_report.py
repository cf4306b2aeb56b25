from __future__ import annotations

from include.evaluation.robustness_report import section
from include.problems.of import PLAIN
from include.step_values.robustness import RobustnessValue, TrialValue


def trial(number: int, fall: float | None) -> TrialValue:
    metric = None if fall is None else 0.8 - fall
    return {
        "what": "missing",
        "on": f"x{number}",
        "metric": metric,
        "fall": fall,
        "low": fall,
        "high": fall,
        "words": f"<x{number}>",
    }


def test_the_worst_come_first_escaped_and_the_rest_is_counted() -> None:
    trials = [trial(0, None), *(trial(number, 0.1 - number / 1000) for number in range(1, 45))]
    value: RobustnessValue = {
        "words": "It falls & falls.",
        "metric": "auc",
        "rows": 5000,
        "seed": 7,
        "base": 0.8,
        "limit": None,
        "trials": trials,
        "missed": [],
    }
    page = section(value, PLAIN)
    assert "It falls &amp; falls." in page
    assert "&lt;x1&gt;" in page
    assert "<x1>" not in page
    assert "5 more trials cost less" in page
    assert page.index("x1&gt;") < page.index("x2&gt;")
