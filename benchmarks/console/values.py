"""What the steps of the benchmark's models say: values of the size and the shape that the real ones have."""

from __future__ import annotations

import io
import math
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = tuple(f"f_{view}_{number}" for view in range(3) for number in range(8))
SLICES = ("carrier", "origin")


def verdict(day: str, number: int) -> dict[str, Any]:
    """Of a day with two sources. Each 17th has rows in quarantine."""
    held = 40 + number % 9 if number % 17 == 0 else 0
    return {"passed": True, "day": day, "sources": {"things": _source(4_000, held), "weather": _source(72, 0)}}


def _source(rows: int, held: int) -> dict[str, Any]:
    checks: list[dict[str, Any]] = [
        {
            "expectation": f"ExpectColumnValuesToBeBetween(column='{column}', min_value=1)",
            "column": column, "on_failure": "quarantine",
            "success": place > 0 or not held, "judged": rows, "unexpected": 0 if place else held,
            "percent": 0.0 if place else 100 * held / rows, "sample": [], "observed": None, "broken": "",
        }
        for place, column in enumerate(COLUMNS[:8])
    ]  # fmt: skip
    return {"passed": True, "rows": rows, "quarantined": held, "checks": checks, "reasons": []}


@cache
def set_aside(rows: int) -> bytes:
    """Rows in quarantine: some of them would pass by now."""
    lengths = [0 if number % 4 else 12 for number in range(rows)]
    why = ["ExpectColumnValuesToBeBetween(column='length', min_value=1)"] * rows
    held = io.BytesIO()
    pq.write_table(pa.table({"id": [f"T{number}" for number in range(rows)], "length": lengths, "reason": why}), held)
    return held.getvalue()


def trained_on(first: str, last: str, days: int) -> dict[str, Any]:
    return {
        "rows": 3_000 * days, "positives": 700 * days, "holdout_rows": 40_000, "holdout_positives": 9_000, "first": first,
        "last": last, "as_of": f"{last}T00:00:00", "unlabelled": 120, "repeated": 0, "labels": 3_100 * days,
    }  # fmt: skip


def evaluation(number: int) -> dict[str, Any]:
    auc = 0.7 + 0.002 * number
    slices = [
        {"slice": name, "value": f"{name}-{each}", "rows": 900 + each, "rate": 0.22, "auc": auc - 0.01, "log_loss": 0.5}
        for name in SLICES for each in range(16)
    ]  # fmt: skip
    return {
        "rows": 40_000, "threshold": 0.5, "metrics": {"auc": auc, "log_loss": 0.49, "ece": 0.012},
        "champion": {"auc": auc - 0.004},
        "baselines": {"carrier's rate": {"auc": 0.61, "log_loss": 0.53}, "boosting": {"auc": 0.7, "log_loss": 0.5}},
        "slices": slices, "calibration": [{"rows": 4_000, "score": n / 10, "rate": n / 10} for n in range(10)],
        "latency_ms": {"p50": 0.02, "p99": 0.05, "mean": 0.024}, "bytes": 90_000, "gate": {"passed": True, "reasons": []},
    }  # fmt: skip


def monitored(window: str, as_of: str, version: int, number: int, model: int = 0) -> dict[str, Any]:
    """Of a week: a season in the metric, and a drift in each ninth; each fifth model is worse at the end of a quarter."""
    fallen = 0.04 if model % 5 == 3 and number % 13 >= 11 else 0.0
    auc, far = 0.71 + 0.01 * math.sin(number / 4 + model) - fallen, 1.4 if (number + 2 * model) % 9 == 0 else 0.6
    columns = [
        {"name": name, "drifted": place == 0 and far > 1, "words": f"{name} is as it was", "score": far / (place + 1),
         "importance": 0.1}
        for place, name in enumerate(COLUMNS)
    ]  # fmt: skip
    found = "drift" if far > 1 else "none"
    slices = [
        {"column": "carrier", "value": f"c{n}", "rows": 400, "positive_rate": 0.2, "auc": auc, "error": 0.02} for n in range(16)
    ]
    performance = {
        "verdict": "measured", "words": f"AUC {auc:.3f}, as on the holdout", "metric": "auc", "rows": 20_000,
        "positive_rate": 0.22,
        "metrics": {"auc": auc, "log_loss": 0.5}, "errors": {"auc": 0.004}, "expected": 0.715, "drop": 0.715 - auc,
        "drop_error": 0.005, "slices": slices, "calibration": {"slope": 1.0, "slope_error": 0.05}, "window": window,
    }  # fmt: skip
    landing = {"rows": 21_000, "landed": 20_000, "coming": 20_900.0, "share": 0.957, "enough": True, "enough_by": as_of}
    kind: dict[str, Any] = {"verdict": found, "words": "the inputs moved" if found == "drift" else "as ever", "columns": []}
    return {
        "window": window, "as_of": as_of, "threshold": 0.5, "words": ["as ever"],
        "champion": {"version": version, "data_until": as_of, "rows": 270_000},
        "collected": {
            "window": window, "as_of": as_of, "rows": 21_000, "duplicates": 0, "contested": 0, "degraded": 3, "labelled": 20_000,
            "labels_corrected": 0, "labels_contradicting": 0, "labels_before_request": 0, "labels_of_unknown_requests": 0,
            "versions": {str(version): 21_000}, "absent_columns": [], "unexpected_columns": [],
        },
        "quality": {"passed": True, "rows": 21_000, "issues": []},
        "drift": {
            "verdict": found, "words": kind["words"], "statistic": far, "critical": 1.0, "p_value": 0.2, "past_windows": 26,
            "columns": columns, "not_judged": {},
        },
        "kinds": dict.fromkeys(("covariate", "prediction", "label", "concept"), kind),
        "performance": performance, "landing": landing,
        "earlier": [{"window": window, "landing": landing, "performance": performance}], "comparisons": [],
        "estimate": {"verdict": "abstain", "words": "labels are here", "metric": "auc", "landed": 20_000, "value": None,
                     "error": None,                     "raw": {}},
    }  # fmt: skip


def decision(found: dict[str, Any], number: int) -> dict[str, Any]:
    """The row's `evidence`."""
    retrain = number % 13 == 12
    words = "Retraining: the inputs moved." if retrain else "Holding: nothing speaks for training."
    signals = {"drift": found["drift"]["verdict"] == "drift", "performance": False, "estimate": False, "quality": True}
    return {
        "blocked_by": [], "words": words,
        "evidence": {"signals": signals, "window": found["window"], "rows": 21_000, "new_labels": 21_000, "money": {}},
    }  # fmt: skip
