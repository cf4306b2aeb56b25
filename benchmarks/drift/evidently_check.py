"""Evidently itself, on rows: that its default rule is what `peers` says it is, and what it costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from scipy.special import kolmogorov

from benchmarks.drift.peers import evidently_columns
from benchmarks.drift.world import Floats, World, law_of, rows
from include.monitoring.drift.divergences import ks
from include.monitoring.profile.binning import Axis
from include.monitoring.profile.profiles import profile

SIZES = (200, 1000, 1001, 5000)
COLUMNS = 10


def agreement() -> tuple[int, int]:
    """(columns on which the rule and Evidently agree, columns) over windows of all SIZES."""
    rng, agreed, total = np.random.default_rng(3), 0, 0
    for size in SIZES:
        for shift in (0.0, 0.12):
            before, now = (_table(rng, size, moved) for moved in (0.0, shift))
            said = _drifted(now, before)
            agreed += int((said == _ours(now, before)).sum())
            total += COLUMNS
    return agreed, total


def _table(rng: np.random.Generator, size: int, moved: float) -> pa.Table:
    return pa.table({f"c{n}": rows(law_of(n), rng, moved, size) for n in range(COLUMNS)})


def _cells(side: pa.Table, axis: Axis) -> Floats:
    counted = profile(side, [axis])[axis.name].cells
    assert counted is not None  # a numeric column has cells
    return counted.astype(float)


def _ours(now: pa.Table, before: pa.Table) -> Any:
    axes = World(1, COLUMNS, 0.0).axes
    a, b = (np.stack([_cells(side, axis) for axis in axes]) for side in (now, before))
    n, m = a.sum(axis=1), b.sum(axis=1)
    return evidently_columns(a, b, kolmogorov(np.sqrt(n * m / (n + m)) * ks(a, b)))


def _drifted(now: pa.Table, before: pa.Table) -> Any:
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(numerical_columns=now.column_names)
    sides = [Dataset.from_pandas(table.to_pandas(), data_definition=definition) for table in (now, before)]
    found = Report([DataDriftPreset()]).run(*sides).dict()["metrics"]
    named = {m["config"]["column"]: m for m in found if "column" in m.get("config", {})}
    return np.array([_alarm(named[name], before.num_rows) for name in now.column_names])


def _alarm(metric: Any, size: int) -> bool:
    value = float(metric["value"])
    return value < 0.05 if "p_value" in str(metric["config"].get("method", "")).lower() or size <= 1000 else value >= 0.1
