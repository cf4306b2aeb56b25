"""Is the window's data whole? Kept apart from drift: a broken feed is no change of the world.

`fail` stops retraining (the model would learn the breakage); `warn` is told and stops nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from include.monitoring.formatting import percent
from include.monitoring.profile.binning import Axis
from include.monitoring.profile.profiles import Profile
from include.monitoring.profile.summary import Summary
from include.monitoring.reference import Reference
from include.step_values.monitoring import IssueValue, QualityValue

WARN, FAIL = 0.05, 0.2  # by so much a share of rows may exceed the highest of any past window
MAJORITY = 0.9  # a column whose commonest value stays below this share does not become constant by chance
LOW, HIGH = 0.5, 2.0  # so many times the usual rows are nothing to warn of

Severity = Literal["fail", "warn"]
Kind = Literal[
    "missing",
    "unseen",
    "constant",
    "absent",
    "blank",
    "defaulted",
    "unexpected",
    "degraded",
    "volume",
    "empty",
    "labels",
    "clock",
]


@dataclass(frozen=True)
class Issue:
    kind: Kind
    severity: Severity
    column: str
    summary: str


@dataclass(frozen=True)
class Quality:
    rows: int
    issues: tuple[Issue, ...]

    @property
    def passed(self) -> bool:
        return not any(issue.severity == "fail" for issue in self.issues)

    @property
    def columns(self) -> dict[str, str]:
        """The columns that quality speaks of, with the reason: drift sets them aside."""
        kinds = ("missing", "unseen", "constant", "absent", "blank")
        return {issue.column: f"data quality: {issue.summary}" for issue in self.issues if issue.kind in kinds}

    def to_json(self) -> QualityValue:
        return {"passed": self.passed, "rows": self.rows, "issues": [_issue_value(issue) for issue in self.issues]}


def _issue_value(issue: Issue) -> IssueValue:
    return {"kind": issue.kind, "severity": issue.severity, "column": issue.column, "words": issue.summary}


def inspect(window: Profile, reference: Reference, collected: Mapping[str, Any]) -> Quality:
    """The verdict on a window. `collected`: the value of the `collect` result. A few rows give no shares to judge."""
    rows = int(collected["rows"])
    if rows == 0:
        return Quality(0, (Issue("empty", "fail", "", "The window holds no predictions."),))
    issues = [*_shape(collected), *_volume(rows, reference), *_counts(collected, rows)]
    if rows >= 30:
        for axis in reference.axes:
            if axis.name in window and axis.column not in collected["absent_columns"]:
                issues += _column(axis, window[axis.name], reference.column(axis.name))
    return Quality(rows, tuple(issues))


def _shape(collected: Mapping[str, Any]) -> Iterator[Issue]:
    for name in collected["absent_columns"]:
        yield Issue("absent", "fail", name, f"{name} is in no prediction of the window.")
    for name in collected["unexpected_columns"]:
        yield Issue("unexpected", "warn", name, f"{name} is logged but is no input of this model.")


def _volume(rows: int, reference: Reference) -> Iterator[Issue]:
    usual = reference.usual_rows
    if usual and not LOW * usual <= rows <= HIGH * usual:
        yield Issue("volume", "warn", "", f"{rows:,} predictions, where {usual:,.0f} are usual for a window of this length.")


def _counts(collected: Mapping[str, Any], rows: int) -> Iterator[Issue]:
    degraded = collected["degraded"] / rows
    if degraded > WARN:
        yield Issue("degraded", "fail" if degraded > FAIL else "warn", "", f"{percent(degraded)} of the answers were degraded.")
    for name, missing in collected.get("defaulted", {}).items():
        if missing > WARN * rows:
            summary = f"{percent(missing / rows)} of the requests had no {name}, and were answered by its default."
            yield Issue("defaulted", "warn", name, summary)
    wrong = collected["labels_contradicting"]
    if wrong:
        severity: Severity = "fail" if wrong > FAIL * rows else "warn"
        yield Issue("labels", severity, "", f"{wrong} requests have labels that contradict each other; they count as unlabelled.")
    outside = collected.get("labels_outside", 0)
    if outside:
        summary = (
            f"{outside} requests have labels that the spec's problem does not know (a new class, or a number that is not "
            "finite); they count as unlabelled. Add the class to the spec, or map it in features.labels."
        )
        yield Issue("labels", "fail" if outside > FAIL * rows else "warn", "", summary)
    early = collected.get("labels_before_request", 0)
    if early:
        summary = (
            f"{early} labels were known before their requests were asked; they count as unlabelled, as in a training set. One "
            "of the two clocks is wrong, or the question comes after the event that answers it."
        )
        yield Issue("clock", "fail" if early > FAIL * rows else "warn", "", summary)


def _column(axis: Axis, here: Summary, past: list[Summary]) -> Iterator[Issue]:
    if axis.source:
        yield from _derived(axis, here, past)
        return
    yield from _share("missing", axis.name, here.missing / here.count, [s.missing / s.count for s in past])
    yield from _share("unseen", axis.name, here.unseen / here.count, [s.unseen / s.count for s in past])
    if here.present >= 30 and _constant(axis, here) and all(not _constant(axis, s) and _top(s) < MAJORITY for s in past):
        yield Issue("constant", "fail", axis.name, f"{axis.name} has one value only in the whole window.")
    if here.present >= 30 and past and not _constant(axis, here) and all(_constant(axis, s) for s in past):
        yield Issue("constant", "warn", axis.name, f"{axis.name} varies; in the training set it never did.")


def _derived(axis: Axis, here: Summary, past: list[Summary]) -> Iterator[Issue]:
    """Of a text or a vector: whether it is missing more often than it was, or there and says nothing."""
    if axis.measure in ("length", "norm"):
        yield from _share("missing", axis.source, here.missing / here.count, [s.missing / s.count for s in past])
    if axis.measure in ("empty", "zero") and here.present:
        usual = max((s.mean for s in past if s.present), default=0.0)
        if here.mean > usual + WARN:
            what = "has no letter" if axis.measure == "empty" else "is zero throughout or not finite"
            shares = f"{percent(here.mean)} of the rows (at most {percent(usual)} in the training windows)"
            summary = f"{axis.source} {what} in {shares}."
            yield Issue("blank", "fail" if here.mean > usual + FAIL else "warn", axis.source, summary)


def _share(kind: Literal["missing", "unseen"], name: str, share: float, past: list[float]) -> Iterator[Issue]:
    usual = max(past, default=0.0)
    if share > usual + WARN:
        what = "missing" if kind == "missing" else "a category the champion never saw"
        summary = f"{name} is {what} in {percent(share)} of the rows (at most {percent(usual)} in the training windows)."
        yield Issue(kind, "fail" if share > usual + FAIL else "warn", name, summary)


def _constant(axis: Axis, summary: Summary) -> bool:
    return int(summary.bins.max(initial=0)) == summary.present if axis.dtype == "category" else summary.m2 == 0


def _top(summary: Summary) -> float:
    return int(summary.bins.max(initial=0)) / max(summary.present, 1)
