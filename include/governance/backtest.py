"""The walk-forward backtest: what each version scored on days that nobody had seen when it was trained.

A version is a trained result: a backfill over a month that was trained before, by hand or on schedule, makes no second one. So
every version counts, whoever asked for it: each was trained as of its moment and scored on the newest days known then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from include.core.ledger import Ledger
from include.governance.numbers import NUMBERS
from include.versions.record import VersionRecord
from include.versions.shown import given_up


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
    given_up: str = ""  # in words, where the version was: its numbers are those that were kept of it


def folds(ledger: Ledger, records: Iterable[VersionRecord]) -> list[Fold]:
    """Every version that was trained (not derived from another one), in the order of their as-of moments.

    Of one that was given up the numbers that were kept; it is passed over where none could be.
    """
    made = [_fold(ledger, record) for record in records if record.entry.origin == "trained"]
    return sorted((each for each in made if each is not None), key=lambda fold: (fold.as_of, fold.version))


def _fold(ledger: Ledger, record: VersionRecord) -> Fold | None:
    lineage, gone = record.entry.lineage, given_up(record)
    data: Mapping[str, Any]
    measured: Mapping[str, Any]
    if gone is None:
        data, measured = ledger.resolve(lineage.training_set).value, ledger.resolve(lineage.evaluation).value
    elif len(gone.kept) == len(NUMBERS):
        data, measured = gone.kept["training_set"], gone.kept["evaluation"]
    else:
        return None
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
        gone.words if gone is not None else "",
    )
