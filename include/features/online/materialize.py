"""Bringing a day's newest values online, then reading them back. Knows the online store by its port only."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from include.core import fault
from include.core.adapters import adapter
from include.core.errors import DataError
from include.core.housekeeping import housekeeping
from include.core.ledger import Ledger
from include.core.request import Result
from include.core.settings import Settings
from include.core.spec import PartitionOwner, View
from include.online_store.store import OnlineStore

SAMPLE = 200  # entities read as serving reads them and compared value by value; all are compared byte by byte


@dataclass(frozen=True)
class ViewReport:
    """`entities` of the day; `written` of them replaced what was online; `newer` were online newer already."""

    entities: int
    written: int
    newer: int
    compared: int
    without_key: int = 0  # rows left out: one of their keys is null


def materialize(
    spec: PartitionOwner, result: Result, ledger: Ledger, settings: Settings, store: OnlineStore | None = None
) -> dict[str, Any]:
    """The port of a feature store: bring the newest values of a `features` result online, and record that they are.

    `store` is the caller's own, with its login; else it is opened from the settings. Gives `day` and, by view, the counts of a
    ViewReport. Safe to repeat, and for many days at once in any order. Raises DataError if the values do not read back.
    """
    bring: Callable[[PartitionOwner, Result, Ledger, Settings, OnlineStore | None], dict[str, Any]] = adapter("materialize")
    return bring(spec, result, ledger, settings, store)


def materialize_days(
    spec: PartitionOwner, results: Sequence[Result], ledger: Ledger, settings: Settings, store: OnlineStore | None = None
) -> dict[str, dict[str, Any]]:
    """The same for several days at once, with the same end: only the newest value of a key is written.

    Gives, by view, the counts of a ViewReport for all of them.
    """
    bring: Callable[[PartitionOwner, Sequence[Result], Ledger, Settings, OnlineStore | None], dict[str, dict[str, Any]]]
    bring = adapter("materialize.days")
    return bring(spec, results, ledger, settings, store)


def materialize_view(store: OnlineStore, model: str, view: View, rows: pa.Table, created: datetime) -> ViewReport:
    """Write the rows, read all of them back. Values that were newer already, or became so, are left alone.

    What the store has lost between the two is written once more. Raises DataError if a row is not online then, or if
    a sample, read as serving reads it, has other values than offline.
    """
    started = time.monotonic()
    report = store.write_back(model, view, rows, created)
    fault.point("materialize.online")
    if report.lost and not _outlived(view, started):
        report = store.write_back(model, view, rows, created)
        if report.lost and not _outlived(view, started):
            what = f"{len(report.lost)} of {report.rows} entities are missing or older online"
            raise _mismatch(model, view, what, report.lost[:3])
    compared = _compare(store, model, view, rows, created, report.same)
    with housekeeping(f"expired rows of {model}/{view.name} online"):
        store.sweep(model, view)
    return ViewReport(report.rows, report.written, report.newer, compared, report.without_key)


def _outlived(view: View, started: float) -> bool:
    """Whether the first rows may have passed their time to live by now."""
    return view.ttl is not None and timedelta(seconds=time.monotonic() - started) >= view.ttl


def _compare(store: OnlineStore, model: str, view: View, rows: pa.Table, created: datetime, same: Sequence[int]) -> int:
    """Read a sample as serving does. Rows that were outlived or replaced since they were read back say nothing."""
    sample = rows.take(pa.array(same[:: max(1, len(same) // SAMPLE)], pa.int64()))
    keys = list(zip(*(map(_key, sample[name].to_pylist()) for name in view.keys), strict=True))
    offline = sample.select([feature.name for feature in view.features]).to_pylist()
    compared = 0
    for place, (key, row, seen) in enumerate(zip(keys, offline, store.read(model, view, keys), strict=True)):
        wanted = {name: None if _missing(value) else value for name, value in row.items()}
        if seen == wanted:
            compared += 1
        elif store.write_back(model, view, sample.slice(place, 1), created).same:  # still ours, byte by byte
            both = {"offline": wanted, "online": seen}
            raise _mismatch(model, view, f"{key} has other values online than offline", both)
    return compared


def _key(value: Any) -> Any:
    return int(value) if isinstance(value, float) else value


def _missing(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _mismatch(model: str, view: View, what: str, seen: object) -> DataError:
    return DataError(
        f"Materializing {model}/{view.name} did not read back: {what}.",
        seen=seen,
        safe="the offline partition; materializing again is harmless.",
        hint="clear the materialize task; if it stays, look at SLIPSTREAM_ONLINE_URL.",
    )
