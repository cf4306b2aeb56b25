"""The newest window's verdicts where the metrics page finds them: one row of the control store a window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from include.core import control as store
from include.core.control import ControlStore
from include.core.request import Json, Result
from include.core.spec import ModelSpec
from include.monitoring.retraining.policy import NOISE
from include.monitoring.retraining.retrainings import count_since

NEWEST = 20  # rows looked through for the newest window: one that was run again late is not newer
MONTH = timedelta(days=30)


def resource(model: str) -> str:
    return f"monitored/{model}"


def record(control: ControlStore, spec: ModelSpec, monitored: Result) -> None:
    """Keep what a `monitor` result found, once a result."""
    value = monitored.value
    collected = value["collected"]
    body: dict[str, Json] = {
        "as_of": value["as_of"],
        "alarms": alarms(value, spec.retraining.on_performance_drop),
        "labelled": collected["labelled"] / collected["rows"] if collected["rows"] else None,
        "at": store.now(),
    }
    control.once(f"monitored/{monitored.key}/{monitored.generation}", resource(spec.name), 0, lambda _: body)


def alarms(value: Mapping[str, Any], tolerated: float | None) -> dict[str, Json]:
    """Kind to whether it is an alarm; a kind that abstained is left out. `tolerated`: the drop that is none."""
    found = {name: kind["verdict"] == "drift" for name, kind in value["kinds"].items() if kind["verdict"] != "abstain"}
    drop, error = value["performance"].get("drop"), value["performance"].get("drop_error")
    if drop is not None and error is not None and tolerated is not None:
        found["performance"] = drop > tolerated and drop > NOISE * error
    return found


def newest(control: ControlStore, model: str) -> dict[str, Any] | None:
    """What was recorded of the window that ends last; None before the first."""
    table = store.effects.c
    query = sa.select(table.result).where(table.resource == resource(model)).order_by(table.at.desc()).limit(NEWEST)
    with control.transaction() as connection:
        found = [row.result for row in connection.execute(query)]
    return max(found, key=lambda row: (row["as_of"], row["at"])) if found else None


def samples(control: ControlStore, spec: ModelSpec) -> Iterator[tuple[str, tuple[str, ...], float]]:
    """For the metrics page. Nothing of a window before the first was judged."""
    model = (spec.name,)
    yield "slipstream_retrains", model, float(count_since(control, spec.name, datetime.now(UTC) - MONTH))
    yield "slipstream_retrain_budget", model, float(spec.retraining.budget_per_month)
    found = newest(control, spec.name)
    if found is None:
        return
    yield "slipstream_monitored_seconds", model, datetime.fromisoformat(found["at"]).timestamp()
    yield "slipstream_monitored_window_seconds", model, timedelta(days=spec.monitoring.window_days).total_seconds()
    if found["labelled"] is not None:
        yield "slipstream_labelled_share", model, found["labelled"]
    for kind, alarm in found["alarms"].items():
        yield "slipstream_alarm", (spec.name, kind), float(alarm)
