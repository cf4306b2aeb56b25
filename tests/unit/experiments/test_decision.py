"""The decision, case by case, from numbers alone."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from include.core.spec import Experiment
from include.experiments.decision import Decision, decide
from include.experiments.entities import Entities
from include.experiments.evidence import evidence
from include.experiments.plan import Plan
from tests.support.experiment_log import START, TRIAL, changed

MANY = 4000


def entities(sale: tuple[float, float], complaint: tuple[float, float] = (0.05, 0.05), treated: float = 0.5) -> Entities:
    """Shares of entities with a sale and a complaint, exactly."""
    counts = round(MANY * (1 - treated)), round(MANY * treated)
    arm = np.repeat([False, True], counts)
    found = Entities([str(each) for each in range(MANY)], arm, np.ones(MANY))

    def values(shares: tuple[float, float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.concatenate([np.arange(count) < share * count for share, count in zip(shares, counts, strict=True)]).astype(
            float
        )

    found.values = {"sale": values(sale), "complaint": values(complaint), "revenue": values(sale) * 3}
    return found


def decided(found: Entities, day: int = 7, experiment: Experiment = TRIAL) -> Decision:
    plan = Plan(experiment, START, "", MANY, None)
    return decide(plan, evidence(plan, plan.look(day), found))


BETTER = (0.2, 0.3)


@pytest.mark.parametrize(
    ("answer", "found", "day"),
    [
        ("better", entities(BETTER), 7),
        ("", entities(BETTER), 6),  # a gain is said after whole weeks alone
        ("worse", entities((0.3, 0.2)), 3),
        ("harmed", entities(BETTER, (0.05, 0.25)), 3),
        ("no_difference", entities((0.2, 0.2)), 7),
        ("", entities((0.2, 0.2)), 6),
        ("not_shown", entities((0.2, 0.18), (0.2, 0.28)), 7),
        ("mismatch", entities(BETTER, treated=0.4), 3),
        ("not_shown", entities((0.0, 0.0)), 7),
    ],
)
def test_the_answer(answer: str, found: Entities, day: int) -> None:
    minimum = changed(minimum_effect=0.02) if answer == "not_shown" else TRIAL
    assert decided(found, day, minimum).answer == answer


def test_a_gain_needs_its_guardrails_shown() -> None:
    said = decided(entities(BETTER, (0.05, 0.15)))
    assert said.answer == "not_shown"
    assert said.reasons == ("complaint is not shown to be within its margin",)


def test_fewer_may_be_better() -> None:
    primary = TRIAL.primary.model_copy(update={"better": "fewer"})
    assert decided(entities((0.3, 0.2)), 7, changed(primary=primary)).answer == "better"


def test_an_unequal_split_is_held_to_its_share() -> None:
    assert decided(entities(BETTER, treated=0.1), 7, changed(share=10)).answer == "better"


def test_an_arm_without_traffic_is_a_mismatch() -> None:
    assert decided(entities(BETTER, treated=0.0), 1).answer == "mismatch"


def test_few_entities_in_an_arm_that_has_none_are_told() -> None:
    nobody = Entities([], np.empty(0, bool), np.empty(0), {name: np.empty(0) for name in ("sale", "complaint", "revenue")})
    assert decided(nobody).reasons == ("no entity came to the control and the treatment",)


def test_a_constant_and_a_huge_value_are_told() -> None:
    assert "the same for every entity" in decided(entities((0.0, 0.0))).reasons[0]
    found = entities(BETTER)
    found.values["sale"] = np.where(np.arange(MANY) == 0, 1e9, found.values["sale"])
    said = decided(found, 7, changed(primary=TRIAL.primary.model_copy(update={"kind": "continuous"})))
    assert said.answer == "not_shown"
    assert "one entity makes 100% of the variance of sale" in said.reasons[0]


def test_entities_in_both_arms_end_it() -> None:
    found = entities(BETTER)
    found.left_out["crossed"] = MANY // 20
    assert decided(found).answer == "mismatch"
    found.left_out["crossed"] = MANY // 1000
    assert decided(found).answer == "better"


def test_secondaries_share_their_alpha() -> None:
    second = TRIAL.secondaries[0].model_copy(update={"name": "complaint"})
    spec = changed(secondaries=(*TRIAL.secondaries, second), guardrails=())
    holm = decided(entities(BETTER), 7, spec).effects
    assert holm["revenue"]["adjusted_p"] == pytest.approx(2 * holm["revenue"]["p"])
    ordered = decided(entities((0.2, 0.2)), 7, changed(correction="hierarchy", horizon=timedelta(hours=1))).effects
    assert ordered["revenue"]["adjusted_p"] >= ordered["sale"]["p"]
