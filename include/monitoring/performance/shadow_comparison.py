"""A version that shadowed the champion, on the same rows: the difference has far less noise than two values beside each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from include.metrics.binary import title
from include.metrics.binary import value as measured
from include.metrics.paired import difference
from include.monitoring.performance.terms import Terms, arrays
from include.monitoring.stored import rounded
from include.step_values.monitoring import ComparisonValue

NOISE = 1.96  # standard errors: a difference this large is chance one time in twenty


@dataclass(frozen=True)
class Comparison:
    """`better`: how much better the challenger is than the champion, in the metric's own unit, with its standard error."""

    challenger: int
    rows: int
    metric: str
    champion_value: float
    challenger_value: float
    better: float
    error: float

    @property
    def summary(self) -> str:
        values = f"{self.challenger_value:.3f} against {self.champion_value:.3f}"
        who = f"Version {self.challenger} is {self._verdict} the champion on the same {self.rows:,} rows"
        return f"{who}: {title(self.metric)} {values} ({self.better:+.3f} ± {NOISE * self.error:.3f})."

    @property
    def _verdict(self) -> str:
        if abs(self.better) <= NOISE * self.error:
            return "as good as"
        return "better than" if self.better > 0 else "worse than"

    def to_json(self) -> ComparisonValue:
        return cast("ComparisonValue", {**rounded(asdict(self)), "words": self.summary})


def comparisons(shadow: pa.Table, champion: int | None, terms: Terms) -> Iterator[Comparison]:
    """Each version that shadowed the champion, on the labelled rows that both scored."""
    known = shadow.filter(pc.and_(pc.is_valid(shadow["label"]), pc.fill_null(pc.equal(shadow["answered_by"], champion), False)))
    for version in sorted(pc.unique(known["version"]).to_pylist()):
        rows = known.filter(pc.equal(known["version"], version))
        if version != champion and terms.enough(arrays(rows)[0]):
            yield compare(rows, int(version), terms)


def compare(rows: pa.Table, version: int, terms: Terms) -> Comparison:
    """The challenger's `score` and the champion's, `answered`, of the same labelled rows. Rows of a day share its weather."""
    label, score, day = arrays(rows)
    answered = rows["answered"].cast(pa.float64()).to_numpy()
    champion, challenger = (measured(terms.metric, label, each, terms.threshold) for each in (answered, score))
    found = difference(terms.metric, label, score, answered, day, terms.threshold)
    return Comparison(version, len(label), terms.metric, champion, challenger, -found.worse, found.error)
