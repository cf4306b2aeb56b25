from __future__ import annotations

from dataclasses import replace

import pytest

from include.core.spec import Cost, Retraining
from include.costs.prices import Prices
from include.costs.spent import Spent
from include.costs.version import VersionCost
from include.monitoring.retraining.money import facts_of
from include.monitoring.retraining.policy import STALE, Decision, Facts, decide
from include.monitoring.retraining.policy_replay import made_again
from tests.support.toy_ledger import SPEC
from tests.support.weekly_facts import CALM, facts, probe

PRICED = SPEC.model_copy(update={"cost": Cost(error=0.5)})
ONLY = Retraining(on_drift=False, on_performance_drop=None, on_new_labels=None, floor=None, price="cost")
FIT = VersionCost((Spent("train", 1, 60.0, 10.0, 0.0, 0.0),), None, 0.0, Prices("EUR", cpu_hour=5.0))


def test_a_training_over_the_errors_of_a_window_is_the_price() -> None:
    found = facts_of(PRICED, FIT, 1000)
    assert found["price"] == pytest.approx(50 / (0.5 * 1000))
    assert found["currency"] == "EUR"
    assert facts_of(SPEC, FIT, 1000) == {}


@pytest.mark.parametrize(
    ("cost", "requests", "why"),
    [
        (None, 10, "no version in production"),
        (replace(FIT, prices=Prices()), 10, "is unknown"),
        (replace(FIT, prices=Prices(cpu_hour=0.0)), 10, "has cost nothing"),
        (FIT, 0, "no requests"),
    ],
)
def test_what_is_unknown_makes_no_price_and_says_why(cost: VersionCost | None, requests: int, why: str) -> None:
    found = facts_of(PRICED, cost, requests)
    assert found["price"] is None
    assert why in found["why"]


def known(day: str, gap: float, requests: int) -> Facts:
    return replace(facts(day, drift=CALM, probe=probe(gap)), money=facts_of(PRICED, FIT, requests))


def test_a_decision_weighs_the_price_of_its_own_window_and_keeps_what_it_follows_from() -> None:
    dear, cheap = (decide([], known("2013-05-31", 0.05, requests), ONLY) for requests in (100, 100_000))
    assert (dear.action, cheap.action) == ("hold", "retrain")
    assert cheap.evidence["money"]["price"] == pytest.approx(0.001)
    assert cheap.evidence[STALE] == pytest.approx(0.5 * 100_000 * 0.0337, rel=0.5)
    again = Decision.from_json(cheap.to_json())
    assert made_again([again], ONLY) == [again]


def test_an_unknown_price_is_said_and_retrains_nothing() -> None:
    unknown = replace(facts("2013-05-31", drift=CALM, probe=probe(0.3)), money=facts_of(PRICED, None, 1000))
    decision = decide([], unknown, ONLY)
    assert decision.action == "hold"
    assert "the price of a retrain is unknown: there is no version in production" in decision.summary
