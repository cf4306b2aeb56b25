"""How a model treats groups of people, on some rows: figures by group, gaps between groups, and the limits of the spec."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from include.core.spec import Attribute, Fairness, Limit
from include.core.spec.fairness import FLOOR, is_ratio
from include.fairness import verdict
from include.fairness.decisions import decisions
from include.fairness.decisions import words as selected_words
from include.fairness.estimate import Clusters, Estimate
from include.fairness.gap import Gap, farthest_off, widened, widest_difference, widest_ratio
from include.fairness.groups import TENS, Group, Grouping, grouped, people_of
from include.fairness.rates import Rate, estimates, judged, rates
from include.metrics.arrays import Bools
from include.metrics.calibration import calibration_table, gaps
from include.problems.problem import Problem
from include.problems.truth import Outputs, Truth
from include.problems.weighted import influence
from include.step_values.fairness import AttributeValue, FairnessValue, GroupValue, LimitValue, MeasureValue, RateValue

DIGITS, ROUNDED = 6, 3
CALIBRATION = "calibration_bias"  # of one group: how far it lies from 0


@dataclass(frozen=True)
class Rows:
    """Rows that a model has answered. `table`: the attributes, and whose row it is. `theirs`: the champion's answers to them."""

    table: pa.Table
    truth: Truth
    outputs: Outputs
    theirs: Outputs | None = None


def assess(rows: Rows, spec: Fairness, problem: Problem, keys: Sequence[str], levels: float = 1.0) -> FairnessValue:
    """Raises DataError where a column is missing. Rows without an output are left out, and counted.

    `keys`: the model's, which say whose row it is where the spec does not. `levels`: the part of `alpha` that these rows have,
    where they are looked at again and again.
    """
    scored: Bools = np.asarray(np.isfinite(rows.outputs.reshape(len(rows.outputs), -1)).all(axis=1))
    rows = _of(rows, scored)
    person = spec.person if spec.person is not None else problem.value.unit_keys(tuple(keys))
    people = people_of(rows.table, person)
    clusters = Clusters(rows.truth.day, people)
    claims = sum((each.limit is not None) + (each.than_champion is not None) for a in spec.columns for each in spec.limits_of(a))
    attributes: list[AttributeValue] = []
    limits: list[LimitValue] = []
    measured = rates(problem, decisions(problem, spec, rows.truth, rows.outputs), rows.truth, rows.outputs)
    known = None
    if rows.theirs is not None:
        known = rates(problem, decisions(problem, spec, rows.truth, rows.theirs), rows.truth, rows.theirs)
    for attribute in spec.attributes:
        grouping = grouped(rows.table, attribute, people, spec.minimum_group)
        each = _Compared.of(grouping, rows, measured, known, clusters, spec.alpha * levels, max(claims, 1))
        attributes.append(each.value(rows, problem, spec))
        limits += [*each.limits(spec, attribute)]
    return {
        "words": verdict.overall(limits, attributes),
        "selected": selected_words(problem, spec),
        "alpha": spec.alpha,
        "refuse": spec.refuse,
        "minimum_group": spec.minimum_group,
        "unscored": int((~scored).sum()),
        "attributes": attributes,
        "limits": limits,
    }


def _of(rows: Rows, chosen: Bools) -> Rows:
    if chosen.all():
        return rows
    theirs = None if rows.theirs is None else rows.theirs[chosen]
    return Rows(rows.table.filter(pa.array(chosen)), rows.truth.take(chosen), rows.outputs[chosen], theirs)


@dataclass(frozen=True)
class _Compared:
    """The groups of one attribute with their figures, ours and the champion's."""

    grouping: Grouping
    ours: dict[str, dict[str, Estimate]]
    theirs: dict[str, dict[str, Estimate]] | None
    clusters: Clusters
    alpha: float
    claims: int

    @classmethod
    def of(
        cls,
        grouping: Grouping,
        rows: Rows,
        measured: dict[str, Rate],
        known: dict[str, Rate] | None,
        clusters: Clusters,
        alpha: float,
        claims: int,
    ) -> _Compared:
        weight = rows.truth.weights

        def of_all(found: dict[str, Rate]) -> dict[str, dict[str, Estimate]]:
            return {name: estimates(rate, grouping.shown, weight, clusters) for name, rate in found.items()}

        return cls(grouping, of_all(measured), None if known is None else of_all(known), clusters, alpha, claims)

    def gap(self, measure: str, below: float, above: float) -> Gap | None:
        """How far the groups that are judged are apart."""
        figures = judged(self.ours, measure, self.grouping.judged)
        if not figures:
            return None
        if measure == CALIBRATION:
            return farthest_off(figures[0], below, above)
        return (widest_ratio if is_ratio(measure) else widest_difference)(figures, below, above)

    def than_champion(self, measure: str, below: float, above: float) -> Gap | None:
        """By how much they are farther apart than with the champion."""
        if self.theirs is None:
            return None
        ours, theirs = (judged(each, measure, self.grouping.judged) for each in (self.ours, self.theirs))
        return widened(ours, theirs, self.clusters, below, above, off=measure == CALIBRATION)

    def limits(self, spec: Fairness, attribute: Attribute) -> Iterator[LimitValue]:
        for limit in spec.limits_of(attribute.column):
            below, above = self.alpha / self.claims, self.alpha
            for against, asked in (("limit", limit.limit), ("champion", limit.than_champion)):
                if asked is None or (against == "champion" and self.theirs is None):
                    continue
                found = (self.gap if against == "limit" else self.than_champion)(limit.measure, below, above)
                yield self._judged(spec, limit, asked, against == "champion", found)

    def _judged(self, spec: Fairness, limit: Limit, asked: float, champion: bool, found: Gap | None) -> LimitValue:
        value: LimitValue = {
            "measure": limit.measure,
            "attribute": self.grouping.column,
            "limit": asked,
            "against": "champion" if champion else "limit",
            "verdict": verdict.of(found, asked, ratio=is_ratio(limit.measure), refuse=spec.refuse),
            "found": None if found is None else _gap(found, self.grouping.rounded),
            "words": "",
        }
        return {**value, "words": verdict.words(value, self._why(spec))}

    def _why(self, spec: Fairness) -> str:
        """Why nothing can be compared, if so."""
        few = len(self.grouping.judged)
        if few >= 2:
            return ""
        small = [f"{each.name!r} ({verdict.people(each.people)})" for each in self.grouping.small[:5]]
        more = f" and {len(self.grouping.small) - 5} more" if len(self.grouping.small) > 5 else ""
        rest = f"; too small are {', '.join(small)}{more}" if small else ""
        have = f"one group has ({self.grouping.judged[0].name!r})" if few else "no group has"
        return f"{self.grouping.column}: {have} {spec.minimum_group} people or more (fairness.minimum_group){rest}"

    # -- what is told ------------------------------------------------------------------------------------------------------

    def value(self, rows: Rows, problem: Problem, spec: Fairness) -> AttributeValue:
        offered = {measure: self.gap(measure, self.alpha / 2, self.alpha / 2) for measure in spec.offered(problem.value)}
        rounded = self.grouping.rounded
        return {
            "attribute": self.grouping.column,
            "rounded": rounded,
            "too_few": self._why(spec),
            "groups": [self._group(group, rows, problem) for group in self.grouping.shown],
            "small": [{"group": each.name, "people": each.people} for each in self.grouping.small],
            "measures": {measure: _gap(found, rounded) for measure, found in offered.items() if found is not None},
        }

    def _group(self, group: Group, rows: Rows, problem: Problem) -> GroupValue:
        rounded = self.grouping.rounded
        figures = {name: found[group.name] for name, found in self.ours.items() if group.name in found}
        value: GroupValue = {
            "group": group.name,
            "people": _count(group.people, rounded),
            "rows": _count(int(group.rows.sum()), rounded),
            "compared": group in self.grouping.judged,
            "rates": {name: self._rate(found, rounded) for name, found in figures.items()},
        }
        if group.of:
            value["of"] = list(group.of)
        return {**value, **self._calibrated(group, rows, problem)} if "calibration" in figures else value  # type: ignore[typeddict-item]

    def _rate(self, found: Estimate, rounded: bool) -> RateValue:
        level = self.alpha / 2
        low, high = found.low(level), found.high(level)
        digits = ROUNDED if rounded else DIGITS
        return {
            "value": round(found.value, digits),
            "low": round(low, digits),
            "high": round(high, digits),
            "rows": None if rounded else found.rows,
        }

    def _calibrated(self, group: Group, rows: Rows, problem: Problem) -> dict[str, object]:
        """Whether probabilities come true in the group. Bins of a few rows are left out: they are single people."""
        inside = group.rows & np.isfinite(rows.truth.labels)
        truth, outputs = rows.truth.take(inside), rows.outputs[inside]
        claimed = problem.claimed(truth, outputs)
        if claimed is None or self.grouping.rounded:
            return {}
        come_true, said = claimed
        table = calibration_table(come_true, said, truth.weight)
        whole = replace(truth, labels=come_true)
        undecided = np.zeros(len(said), dtype=np.int64)  # the error is of probabilities alone
        error = gaps(come_true, said).mean() if truth.weight is None else influence("ece", whole, said, undecided).value
        return {
            "calibration": [each for each in table if each["rows"] >= FLOOR],
            "calibration_error": round(float(error), DIGITS),
        }


def _count(number: int, rounded: bool) -> int:
    return round(number / TENS) * TENS if rounded else number


def _gap(found: Gap, rounded: bool) -> MeasureValue:
    digits = ROUNDED if rounded else DIGITS
    return {
        "value": round(found.value, digits),
        "low": round(found.low, digits),
        "high": round(found.high, digits) if math.isfinite(found.high) else None,
        "between": list(found.between),
    }
