"""Which features move the model: permutation importance and Shapley values of the holdout, and what both say in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

import numpy as np
import pyarrow as pa

from include.core.adapters import adapter
from include.core.spec import Evaluation, Explanations
from include.evaluation.dependence import dependence
from include.evaluation.permutation import bounded, chosen_rows, importances
from include.explanations.background import drawn
from include.explanations.layout import Layout, Score, scored
from include.explanations.shapley import asked_of, method_of
from include.metrics.arrays import Floats, Groups
from include.model_contract.batch import Encoded, join
from include.model_contract.encoder import Encoder
from include.problems.problem import Problem
from include.problems.truth import Truth
from include.step_values.explanations import ExplanationsValue, ImportanceValue, ShapFeature, ShapValue

AT_ONCE = 10  # rows that are explained between two looks at the clock
TOLD = 3  # features that a sentence names
MOST_OUTPUTS = 50  # whose shares are told one by one


@dataclass(frozen=True)
class Explained:
    """The rows of the holdout with what is known of them, as the model takes them."""

    table: pa.Table
    truth: Truth
    rows: Encoded


def explain(
    score: Score, encoder: Encoder, holdout: Explained, background: pa.Table, spec: Evaluation, problem: Problem
) -> ExplanationsValue:
    """The value's `explanations`. `background`: rows of the training set."""
    asked = spec.explanations or Explanations()
    layout, until = Layout.of(encoder), monotonic() + asked.time_limit.total_seconds()
    chosen = chosen_rows(holdout.truth, asked.rows, asked.seed)
    truth, rows = holdout.truth.take(chosen), holdout.rows[chosen]
    permuted: list[ImportanceValue] = []
    for each in importances(layout, score, rows, truth, problem, spec.metric, asked):
        low, high = bounded(each.low), bounded(each.high)
        permuted.append({"feature": each.feature, "worse": bounded(each.worse) or 0.0, "low": low, "high": high})
        if monotonic() > until:
            break
    permuted.sort(key=lambda each: -each["worse"])
    value: ExplanationsValue = {
        "metric": spec.metric, "rows": len(chosen), "repeats": asked.repeats, "seed": asked.seed, "permutation": permuted,
        "words": "",
    }  # fmt: skip
    shares = _shapley(layout, score, encoder, holdout, background, asked, problem, until)
    if shares is not None:
        value["shap"] = shares
    left_out = len(layout) - len(permuted)
    value["words"] = words(value, problem.metric(spec.metric).title, left_out)
    return value


def _shapley(
    layout: Layout, score: Score, encoder: Encoder, holdout: Explained, background: pa.Table, asked: Explanations,
    problem: Problem, until: float,
) -> ShapValue | None:  # fmt: skip
    places = drawn(len(holdout.rows), asked.explained, asked.seed)
    names = problem.outputs
    known = encoder.encode_table(background)
    pool = join([known, holdout.rows[places]])
    exact = method_of(len(layout), asked.coalitions) == "exact"
    open_values: Callable[..., Callable[[int, int], tuple[Floats, Floats]]] = adapter("shap.values")
    values = open_values(
        _cells(layout, score, pool), len(known), len(places), len(layout), asked_of(len(layout), asked.coalitions),
        exact=exact, seed=asked.seed,
    )  # fmt: skip
    parts, base = [], np.zeros(len(names))
    for start in range(0, len(places), AT_ONCE):
        if monotonic() > until:
            break
        found, base = values(start, start + AT_ONCE)
        parts.append(found)
    if not parts:
        return None
    shares = np.concatenate(parts)
    explained = holdout.table.take(pa.array(places[: len(shares)]))
    features = [_feature(encoder, place, shares[:, place], explained, names) for place in range(len(layout))]
    return {
        "method": "exact" if exact else "permutations",
        "rows": len(shares),
        "of": len(places),
        "background": len(known),
        "outputs": list(names[:MOST_OUTPUTS]),
        "base": [round(float(each), 9) for each in base[:MOST_OUTPUTS]],
        "features": sorted(features, key=lambda each: -sum(each["mean_abs"])),
    }


def _cells(layout: Layout, score: Score, pool: Encoded) -> Callable[[Groups], Floats]:
    return lambda cells: scored(score, layout.gathered(pool, cells))


def _feature(encoder: Encoder, place: int, shares: Floats, rows: pa.Table, outputs: Sequence[str]) -> ShapFeature:
    """`shares` [n, outputs] of one feature."""
    each, some = encoder.inputs[place], shares[:, :MOST_OUTPUTS]
    low, high = np.quantile(some, [0.05, 0.95], axis=0)
    said = [dependence(each, rows[each.name], some[:, output]) for output in range(some.shape[1])]
    return {
        "feature": each.name,
        "mean_abs": [round(float(value), 9) for value in np.abs(some).mean(axis=0)],
        "low": [round(float(value), 9) for value in low],
        "high": [round(float(value), 9) for value in high],
        "words": {name: text for name, text in zip(outputs, said, strict=False) if text},
    }


def words(value: ExplanationsValue, metric: str, left_out: int = 0) -> str:
    """One sentence: what moves the model most, and how many features tell nothing that can be seen."""
    permuted: Sequence[Any] = value["permutation"]
    telling = [each for each in permuted if each["low"] is not None and each["low"] > 0]
    named = ", ".join(f"{each['feature']} ({each['worse']:.3g})" for each in telling[:TOLD])
    first = f"{metric} is worse without {named}" if telling else f"no feature alone makes {metric} worse"
    chance = len(permuted) - len(telling)
    second = f"; for {chance} of {len(permuted)} features it may be chance" if telling and chance else ""
    third = f"; {left_out} were not permuted for want of time" if left_out > 0 else ""
    return f"{first}{second}{third}."
