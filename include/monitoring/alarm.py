"""The newest window's verdicts where the metrics page finds them: one document of the control store a window."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from include.core.control import ControlStore
from include.core.documents import DocumentKind
from include.core.request import Json, Result
from include.core.spec import ModelSpec
from include.core.time import instant, now, timestamp
from include.core.versioned import Format
from include.monitoring.retraining.policy import NOISE
from include.monitoring.retraining.retrainings import count_since
from include.step_values.monitoring import MonitorValue

NEWEST = 20  # documents looked through for the newest window: one that was run again late is not newer
MONTH = timedelta(days=30)
VERDICTS = DocumentKind("monitored", Format("the verdicts of a window"))


def record(control: ControlStore, spec: ModelSpec, monitored: Result) -> None:
    """Keep what a `monitor` result found, once a result."""
    value = monitored.read(MonitorValue)
    collected = value["collected"]
    body: dict[str, Json] = {
        "as_of": value["as_of"],
        "alarms": alarms(value, spec.retraining.on_performance_drop),
        "labelled": collected["labelled"] / collected["rows"] if collected["rows"] else None,
        "at": timestamp(),
    }
    VERDICTS.save(control, f"monitored/{monitored.key}/{monitored.generation}", spec.name, body)


def alarms(value: MonitorValue, tolerated: float | None) -> dict[str, bool]:
    """Kind to whether it is an alarm; a kind that abstained is left out. `tolerated`: the drop that is none."""
    found = {name: kind["verdict"] == "drift" for name, kind in value["kinds"].items() if kind["verdict"] != "abstain"}
    drop, error = value["performance"].get("drop"), value["performance"].get("drop_error")
    if drop is not None and error is not None and tolerated is not None:
        found["performance"] = drop > tolerated and drop > NOISE * error
    if "fairness" in value and value["fairness"]["limits"]:
        found["fairness"] = bool(value["fairness"]["alarm"])
    return found


def newest(control: ControlStore, model: str) -> dict[str, Any] | None:
    """What was recorded of the window that ends last; None before the first."""
    found = [dict(document.body) for document in VERDICTS.newest(control, model, NEWEST)]
    return max(found, key=lambda body: (body["as_of"], body["at"])) if found else None


def samples(control: ControlStore, spec: ModelSpec) -> Iterator[tuple[str, tuple[str, ...], float]]:
    """For the metrics page. Nothing of a window before the first was judged."""
    model = (spec.name,)
    yield "slipstream_retrains", model, float(count_since(control, spec.name, now() - MONTH))
    yield "slipstream_retrain_budget", model, float(spec.retraining.budget_per_month)
    found = newest(control, spec.name)
    if found is None:
        return
    yield "slipstream_monitored_seconds", model, instant(found["at"]).timestamp()
    yield "slipstream_monitored_window_seconds", model, timedelta(days=spec.monitoring.window_days).total_seconds()
    if found["labelled"] is not None:
        yield "slipstream_labelled_share", model, found["labelled"]
    for kind, alarm in found["alarms"].items():
        yield "slipstream_alarm", (spec.name, kind), float(alarm)
