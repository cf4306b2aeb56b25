"""The walk-forward backtest: what each version scored on days that nobody had seen when it was trained.

A version is a trained result: a backfill over a month that was trained before, by hand or on schedule, makes no second one. So
every version counts, whoever asked for it: each was trained as of its moment and scored on the newest days known then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from include.core.ledger import Ledger
from include.versions.record import VersionRecord


@dataclass(frozen=True)
class Fold:
    """One version: the moment it pretended to be at, its rows, and the metrics on its holdout by contender."""

    version: int
    as_of: str
    rows: int  # trained on
    holdout_rows: int
    last: str  # newest row of the holdout
    ours: Mapping[str, float]
    baselines: Mapping[str, Mapping[str, float]]  # boosted, historical_rate
    made_by: str = "backfill"  # the type of the run that trained it first


def folds(ledger: Ledger, records: Iterable[VersionRecord]) -> list[Fold]:
    """Every version that was trained (not derived from another one), in the order of their as-of moments."""
    made = [_fold(ledger, record) for record in records if record.entry.origin == "trained"]
    return sorted(made, key=lambda fold: (fold.as_of, fold.version))


def _fold(ledger: Ledger, record: VersionRecord) -> Fold:
    lineage = record.entry.lineage
    data: Mapping[str, Any] = ledger.resolve(lineage.training_set).value
    measured: Mapping[str, Any] = ledger.resolve(lineage.evaluation).value
    held = int(data["holdout_rows"])
    return Fold(
        record.version,
        record.entry.as_of,
        int(data["rows"]) - held,
        held,
        str(data["last"]),
        measured["metrics"],
        measured["baselines"],
        record.entry.run_type,
    )
