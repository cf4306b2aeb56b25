"""Monitored windows as people look at them: what each found, a small document of the control store.

The ledger has them whole, and knows no model by its index: a page of a year of windows would read every request of every model.
Windows that were judged before there were these documents are read from the ledger once a process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from include.core.control import ControlStore
from include.core.documents import DocumentKind
from include.core.ledger import Ledger
from include.core.request import Json, Result
from include.core.spec import ModelSpec
from include.core.versioned import Format
from include.monitoring.alarm import alarms
from include.step_values.monitoring import MonitorValue

WINDOWS = DocumentKind("window", Format("a monitored window"))
REPORT = "report.html"
SHOWN = 400  # of a model, the newest: a year of days


def keep(control: ControlStore, spec: ModelSpec, monitored: Result) -> None:
    """Once a result. The key sorts by window, and of one that was computed again the newest is the last."""
    value = monitored.read(MonitorValue)
    key = f"window/{spec.name}/{value['as_of']}/{monitored.committed_at}/{monitored.key[-12:]}/{monitored.generation}"
    WINDOWS.save(control, key, spec.name, found(monitored, spec.retraining.on_performance_drop))


def found(monitored: Result, tolerated: float | None = None) -> dict[str, Json]:
    """What a window showed. `report`: the path of its page in the storage root; empty where it has none."""
    value = monitored.read(MonitorValue)
    performance, drift = value["performance"], value["drift"]
    file = monitored.files.get(REPORT)
    return {
        "window": value["window"],
        "as_of": value["as_of"],
        "metric": performance["metric"],
        "value": performance["metrics"].get(performance["metric"]),
        "error": performance["errors"].get(performance["metric"]),
        "expected": performance["expected"],
        "performance": performance["words"],
        "drift": drift["statistic"],
        "critical": drift["critical"],
        "drift_verdict": drift["verdict"],
        "drift_words": drift["words"],
        "rows": value["collected"]["rows"],
        "labelled": value["collected"]["labelled"],
        "alarms": dict(alarms(value, tolerated)),
        "report": file.path if file else "",
    }


def windows(control: ControlStore, ledger: Ledger, model: str, named: Iterable[str] = ()) -> list[dict[str, Any]]:
    """A model's windows, oldest first; of each the newest result. `named`: windows that must be there: those decided on."""
    with control.transaction() as connection:
        held = WINDOWS.last_in(connection, model, 2 * SHOWN)
    known: dict[str, Mapping[str, Any]] = {}
    for document in held:
        known.setdefault(document.body["window"], document.body)
    missing = frozenset(named) - known.keys()
    before = _from_ledger(ledger, model) if missing or not known else {}
    told = {window: body for window, body in before.items() if not known or window in missing}
    return [dict(body) for _, body in sorted({**told, **known}.items())][-SHOWN:]


def newest_of_all(control: ControlStore) -> dict[str, Mapping[str, Any]]:
    """By model: its newest window. What was read before is read again only where a window came."""
    with control.transaction() as connection:
        return {model: _newest(connection, model, state) for model, state in WINDOWS.counts_in(connection).items()}


_NEWEST: dict[tuple[str, str], tuple[tuple[int, str], Mapping[str, Any]]] = {}


def _newest(connection: sa.Connection, model: str, state: tuple[int, str]) -> Mapping[str, Any]:
    place = (str(connection.engine.url), model)
    held = _NEWEST.get(place)
    if held is None or held[0] != state:
        held = _NEWEST[place] = (state, WINDOWS.last_in(connection, model, 1)[0].body)
    return held[1]


@lru_cache(maxsize=1024)
def _from_ledger(ledger: Ledger, model: str) -> Mapping[str, Mapping[str, Any]]:
    """Windows of an earlier release. One that is computed again has its document, and is looked for here no more."""
    results = (ledger.result(key) for key in ledger.requested("monitor") if _model(ledger, key) == model)
    latest = sorted((result for result in results if result is not None), key=lambda each: each.committed_at)
    return {str(result.value["window"]): found(result) for result in latest}


@lru_cache(maxsize=100_000)
def _model(ledger: Ledger, key: str) -> str:
    """Whose a request is: it never changes."""
    return ledger.request(key).model
