"""Candidates of a query in an order: a relevance of 0 or more is the label, a score that orders them the output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from include.core.errors import DataError
from include.core.json_types import Json
from include.core.spec import Ranking
from include.metrics.arrays import Floats, Values
from include.problems import curves
from include.problems.boosting import boosted_numbers
from include.problems.events import Answered, Event
from include.problems.label_columns import numbers, refuse
from include.problems.lists import Lists
from include.problems.metric import Metric, ratio_influence
from include.problems.problem import Problem, Rule
from include.problems.truth import Outputs, Truth
from include.step_values.evaluation import CurveValue

SMOOTHING = 20.0  # so many rows of the overall mean are mixed into an item's own


class RankingProblem(Problem):
    """A list is one observation. Lists with one candidate, or with none that is relevant, say nothing and are left out."""

    sql_type = "DOUBLE"
    label_words = "a relevance of 0 or more"
    answer_words = "lists"
    comparable = False  # a score only orders: twice as large a one is the same list
    events = (Event("loss", "relevant items below the first places"),)
    headline = ("ndcg", "recall")
    alone_words = "an NDCG, between that of no order and 1,"
    alone_limit = 0.9
    value: Ranking

    def predicts(self, label: str) -> str:
        return f"Orders the candidates ({self.value.item}) of a query ({self.value.query}) by {label}."

    def encode(self, column: pa.ChunkedArray, label: str) -> Floats:
        values = numbers(column, label)
        refuse(values, values < 0, f"The label {label!r} is a relevance, and must be 0 or more")
        return values

    def read_label(self, value: object) -> float:
        if isinstance(value, bool | int | float) and np.isfinite(value) and value >= 0:
            return float(value)
        raise DataError("A label must be a relevance of 0 or more.", seen=value, safe="nothing was written.")

    @property
    def query(self) -> str | None:
        return self.value.query

    def described(self, truth: Truth) -> dict[str, float]:
        lists = self._lists(truth, np.zeros(len(truth)))
        return {"queries": lists.count, "telling": lists.telling, "relevant": int((truth.labels > 0).sum())}

    def label_rules(self, label: str) -> Sequence[Rule]:
        return [
            ("ExpectColumnValuesToBeBetween", {"column": label, "min_value": 0}),
            ("ExpectColumnValuesToNotBeNull", {"column": self.value.query}),
        ]

    def too_few(self, truth: Truth, least: int) -> str:
        lists = self._lists(truth, np.zeros(len(truth)))
        told = lists.telling
        if told >= max(least, 1):
            return ""
        return (
            f"{told:,} of {lists.count:,} queries tell an order ({lists.alone:,} have one candidate, {lists.irrelevant:,} none "
            f"that is relevant): at least {max(least, 1)} are needed"
        )

    def units(self, truth: Truth) -> int:
        return self._lists(truth, np.zeros(len(truth))).telling

    def _lists(self, truth: Truth, outputs: Outputs) -> Lists:
        if truth.query is None:
            raise DataError(f"A ranking needs the column {self.value.query!r}: which rows are one list.")
        return Lists(truth.query, truth.labels, outputs.astype(np.float64), self.value.at)

    @property
    def default_output(self) -> Outputs:
        return np.float64(self.value.default)  # type: ignore[return-value]

    def answer(
        self, output: Sequence[float] | float, columns: Mapping[str, Any] | None = None, decision: int | None = None
    ) -> dict[str, Json]:
        return {"score": float(output)}  # type: ignore[arg-type]

    def summary(self, outputs: Outputs) -> Floats:
        return outputs.astype(np.float64)

    def residual(self, truth: Truth, outputs: Outputs) -> Floats:
        """How far each list lies below the best order, at its first row; the others say nothing alone."""
        lists = self._lists(truth, outputs)
        told = lists.at_first(np.ones(lists.count)) > 0
        return np.where(told, lists.at_first(1 - lists.ndcg), np.nan)

    def residual_words(self, mean: float) -> str:
        return f"Lists lie {abs(mean):.3g} of NDCG below the best order"

    @property
    def loss_words(self) -> str:
        return "of NDCG"

    def loss(self, truth: Truth, outputs: Outputs) -> Floats:
        """1 - NDCG of each list, at its first row; 0 at all others."""
        lists = self._lists(truth, outputs)
        return lists.at_first(1 - lists.ndcg)

    def apart(self, answer: Answered) -> float | None:
        """Of a candidate among the first places that the caller got: 1 if the shadow puts it below its own, else 0."""
        if answer.place is None or answer.against_place is None or answer.against_place >= self.value.at:
            return None
        return float(answer.place >= self.value.at)

    def remembered(self, answer: Answered) -> float | None:
        """The place in the list, from 0."""
        return None if answer.place is None else float(answer.place)

    def loss_of(self, remembered: float, label: float) -> float:
        """1 for a relevant item below the first places."""
        return float(label > 0 and remembered >= self.value.at)

    @cached_property
    def own_metrics(self) -> Mapping[str, Metric]:
        at = self.value.at
        return {
            "ndcg": Metric(f"NDCG@{at}", self._mean("ndcg")),
            "recall": Metric(f"recall@{at}", self._mean("recall")),
            "mrr": Metric(f"reciprocal rank@{at}", self._mean("reciprocal_rank")),
            "map": Metric(f"average precision@{at}", self._mean("average_precision")),
        }

    def _mean(self, name: str) -> Any:
        """The mean over the lists that tell an order; a list stands at its first row, and counts by that row's weight."""

        def ratio(truth: Truth, outputs: Outputs) -> tuple[Floats, Floats]:
            lists = self._lists(truth, outputs)
            return lists.at_first(getattr(lists, name)), lists.at_first(np.ones(lists.count))

        return ratio_influence(ratio)

    def curves(self, truth: Truth, outputs: Outputs) -> list[CurveValue]:
        return [curves.by_place(truth, outputs, self.value.at)]

    def strength(self, truth: Truth, side: Floats, column: Floats) -> float:
        """How far the column's order lies from that of no order: 0 there, and 1 at the best."""
        chance, *found = (self.metrics["ndcg"].measured(truth, order) for order in (np.zeros(len(truth)), column, -column))
        return (max(found) - chance) / (1 - chance) if chance < 1 else np.nan

    def boosted(self, train: Values, truth: Truth, holdout: Values, categories: list[int], seed: int) -> Outputs:
        """The relevance itself, row by row: no order is learned."""
        return boosted_numbers(train, truth, holdout, categories, seed)

    def historical(self, truth: Truth, groups: Sequence[str], wanted: Sequence[str]) -> Outputs:
        """The mean relevance of each group; of items, how popular they are."""
        known, overall = np.array(groups), float(truth.labels.mean())
        found = {
            str(value): (float(truth.labels[known == value].sum()) + SMOOTHING * overall) / ((known == value).sum() + SMOOTHING)
            for value in np.unique(known)
        }
        return np.array([found.get(str(value), overall) for value in wanted])
