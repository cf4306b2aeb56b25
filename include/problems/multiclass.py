"""A label that is one of several classes, and the probability of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.core.errors import DataError
from include.core.json_types import Json
from include.core.reference import load
from include.core.spec import MultiClass
from include.metrics.arrays import Floats, Groups, Values
from include.metrics.binary import EPSILON, auc
from include.metrics.calibration import Bin, calibration_table
from include.metrics.errors import Influence
from include.problems import curves, weighted
from include.problems.boosting import boosted_classes
from include.problems.decisions import decided_by
from include.problems.events import COSTLY, RANDOM, Answered, Event
from include.problems.metric import Metric, mean_of, nothing, ratio_influence
from include.problems.problem import PARITY, Problem, Rule
from include.problems.truth import Outputs, Truth
from include.step_values.evaluation import CurveValue

SMOOTHING = 20.0  # so many rows of the overall shares are mixed into a group's own
ADD_UP = 1e-3  # probabilities in float32 add up to 1 within this


class MultiClassProblem(Problem):
    """Labels are the places of the spec's classes."""

    sql_type = "VARCHAR"
    named_labels = True
    label_words = "one of the classes"
    decides = True
    link = "softmax"
    outputs_add_up = True
    answer_words = "probabilities"
    summary_words = "probability of the likeliest class"
    events: Sequence[Event] = (Event("loss", "wrong answers"),)
    headline = ("log_loss", "accuracy")
    alone_words = "an AUC of one class against the rest"
    value: MultiClass

    def __init__(self, value: MultiClass) -> None:
        super().__init__(value)
        if value.costs is not None:
            self.events = COSTLY

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.value.classes)}

    def predicts(self, label: str) -> str:
        return f"Predicts the probability of each of the {len(self.value.classes)} classes of {label}."

    def encode(self, column: pa.ChunkedArray, label: str) -> Floats:
        texts = _texts(column, label)
        found = pc.index_in(texts, value_set=pa.array(self.value.classes, pa.string()))
        unknown = pc.is_null(found)
        if pc.any(unknown).as_py():
            others = sorted(pc.unique(texts.filter(unknown)).to_pylist())
            raise DataError(
                f"The label {label!r} has classes that the spec does not have: {len(others)} of them.",
                seen=others[:5],
                safe="the rows are kept as they are.",
                hint="add them to the classes of the spec's problem, or map them in features.labels.",
            )
        places: Floats = found.to_numpy().astype(np.float64)
        return places

    def read_label(self, value: object) -> float:
        text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
        if text not in self._places:
            raise DataError(
                "A label must be one of the classes.",
                seen=value,
                safe="nothing was written.",
                hint=f"send one of {', '.join(self.value.classes[:20])}.",
            )
        return float(self._places[text])

    def show_label(self, label: float) -> Json:
        return self.value.classes[int(label)]

    def too_few(self, truth: Truth, least: int) -> str:
        counts = np.bincount(truth.labels.astype(np.int64), minlength=len(self.value.classes))
        if len(truth) >= least and (counts >= max(1, least // 10)).sum() >= 2:
            return ""
        seen = ", ".join(f"{name} {count:,}" for name, count in zip(self.value.classes, counts, strict=True) if count)
        return f"{len(truth):,} labelled rows ({seen or 'none'}): two classes at least are needed, and {max(least, 2)} rows"

    def absent(self, truth: Truth) -> tuple[str, ...]:
        """The classes that no row has: a model cannot learn them."""
        seen = set(truth.labels.astype(np.int64).tolist())
        return tuple(name for name, place in self._places.items() if place not in seen)

    def described(self, truth: Truth) -> dict[str, float]:
        """Rows by class, those of none included."""
        counts = np.bincount(truth.labels.astype(np.int64), minlength=len(self.value.classes))
        return {name: int(count) for name, count in zip(self.value.classes, counts, strict=True)}

    def label_rules(self, label: str) -> Sequence[Rule]:
        return [
            ("ExpectColumnUniqueValueCountToBeBetween", {"column": label, "min_value": 2}),
            ("ExpectColumnValuesToBeInSet", {"column": label, "value_set": list(self.value.classes)}),
        ]

    def parity(self, outputs: Outputs) -> float:
        return PARITY

    def _unhealthy(self, outputs: Outputs) -> str:
        if not ((outputs >= 0) & (outputs <= 1)).all():
            return f"outputs from {float(outputs.min()):g} to {float(outputs.max()):g} where probabilities are needed"
        off = float(np.abs(outputs.sum(axis=1, dtype=np.float64) - 1).max(initial=0))
        return f"probabilities that add up to 1 only within {off:.3g}" if off > ADD_UP else ""

    @property
    def default_output(self) -> Outputs:
        count = len(self.value.classes)
        return np.full(count, 1 / count) if self.value.default is None else np.array(self.value.default)

    def answer(
        self, output: Sequence[float] | float, columns: Mapping[str, Any] | None = None, decision: int | None = None
    ) -> dict[str, Json]:
        if decision is None:
            decision = int(self.decide(np.asarray(output, dtype=np.float64)[None, :])[0])
        said = (float(each) for each in output)  # type: ignore[union-attr]
        return {"class": self.value.classes[decision], "probabilities": dict(zip(self.value.classes, said, strict=True))}

    def summary(self, outputs: Outputs) -> Floats:
        """The probability of the likeliest class: how sure the model is."""
        found: Floats = outputs.max(axis=1).astype(np.float64)
        return found

    def distance(self, outputs: Outputs, others: Outputs) -> Floats:
        """The total variation: by how much the probabilities differ, 0 to 1."""
        found: Floats = np.abs(outputs.astype(np.float64) - others.astype(np.float64)).sum(axis=1) / 2
        return found

    def decide(self, outputs: Outputs, columns: Mapping[str, Floats] | None = None) -> Groups:
        """The place of a class: by the author's function; else the cheapest by `costs`; else the likeliest."""
        if self._decision is not None:
            return decided_by(self._decision, outputs, len(self.value.classes))
        if self.value.costs is None:
            likeliest: Groups = outputs.argmax(axis=1).astype(np.int64)
            return likeliest
        cheapest: Groups = (outputs.astype(np.float64) @ np.array(self.value.costs)).argmin(axis=1).astype(np.int64)
        return cheapest

    @cached_property
    def _decision(self) -> Callable[[Outputs], Groups] | None:
        return load(self.value.decision) if self.value.decision else None

    def claimed(self, truth: Truth, outputs: Outputs) -> tuple[Floats, Floats] | None:
        """Whether the likeliest class was right, and its probability."""
        right = np.where(outputs.argmax(axis=1) == truth.labels, 1.0, 0.0)
        return right, self.summary(outputs)

    def residual(self, truth: Truth, outputs: Outputs) -> Floats:
        right = np.where(outputs.argmax(axis=1) == truth.labels, 1.0, 0.0)
        found: Floats = right - self.summary(outputs)
        return found

    def residual_words(self, mean: float) -> str:
        side = "more" if mean > 0 else "less"
        return f"The likeliest class is right {abs(100 * mean):.3g} points {side} often than its probability says"

    @property
    def loss_words(self) -> str:
        return "of cost" if self.value.costs else "errors"

    def loss(self, truth: Truth, outputs: Outputs) -> Floats:
        """1 where the decision is wrong; with `costs`, what it costs."""
        known, said = truth.labels.astype(np.int64), self.decide(outputs)
        if self.value.costs is None:
            return np.where(known != said, 1.0, 0.0)
        costs: Floats = np.array(self.value.costs)[known, said]
        return costs

    def explained(self, outputs: Outputs) -> int:
        """The class that is answered."""
        return int(self.decide(outputs[None, :])[0])

    def surprise(self, truth: Truth, outputs: Outputs) -> Floats:
        """The log loss."""
        return _log_loss(truth, outputs)

    def doubt(self, outputs: Outputs) -> Floats:
        """The entropy."""
        said = np.clip(outputs.astype(np.float64), EPSILON, 1.0)
        found: Floats = -(said * np.log(said)).sum(axis=1)
        return found

    def remembered(self, answer: Answered) -> float | None:
        """The place of the class that the model decides: one that was drawn at random says nothing of it."""
        decided = None if answer.explored == RANDOM else answer.decision
        if decided is None and answer.outputs is not None:
            decided = int(self.decide(np.array([answer.outputs]))[0])
        known = decided is not None and 0 <= decided < len(self.value.classes)
        return float(decided) if decided is not None and known else None

    def loss_of(self, remembered: float, label: float) -> float:
        if self.value.costs is None:
            return float(remembered != label)
        return self.value.costs[int(label)][int(remembered)]

    def logged_label(self, label: float | None, label_class: str) -> float | None:
        """The log holds the name; None for a class that the spec does not have."""
        place = self._places.get(label_class)
        return None if place is None else float(place)

    @cached_property
    def own_metrics(self) -> Mapping[str, Metric]:
        found = {
            "log_loss": Metric("log loss", mean_of(_log_loss), higher_is_better=False),
            "accuracy": Metric("accuracy", mean_of(self._right), decided=True),
            "macro_f1": Metric("macro F1", self._macro_f1, decided=True),
            "brier": Metric("Brier", mean_of(_brier), higher_is_better=False),
            "ece": Metric("calibration error of the likeliest class", _calibration, higher_is_better=False),
        }
        if self.value.costs is not None:
            found["cost"] = Metric("cost a row", mean_of(self.loss), higher_is_better=False, decided=True)
        return found

    def _right(self, truth: Truth, outputs: Outputs) -> Floats:
        return np.where(self.decide(outputs) == truth.labels, 1.0, 0.0)

    def _macro_f1(self, truth: Truth, outputs: Outputs) -> Influence:
        """The mean F1 of the classes that occur, in labels or decisions."""
        if not len(truth):
            return nothing(0)
        known, said = truth.labels.astype(np.int64), self.decide(outputs)
        classes = np.union1d(known, said)
        each = [ratio_influence(_f1_of(place, said))(truth, outputs) for place in classes]
        return Influence(float(np.mean([one.value for one in each])), np.mean([one.rows for one in each], axis=0))

    def calibration(self, truth: Truth, outputs: Outputs) -> list[Bin]:
        """Of the likeliest class."""
        right = (outputs.argmax(axis=1) == truth.labels).astype(np.float64)
        return calibration_table(right, outputs.max(axis=1), truth.weight)

    def curves(self, truth: Truth, outputs: Outputs) -> list[CurveValue]:
        return [curves.confusion(truth, self.decide(outputs), self.value.classes)]

    def sides(self, truth: Truth) -> list[Floats]:
        return [(truth.labels == place).astype(np.float64) for place in np.unique(truth.labels)]

    def strength(self, truth: Truth, side: Floats, column: Floats) -> float:
        found = auc(side, column)
        return max(found, 1 - found)

    def boosted(self, train: Values, truth: Truth, holdout: Values, categories: list[int], seed: int) -> Outputs:
        """Classes that the training rows do not have get nothing."""
        found = np.zeros((len(holdout), len(self.value.classes)))
        found[:, np.unique(truth.labels.astype(np.int64))] = boosted_classes(train, truth, holdout, categories, seed)
        return found

    def historical(self, truth: Truth, groups: Sequence[str], wanted: Sequence[str]) -> Outputs:
        """The shares of the classes in each group, smoothed to the overall shares."""
        known, labels, count = np.array(groups), truth.labels.astype(np.int64), len(self.value.classes)
        overall = np.bincount(labels, minlength=count) / len(labels)
        found = {}
        for value in np.unique(known):
            inside = np.bincount(labels[known == value], minlength=count)
            found[str(value)] = (inside + SMOOTHING * overall) / (inside.sum() + SMOOTHING)
        return np.array([found.get(str(value), overall) for value in wanted])


def _texts(column: pa.ChunkedArray, label: str) -> pa.ChunkedArray:
    """Text, or whole numbers as text. Raises DataError for other types."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind) or pa.types.is_dictionary(kind):
        return column.cast(pa.string())
    raise DataError(
        f"The label {label!r} must be a class: text, or a whole number.",
        seen=str(kind),
        safe="the rows are kept as they are.",
        hint="cast it in features.labels, or state another kind of problem.",
    )


def _of_truth(truth: Truth, outputs: Outputs) -> Floats:
    """The probability [n] of each row's own class."""
    found: Floats = outputs[np.arange(len(truth)), truth.labels.astype(np.int64)].astype(np.float64)
    return found


def _log_loss(truth: Truth, outputs: Outputs) -> Floats:
    return -np.log(np.clip(_of_truth(truth, outputs), EPSILON, 1.0))


def _brier(truth: Truth, outputs: Outputs) -> Floats:
    squares = np.square(outputs.astype(np.float64)).sum(axis=1)
    found: Floats = squares - 2 * _of_truth(truth, outputs) + 1
    return found


def _calibration(truth: Truth, outputs: Outputs) -> Influence:
    sure = outputs.max(axis=1)
    right = (outputs.argmax(axis=1) == truth.labels).astype(np.float64)
    return weighted.influence("ece", Truth(right, truth.weight), sure, right.astype(np.int64))


def _f1_of(place: int, said: Groups) -> Callable[[Truth, Outputs], tuple[Floats, Floats]]:
    def ratio(truth: Truth, outputs: Outputs) -> tuple[Floats, Floats]:
        is_class, says_class = (truth.labels == place).astype(np.float64), (said == place).astype(np.float64)
        return 2 * is_class * says_class, is_class + says_class

    return ratio
