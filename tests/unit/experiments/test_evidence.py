"""The numbers of a look: cut by the metric's rule, and with the share of the variance that is one entity's."""

from __future__ import annotations

import numpy as np

from include.core.spec import Metric
from include.experiments.entities import Entities
from include.experiments.evidence import MetricEvidence, evidence, metric_evidence
from tests.support.experiment_log import TRIAL, plan


def entities(values: list[float], before: list[float] | None = None) -> Entities:
    many, treated = len(values), np.arange(len(values)) % 2 == 1
    found = Entities([str(each) for each in range(many)], treated, np.ones(many))
    found.values = {metric.name: np.array(values, float) for metric in TRIAL.metrics}
    found.before = {} if before is None else {metric.name: np.array(before) for metric in TRIAL.metrics}
    return found


def test_one_huge_value_is_cut_where_the_spec_says_so() -> None:
    values = [float(each % 7) for each in range(1000)] + [1e9, 0.0]
    plain, capped, cut = (
        metric_evidence(Metric(name="sale", kind="continuous", **rule), entities(values))
        for rule in ({}, {"cap": 10.0}, {"winsorise": 0.99})
    )
    assert plain.largest > 0.99
    assert (plain.low, plain.high) == (None, None)
    assert capped.high == 10.0
    assert cut.high == 6.0
    assert max(capped.largest, cut.largest) < 0.1


def test_an_arm_without_entities_has_no_share() -> None:
    assert metric_evidence(TRIAL.primary, entities([1.0])).largest == 1.0
    assert metric_evidence(TRIAL.primary, entities([1.0] * 6)).largest == 1.0  # a constant


def test_who_has_no_past_has_the_mean_of_the_others() -> None:
    known = metric_evidence(TRIAL.primary, entities([0.0, 1.0, 1.0, 0.0], [2.0, np.nan, 4.0, np.nan]))
    assert float(known.treatment.before) == 3.0
    assert MetricEvidence.from_json(known.to_json()) == known


def test_a_look_s_numbers_are_whole_json() -> None:
    look = plan().look(3)
    seen = evidence(plan(), look, entities([0.0, 1.0, 1.0, 0.0]))
    assert seen["entities"] == {"control": 2, "treatment": 2}
    assert (seen["day"], seen["final"]) == (3, False)
    assert set(seen["metrics"]) == {"sale", "revenue", "complaint"}
    assert evidence(plan(), look, entities([0.0, 1.0, 1.0, 1.0]))["digest"] != seen["digest"]
