"""What a monitored week showed and what came of it, in one sentence for somebody who knows flights and no statistics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from include.metrics.binary import title
from include.monitoring.formatting import listed
from include.step_values.monitoring import ColumnDriftValue, DriftValue, MonitorValue, PerformanceValue

CALLED = {
    "temp": "temperature", "dewp": "dew point", "humid": "humidity", "wind_gust": "gusts", "precip": "precipitation",
    "visib": "visibility", "dest_code": "destination", "origin_code": "airport", "carrier_code": "airline",
    "last_arr_delay": "the plane's last delay", "plane_seats": "seats", "plane_year": "the plane's year of make",
}  # fmt: skip
SHOWN = 2  # columns: more of them say less


def finding(value: MonitorValue, decision: Mapping[str, Any], things: str = "flights") -> str:
    """`precipitation is 3.1 times its usual spread; AUC on 6,412 landed flights 0.71, was 0.74; retraining`.

    `value`: of `monitor`; `decision`: its action, reasons and closed guards.
    """
    quality = [issue["words"].rstrip(".") for issue in value["quality"]["issues"] if issue["severity"] == "fail"]
    seen = value["drift"]["verdict"] == "drift" or _fell(value["performance"])
    return "; ".join([*quality, _drift(value["drift"]), _performance(value, things), _action(decision, seen)])


def _drift(drift: DriftValue) -> str:
    if drift["verdict"] == "abstain":
        return "drift not judged"
    moved = [column for column in drift["columns"] if column["drifted"]]
    if not moved:
        farthest = drift["columns"][0]
        return (
            f"no drift ({_readable(farthest['name'])} is farthest: {_far(farthest)}, {drift['critical']:.1f} would be an alarm)"
        )
    parts = [f"{_readable(column['name'])} is {_far(column)}" for column in moved[:SHOWN]]
    return listed(parts) + (f" and {len(moved) - SHOWN} more have moved" if len(moved) > SHOWN else "")


def _far(column: ColumnDriftValue) -> str:
    return f"{column['score']:.1f} times its usual spread"


def _performance(value: MonitorValue, things: str) -> str:
    found = value["performance"]
    if found["verdict"] == "abstain":
        before = value["estimate"]
        guess = f", about {before['value']:.2f} expected" if before["verdict"] == "estimated" else ""
        return f"{title(found['metric'])} not judged yet{guess}"
    was = "" if found["expected"] is None else f", was {found['expected']:.2f}"
    return f"{title(found['metric'])} on {found['rows']:,} landed {things} {found['metrics'][found['metric']]:.2f}{was}"


def _fell(performance: PerformanceValue) -> bool:
    """Beyond what chance explains: such a fall has been reported, so `nothing to do` would not do."""
    drop, error = performance["drop"], performance["drop_error"]
    return drop is not None and error is not None and drop > 2 * error


def _action(decision: Mapping[str, Any], seen: bool) -> str:
    """`retraining`, with what else spoke for it; or why not. `seen`: something is reported that may speak for it later."""
    if decision["action"] == "retrain":
        further = [each for each in decision["reasons"] if not each.startswith(("drift in", "performance fell"))]
        return f"retraining ({further[0]})" if further else "retraining"
    if decision["reasons"]:
        return f"not retraining yet: {decision['blocked_by'][0].partition(':')[0]}"
    return "waiting whether it lasts" if seen else "nothing to do"


def _readable(name: str) -> str:
    return CALLED.get(name, name.replace("_", " "))
