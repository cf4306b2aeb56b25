"""What monitoring saw of a version since it served, and what the policy made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from include.core.control import ControlStore
from include.core.errors import DataError
from include.core.ledger import Ledger
from include.core.request import Json, Result
from include.governance.invalidation import find
from include.monitoring.retraining.retrainings import newest
from include.versions.record import VersionRecord

DECISIONS = 100_000
SHOWN = ("verdict", "words")


def monitoring(ledger: Ledger, control: ControlStore, model: str, record: VersionRecord) -> dict[str, Json]:
    """The windows in which it answered, oldest first; and the decisions about them."""
    latest: dict[str, Result] = {}
    for result in _monitored(ledger, model):
        latest[str(result.value["window"])] = result  # one computed again replaces it
    mine = {name: result for name, result in latest.items() if _answered(result.value, record.version)}
    windows = [_window(name, mine[name]) for name in sorted(mine)]
    rows = [(str(row["key"]).rpartition(":")[2], row) for row in reversed(newest(control, model, DECISIONS))]
    decided = [
        {"window": window, "at": row["at"], "action": row["action"], "words": _words(row)}
        for window, row in rows
        if window in mine
    ]
    return {"windows": windows, "decisions": decided}


def _monitored(ledger: Ledger, model: str) -> list[Result]:
    try:
        held = find(ledger, model, "monitor")
    except DataError:
        return []
    results = [ledger.result(each.key) for each in sorted(held, key=lambda each: each.committed_at)]
    return [result for result in results if result is not None]


def _answered(value: Mapping[str, Any], version: int) -> bool:
    """Whether any prediction of the window was the version's."""
    return bool((value.get("collected") or {}).get("versions", {}).get(str(version)))


def _window(name: str, result: Result) -> dict[str, Json]:
    value = result.value
    collected, performance = value["collected"], value["performance"]
    extra = {key: value[key] for key in ("fairness",) if key in value}
    return {
        "window": name,
        "rows": collected["rows"],
        "labelled": collected["labelled"],
        "versions": collected["versions"],
        "quality": {"passed": value["quality"]["passed"], "issues": value["quality"]["issues"]},
        "drift": {key: value["drift"][key] for key in (*SHOWN, "statistic", "critical")},
        "performance": {key: performance[key] for key in (*SHOWN, "metric", "metrics", "errors", "drop")},
        "key": result.key,
        "digest": result.digest,
        **extra,
    }


def _words(row: Mapping[str, Any]) -> str:
    return str((row.get("evidence") or {}).get("words", ""))
