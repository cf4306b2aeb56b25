"""The two tellings: what follows on what, and that the short one is promised in five minutes."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from include.core.catalog import load_spec
from include.demo.plan import FULL, PLANS, SHORT, Plan, weeks


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_the_callers_begin_where_the_first_version_knows_nothing_any_more(plan: Plan) -> None:
    data = load_spec("flight_delay").data
    assert plan.history[0] == data.first
    assert plan.as_of == plan.replay[0] == plan.history[1] + timedelta(days=1)
    assert plan.as_of.strftime("%A") == "Monday"  # the weeks are those that the clock would have monitored


def test_the_short_telling_is_promised_in_five_minutes() -> None:
    assert sum(SHORT.budget.values()) <= 300


def test_the_first_history_is_long_enough_for_a_holdout_and_for_the_weeks_to_bring_the_labels_of_a_retraining() -> None:
    """By the spec and the policy as they are: nothing of them is the demonstration's own."""
    spec = load_spec("flight_delay")
    trained_on = (SHORT.history[1] - SHORT.history[0]).days + 1 - spec.training.holdout_days
    watched = (SHORT.replay[1] - SHORT.replay[0]).days + 1
    share = spec.retraining.on_new_labels
    assert share is not None
    assert trained_on >= 21
    assert share * trained_on < 0.95 * watched  # about 900 flights land each day of the quarter


def test_weeks_are_seven_days_each_and_the_last_may_be_shorter() -> None:
    assert list(weeks(date(2013, 4, 1), date(2013, 4, 9))) == [
        (date(2013, 4, 1), date(2013, 4, 7)),
        (date(2013, 4, 8), date(2013, 4, 9)),
    ]
    assert len(FULL.weeks()) == 13
