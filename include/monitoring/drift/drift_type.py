"""Five ways in which a window can differ, named and kept apart, because each asks for something else.

data quality: a feed is broken; mend it, train nothing. covariate: the inputs have moved; the model may still be right.
prediction: the scores have moved. label: what comes true has become more or less frequent. concept: the score no longer
means what it meant; only labels tell, and only training helps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from include.core.spec import Binary
from include.monitoring.drift.drift import ColumnDrift, DriftVerdict, judge
from include.monitoring.formatting import number, percent
from include.monitoring.profile.prediction_columns import LABEL, RESIDUAL, SCORE, SLOPE
from include.monitoring.profile.profiles import Profile
from include.monitoring.quality import Quality
from include.monitoring.reference import Reference
from include.problems.binary import BinaryProblem
from include.problems.problem import Problem
from include.step_values.monitoring import DriftTypeValue, Verdict

PLAIN = BinaryProblem(Binary())
LABELLED = 0.9  # with fewer of the labels landed, the early ones speak for the rest: often another kind


@dataclass(frozen=True)
class DriftType:
    """One kind's verdict: `drift`, `none` or `abstain`."""

    verdict: Verdict
    summary: str
    columns: tuple[str, ...] = ()

    def to_json(self) -> DriftTypeValue:
        return {"verdict": self.verdict, "words": self.summary, "columns": list(self.columns)}


def drift_types(
    window: Profile,
    counts: Mapping[str, int],
    reference: Reference,
    quality: Quality,
    covariate: DriftVerdict,
    minimum: int,
    problem: Problem = PLAIN,
) -> dict[str, DriftType]:
    """Every kind by name. `window` holds the answers' columns (see prediction_columns) as far as they are known.

    `counts`: `rows` of the window, `labelled` of them, `due` that ever will be (by default all); `answered` by the champion
    itself and in full, `own` labelled ones.
    """
    return {
        "quality": _quality(quality),
        "covariate": DriftType(covariate.verdict, covariate.summary, tuple(column.name for column in covariate.drifted)),
        "prediction": _prediction(window, counts["answered"], reference, minimum, problem),
        "label": _label(window, counts, reference, minimum, problem),
        "concept": _concept(window, counts["own"], reference, minimum, problem),
    }


def _quality(quality: Quality) -> DriftType:
    failed = tuple(issue.column for issue in quality.issues if issue.severity == "fail" and issue.column)
    summary = " ".join(issue.summary for issue in quality.issues) or "The data are whole."
    return DriftType("none" if quality.passed else "drift", summary, failed)


def _prediction(window: Profile, rows: int, reference: Reference, minimum: int, problem: Problem) -> DriftType:
    found = _of(window, rows, reference, minimum, SCORE)
    if isinstance(found, DriftType):
        return found
    column = found.columns[0]
    return _kind(found, f"The mean {problem.summary_words} is {_against(column, window[SCORE].mean)}")


def _label(window: Profile, counts: Mapping[str, int], reference: Reference, minimum: int, problem: Problem) -> DriftType:
    due = counts.get("due", counts["rows"])
    if counts["rows"] and (not counts["labelled"] or counts["labelled"] < LABELLED * due):
        share = percent(counts["labelled"] / max(due, 1))
        return DriftType(
            "abstain", f"{share} of the labels have landed; {percent(LABELLED)} are needed, for the early ones differ."
        )
    found = _of(window, counts["labelled"], reference, minimum, LABEL)
    if isinstance(found, DriftType):
        return found
    if problem.named_labels:
        return _kind(found, f"Of the labels, {found.columns[0].summary}")
    return _kind(found, problem.level_words(window[LABEL].mean, found.columns[0].distance.usual_mean))


def _concept(window: Profile, rows: int, reference: Reference, minimum: int, problem: Problem) -> DriftType:
    found = _of(window, rows, reference, minimum, RESIDUAL, SLOPE)
    if isinstance(found, DriftType):
        return found
    summary = problem.residual_words(window[RESIDUAL].mean)
    if any(column.name == SLOPE and column.drifted for column in found.columns):
        promise = "less than they hold" if window[SLOPE].mean > 0 else "more than they hold"
        summary += f", and high scores promise {promise}"
    return _kind(found, summary)


def _of(window: Profile, rows: int, reference: Reference, minimum: int, *names: str) -> DriftVerdict | DriftType:
    """The verdict on the named columns alone, or why there is none."""
    known = {name for profile in reference.past.values() for name in profile}
    if not known & set(names) or not set(window) & set(names):
        return DriftType("abstain", "Nothing is known of it in the champion's past, or in this window.")
    past = {name: profile for name, profile in reference.past.items() if set(names) <= set(profile)}
    only = Reference(tuple(axis for axis in reference.axes if axis.name in names), past)
    found = judge(window, rows, only, minimum_rows=minimum, set_aside={})
    return found if found.columns else DriftType("abstain", found.summary)


def _kind(found: DriftVerdict, summary: str) -> DriftType:
    assert found.critical is not None
    far = f"{found.statistic:.1f} times the usual spread; {found.critical:.1f} would be an alarm"
    return DriftType(found.verdict, f"{summary} ({far}).", tuple(column.name for column in found.drifted))


def _against(column: ColumnDrift, mean: float) -> str:
    return f"{number(mean)}, usually {number(column.distance.usual_mean)}"
