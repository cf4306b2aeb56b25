"""The step `monitor`, run on a table of predictions of a small binary model."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from include.core.ledger import Ledger
from include.core.request import Ref, Request, Result
from include.core.settings import Settings
from include.core.task import perform
from include.monitoring.performance.estimate_calibration import backtest
from include.monitoring.performance.terms import Terms
from include.monitoring.profile.binning import axes
from include.monitoring.profile.profile_file import write_profiles
from include.monitoring.profile.profiles import profile_parts
from tests.support.synthetic_predictions import (
    INPUTS,
    MADE,
    START,
    beside,
    collected,
    commit,
    predictions,
    rows,
    spec,
    training,
)

FACTS: dict[str, Any] = {"clocks": [], "rows": 9100, "importance": {}, "center": 0.3}


class Monitor:
    """Runs the step on a table of predictions."""

    def __init__(self, ledger: Ledger, settings: Settings, scratch: Path) -> None:
        self.ledger, self.settings, self.scratch = ledger, settings, scratch
        table = training()
        value = {"rows": table.num_rows, "holdout_rows": 2800, "as_of": MADE.isoformat()}
        files = {"train.parquet": table.slice(0, 6300), "holdout.parquet": table.slice(6300)}
        self.training_set = commit(ledger, "training_set", value, files, scratch)

    def reference(self) -> Ref:
        """What `reference` would have made, had a model been trained: its holdout with scores, and their record."""
        table = predictions(rows(START, 28, 200, 8))
        found = axes(INPUTS, table)
        path = write_profiles(self.scratch / "made.parquet", found, profile_parts(table, found, "event_time"), FACTS)
        held = backtest(table, found, Terms("auc", 200, 0.5), timedelta(days=7))
        value = {"rows": 9100, "holdout_rows": 2800, "as_of": MADE.isoformat(), "backtest": [each.to_json() for each in held]}
        files = {"reference.parquet": path.read_bytes(), "sample.parquet": table.slice(0, 100), "holdout.parquet": table}
        return commit(self.ledger, "reference", value, files, self.scratch)

    def __call__(
        self, table: pa.Table, params: dict[str, Any] | None = None, reference: Ref | None = None, **counts: Any
    ) -> Result:
        collect = commit(self.ledger, "collect", collected(table, **counts), beside(table), self.scratch)
        return self.on(collect, params, reference)

    def on(self, collect: Ref, params: dict[str, Any] | None = None, reference: Ref | None = None) -> Result:
        """What is found in a collected window."""
        model = spec()
        base = {
            "monitoring": model.monitoring.model_dump(mode="json"),
            "features": model.features.model_dump(mode="json"),
            "label": "late",
            "metric": "auc",
            "threshold": 0.5,
            "champion": 1,
            "holdout_metrics": {"auc": 0.81},
            "slices": ["carrier_code"],
        }
        inputs = {"collect": collect, "training_set": self.training_set} | ({"reference": reference} if reference else {})
        request = Request("monitor", "include.monitoring.monitor_step:run", model.name, {**base, **(params or {})}, inputs)
        return perform(request, self.ledger.open_attempt(request.key, 0), self.ledger, self.settings)

    def path(self, result: Result, name: str) -> Path:
        return Path(self.ledger.storage.uri(result.files[name].path))

    def read(self, result: Result, name: str) -> str:
        return self.path(result, name).read_text()


def week(seed: int = 5) -> pa.Table:
    return predictions(rows(MADE, 7, 150, seed))
