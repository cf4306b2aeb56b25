from __future__ import annotations

import json

import numpy as np
import pytest

from include.monitoring.retraining.comparators import COMPARATORS, FORECAST, READINGS, Sight
from include.monitoring.retraining.learner import CHOSEN, MEMBERS, Choice, Learned, Tuning, begun, choose, learn, mixability, pace
from include.monitoring.retraining.staleness_probe import ageing

PRICE, DELAY = 0.05, 1


def steps(error: np.ndarray, draw: float = 0.0, reach: int = 60, tuning: Tuning = CHOSEN) -> list[tuple[Learned, Choice]]:
    """What is learned before each window, labels one window late; the champion is whatever was decided."""
    known, champion, made = None, 0, []
    for now in range(1, len(error)):
        base = max(now - reach, 0)
        seen = error[base : now + 1, base : now + 1].copy()
        seen[:, max(now - DELAY - base, 0) :] = np.nan
        known, choice = learn(known, Sight(seen, ageing(seen), PRICE), base, max(champion - base, 0), draw, tuning)
        champion = now if choice.retrain else champion
        made.append((known, choice))
    return made


def ageing_world(windows: int = 40, gap: float = 0.01) -> np.ndarray:
    age = np.maximum(np.arange(windows)[None, :] - np.arange(windows)[:, None], 0)
    error = 0.1 + gap * age
    error[np.tri(windows, k=-2, dtype=bool)] = np.nan
    return error


def test_losses_on_paper_are_those_of_a_replay() -> None:
    """A clock's loss is what it erred and paid, in the windows whose labels have come."""
    error = ageing_world()
    known, choice = steps(error)[-1]
    labelled = len(error) - 1 - DELAY  # windows 1 to 38 have labels before window 39... the last one waits
    place = len(READINGS) + MEMBERS.index("every 5 windows")
    models = [t // 5 * 5 for t in range(1, labelled)]
    paid = sum(PRICE for t in range(1, labelled) if t % 5 == 0)
    assert choice.served == known.served == labelled - 1
    assert known.loss[place] == pytest.approx(sum(error[m, t] for m, t in zip(models, range(1, labelled), strict=True)) + paid)
    never = len(READINGS) + MEMBERS.index("never")
    assert known.loss[never] == pytest.approx(error[0, 1:labelled].sum())
    assert choice.cost["never"] == pytest.approx(known.loss[never] / known.served)


def test_a_state_survives_its_json_and_goes_on_as_if_it_had_never_been_written() -> None:
    error = ageing_world(20)
    straight = steps(error)
    known, champion = None, 0
    for now, (expected, choice) in enumerate(straight, start=1):
        seen = error[: now + 1, : now + 1].copy()
        seen[:, max(now - DELAY, 0) :] = np.nan
        known, again = learn(known, Sight(seen, ageing(seen), PRICE), 0, champion, 0.0)
        assert again.retrain == choice.retrain
        assert known.models == expected.models
        champion = now if again.retrain else champion
        known = Learned.from_json(json.loads(json.dumps(known.to_json())))
        assert known is not None


def test_a_state_of_another_form_or_another_time_is_not_used() -> None:
    fresh = begun(7, 3)
    assert Learned.from_json(fresh.to_json()) == fresh
    assert Learned.from_json({**fresh.to_json(), "form": 0}) is None
    seen = np.full((4, 4), np.nan)
    later = Learned(99, fresh.models, (9.0,) * len(fresh.models), 5, 0.1, ())
    for known in (None, later, Learned(0, fresh.models, later.loss, 5, 0.1, ())):
        found, _ = learn(known, Sight(seen, None, PRICE), 20, 0, 0.5)
        assert (found.window, found.served, found.gap) == (23, 0, 0.0)
        assert set(found.loss) == {0.0}


def test_a_window_whose_labels_never_came_counts_its_retrains_alone() -> None:
    error = ageing_world(12)
    error[:, 5] = np.nan
    found = [choice.served for _, choice in steps(error, reach=4)]
    assert found[-1] < len(error) - 2
    known = steps(error, reach=4)[-1][0]
    assert all(each.window >= 7 for each in known.waiting)


def test_the_forecast_is_followed_until_a_comparator_has_lost_far_less() -> None:
    """Models that are the worse the younger they are: never is best, and in time it is followed."""
    rng = np.random.default_rng(3)
    error = np.clip(0.3 - 0.02 * np.arange(60)[None, :] + 0.02 * np.arange(60)[:, None], 0.05, 0.3)[::-1, ::-1]
    error = error + 0.05 * rng.random((60, 60))
    made = steps(error, draw=0.45, tuning=Tuning(careful=5.0, first=0.5))
    members = [choice.member for _, choice in made]
    assert members[0] == FORECAST
    assert set(members) <= set(MEMBERS)
    trusts = np.array([choice.weights for _, choice in made])
    assert trusts.sum(axis=1) == pytest.approx(np.ones(len(made)))
    assert trusts[:, 0].min() < 0.5


def test_a_comparator_that_is_followed_has_its_newer_model_fetched() -> None:
    """With the last place of all, the comparators at the end of the order are followed: nobody drifted, so nothing is trained."""
    error = np.full((12, 12), 0.2)
    assert {choice.member for _, choice in steps(error, draw=0.9999999)} == {"on loss"}
    assert not any(choice.retrain for _, choice in steps(error, draw=0.9999999))
    clock = 1 - (1 - CHOSEN.first) * (len(COMPARATORS) - 1.5) / len(COMPARATORS)  # in the midst of "every window"
    made = steps(error, draw=clock)
    assert made[0][1].member == "every window"
    assert made[0][1].retrain


def test_the_rate_slows_down_as_surprises_add_up() -> None:
    assert pace(0.0, PRICE, CHOSEN) == CHOSEN.careful / PRICE
    assert pace(1e9, PRICE, CHOSEN) < 1e-6
    assert pace(0.5, PRICE, CHOSEN) <= pace(0.1, PRICE, CHOSEN)


def test_on_paper_the_loss_stays_within_the_bound_on_any_errors() -> None:
    """Hedge's own inequality, of losses without delay: at most the comparator's, its prior over the last rate, and the gaps."""
    rng = np.random.default_rng(1)
    for seed in range(20):
        losses = rng.uniform(0, 1, (60, len(MEMBERS))) * rng.uniform(0.01, 1) + (seed % 3) * rng.random(len(MEMBERS))
        gap, paper, total = 0.0, 0.0, np.zeros(len(MEMBERS))
        for lost in losses:
            rate = pace(gap, PRICE, CHOSEN)
            trust = np.array(CHOSEN.prior) * np.exp(-rate * (total - total.min()))
            paper += float(trust @ lost / trust.sum())
            gap += mixability(total, lost, rate, CHOSEN)
            total += lost
        limit = total - np.log(CHOSEN.prior) / pace(gap, PRICE, CHOSEN) + gap
        assert paper <= limit.min() + 1e-9


def test_a_champion_newer_than_the_model_of_the_policy_that_is_followed_is_asked_about_itself() -> None:
    """That one's older and better model cannot be fetched; ours was trained on odd windows and errs: it is not kept for that."""
    windows = 20
    error = np.full((windows, windows), 0.1)
    error[10:13] = 0.5
    error[np.tri(windows, k=-2, dtype=bool)] = np.nan
    seen = error.copy()
    seen[:, windows - 2 :] = np.nan
    never = [0.0 if name == "never" else 9.0 for name in MEMBERS]
    now = Learned(windows - 1, (0,) * (len(READINGS) + len(MEMBERS)), (*[0.0] * len(READINGS), *never), 15, 0.0, ())
    sight, trust = Sight(seen, ageing(seen), PRICE), np.full(len(READINGS), 1 / len(READINGS))
    bad, good = (choose(now, sight, 0, champion, 0.5, trust) for champion in (11, 8))
    assert (bad.member, bad.older, bad.retrain) == ("never", True, True)
    assert (good.member, good.older, good.retrain) == ("never", True, False)
    assert not choose(now, sight, 0, 0, 0.5, trust).older
