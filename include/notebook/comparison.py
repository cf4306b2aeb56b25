"""Two fits on the same held-out rows: by how much the one is better, and whether that may be chance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from include.core.errors import DataError
from include.core.ledger import Ledger
from include.core.request import Ref
from include.metrics.paired import Difference
from include.notebook.results import Evaluation, figures
from include.problems.stated import metric_in, units_in
from include.step_values.evaluation import EvaluateValue
from include.step_values.training import Metrics

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.025  # of each side: an interval of 95 %


@dataclass(frozen=True, repr=False)
class Comparison(Evaluation):
    """`one` against `other`, row by row. It is the evaluation of `one` with `other` as its champion."""

    one: str
    other: str
    metric: str

    @property
    def difference(self) -> Difference:
        """By how much `one` is worse, in units of the metric; negative where it is better."""
        return Difference.from_json(self.value.get("paired"))

    @property
    def interval(self) -> tuple[float, float]:
        """By how much `one` is better, in units of the metric: from and to, wrong in 5 cases of 100."""
        found = self.difference
        half = found.upper(LEVEL) - found.worse
        return -found.worse - half, -found.worse + half

    @property
    def verdict(self) -> str:
        """In a sentence."""
        low, high = self.interval
        better, unit = -self.difference.worse, metric_in(self.value, self.metric).unit
        said = f"{self.metric}: {self.one} is {abs(better):.4f}{unit} {'better' if better >= 0 else 'worse'} than {self.other}"
        sure = "that is no chance" if low > 0 or high < 0 else "that may be chance"
        return f"{said} (95 %: {low:+.4f} to {high:+.4f}, {self.difference.rows:,} {units_in(self.value)}): {sure}"

    @property
    def table(self) -> pd.DataFrame:
        """The metrics of both, a row each."""
        import pandas as pd

        return pd.DataFrame.from_dict({self.one: self.metrics, self.other: self._others}, orient="index")

    @property
    def _others(self) -> Metrics:
        return self.champion or {}

    def facts(self) -> Iterator[tuple[str, str]]:
        yield self.one, figures(self.metrics)
        yield self.other, figures(self._others)
        yield "difference", self.verdict
        yield from list(super(Evaluation, self).facts())

    def to_json(self) -> dict[str, Any]:
        low, high = self.interval
        both = {"one": {"name": self.one, "metrics": dict(self.metrics)}, "other": {"name": self.other, "metrics": self._others}}
        sides = {"metric": self.metric, "better": -self.difference.worse, "low": low, "high": high, "rows": self.difference.rows}
        return {**super(Evaluation, self).to_json(), **both, **sides, "verdict": self.verdict}


def refuse_incomparable(value: EvaluateValue) -> None:
    """Raises DataError where the two answer different questions: there is no difference to measure."""
    if "incomparable" in value:
        words = value["incomparable"].replace("the champion is", "one is").replace("this model", "the other")
        raise DataError(
            f"The two cannot be compared: {words}.",
            safe="nothing was decided.",
            hint="compare fits of one kind of problem; what each says of its own is in its evaluation.",
        )


def refuse_seen(ledger: Ledger, holdout: Ref, fits: dict[str, Ref]) -> None:
    """Raises DataError where one of the fits has learnt from rows that are held out: it would look better than it is.

    `fits`: names and training sets.
    """
    begins = _times(ledger, holdout, "holdout.parquet")[0]
    seen = {name: _times(ledger, ref, "train.parquet")[1] for name, ref in fits.items() if ref.digest != holdout.digest}
    wrong = {name: str(last) for name, last in seen.items() if last >= begins}
    if wrong:
        raise DataError(
            f"{' and '.join(wrong)} learnt from rows that are held out here (from {begins} on): it would look better than it is.",
            seen=wrong,
            safe="nothing was measured.",
            hint="compare on the holdout of the later one (`on`), or fit both as of the same moment.",
        )


def _times(ledger: Ledger, training_set: Ref, name: str) -> tuple[datetime, datetime]:
    """When the first and the last of its rows were asked."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with TemporaryDirectory() as scratch:
        path = ledger.fetch(ledger.resolve(training_set), name, Path(scratch))
        found = pc.min_max(pq.ParquetFile(path).read(columns=["event_timestamp"])["event_timestamp"]).as_py()
    return found["min"], found["max"]
