"""A version that shadowed the champion, on the same rows: the difference has far less noise than two values beside each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from include.monitoring.performance.known_rows import said
from include.monitoring.performance.terms import Terms
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
    title: str = ""

    @property
    def summary(self) -> str:
        values = f"{self.challenger_value:.3f} against {self.champion_value:.3f}"
        who = f"Version {self.challenger} is {self._verdict} the champion on the same {self.rows:,} rows"
        return f"{who}: {self.title or self.metric} {values} ({self.better:+.3f} ± {NOISE * self.error:.3f})."

    @property
    def _verdict(self) -> str:
        if abs(self.better) <= NOISE * self.error:
            return "as good as"
        return "better than" if self.better > 0 else "worse than"

    def to_json(self) -> ComparisonValue:
        return cast("ComparisonValue", {**rounded(_told(self)), "words": self.summary})


def comparisons(shadow: pa.Table, champion: int | None, terms: Terms) -> Iterator[Comparison]:
    """Each version that shadowed the champion, on the labelled rows that both scored."""
    known = shadow.filter(pc.and_(pc.is_valid(shadow["label"]), pc.fill_null(pc.equal(shadow["answered_by"], champion), False)))
    for version in sorted(pc.unique(known["version"]).to_pylist()):
        rows = known.filter(pc.equal(known["version"], version))
        if version != champion and terms.enough(terms.known(rows).truth):
            yield compare(rows, int(version), terms)


def compare(rows: pa.Table, version: int, terms: Terms) -> Comparison:
    """The challenger's `score` and the champion's, `answered`, of the same labelled rows. Rows of a day share its weather."""
    known, problem = terms.known(rows), terms.problem
    answered = said(rows, problem, "answered", "answered_outputs")
    champion, challenger = (terms.definition.measured(known.truth, each) for each in (answered, known.outputs))
    found = problem.difference(terms.metric, known.truth, known.outputs, answered, known.day)
    counts = (version, len(known.truth), terms.metric)
    return Comparison(*counts, champion, challenger, -found.worse, found.error, terms.definition.title)


def _told(found: Comparison) -> dict[str, object]:
    body = asdict(found)
    del body["title"]  # of the metric: it is told in words
    return body
