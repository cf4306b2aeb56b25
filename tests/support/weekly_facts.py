"""What a week of monitoring found, for the policy that decides on it."""

from __future__ import annotations

from typing import Any

from include.core.spec import Retraining
from include.data.window import Window
from include.monitoring.retraining.policy import Champion, Decision, Facts, decide

POLICY = Retraining()  # drift, drop > .02, half as many new labels, 60 days; cooldown 14, 1000 labels, 2 a month, 2 in a row

WHOLE = {"passed": True, "issues": []}

BROKEN = {"passed": False, "issues": [{"severity": "fail", "words": "temp is missing in 80% of the rows."}]}

DRIFT = {"verdict": "drift", "words": "temp mean is 9.1 times its usual spread above the training windows"}

CALM = {"verdict": "none", "words": "No drift"}

FELL = {"drop": 0.05, "drop_error": 0.01, "words": "AUC .65, was .70"}

CHAMPION = Champion(1, "2013-04-01T00:00:00", 60_000)


def facts(as_of: str, **changes: Any) -> Facts:
    window = Window.ending(as_of, 7)
    known: dict[str, Any] = {"quality": WHOLE, "drift": CALM, "performance": {"drop": None}, "new_labels": 12_000}
    return Facts(
        **{"model": "m", "window": window.name, "as_of": window.end.isoformat(), "champion": CHAMPION, **known, **changes}
    )


def replay(weeks: list[Facts], policy: Retraining = POLICY) -> list[Decision]:
    history: list[Decision] = []
    for week in weeks:
        history.append(decide(history, week, policy))
    return history


def probe(gap: float, windows: int = 20, turned: int = 10) -> dict[str, Any]:
    """The champion, the first model, errs `gap` more than the fresh ones from window `turned` on; the last two have no labels."""
    error = [
        [None if t < s - 1 or t >= windows - 2 else 0.2 + gap * (s < turned <= t) for t in range(windows)] for s in range(windows)
    ]
    return {"error": error, "champion": 0}
