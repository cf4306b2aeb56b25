from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from include.core.errors import SpecError
from include.core.spec import Retraining
from include.data.window import moment
from include.monitoring.retraining.policy import Champion, Decision, Facts, decide
from tests.support.weekly_facts import BROKEN, CALM, DRIFT, FELL, POLICY, facts, replay


def test_nothing_wrong_holds_and_says_so() -> None:
    decision = decide([], facts("2013-04-29"), POLICY)
    assert (decision.action, decision.reasons, decision.blocked_by) == ("hold", (), ())
    assert decision.key == "m:2013-04-22/2013-04-29"
    assert decision.summary == "Holding: nothing speaks for training again."


def test_without_a_champion_it_holds() -> None:
    decision = decide([], facts("2013-04-29", champion=None, drift=DRIFT), POLICY)
    assert decision.action == "hold"
    assert decision.blocked_by == ("there is no champion to replace",)


def test_one_drifting_window_is_not_enough_and_two_in_a_row_are() -> None:
    weeks = [facts("2013-04-29", drift=DRIFT), facts("2013-05-06", drift=CALM), facts("2013-05-13", drift=DRIFT)]
    held = replay([*weeks, facts("2013-05-20", drift=DRIFT)])
    assert [d.action for d in held] == ["hold", "hold", "hold", "retrain"]
    assert held[-1].reasons == (f"drift in 2 windows in a row: {DRIFT['words']}",)
    assert "temp mean is 9.1 times" in held[-1].summary


def test_an_abstaining_window_neither_counts_nor_interrupts() -> None:
    weeks = [
        facts("2013-04-29", drift=DRIFT),
        facts("2013-05-06", drift={"verdict": "abstain"}),
        facts("2013-05-13", drift=DRIFT),
    ]
    assert [d.action for d in replay(weeks)] == ["hold", "hold", "retrain"]


def test_windows_of_another_champion_do_not_count() -> None:
    promoted = Champion(2, "2013-04-15T00:00:00", 60_000)
    weeks = [facts("2013-04-29", drift=DRIFT), facts("2013-05-06", drift=DRIFT, champion=promoted)]
    assert [d.action for d in replay(weeks)] == ["hold", "hold"]


def test_a_drop_counts_only_beyond_margin_and_noise() -> None:
    noisy = {"drop": 0.05, "drop_error": 0.04, "words": ""}
    small = {"drop": 0.015, "drop_error": 0.001, "words": ""}
    for performance, action in ((FELL, "retrain"), (noisy, "hold"), (small, "hold")):
        weeks = [facts("2013-04-29", performance=performance), facts("2013-05-06", performance=performance)]
        assert replay(weeks)[-1].action == action


def test_new_labels_and_the_floor_need_no_second_window() -> None:
    assert decide([], facts("2013-04-29", new_labels=30_000), POLICY).action == "retrain"
    old = decide([], facts("2013-05-31"), POLICY)
    assert old.action == "retrain"
    assert old.reasons == ("the champion's data end 60 days ago (the schedule's floor is 60)",)


@pytest.mark.parametrize(
    ("changes", "blocked"),
    [
        ({"quality": BROKEN}, "data quality failed: temp is missing in 80% of the rows."),
        ({"new_labels": 999}, "only 999 new labelled rows; 1,000 are needed"),
        ({"busy": ("rollout of version 3",)}, "frozen while the rollout of version 3 runs"),
        ({"champion": Champion(1, "2013-05-25T00:00:00", 100)}, "cooldown: the last training looked at data until 2013-05-25"),
    ],
)
def test_a_closed_guard_holds_with_its_reason(changes: dict[str, Any], blocked: str) -> None:
    policy = Retraining(floor=timedelta(days=1))
    decision = decide([], facts("2013-05-31", **changes), policy)
    assert decision.action == "hold"
    assert decision.reasons
    assert decision.blocked_by[0].startswith(blocked)
    assert "although" in decision.summary


def test_cooldown_and_budget_count_event_time() -> None:
    policy = Retraining(floor=timedelta(days=1), cooldown=timedelta(days=7), budget_per_month=2)
    days = [f"2013-05-{day:02d}" for day in range(8, 31)]
    trained = [d.as_of[:10] for d in replay([facts(day) for day in days], policy) if d.action == "retrain"]
    assert trained == ["2013-05-08", "2013-05-15"]
    held = decide(replay([facts(day) for day in days], policy), facts("2013-05-31"), policy)
    assert any("budget: 2 trainings in the last 30 days" in reason for reason in held.blocked_by)


def test_two_hundred_alarms_in_a_row_train_at_most_once_a_cooldown() -> None:
    start = moment("2013-05-01")
    weeks = [facts((start + timedelta(days=n)).isoformat(), drift=DRIFT, performance=FELL, new_labels=90_000) for n in range(200)]
    trained = [moment(d.as_of) for d in replay(weeks, Retraining(budget_per_month=9)) if d.action == "retrain"]
    gaps = [later - earlier for earlier, later in pairwise(trained)]
    assert len(trained) == 15
    assert min(gaps) >= timedelta(days=14)


def test_the_same_history_gives_the_same_decisions_in_any_order() -> None:
    weeks = [facts(f"2013-05-{day:02d}", drift=DRIFT if day % 3 else CALM, performance=FELL) for day in range(1, 29)]
    history = replay(weeks)
    assert replay(weeks) == history
    assert decide(history[::-1], facts("2013-05-30"), POLICY) == decide(history, facts("2013-05-30"), POLICY)


def test_an_old_window_run_again_trains_nothing() -> None:
    history = replay([facts("2013-06-03")])
    late = decide(history, facts("2013-05-31"), POLICY)
    assert late.action == "hold"
    assert late.blocked_by == ("a later window was decided already (2013-06-03T00:00:00)",)


def test_switched_off_reasons_stay_silent() -> None:
    off = Retraining(on_drift=False, on_performance_drop=None, on_new_labels=None, floor=None)
    weeks = [facts(f"2013-06-{day:02d}", drift=DRIFT, performance=FELL, new_labels=10**6) for day in (3, 10, 17)]
    assert all(d.reasons == () for d in replay(weeks, off))


def test_decisions_survive_json() -> None:
    decision = decide([], facts("2013-05-31", drift=DRIFT), POLICY)
    assert Decision.from_json(decision.to_json()) == decision


def test_words_of_a_hold_tell_what_was_seen_but_has_not_lasted() -> None:
    drift = {"verdict": "drift", "words": "precip is 3.1 times its usual spread."}
    seen = decide([], facts("2013-04-29", drift=drift), Retraining(consecutive=2))
    assert seen.action == "hold"
    assert "drift in 1 of the 2 windows in a row that it takes: precip is 3.1 times its usual spread" in seen.summary


def test_of_the_last_windows_so_many_must_say_it() -> None:
    said = [DRIFT, CALM, DRIFT, CALM, CALM, DRIFT]
    weeks = [facts((moment("2013-04-22") + timedelta(days=7 * n)).isoformat(), drift=d) for n, d in enumerate(said)]
    policy = Retraining(consecutive=2, within=3, floor=None, on_new_labels=None)
    held = replay(weeks, policy)
    assert [d.action for d in held] == ["hold", "hold", "retrain", "hold", "hold", "hold"]
    assert held[2].reasons == (f"drift in 2 of the last 3 windows: {DRIFT['words']}",)
    assert "drift in 1 of the 2 within 3 windows that it takes" in held[5].summary


def test_within_fewer_windows_than_it_takes_is_refused() -> None:
    with pytest.raises(SpecError, match=r"within \(1\) must be at least consecutive \(2\)"):
        Retraining(consecutive=2, within=1)


def test_challengers_rejected_one_after_the_other_open_the_circuit() -> None:
    policy = Retraining(floor=timedelta(days=1), breaker=2)
    assert decide([], facts("2013-05-31", rejected=("version 2: auc",)), policy).action == "retrain"
    held = decide([], facts("2013-05-31", rejected=("version 2: auc", "version 3: p99 latency")), policy)
    assert held.action == "hold"
    assert held.blocked_by[0].startswith(
        "circuit breaker: 2 challengers in a row were rejected (the last: version 3: p99 latency)"
    )


def probe(gap: float, windows: int = 20) -> dict[str, Any]:
    """A champion, the first model, that errs `gap` more than every fresh one; nothing known of the last two windows."""
    error = [
        [None if t < s - 1 or t >= windows - 2 else 0.2 + gap * (s < 10 <= t) for t in range(windows)] for s in range(windows)
    ]
    return {"error": error, "champion": 0}


def test_a_price_is_weighed_against_what_the_staleness_probe_says_that_staying_costs() -> None:
    policy = Retraining(on_drift=False, on_performance_drop=None, on_new_labels=None, floor=None, price=0.1)
    stale = decide([], facts("2013-05-31", probe=probe(0.1)), policy)
    assert stale.action == "retrain"
    assert "errors a request beyond a fresh model" in stale.reasons[0]
    assert decide([], facts("2013-05-31", probe=probe(0.0)), policy).action == "hold"
    assert decide([], facts("2013-05-31", probe=probe(0.1)), policy.model_copy(update={"price": 10.0})).action == "hold"
    assert decide([], facts("2013-05-31"), policy).action == "hold"


def test_facts_are_kept_with_their_decision() -> None:
    week = facts("2013-05-31", drift=DRIFT, performance=FELL, quality=BROKEN, busy=("job x",), rejected=("version 2: auc",))
    decision = decide([], week, POLICY)
    again = decide([], Facts.of(Decision.from_json(decision.to_json())), POLICY)
    assert again == decision
