from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from include.core.spec import Retraining
from include.monitoring.retraining.policy import LEARNED, Decision, Facts, decide
from include.monitoring.retraining.policy_replay import REACH, decided, made_again
from include.monitoring.retraining.priced import Asked, matrix, weigh
from include.monitoring.shadows_step import WINDOWS
from tests.support.weekly_facts import CALM, facts, probe

ONLY = Retraining(on_drift=False, on_performance_drop=None, on_new_labels=None, floor=None, price=0.1)
DAYS = [f"2013-{month:02d}-{day:02d}" for month, day in ((5, 6), (5, 13), (5, 20), (5, 27), (6, 3), (6, 10))]


def asked(gap: float, **changes: Any) -> Asked:
    known: dict[str, Any] = {
        "model": "m", "window": "2013-05-24T00:00:00/2013-05-31T00:00:00", "probe": probe(gap), "learned": {}, "alarms": (),
        "price": 0.1, "loss": "errors",
    }  # fmt: skip
    return Asked(**{**known, **changes})


def test_a_stale_champion_is_paid_for_and_the_words_have_the_numbers() -> None:
    found = weigh(asked(0.1))
    assert found.retrain
    assert "staying costs 0.0" in found.words
    assert "errors a request beyond a fresh model" in found.words
    assert "18 windows of the staleness probe" in found.words
    assert not weigh(asked(0.0)).retrain
    assert not weigh(asked(0.1, price=10.0)).retrain


def test_what_is_learned_is_plain_json_and_goes_on_from_decision_to_decision() -> None:
    first = weigh(asked(0.05))
    assert json.loads(json.dumps(first.learned)) == first.learned
    later = weigh(asked(0.05, learned=first.learned, window="2013-05-31T00:00:00/2013-06-07T00:00:00"))
    assert later.learned["window"] == first.learned["window"] + 1
    assert len(later.learned["waiting"]) == 2  # of windows whose labels the probe has not


def test_an_empty_matrix_has_unknown_errors() -> None:
    assert matrix({"error": []}).size == 0


def test_decisions_by_the_price_are_made_again_from_their_evidence() -> None:
    made: list[Decision] = []
    for n, day in enumerate(DAYS):
        made.append(decide(made, facts(day, drift=CALM, probe=probe(0.02 * n)), ONLY))
    kept = [Decision.from_json(json.loads(json.dumps(each.to_json()))) for each in made]
    assert made_again(kept[::-1], ONLY) == kept
    assert decided(kept, ONLY) == kept
    assert [each.evidence[LEARNED]["served"] for each in kept] == sorted(each.evidence[LEARNED]["served"] for each in kept)
    assert any(each.action == "retrain" for each in kept)


def test_decisions_of_the_release_before_are_read_and_made_again_by_their_own_rule() -> None:
    old = decide([], replace(facts("2013-05-31", probe=probe(0.1)), rule=1), ONLY)
    assert LEARNED not in old.evidence
    assert "more than the" in old.reasons[0]
    kept = Decision.from_json(old.to_json())
    assert Facts.of(kept).rule == 1
    assert made_again([kept], ONLY) == [kept]
    assert LEARNED in decided([kept], ONLY)[0].evidence  # what the rule of today would have said
    after = decide([kept], facts("2013-06-07", probe=probe(0.0)), ONLY)
    assert after.evidence[LEARNED]["served"] == 0


def test_a_replay_sees_as_far_back_as_the_probe() -> None:
    assert REACH == WINDOWS


def test_a_policy_with_an_older_model_is_named_and_the_forecast_decides() -> None:
    first = weigh(asked(0.1)).learned
    lost = [9.0 * (n >= 12) for n in range(len(first["loss"]))]
    lost[13] = 0.0  # of "never", behind twelve readings and the forecast
    known = {**first, "loss": lost, "models": [first["window"] - 30] * len(first["models"]), "waiting": []}
    found = weigh(asked(0.1, learned=known, window="2013-05-31T00:00:00/2013-06-07T00:00:00"))
    assert found.retrain
    assert "never is followed, whose model would be older" in found.words
